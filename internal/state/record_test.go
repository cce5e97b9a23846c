package state

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"kmagent/internal/plan"
	"kmagent/internal/resource"
)

// The journal is read by eye, and by releases to come: its words are a contract.
func TestRecordText(t *testing.T) {
	wish := plan.Wish{Field: "timeout", Value: "d1"}
	at := address{Kind: "key_server", Name: "ks1:5696"}
	for _, tt := range []struct{ got, want string }{
		{string(text(t, record{Begin: &operation{Op: "update", Addr: at, Wishes: []plan.Wish{wish, {Value: "there"}}}})),
			`"begin":{"do":"update","object":{"kind":"key_server","name":"ks1:5696"},"wishes":[{"field":"timeout","value":"d1"},{"value":"there"}]}`},
		{string(text(t, record{Start: &start{Schema: Schema, Objects: []object{{Addr: at, Sent: []plan.Sent{{Wish: wish, At: epoch}}}}}})),
			`"sent":[{"field":"timeout","value":"d1","at":"` + epoch.Format(time.RFC3339Nano) + `"}]`},
	} {
		if !strings.Contains(tt.got, tt.want) {
			t.Errorf("got  %s\nwant %s", tt.got, tt.want)
		}
	}
}

func TestReplay(t *testing.T) {
	ks1, there := addressOf(server("ks1:5696")), []plan.Wish{{Value: "there"}}
	first := record{Start: &start{Schema: Schema}}
	begin := func(op string) record { return record{Begin: &operation{Op: op, Addr: ks1, Wishes: there}} }
	ends := func(op int, outcome string, secrets map[string]string) record {
		return record{End: &end{Op: strconv.Itoa(op), Outcome: outcome, Secrets: secrets}}
	}
	sent := []plan.Sent{{Wish: there[0], At: epoch.Add(time.Minute)}}
	old := record{Adopt: []adoption{{Addr: ks1, Field: "password", Digest: "old"}}}
	password := map[string]string{"password": "d1"}

	tests := []struct {
		name    string
		records []record
		want    plan.Remembered // of ks1
		why     string
	}{
		{"begun", []record{first, begin("create")}, plan.Remembered{Created: true},
			"what may have been sent is ours with its secrets; a kill again and again is nobody's undoing, so no flap is counted"},
		{"applied", []record{first, begin("create"), ends(2, "applied", password)},
			plan.Remembered{Created: true, Sent: sent, Secrets: password}, "the digests of what was sent come with the end"},
		{"unknown", []record{first, begin("create"), ends(2, "unknown", password)},
			plan.Remembered{Created: true}, "an unknown outcome leaves no digest, and is nobody's undoing"},
		{"failed", []record{first, begin("create"), ends(2, "failed", nil)},
			plan.Remembered{Created: true}, "what had no effect was not undone by anybody"},
		{"failed after applied", []record{first, begin("update"), ends(2, "applied", nil), begin("update"), ends(4, "failed", nil)},
			plan.Remembered{Sent: sent}, "an attempt that failed does not count, the one before it does"},
		{"created anew", []record{first, old, begin("create")},
			plan.Remembered{Created: true},
			"the secret of an earlier object of that name went with it"},
		{"removed", []record{first, begin("create"), ends(2, "applied", password), begin("delete"), ends(4, "applied", nil)},
			plan.Remembered{Sent: []plan.Sent{sent[0], {Wish: there[0], At: epoch.Add(3 * time.Minute)}}},
			"an object that went is not ours any more"},
		{"not removed", []record{first, old, begin("delete"), ends(3, "failed", nil)},
			plan.Remembered{Secrets: map[string]string{"password": "old"}, Adopted: map[string]bool{"password": true}}, "a removal that failed took nothing away"},
		{"started anew", []record{first, begin("create"), {Start: &start{Schema: Schema, Objects: []object{{Addr: ks1, Secrets: password}}}}},
			plan.Remembered{Secrets: password}, "a start replaces all that came before it"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			journal := text(t, tt.records...)
			got, err := replay("c1", journal)
			if err != nil {
				t.Fatal(err)
			}
			if got.seq != uint64(len(tt.records)) || got.records != len(tt.records) || got.whole != len(journal) {
				t.Errorf("record %d, %d of them, %d bytes; want %d, %d", got.seq, got.records, got.whole, len(tt.records), len(journal))
			}
			want := plan.Ledger{Open: got.led.Open, Objects: map[resource.Addr]plan.Remembered{server("ks1:5696"): tt.want}}
			if d := diffLedgers(want, got.led); d != "" {
				t.Errorf("%s (-want +got)\n%s", tt.why, d)
			}
		})
	}
}

func TestReplayRefuses(t *testing.T) {
	whole := story(t)
	lines := bytes.SplitAfter(whole, []byte("\n"))
	first := lines[0]
	tests := []struct {
		name string
		text []byte
		is   error
		want string
		why  string
	}{
		{"empty", nil, ErrCorrupt, "journal is corrupt: it has no whole record",
			"a journal is born whole, so an empty one has lost everything"},
		{"one line cut short", first[:len(first)-1], ErrCorrupt, "journal is corrupt: it has no whole record",
			"after a compaction the first line is all there is"},
		{"first line lost", bytes.Join(lines[1:], nil), ErrCorrupt, "journal is corrupt: it does not begin at its start",
			"what came before is unknown"},
		{"line lost", bytes.Join([][]byte{first, lines[2]}, nil), ErrCorrupt, "journal is corrupt: record 3 follows record 1",
			"a digest or a wish is missing"},
		{"line twice", bytes.Join([][]byte{first, first}, nil), ErrCorrupt, "journal is corrupt: record 1 follows record 1",
			"somebody put files together"},
		{"no checksum", []byte("{}\n"), ErrCorrupt, "journal is corrupt at byte 0: no checksum", "not ours"},
		{"empty line", []byte("\n"), ErrCorrupt, "journal is corrupt at byte 0: no checksum", "not ours"},
		{"zeros", append(bytes.Clone(first), "\x00\x00\x00\x00\n"...), ErrCorrupt,
			fmt.Sprintf("journal is corrupt at byte %d: no checksum", len(first)), "some file systems leave zeros where data was lost"},
		{"checksum in capitals", append(bytes.ToUpper(first[:8]), first[8:]...), ErrCorrupt, "journal is corrupt at byte 0: checksum does not match",
			"one bit of a letter's case is a flipped bit like any other"},
		{"not JSON", fmt.Appendf(nil, "%s {\n", checksum([]byte("{"))), ErrCorrupt, "journal is corrupt at byte 0: not a record", "checked, and yet nothing"},
		{"newer", text(t, record{Start: &start{Schema: Schema + 1}}), ErrNewer, "journal was written by a newer kmagent (schema 2; this one knows 1)",
			"what an older one does not know it must not drop"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := replay("c1", tt.text)
			if !errors.Is(err, tt.is) || err.Error() != tt.want {
				t.Errorf("error %v, want %s: %s", err, tt.want, tt.why)
			}
		})
	}
	if bytes.Equal(bytes.ToUpper(first[:8]), first[:8]) {
		t.Error("the checksum of the first line has no letter: the case of capitals shows nothing")
	}
}

// Wherever the last record is cut, everything before it stands.
func TestTornTail(t *testing.T) {
	journal := story(t)
	last := bytes.LastIndexByte(journal[:len(journal)-1], '\n') + 1
	want, err := replay("c1", journal[:last])
	if err != nil {
		t.Fatal(err)
	}
	for cut := last; cut < len(journal); cut++ {
		got, err := replay("c1", journal[:cut])
		if err != nil || got.whole != last {
			t.Fatalf("cut at byte %d: %d bytes are whole, error %v; want %d", cut, got.whole, err, last)
		}
		if d := diffLedgers(want.led, got.led); d != "" {
			t.Fatalf("cut at byte %d (-want +got)\n%s", cut, d)
		}
	}
}

// No single byte of a whole record can change unseen.
func TestFlippedBytes(t *testing.T) {
	journal := story(t)
	for i := range len(journal) - 1 {
		for _, bit := range []byte{0x01, 0x20, 0x80} { // another digit, the other case, no ASCII
			broken := bytes.Clone(journal)
			broken[i] ^= bit
			if _, err := replay("c1", broken); !errors.Is(err, ErrCorrupt) {
				t.Fatalf("bit %#x of byte %d flipped: error %v, want ErrCorrupt", bit, i, err)
			}
		}
	}
}

// Whatever stands in a journal, what is recovered is what some prefix of its lines says, and
// nothing is never taken for a new journal.
func FuzzReplay(f *testing.F) {
	whole := story(f)
	f.Add(whole, false)
	f.Add(whole, true)
	f.Add(whole[:len(whole)-5], false)
	f.Add([]byte{}, false)
	f.Add(text(f, record{Start: &start{Schema: 9}}), true)
	f.Add([]byte(strings.Repeat("\x00", 40)+"\n"), false)
	f.Fuzz(func(t *testing.T, journal []byte, mend bool) {
		if mend {
			journal = mended(journal)
		}
		got, err := replay("c1", journal)
		if err != nil {
			if !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrNewer) {
				t.Fatalf("error %v is neither ErrCorrupt nor ErrNewer", err)
			}
			return
		}
		whole := got.whole
		if whole == 0 || got.records == 0 {
			t.Fatal("a journal without a record was taken for a new one")
		}
		if journal[whole-1] != '\n' || bytes.IndexByte(journal[whole:], '\n') >= 0 {
			t.Fatalf("%d of %d bytes are not the whole lines", whole, len(journal))
		}
		again, err := replay("c1", journal[:whole])
		if err != nil {
			t.Fatalf("what was recovered cannot be read again: %v", err)
		}
		if d := diffLedgers(got.led, again.led); d != "" {
			t.Fatalf("what was recovered reads otherwise (-first +again)\n%s", d)
		}
	})
}

// mended is a journal with every checksum set right, so that a fuzzer gets past them.
func mended(journal []byte) []byte {
	var out []byte
	for line := range bytes.Lines(journal) {
		if body, whole := bytes.CutSuffix(line, []byte("\n")); whole && len(body) > 9 {
			line = fmt.Appendf(nil, "%s %s\n", checksum(body[9:]), body[9:])
		}
		out = append(out, line...)
	}
	return out
}
