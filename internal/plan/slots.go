package plan

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"kmagent/internal/resource"
	"kmagent/internal/schedule"
)

// Slots is what is remembered of one scheduled action of one object. The zero Slots is first
// contact.
type Slots struct {
	Line  string         `json:"schedule,omitempty"` // of the schedule that the rest is about: of another one nothing is known
	State schedule.State `json:"state"`              // which slots have been dealt with
	Turn  schedule.Slot  `json:"turn,omitzero"`      // the one that the action last began for; by hand it is begun once more for that
	// Keys are the ids of the keys that a rekey replaces, as they were at KeysAt, since when no rekey of
	// ours has made others: others are somebody else's. The zero KeysAt: nobody has looked.
	Keys   []string  `json:"keys,omitempty"`
	KeysAt time.Time `json:"keys_at,omitzero"`
	// How often a slot began the action, or did not, and why.
	Fired   int `json:"fired,omitempty"`
	Missed  int `json:"missed,omitempty"`
	Skipped int `json:"skipped,omitempty"`
	// What came of the action, on schedule or by hand, and how often its answer was lost: what
	// became of it then counts as well, once that is known.
	Done    int `json:"done,omitempty"`
	Failed  int `json:"failed,omitempty"`
	Unknown int `json:"unknown,omitempty"`

	Ended   time.Time `json:"ended,omitzero"`    // when the action last came to an end that is known, on schedule or by hand
	Outcome string    `json:"outcome,omitempty"` // what that was
	Why     string    `json:"why,omitempty"`     // of one that failed: what showed it, and ONTAP's code; empty: only the log has it
	// Made is what the object was to be like after the last end.
	Made []Wish `json:"made,omitempty"`
	// Replaced are the ids of the keys that the last rekey was to replace, if it succeeded, as far as its kind has such.
	Replaced []string `json:"replaced,omitempty"`
	// Succeeded is when the action last did what it was to do; zero: never, as far as is known.
	Succeeded time.Time `json:"succeeded,omitzero"`
	// Verified is when a look after that found all nodes to have what it made; before Succeeded: not yet.
	Verified time.Time `json:"verified,omitzero"`
	Flaw     string    `json:"flaw,omitempty"` // what the last look has found instead
}

// Took is how long the action took that last ended; 0 while one is under way, or none is known.
func (s *Slots) Took() time.Duration {
	if s.State.LastStart.IsZero() {
		return 0
	}
	return max(s.Ended.Sub(s.State.LastStart), 0)
}

// A SlotNote is what a look makes of the schedule of one action: slots that will not begin it,
// and what is to be remembered.
type SlotNote struct {
	Addr    resource.Addr
	Action  string
	Line    string
	Records []schedule.Record
	State   schedule.State
	Keys    []string  // of [Slots]
	KeysAt  time.Time // zero: they were not looked at

	Mended   time.Time // when what had failed was seen to be as it was to be; zero: it was not
	Verified time.Time // of [Slots]; zero: there is nothing new to say of it
	Flaw     string    // likewise, if empty
}

// IsNews says whether there is anything in it to be remembered, beside what is.
func (n *SlotNote) IsNews(known *Slots) bool {
	return known.Line != n.Line || known.State != n.State || len(n.Records) > 0 || !n.KeysAt.IsZero() || !n.Verified.IsZero() || !n.Mended.IsZero() || n.Flaw != ""
}

// Unverified says whether the action has succeeded, and no look since has found that every node has
// what it made. What makes no key is not looked at.
func (s *Slots) Unverified(action string) bool {
	return changesKey(action) && s.Verified.Before(s.Succeeded)
}

// A Turn is what a plan tells of the schedule of one action.
type Turn struct {
	Addr   resource.Addr
	Source resource.Pos
	Action string
	Back   bool          // the clock is before what is on record: nothing is decided until it is not
	Due    bool          // its slot has come, and its step is in the plan
	Next   schedule.Turn // the slot that is due, or comes next; the zero Turn if there is none
	Timing resource.Timing
	Slots  Slots
	Flaw   string // what is wrong since it last succeeded; empty if nothing is, as far as was looked
}

// Text says in a line what is scheduled, and when in the time of its zone.
func (t *Turn) Text() string {
	s := fmt.Sprintf("%s %s", Safe(t.Addr.String()), t.Action)
	switch {
	case t.Back:
		s += ": the clock is before what is on record: nothing is due until it has caught up, or is set right"
	case t.Due:
		s += fmt.Sprintf(": its slot of %s %s has come, until %s", t.Next.Local, t.Next.Zone, t.local(t.Next.End))
	case t.Next.IsZero():
		s += ": no slot comes"
	default:
		s += fmt.Sprintf(" next at %s %s", t.Next.Local, t.Next.Zone)
		if t.Next.Begin.Sub(t.Next.At) >= time.Minute {
			s += ", from " + t.local(t.Next.Begin)
		}
	}
	if !t.Slots.Succeeded.IsZero() {
		s += "; last done at " + t.local(t.Slots.Succeeded)
	}
	if t.Flaw != "" {
		s += ", and not verified: " + t.Flaw
	}
	if t.Slots.Missed > 0 {
		s += fmt.Sprintf("; %d missed", t.Slots.Missed)
	}
	return s
}

// local is an instant in the zone of the schedule.
func (t *Turn) local(at time.Time) string {
	zone, err := time.LoadLocation(t.Timing.Timezone)
	if err != nil {
		zone = time.UTC
	}
	return at.In(zone).Format("2006-01-02T15:04 MST")
}

// A Taken is the slot that an object has last begun an action for.
type Taken struct {
	Addr    resource.Addr
	Action  string
	Line    string // of the schedule
	Slot    schedule.Slot
	Outcome Outcome // NotAttempted while the end is not known, or was not verified
}

// Taken lists them, by address and action.
func (l *Ledger) Taken() []Taken {
	var out []Taken
	for a, m := range l.Objects {
		for action, s := range m.Slots {
			if s.Turn.IsZero() || !changesKey(action) {
				continue
			}
			t := Taken{Addr: a, Action: action, Line: s.Line, Slot: s.Turn}
			if !s.Ended.Before(s.State.LastStart) && !s.Unverified(action) {
				t.Outcome = OutcomeOf(s.Outcome)
			}
			if o := l.UnderWay(a, action); o != nil && o.Halfway() {
				t.Outcome = Failed
			}
			out = append(out, t)
		}
	}
	slices.SortFunc(out, func(a, b Taken) int { return cmp.Or(a.Addr.Compare(b.Addr), cmp.Compare(a.Action, b.Action)) })
	return out
}

// NoteSlots notes what a look made of a schedule.
func (l *Ledger) NoteSlots(n SlotNote) {
	l.changeSlots(n.Addr, n.Action, func(s *Slots) {
		if s.Line != n.Line {
			s.Line, s.State, s.Turn = n.Line, schedule.State{}, schedule.Slot{}
		}
		s.State = n.State
		if !n.KeysAt.IsZero() {
			s.Keys, s.KeysAt = n.Keys, n.KeysAt
		}
		if !n.Mended.IsZero() {
			s.Outcome, s.Why, s.Ended, s.Succeeded = Applied.String(), "", n.Mended, n.Mended
		}
		if !n.Verified.IsZero() {
			s.Verified, s.Flaw = n.Verified, ""
		}
		if n.Flaw != "" {
			s.Flaw = n.Flaw
		}
		for _, r := range n.Records {
			switch r.Outcome {
			case schedule.Missed:
				s.Missed++
			case schedule.Skipped:
				s.Skipped++
			}
			if r.Reason == schedule.Elsewhere {
				s.Keys, s.KeysAt = nil, time.Time{} // they are others now, or soon
			}
		}
	})
}

// Owner is the object whose schedule an operation is for, or may be.
func (o *Operation) Owner() resource.Addr {
	if o.For != (resource.Addr{}) {
		return o.For
	}
	return o.Addr
}

// UnderWay returns the operation of an action of an object, or for its schedule, of which no end is
// known; nil if there is none. It is not to be changed.
func (l *Ledger) UnderWay(a resource.Addr, action string) *Operation {
	for i := range l.Open {
		if o := &l.Open[i]; o.Owner() == a && o.Action == action {
			return o
		}
	}
	return nil
}

// beginSlot notes that a scheduled action sets out, on schedule or by hand.
func (l *Ledger) beginSlot(o Operation) {
	l.changeSlots(o.Owner(), o.Action, func(s *Slots) {
		if o.Slot.IsZero() { // of the slot that it last began it makes up for what went wrong
			s.State.LastStart = o.At
			return
		}
		s.Turn = o.Slot
		s.State = s.State.Fired(o.Slot, o.At)
		s.Fired++
	})
}

// endSlot notes what came of a scheduled action.
func (l *Ledger) endSlot(o Operation, e End) {
	l.changeSlots(o.Owner(), o.Action, func(s *Slots) {
		s.Ended, s.Outcome, s.Why, s.Made, s.Replaced, s.Flaw = e.At, e.Outcome.String(), "", o.Wishes, nil, ""
		s.Keys, s.KeysAt = nil, time.Time{}
		switch e.Outcome {
		case Applied:
			s.Succeeded, s.Replaced = e.At, o.Before
			s.Done++
		case Failed:
			s.Failed++
			s.Why = e.reason()
		}
	})
}

// reason says in a sentence why an operation has failed, as far as is remembered.
func (e *End) reason() string {
	why := e.Why
	if e.Code != "" {
		why = strings.TrimPrefix(why+": ONTAP error "+e.Code, ": ")
	}
	if r := resource.Remedy(e.Code); r != "" {
		why += ": " + r
	}
	return Safe(why)
}

// loseSlot notes that the answer to a scheduled action was lost.
func (l *Ledger) loseSlot(o Operation) {
	l.changeSlots(o.Owner(), o.Action, func(s *Slots) { s.Unknown++ })
}

func (l *Ledger) changeSlots(a resource.Addr, action string, f func(*Slots)) {
	l.remember(a, func(m *Remembered) {
		m.Slots = maps.Clone(m.Slots)
		if m.Slots == nil {
			m.Slots = map[string]Slots{}
		}
		s := m.Slots[action]
		f(&s)
		m.Slots[action] = s
	})
}
