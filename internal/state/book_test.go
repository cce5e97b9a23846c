package state

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"kmagent/internal/disk"
	"kmagent/internal/plan"
	"kmagent/internal/resource"
	"kmagent/internal/schedule"
)

func TestFirstContact(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	led, err := Read(dir, "c1")
	if err != nil || diffLedgers(plan.Ledger{}, led) != "" {
		t.Errorf("without a directory: %+v, error %v; want nothing", led, err)
	}
	b := openBook(t, openStore(t, dir))
	if d := diffLedgers(plan.Ledger{}, b.Ledger()); d != "" {
		t.Errorf("a new journal holds something (-want +got)\n%s", d)
	}
	must(t, b.Adopt(nil, epoch))
	before, err := os.ReadFile(b.dir.Where(b.name))
	must(t, err)
	must(t, b.Adopt(nil, epoch))
	after, err := os.ReadFile(b.dir.Where(b.name))
	must(t, err)
	if !bytes.Equal(before, after) {
		t.Error("adopting nothing wrote something")
	}
}

// What a journal that is damaged says is told to everybody, and nobody writes to it.
func TestDamagedJournal(t *testing.T) {
	whole := story(t)
	tests := []struct {
		name string
		text []byte
		is   error
	}{
		{"empty", nil, ErrCorrupt},
		{"cut inside its first record", whole[:20], ErrCorrupt},
		{"flipped", append([]byte("0"), whole[1:]...), ErrCorrupt},
		{"newer", text(t, record{Start: &start{Schema: Schema + 1}}), ErrNewer},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "state")
			s := openStore(t, dir)
			path := journal(dir, "c1")
			must(t, os.WriteFile(path, tt.text, 0o600))
			if _, err := s.Book("c1"); !errors.Is(err, tt.is) {
				t.Errorf("Book: error %v, want %v", err, tt.is)
			}
			if _, err := Read(dir, "c1"); !errors.Is(err, tt.is) {
				t.Errorf("Read: error %v, want %v", err, tt.is)
			}
			got, err := os.ReadFile(path)
			must(t, err)
			if !bytes.Equal(got, tt.text) {
				t.Error("it was changed, though nobody knows what it was")
			}
		})
	}
}

func TestJournalIsNoLink(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	s := openStore(t, dir)
	target := filepath.Join(t.TempDir(), "elsewhere")
	must(t, os.WriteFile(target, story(t), 0o600))
	must(t, os.Symlink(target, journal(dir, "c1")))
	if _, err := s.Book("c1"); !errors.Is(err, syscall.ELOOP) {
		t.Errorf("error %v, want that of a link", err)
	}
}

// A torn record is cut off before the next one is written.
func TestGoesOnAfterTornTail(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	s := openStore(t, dir)
	whole := story(t)
	must(t, os.WriteFile(journal(dir, "c1"), whole[:len(whole)-3], 0o600))
	b := openBook(t, s)
	must(t, b.Pin("uuid-2", epoch))
	led, err := Read(dir, "c1")
	if err != nil || led.UUID != "uuid-2" {
		t.Errorf("UUID %q, error %v; want uuid-2", led.UUID, err)
	}
	if d := diffLedgers(b.Ledger(), led); d != "" {
		t.Errorf("the disk has another ledger than memory (-memory +disk)\n%s", d)
	}
}

// Once a write failed nobody knows what is on disk, so nothing more is written.
func TestFailedWriteIsFinal(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skipf("DISK FULL IS NOT TESTED: %v", err)
	}
	defer full.Close()
	dir := filepath.Join(t.TempDir(), "state")
	b := openBook(t, openStore(t, dir))
	must(t, b.Pin("uuid-1", epoch))
	before := b.Ledger()
	whole := b.f
	b.f = full
	op := plan.Operation{Op: plan.Create, Addr: server("ks1:5696"), At: epoch}
	writes := []struct {
		name  string
		write func() error
	}{
		{"Begin", func() error { _, err := b.Begin(op); return err }},
		{"End", func() error { return b.End("1", plan.End{Outcome: plan.Applied, At: epoch}) }},
		{"Pin", func() error { return b.Pin("uuid-2", epoch) }},
		{"Adopt", func() error {
			return b.Adopt([]plan.Adoption{{Addr: server("ks1:5696"), Field: "password", Digest: "d"}}, epoch)
		}},
	}
	for i, w := range writes {
		err := w.write()
		if !errors.Is(err, syscall.ENOSPC) || err.Error() != "write journal: write /dev/full: no space left on device" {
			t.Errorf("%s: error %v", w.name, err)
		}
		if i == 0 {
			b.f = whole // there is room again, and yet
		}
	}
	if d := diffLedgers(before, b.Ledger()); d != "" {
		t.Errorf("what was not written is remembered (-want +got)\n%s", d)
	}
}

func TestFailedCompactionIsFinal(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	b := openBook(t, openStore(t, dir))
	b.records = compactAfter
	b.dir = disk.Dir(filepath.Join(dir, "gone"))
	if err := b.Pin("uuid-1", epoch); !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("error %v, want that the directory is gone", err)
	}
	b.dir = disk.Dir(journals(dir))
	if err := b.Pin("uuid-2", epoch); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a later write: error %v, want the first one again", err)
	}
	if led, err := Read(dir, "c1"); err != nil || led.UUID != "uuid-1" {
		t.Errorf("UUID %q, error %v; the old journal has uuid-1", led.UUID, err)
	}
}

func TestCompaction(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	s := openStore(t, dir)
	must(t, os.WriteFile(journal(dir, "c1"), story(t), 0o600))
	b := openBook(t, s)
	before, err := Read(dir, "c1")
	must(t, err)
	b.records = compactAfter - 1
	must(t, b.Pin("uuid-1", epoch))
	onDisk, err := os.ReadFile(b.dir.Where(b.name))
	must(t, err)
	if n := bytes.Count(onDisk, []byte("\n")); n != 1 {
		t.Errorf("%d records are left, want one", n)
	}
	after, err := Read(dir, "c1")
	must(t, err)
	if d := diffLedgers(before, after); d != "" {
		t.Errorf("compaction changed what is remembered (-before +after)\n%s", d)
	}
	must(t, b.Pin("uuid-2", epoch))
	if led, err := Read(dir, "c1"); err != nil || led.UUID != "uuid-2" {
		t.Errorf("after compaction the old file is written to: UUID %q, error %v", led.UUID, err)
	}
}

// After any story a reader, a restart and memory agree. The seed is in the failure.
func TestLedgerSurvives(t *testing.T) {
	for seed := range uint64(12) {
		rnd := rand.New(rand.NewPCG(seed, 7))
		dir := filepath.Join(t.TempDir(), "state")
		s := openStore(t, dir)
		b, err := s.Book("c1")
		must(t, err)
		for i := range 40 {
			must(t, randomWrite(rnd, b, epoch.Add(time.Duration(i)*time.Minute)))
			switch rnd.IntN(12) {
			case 0:
				b.records = compactAfter // the next write compacts
			case 1:
				read, err := Read(dir, "c1")
				if d := diffLedgers(b.Ledger(), read); d != "" || err != nil {
					t.Fatalf("seed %d, write %d: error %v (-memory +reader)\n%s", seed, i, err, d)
				}
			case 2:
				before := b.Ledger()
				must(t, b.Close())
				if b, err = s.Book("c1"); err != nil {
					t.Fatalf("seed %d, write %d: %v", seed, i, err)
				}
				if d := diffLedgers(before, b.Ledger()); d != "" {
					t.Fatalf("seed %d, write %d (-before +restart)\n%s", seed, i, d)
				}
			}
		}
		must(t, b.Close())
	}
}

func randomWrite(rnd *rand.Rand, b *Book, at time.Time) error {
	addr := server(fmt.Sprintf("ks%d:5696", rnd.IntN(4)))
	wish := plan.Wish{Field: []string{"", "password", "timeout"}[rnd.IntN(3)], Value: strconv.Itoa(rnd.IntN(2))}
	op := plan.Operation{Op: plan.Op(rnd.IntN(4)), Addr: addr, Wishes: []plan.Wish{wish}, At: at, Backup: rnd.IntN(4) == 0}
	if rnd.IntN(3) == 0 {
		op.Addr, op.Brings, op.Beside = manager("vs1"), []resource.Addr{addr}, manager("")
	}
	slot := schedule.Slot{Local: at.Format("2006-01-02T15:04"), Zone: "UTC", At: at}
	if rnd.IntN(3) == 0 {
		op.Op, op.Action, op.Timed, op.Before = plan.Act, "rekey_internal", true, []string{"key-" + strconv.Itoa(rnd.IntN(3))}
		if rnd.IntN(2) == 0 {
			op.Slot, op.For = slot, server("ks0:5696")
		}
	}
	switch rnd.IntN(6) {
	case 5:
		n := plan.SlotNote{Addr: addr, Action: "rekey_internal", Line: strconv.Itoa(rnd.IntN(2)) + " 3 * * * UTC", State: schedule.State{Baseline: at}}
		if rnd.IntN(2) == 0 {
			n.Keys, n.KeysAt = []string{"key-" + strconv.Itoa(rnd.IntN(3))}, at
		}
		if rnd.IntN(2) == 0 {
			n.Verified = at
		} else {
			n.Flaw, n.Mended = "node2 is away", at
		}
		if rnd.IntN(2) == 0 {
			n.Records = []schedule.Record{{Slot: slot, Outcome: schedule.Skipped, Reason: schedule.Elsewhere}, {Slot: slot, Outcome: schedule.Missed, Reason: schedule.Late}}
		}
		return b.NoteSlots([]plan.SlotNote{n}, at)
	case 0:
		return b.Pin("uuid-"+strconv.Itoa(rnd.IntN(3)), at)
	case 1:
		return b.Adopt([]plan.Adoption{{Addr: addr, Field: "password", Digest: strconv.Itoa(rnd.IntN(9))}}, at)
	default:
		id, err := b.Begin(op)
		if err != nil {
			return err
		}
		if rnd.IntN(3) == 0 {
			if err := b.Accept(id, "job-"+id, at); err != nil {
				return err
			}
		}
		outcome := plan.Outcome(rnd.IntN(5)) // not attempted: killed before its end
		if outcome == plan.NotAttempted {
			return nil
		}
		return b.End(id, plan.End{Outcome: outcome, At: at.Add(time.Second), Secrets: map[string]string{"password": strconv.Itoa(rnd.IntN(9))},
			Job: []string{"", "found-" + id}[rnd.IntN(2)]})
	}
}

// writeForEver adopts 1, 2, 3, … and says each number once it is durable. It compacts often.
func writeForEver(dir string) error {
	s, err := Open(dir)
	if err != nil {
		return err
	}
	b, err := s.Book("c1")
	if err != nil {
		return err
	}
	n, _ := strconv.Atoi(b.Ledger().Objects[server("ks1:5696")].Secrets["password"])
	for {
		n++
		if n%3 == 0 {
			b.records = compactAfter
		}
		err := b.Adopt([]plan.Adoption{{Addr: server("ks1:5696"), Field: "password", Digest: strconv.Itoa(n)}}, time.Now())
		if err != nil {
			return err
		}
		fmt.Println(n)
	}
}

// Killed at any instant, in a compaction too, a journal has everything that was said to be
// durable and at most the one write that was under way. A reader beside it sees the same.
func TestKill(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	rnd := rand.New(rand.NewPCG(1, 1))
	written := func() int {
		led, err := Read(dir, "c1")
		must(t, err)
		n, _ := strconv.Atoi(led.Objects[server("ks1:5696")].Secrets["password"])
		return n
	}
	acked := 0
	for round := range 8 {
		p := startRole(t, "write", dir)
		for range 5 + rnd.IntN(20) {
			if !p.out.Scan() {
				t.Fatalf("round %d: the writer ended by itself", round)
			}
			n, err := strconv.Atoi(p.out.Text())
			if err != nil {
				t.Fatalf("round %d: the writer says %q", round, p.out.Text())
			}
			acked = n
			if seen := written(); seen < acked {
				t.Fatalf("round %d: a reader sees %d, and %d is durable", round, seen, acked)
			}
		}
		p.cmd.Process.Kill()
		for p.out.Scan() {
			acked, _ = strconv.Atoi(p.out.Text())
		}
		p.cmd.Wait()
		if got := written(); got != acked && got != acked+1 {
			t.Fatalf("round %d: %d is remembered after a kill, and %d was durable", round, got, acked)
		}
	}
}
