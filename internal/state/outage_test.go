package state

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"testing"
	"time"

	"kmagent/internal/plan"
	"kmagent/internal/resource"
)

// A chapter is one write to a book.
type chapter struct {
	name  string
	write func(b *Book) error
}

// chapters are a story with every sort of record, and a compaction in the middle.
func chapters() []chapter {
	at := func(n int) time.Time { return epoch.Add(time.Duration(n) * time.Minute) }
	newest := func(b *Book) string { return b.led.Open[len(b.led.Open)-1].ID }
	begin := func(o plan.Operation) func(*Book) error {
		return func(b *Book) error { _, err := b.Begin(o); return err }
	}
	return []chapter{
		{"pin", func(b *Book) error { return b.Pin("uuid-1", at(0)) }},
		{"see", func(b *Book) error { return b.See([]plan.Sighting{{Addr: manager("vs1"), ID: "m1"}}, at(1)) }},
		{"begin a create", begin(plan.Operation{Op: plan.Create, Addr: server("ks1:5696"), Wishes: []plan.Wish{{Value: "there"}}, At: at(2)})},
		{"end it", func(b *Book) error {
			return b.End(newest(b), plan.End{Outcome: plan.Applied, At: at(3), Secrets: map[string]string{"password": "d1"}})
		}},
		{"begin an action", begin(plan.Operation{Op: plan.Act, Action: "rekey_external", Addr: manager("vs1"), Repeat: resource.Converges, At: at(4)})},
		{"accept it", func(b *Book) error { return b.Accept(newest(b), "job-1", at(5)) }},
		{"adopt", func(b *Book) error {
			b.records = compactAfter // and compact
			return b.Adopt([]plan.Adoption{{Addr: server("old:5696"), Field: "password", Digest: "d0"}}, at(6))
		}},
		{"begin a passphrase", begin(plan.Operation{Op: plan.Update, Addr: manager(""), Repeat: resource.Never, At: at(7)})},
		{"lose it", func(b *Book) error { return b.End(newest(b), plan.End{Outcome: plan.Unknown, At: at(8)}) }},
		{"end the passphrase", func(b *Book) error { return b.End(newest(b), plan.End{Outcome: plan.Failed, At: at(9)}) }},
	}
}

// A telling is a story being told to a disk that fails, and may lose power at any moment.
type telling struct {
	t       *testing.T
	what    string
	states  []string // after so many chapters
	v       *volatile
	b       *Book
	durable int // so many chapters were acknowledged, or had others acknowledged after them
	read    int // so many can be read
	outages int
	checked map[string]bool // what an outage left, after how many chapters
}

// saying is what a ledger says, without the numbers of operations: a new file counts on.
func saying(l plan.Ledger) string {
	start := startOf(l)
	for i := range start.Open {
		start.Open[i].ID = ""
	}
	text, _ := json.Marshal(start) // the journal does the same
	return string(text)
}

// chapter returns after how many chapters a ledger may be as it is; -1: after none of those.
func (s *telling) chapter(l plan.Ledger, from, to int) int {
	said := saying(l)
	for i := from; i <= min(to, len(s.states)-1); i++ {
		if s.states[i] == said {
			return i
		}
	}
	return -1
}

// outage checks what every outage at this moment would leave: all that was acknowledged, and at
// most the one write that is under way besides; and the journal goes on from there.
func (s *telling) outage() {
	s.t.Helper()
	for i, after := range s.v.outages() {
		s.outages++
		if left := after.names["c1"+suffix]; left != nil {
			key := fmt.Sprint(s.durable, s.read) + string(left.seen)
			if s.checked[key] {
				continue
			}
			s.checked[key] = true
		}
		b, err := bookIn(after, "c1", 0)
		if err != nil {
			s.t.Fatalf("%s: outage %d after %d chapters: %v", s.what, i, s.durable, err)
		}
		if s.chapter(b.Ledger(), s.durable, s.read+1) < 0 {
			s.t.Fatalf("%s: outage %d after %d chapters: the ledger is\n%s\nwant\n%s", s.what, i, s.durable, saying(b.Ledger()), s.states[s.durable])
		}
		must(s.t, b.Pin("uuid-9", epoch))
		again, err := bookIn(after.after(), "c1", 0)
		if err != nil || again.Ledger().UUID != "uuid-9" {
			s.t.Fatalf("%s: outage %d after %d chapters: it does not go on: %v", s.what, i, s.durable, err)
		}
	}
}

// tell writes the story. After a write that failed the book is renewed as long as it takes, or
// opened anew as by another process.
func (s *telling) tell(restart bool) {
	s.t.Helper()
	var err error
	s.v.watch = func() { s.outage() }
	for s.b, err = bookIn(s.v, "c1", 0); err != nil; s.b, err = bookIn(s.v, "c1", 0) {
	}
	for s.read < len(s.states)-1 {
		if err = chapters()[s.read].write(s.b); err == nil {
			s.read++
			s.durable = s.read
			continue
		}
		if restart {
			for s.b, err = bookIn(s.v, "c1", 0); err != nil; s.b, err = bookIn(s.v, "c1", 0) {
			}
			at := s.chapter(s.b.Ledger(), s.durable, s.read+1)
			if at < 0 {
				s.t.Fatalf("%s: opened anew, it says what was never written", s.what)
			}
			s.read = at
			continue
		}
		for s.b.Renew() != nil || s.b.led.UUID != "" && s.b.Pin(s.b.led.UUID, epoch) != nil {
			// What is written next is shorter than what failed, as it may well be.
		}
		led, err := read(s.v, "c1")
		at := s.chapter(s.b.Ledger(), s.read, s.read+1)
		if err != nil || at < 0 || s.chapter(led, at, at) < 0 {
			s.t.Fatalf("%s: renewed, it says something else, or to readers: %v", s.what, err)
		}
		s.read, s.durable = at, at // its record may have been written, and then it failed to compact
	}
	s.outage()
	s.v.watch = nil
	led, err := read(s.v, "c1")
	if err != nil || s.chapter(led, len(s.states)-1, len(s.states)-1) < 0 {
		s.t.Fatalf("%s: a reader sees another ledger, error %v", s.what, err)
	}
}

// states are the ledgers of the story: before it, and after each chapter.
func states(t *testing.T) []string {
	t.Helper()
	b, err := bookIn(newVolatile(), "c1", 0)
	must(t, err)
	out := []string{saying(b.Ledger())}
	for _, c := range chapters() {
		must(t, c.write(b))
		out = append(out, saying(b.Ledger()))
	}
	return out
}

// Power may go at any moment, and whatever survives of what was not synced, a journal comes
// back with all that was acknowledged (F7, F8).
func TestOutage(t *testing.T) {
	s := &telling{t: t, what: "nothing fails", states: states(t), v: newVolatile(), checked: map[string]bool{}}
	s.tell(false)
	t.Logf("%d outages at %d operations", s.outages, s.v.ops)
}

// A write or sync that failed leaves a file that nobody may rely on: the kernel may have
// dropped what it held of it (F25). Whichever operation fails, or several after one another,
// nothing that was acknowledged is lost by an outage later on.
func TestOutageAfterFailure(t *testing.T) {
	all := states(t)
	checked := map[string]bool{}
	plain := &telling{t: t, states: all, v: newVolatile(), checked: checked}
	plain.tell(false)
	outages := 0
	for _, restart := range []bool{false, true} {
		for at := 1; at <= plain.v.ops; at++ {
			for times := 1; times <= 2; times++ {
				s := &telling{t: t, what: fmt.Sprintf("operations %d to %d fail (restart: %v)", at, at+times-1, restart), states: all, v: newVolatile(), checked: checked}
				for i := range times {
					s.v.fail[at+i] = true
				}
				s.tell(restart)
				outages += s.outages
			}
		}
	}
	t.Logf("%d outages, with failures at %d operations", outages, plain.v.ops)
}

// Orders have the same promise: one that was acknowledged stands after every outage, and one
// whose giver was told that it failed is obeyed by nobody who reads on.
func TestOutageOfOrders(t *testing.T) {
	give := func(v *volatile, n int) error {
		_, err := giveOrder(v, func(id string) order {
			return order{Override: &plan.Override{Given: plan.Given{ID: id, At: epoch}, Rule: "floor", Object: fmt.Sprint(n)}}
		})
		return err
	}
	stands := func(v *volatile) ([]string, error) {
		text, err := readAll(v, ordersFile)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, nil
		}
		must(t, err)
		all, _, err := parseOrders(text)
		var out []string
		for _, o := range all {
			out = append(out, o.Override.Object)
		}
		return out, err
	}
	const orders = 6
	run := func(fail ...int) *volatile {
		v := newVolatile()
		for _, n := range fail {
			v.fail[n] = true
		}
		var acked []string
		n := 0
		check := func() {
			for i, after := range v.outages() {
				got, err := stands(after)
				kept := slices.DeleteFunc(slices.Clone(got), func(o string) bool { return !slices.Contains(acked, o) })
				if err != nil || !slices.Equal(kept, acked) || !slices.IsSorted(got) {
					t.Fatalf("failing %v, outage %d at order %d: %v stand, error %v; acknowledged are %v", fail, i, n, got, err, acked)
				}
				must(t, give(after, 99))
			}
		}
		v.watch = check
		for n = 1; n <= orders; n++ {
			if give(v, n) == nil {
				acked = append(acked, fmt.Sprint(n))
			}
		}
		check()
		v.watch = nil
		got, err := stands(v)
		if err != nil || len(fail) < 2 && !slices.Equal(got, acked) {
			t.Errorf("failing %v: %v stand, error %v; acknowledged are %v", fail, got, err, acked)
		}
		return v
	}
	ops := run().ops
	for at := 1; at <= ops; at++ {
		run(at)
		run(at, at+2)
	}
}
