package schedule

import (
	"crypto/sha256"
	"encoding/binary"
	"iter"
	"sort"
	"time"
)

// A Slot is one turn of a schedule. Local and Zone tell it from every other; when it is follows
// from the zone database, which may be another one tomorrow.
type Slot struct {
	Local string    `json:"local"` // "2026-03-29T02:30"
	Zone  string    `json:"zone"`
	At    time.Time `json:"at"` // in UTC; the slots of one gap share it
}

// ID returns the slot's identity as one word, "2026-03-29T02:30[Europe/Berlin]".
func (s Slot) ID() string { return s.Local + "[" + s.Zone + "]" }

// IsZero says that it is no slot.
func (s Slot) IsZero() bool { return s == Slot{} }

const (
	minutes = "2006-01-02T15:04"
	seconds = "2006-01-02T15:04:05"
)

// local is a local time as a slot has it: without seconds if there are none.
func local(l time.Time) string {
	if l.Second() != 0 {
		return l.Format(seconds)
	}
	return l.Format(minutes)
}

// parseLocal undoes local.
func parseLocal(text string) (time.Time, bool) {
	layout := minutes
	if len(text) == len(seconds) {
		layout = seconds
	}
	l, err := time.Parse(layout, text)
	return l, err == nil
}

// At returns what a slot at that moment would be called, to name what is made by hand.
func (s *Schedule) At(at time.Time) Slot {
	return Slot{Local: at.In(s.zone).Format(minutes), Zone: s.spec.Timezone, At: at}
}

// Slots returns the slots that are later than one instant and not later than another, oldest
// first. Their identities grow strictly, their instants never fall.
func (s *Schedule) Slots(after, until time.Time) iter.Seq[Slot] {
	return func(yield func(Slot) bool) {
		for slot := range s.from(s.reached(after)) {
			if slot.At.After(until) || !yield(slot) {
				return
			}
		}
	}
}

// Next returns the first slot that is later than an instant. A zero Slot is none: it is beyond
// the year 9999.
func (s *Schedule) Next(after time.Time) Slot {
	return s.slot(s.after(s.reached(after)))
}

// Last returns the last slot that is not later than an instant; a zero Slot if there is none.
func (s *Schedule) Last(until time.Time) Slot {
	return s.slot(s.before(s.reached(until)))
}

// from returns the slots whose local time is later than l.
func (s *Schedule) from(l time.Time) iter.Seq[Slot] {
	return func(yield func(Slot) bool) {
		for l := s.after(l); !l.IsZero() && yield(s.slot(l)); l = s.after(l) {
		}
	}
}

// slot is that of a local time.
func (s *Schedule) slot(l time.Time) Slot {
	if l.IsZero() {
		return Slot{}
	}
	return Slot{Local: local(l), Zone: s.spec.Timezone, At: s.instant(l)}
}

// reach is longer than any offset from UTC, and than any jump of clocks: that of a line of
// dates is a day. No zone has two within twice that time.
const reach = 25 * time.Hour

// instant is the first one at which clocks show l or more. It never falls as l grows.
func (s *Schedule) instant(l time.Time) time.Time {
	early, late := l.Add(-reach), l.Add(reach)
	before, after := s.offset(early), s.offset(late)
	at := l.Add(-before)
	if before == after {
		return at
	}
	jump := s.jump(early, late)
	if at.Before(jump) {
		return at
	}
	if at = l.Add(-after); at.Before(jump) {
		return jump
	}
	return at
}

// reached is the latest local time that clocks have shown by that instant: what they show,
// unless they were set back. A slot has come when it is not later.
func (s *Schedule) reached(at time.Time) time.Time {
	at = at.UTC().Truncate(time.Second)
	early := at.Add(-reach)
	before, after := s.offset(early), s.offset(at)
	shown := at.Add(after)
	if before <= after {
		return shown
	}
	if last := s.jump(early, at).Add(before - time.Second); last.After(shown) {
		return last
	}
	return shown
}

// offset is what clocks show beyond UTC at that instant.
func (s *Schedule) offset(at time.Time) time.Duration {
	_, seconds := at.In(s.zone).Zone()
	return time.Duration(seconds) * time.Second
}

// jump is the first instant with another offset than early has.
func (s *Schedule) jump(early, late time.Time) time.Time {
	before := s.offset(early)
	n := sort.Search(int(late.Sub(early)/time.Second), func(i int) bool {
		return s.offset(early.Add(time.Duration(i)*time.Second)) != before
	})
	return early.Add(time.Duration(n) * time.Second)
}

// JitterOf returns how long after its slots an object waits: whole seconds from none to limit,
// always the same ones for the same seed, which is the object's address and the action.
func JitterOf(seed string, limit time.Duration) time.Duration {
	if limit < time.Second {
		return 0
	}
	return time.Duration(hashOf(seed)%(uint64(limit/time.Second)+1)) * time.Second
}

// fraction is a part of limit, always the same for the same seed; a limit of none is none.
func fraction(seed string, limit time.Duration) time.Duration {
	if limit <= 0 {
		return 0
	}
	return time.Duration(hashOf(seed) % uint64(limit))
}

func hashOf(seed string) uint64 {
	sum := sha256.Sum256([]byte(seed))
	return binary.BigEndian.Uint64(sum[:8])
}
