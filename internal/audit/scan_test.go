package audit

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// seen is the text of a file.
func (m *memory) text(name string) []byte { return slices.Clone(m.names[name].seen) }

// lines are those of a file, with their line feeds.
func (m *memory) lines(name string) [][]byte { return bytes.SplitAfter(m.text(name), []byte("\n")) }

// forge makes a line of an entry, with a sum that is right.
func forge(t testing.TB, e Entry, seq uint64, prev string) []byte {
	t.Helper()
	e.Seq, e.Prev = seq, prev
	line, _, err := e.encode()
	must(t, err)
	return line
}

// Each damage is told with its place, and nobody writes on.
func TestDamage(t *testing.T) {
	one, two, three := segmentName(1), segmentName(2), segmentName(3)
	edit := func(name string, f func(lines [][]byte) [][]byte) func(*memory) {
		return func(m *memory) { m.put(name, bytes.Join(f(m.lines(name)), nil)) }
	}
	put := func(name, text string) func(*memory) { return func(m *memory) { m.put(name, []byte(text)) } }
	gone := func(names ...string) func(*memory) {
		return func(m *memory) {
			for _, name := range names {
				delete(m.names, name)
			}
		}
	}
	both := func(f, g func(*memory)) func(*memory) { return func(m *memory) { f(m); g(m) } }
	for _, tt := range []struct {
		name string
		harm func(*memory)
		want string
		why  string
	}{
		{"changed", edit(one, func(l [][]byte) [][]byte { l[2] = bytes.Replace(l[2], []byte("prod-a"), []byte("prod-b"), 1); return l }),
			one + ":3: the line does not match its sum (byte 1042)", "somebody else's cluster"},
		{"key in capitals", edit(one, func(l [][]byte) [][]byte { l[2] = bytes.Replace(l[2], []byte(`"seq"`), []byte(`"SEQ"`), 1); return l }),
			one + ":3: the line does not match its sum (byte 1042)", "Go would read it all the same"},
		{"sum in capitals", edit(one, func(l [][]byte) [][]byte {
			at := len(l[2]) - 3 - 64
			l[2] = append(append(l[2][:at:at], bytes.ToUpper(l[2][at:at+64])...), "\"}\n"...)
			return l
		}), one + ":3: the line does not match its sum (byte 1042)", "there is one spelling"},
		{"blank", edit(one, func(l [][]byte) [][]byte { l[0] = append([]byte(" "), l[0]...); return l }),
			one + ":1: the line does not match its sum (byte 0)", "JSON would not mind"},
		{"empty line", edit(one, func(l [][]byte) [][]byte { return slices.Insert(l, 1, []byte("\n")) }),
			one + ":2: the line does not match its sum (byte 521)", "not an entry"},
		{"line gone", edit(one, func(l [][]byte) [][]byte { return slices.Delete(l, 1, 2) }),
			one + ":2: entry 3 follows entry 1 (byte 521)", "who did what is missing"},
		{"line twice", edit(one, func(l [][]byte) [][]byte { return slices.Insert(l, 1, l[0]) }),
			one + ":2: entry 1 follows entry 1 (byte 521)", "somebody put files together"},
		{"first lines gone", edit(one, func(l [][]byte) [][]byte { return l[1:] }),
			one + ":1: entry 2 follows entry 0 (byte 0)", "the chain begins at its beginning"},
		{"line made anew", edit(one, func(l [][]byte) [][]byte { l[1] = forge(t, Entry{Time: epoch}, 2, zeros); return l }),
			one + ":2: it does not continue entry 1 as that is now (byte 521)", "a sum of its own is not enough"},
		{"line before made anew", edit(one, func(l [][]byte) [][]byte { l[0] = forge(t, Entry{Time: epoch}, 1, zeros); return l }),
			one + ":2: it does not continue entry 1 as that is now (byte 244)", "the next line knows"},
		{"not an entry", put(one, `{"seq":"x"`+ending(sumOf([]byte(`{"seq":"x"`)))+"\n"),
			one + ":1: the line is no entry (byte 0)", "checked, and yet nothing"},
		{"not JSON", put(one, `{`+ending(sumOf([]byte(`{`)))+"\n"),
			one + ":1: the line is no entry (byte 0)", "likewise"},
		{"too long", put(one, strings.Repeat("x", maxLine)),
			one + ":1: the line is longer than any entry (byte 0)", "memory is bounded"},
		{"too long at the end", edit(three, func(l [][]byte) [][]byte { return append(l, bytes.Repeat([]byte("x"), maxLine)) }),
			three + ":4: the line is longer than any entry (byte 1569)", "no write could have left that"},
		{"garbage in the end", edit(three, func(l [][]byte) [][]byte { return append(l, []byte("\x00\x00\n")) }),
			three + ":4: the line does not match its sum (byte 1569)", "a torn line has no line feed"},
		{"end of an old segment", edit(one, func(l [][]byte) [][]byte { return append(l, []byte("x")) }),
			one + ":10: the line has no end (byte 4689)", "only the newest can be torn"},
		{"old segment cut", edit(one, func(l [][]byte) [][]byte { return l[:len(l)-2] }),
			two + ":1: entry 10 follows entry 8 (byte 0)", "the chain goes over the ends"},
		{"segment gone", gone(two), two + ":1: it is missing (byte 0)", "segments are numbered"},
		{"first segment gone", gone(one), one + ":1: it is missing (byte 0)", "the chain begins at its beginning"},
		{"empty segment", put(two, ""), two + ":1: it has no entry (byte 0)", "only the newest can be unborn"},
		{"newest segment gone", gone(three), two + ":9: the log ends at entry 17, and the head names entry 20 (byte 4184)", "the head knows"},
		{"newest segment empty", put(three, ""), three + ":1: the line has no end, and the head says that entry 20 was whole (byte 0)", "likewise"},
		{"all segments gone", gone(one, two, three), one + ":1: the log ends at entry 0, and the head names entry 20 (byte 0)", "likewise"},
		{"last line gone", edit(three, func(l [][]byte) [][]byte { return l[:2] }),
			three + ":3: the log ends at entry 19, and the head names entry 20 (byte 1046)", "likewise"},
		{"last line feed gone", func(m *memory) { text := m.text(three); m.put(three, text[:len(text)-1]) },
			three + ":3: the line has no end, and the head says that entry 20 was whole (byte 1046)", "that was no crash"},
		{"head gone", gone(headName), "head:1: it is missing, and there are entries (byte 0)", "it was there before them"},
		{"head empty", put(headName, ""), "head:1: it does not name an entry (byte 0)", "a rename leaves no empty file"},
		{"head with a blank", put(headName, `{"seq": 20,"sum":"`+zeros+`"}`+"\n"), "head:1: it does not name an entry (byte 0)", "there is one spelling"},
		{"head of nothing", put(headName, string(mark{0, sumOf(nil)}.text())), "head:1: it does not name an entry (byte 0)", "before the first there is no sum"},
		{"head of another log", put(headName, string(mark{20, zeros}.text())), "head:1: it names another entry 20 than there is (byte 0)", "segments of one log, head of another"},
		{"head ahead", put(headName, string(mark{22, zeros}.text())), three + ":4: the log ends at entry 20, and the head names entry 22 (byte 1569)", "two are missing"},
		{"head old", func(m *memory) { m.put(headName, mark{18, sumAt(t, m, 18)}.text()) },
			"head:1: it names entry 18, and there are entries up to 20: it is older than a crash can leave it (byte 0)", "cut the log to fit and nobody could tell"},
		{"void without need", edit(one, func(l [][]byte) [][]byte {
			e := sample(2)
			e.VoidAfter = 99
			l[1] = forge(t, e, 2, sumAt(t, filled(t), 1))
			return l
		}), one + ":2: it declares void what it has no say in (byte 521)", "only a segment's first line does"},
		{"void in a file too short", edit(two, func(l [][]byte) [][]byte {
			e := sample(10)
			e.VoidAfter = 9999
			l[0] = forge(t, e, 10, sumAt(t, filled(t), 9))
			return l
		}), one + ":10: it ends here, and the segment after it counts on 9999 bytes (byte 4689)", "what counts is missing"},
		{"void in the middle of a line", edit(two, func(l [][]byte) [][]byte {
			e := sample(10)
			e.VoidAfter = 600
			l[0] = forge(t, e, 10, sumAt(t, filled(t), 9))
			return l
		}), one + ":2: the line has no end (byte 521)", "lines count whole or not at all"},
		{"two at once", both(edit(three, func(l [][]byte) [][]byte { return l[:1] }), gone(headName)),
			"head:1: it is missing, and there are entries (byte 0)", "without a head nobody knows of the end"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := filled(t)
			tt.harm(m)
			rep, err := verify(m)
			if err != nil || rep.OK() {
				t.Fatalf("%+v, error %v: %s", rep, err, tt.why)
			}
			if want := tt.want + "; " + remedy; rep.Damage.Error() != want {
				t.Errorf("got  %s\nwant %s: %s", rep.Damage, want, tt.why)
			}
			before := m.clone()
			_, err = open(m, smallSegments)
			if d, ok := errors.AsType[*Damage](err); !errors.Is(err, ErrBroken) || !ok || *d != *rep.Damage {
				t.Errorf("Open: error %v, want the damage", err)
			}
			var n uint64
			if err := read(m, func(Entry) error { n++; return nil }); !errors.Is(err, ErrBroken) || n != rep.Entries {
				t.Errorf("Read: %d entries, error %v; want %d and the damage", n, err, rep.Entries)
			}
			for name := range before.names {
				if !bytes.Equal(before.text(name), m.text(name)) {
					t.Errorf("%s was changed, though nobody knows what it was", name)
				}
			}
		})
	}
}

// No byte of the log or its head can change unseen.
func TestFlippedBytes(t *testing.T) {
	t.Parallel()
	whole := bare(t)
	for name := range whole.names {
		text := whole.text(name)
		for i := range text {
			bits := []byte{1 << (i % 8)}
			if name == headName || name == segmentName(3) && i > len(text)-80 {
				bits = []byte{1, 2, 4, 8, 16, 32, 64, 128}
			}
			for _, bit := range bits {
				m := whole.clone()
				m.names[name].seen[i] ^= bit
				if rep, err := verify(m); err != nil || rep.OK() {
					t.Fatalf("%s: bit %#x of byte %d flipped: damage %v, error %v", name, bit, i, rep.Damage, err)
				}
				if _, err := open(m, smallSegments); !errors.Is(err, ErrBroken) {
					t.Fatalf("%s: bit %#x of byte %d flipped: Open has error %v", name, bit, i, err)
				}
			}
		}
	}
}

// bare is a log of twenty entries that say little, in three segments.
func bare(t *testing.T) *memory {
	m := newMemory()
	l, err := open(m, 2000)
	must(t, err)
	for n := range 20 {
		must(t, l.Append(Entry{Time: epoch.Add(time.Duration(n) * time.Second), Event: Intent}))
	}
	if l.segment != 3 || l.size > 1500 {
		t.Fatalf("%d segments, the last of %d bytes", l.segment, l.size)
	}
	return m
}

// Wherever a file is cut, no entry that the head names is dropped.
func TestCuts(t *testing.T) {
	t.Parallel()
	whole := bare(t)
	for name := range whole.names {
		text := whole.text(name)
		for cut := range text {
			m := whole.clone()
			m.put(name, text[:cut])
			if _, err := open(m, smallSegments); !errors.Is(err, ErrBroken) {
				t.Fatalf("%s cut at byte %d: error %v", name, cut, err)
			}
		}
	}
}

// A line behind the one that the head names is dropped where a crash cut it short, and the log
// goes on after what is left.
func TestTornLine(t *testing.T) {
	t.Parallel()
	whole, name := bare(t), segmentName(3)
	whole.put(headName, mark{19, sumAt(t, whole, 19)}.text())
	text := whole.text(name)
	last := bytes.LastIndexByte(text[:len(text)-1], '\n') + 1
	for cut := range text {
		m := whole.clone()
		m.put(name, text[:cut])
		l, err := open(m, smallSegments)
		if cut < last {
			if !errors.Is(err, ErrBroken) {
				t.Fatalf("cut at byte %d: error %v", cut, err)
			}
			continue
		}
		if err != nil || l.Torn() != (cut > last) || len(m.text(name)) != last {
			t.Fatalf("cut at byte %d: error %v, %d bytes are left, want %d", cut, err, len(m.text(name)), last)
		}
		fill(t, l, 20, 1)
		if rep, err := verify(m); err != nil || !rep.OK() || rep.Torn || rep.Entries != 20 {
			t.Fatalf("cut at byte %d and gone on: %+v, error %v", cut, rep, err)
		}
	}
}

// What a crash can leave is no damage, to look at or to open.
func TestLeftovers(t *testing.T) {
	three, four := segmentName(3), segmentName(4)
	half := []byte(`{"seq":21,"time"`)
	for _, tt := range []struct {
		name  string
		leave func(*memory)
		torn  bool
		why   string
	}{
		{"nothing", func(*memory) {}, false, "it was closed"},
		{"half a line", func(m *memory) { m.put(three, append(m.text(three), half...)) }, true, "killed inside a write"},
		{"zeros", func(m *memory) { m.put(three, append(m.text(three), 0, 0, 0)) }, true, "some file systems leave them where data was lost"},
		{"empty segment", func(m *memory) { m.put(four, nil) }, false, "killed before its first line"},
		{"half a segment", func(m *memory) { m.put(four, half) }, false, "killed inside its first line"},
		{"half a head", func(m *memory) { m.put(newHead, []byte(`{"se`)) }, false, "killed before the rename"},
		{"old head", func(m *memory) { m.put(headName, mark{19, sumAt(t, m, 19)}.text()) }, false, "killed between line and head"},
		{"something else", func(m *memory) { m.put("audit-4.jsonl", half); m.put("audit-00000004.jsonl.gz", half) }, false, "not ours"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := filled(t)
			tt.leave(m)
			if rep := whole(t, m, 20); rep.Torn != tt.torn || rep.Segments != 3 {
				t.Errorf("report %+v, want torn %t: %s", rep, tt.torn, tt.why)
			}
			l := openMemory(t, m)
			if l.Torn() != tt.torn {
				t.Errorf("Torn is %t, want %t: %s", l.Torn(), tt.torn, tt.why)
			}
			fill(t, l, 20, 20)
			whole(t, m, 40)
		})
	}
}

// A segment that could not even be cut is void from where the next one says.
func TestVoid(t *testing.T) {
	m := newMemory()
	l := openMemory(t, m)
	fill(t, l, 0, 3)
	m.fail = func(op string) error {
		if op == "sync" || op == "truncate" {
			return syscall.EIO
		}
		return nil
	}
	if err := l.Append(sample(4)); !errors.Is(err, syscall.EIO) {
		t.Errorf("error %v", err)
	}
	if got := len(m.lines(segmentName(1))) - 1; got != 4 {
		t.Fatalf("%d lines are in the file, want 4: it shows nothing else", got)
	}
	m.fail = nil
	fill(t, l, 4, 2)
	whole(t, m, 5)
	if got, want := strings.Join(ops(t, m), " "), "op1 op2 op3 op5 op6"; got != want {
		t.Errorf("the log has %s, want %s", got, want)
	}
	fill(t, openMemory(t, m), 6, 1)
	whole(t, m, 6)
}

// A segment whose first line failed, and that could not be taken back, still comes next: a
// shorter entry that would have fitted into the one before does not go there.
func TestSegmentLeftBehind(t *testing.T) {
	m := newMemory()
	l := openMemory(t, m)
	fill(t, l, 0, 8)
	l.limit = l.size + 400
	m.fail = func(op string) error {
		if op == "sync directory" || op == "remove" && m.names[segmentName(2)] != nil {
			return syscall.EIO
		}
		return nil
	}
	if err := l.Append(sample(9)); !errors.Is(err, syscall.EIO) || m.names[segmentName(2)] == nil {
		t.Fatalf("error %v, files %v", err, m.names)
	}
	m.fail = nil
	must(t, l.Append(Entry{Time: epoch, Event: Intent}))
	whole(t, m, 9)
	if got := strings.Join(ops(t, m)[8:], " "); got != "" {
		t.Errorf("the last entry is %q, want the short one", got)
	}
}

// Whatever stands in the files, a log that is accepted is a chain that another hand computes
// alike, entry by entry, and it can be gone on with; one that is not is left alone.
func FuzzVerify(f *testing.F) {
	whole := newMemory() // small, for a fuzzer shortens what it finds byte by byte
	l, err := open(whole, 600)
	must(f, err)
	for range 4 {
		must(f, l.Append(Entry{Time: epoch, Event: Intent}))
	}
	one, two, head := whole.text(segmentName(1)), whole.text(segmentName(2)), whole.text(headName)
	f.Add(one, two, head, false)
	f.Add(one, two, head, true)
	f.Add(one, two[:len(two)-7], mark{3, sumAt(f, whole, 3)}.text(), false)
	f.Add(one, []byte{}, mark{2, sumAt(f, whole, 2)}.text(), false)
	f.Add([]byte{}, []byte{}, mark{0, zeros}.text(), false)
	f.Add([]byte("{}\n\n"), []byte("\x00\n"), []byte("{}"), true)
	f.Add([]byte(`{"seq":1,"time":"2026-11-22T12:00:00Z","actor":{},"prev":"`+zeros+`"}`+"\n"), []byte(`{"seq":2,"void_after":7}`), head, true)
	f.Fuzz(func(t *testing.T, one, two, head []byte, mend bool) {
		if mend {
			one, two, head = mended(one, two)
		}
		m := newMemory()
		m.put(segmentName(1), one)
		m.put(segmentName(2), two)
		m.put(headName, head)
		rep, err := verify(m)
		must(t, err)
		var lines [][]byte
		err = read(m, func(e Entry) error { lines = append(lines, e.Line()); return nil })
		if uint64(len(lines)) != rep.Entries || (err == nil) != rep.OK() {
			t.Fatalf("%d entries are read, error %v; the report is %+v", len(lines), err, rep)
		}
		recompute(t, lines, rep.Sum)
		l, err := open(m, smallSegments)
		if !rep.OK() {
			if !errors.Is(err, ErrBroken) || !bytes.Equal(m.text(segmentName(1)), one) || !bytes.Equal(m.text(headName), head) {
				t.Fatalf("Open: error %v on a log with damage %v", err, rep.Damage)
			}
			return
		}
		must(t, err)
		fill(t, l, 0, 1)
		if again, err := verify(m); err != nil || !again.OK() || again.Entries != rep.Entries+1 {
			t.Fatalf("gone on with: %+v, error %v, before: %+v", again, err, rep)
		}
	})
}

// recompute is the chain once more, from nothing but the words of the package comment.
func recompute(t *testing.T, lines [][]byte, last string) {
	t.Helper()
	prev := zeros
	for i, line := range lines {
		at := bytes.LastIndex(line, []byte(`,"sum":"`))
		sum := sha256.Sum256(line[:max(at, 0)])
		want := hex.EncodeToString(sum[:])
		if at < 0 || string(line[at:]) != `,"sum":"`+want+`"}` || !bytes.Contains(line, []byte(prev)) {
			t.Fatalf("line %d was accepted: %s", i+1, line)
		}
		prev = want
	}
	if prev != last {
		t.Fatalf("the last sum is %s, want %s", last, prev)
	}
}

// mended is a log with every sum set right, and a head for it, so that a fuzzer gets past them.
func mended(one, two []byte) (a, b, head []byte) {
	last := mark{Sum: zeros}
	mend := func(text []byte) (out []byte) {
		for line := range bytes.Lines(text) {
			body, whole := bytes.CutSuffix(line, []byte("\n"))
			if at := bytes.LastIndex(body, []byte(`,"prev":"`)); whole && at >= 0 {
				body = fmt.Appendf(slices.Clone(body[:at]), `,"prev":"%s"`, last.Sum)
				last = mark{last.Seq + 1, sumOf(body)}
				line = append(append(body, ending(last.Sum)...), '\n')
			}
			out = append(out, line...)
		}
		return out
	}
	a, b = mend(one), mend(two)
	return a, b, last.text()
}
