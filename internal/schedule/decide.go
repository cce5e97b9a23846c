package schedule

import "time"

// A State is what must be remembered of the schedule of one action of one object. The zero
// State is first contact, or a state that was lost: no slot counts that has come by then.
type State struct {
	Baseline  time.Time `json:"baseline,omitzero"` // slots at or before it never count: first contact, or a change of [Schedule.String]
	Last      Slot      `json:"last,omitzero"`     // the newest one on record; all before it are
	LastStart time.Time `json:"began,omitzero"`    // when the action last began, on schedule or by hand
	Seen      Slot      `json:"seen,omitzero"`     // one that came in time, as far as anybody looked, and waits
	Second    bool      `json:"second,omitempty"`  // somebody else was first at a slot, and may be at the next: let it
}

// Fired returns the state once the action of a slot sets out at that time: fired is what is on
// record of the slot from then on, whatever comes of the action.
func (st State) Fired(slot Slot, at time.Time) State {
	st.Last, st.LastStart, st.Seen = slot, at, Slot{}
	return st
}

// An Input is what a decision rests on.
type Input struct {
	State     State
	Now       time.Time
	Running   bool          // an action of the same object is under way
	Seed      string        // of [JitterOf]: the object's address and the action
	Instance  string        // tells this agent from every other; empty: there is no other
	Tolerance time.Duration // how late somebody may look for the first time, to have seen a slot come
}

// A Decision is what is to be done. Its records go to disk before anything is sent.
type Decision struct {
	Records []Record // slots that will not be, oldest first; never one twice
	Due     Turn     // the action may begin now; the zero Turn if none is due
	Next    Turn     // the next one that waits or comes; the zero Turn if there is none
	State   State    // what is to be remembered with the records; of what is due, see [State.Fired]
	Back    bool     // the clock is before what is on record: nothing is decided
	More    bool     // so many slots have passed that this is not all: decide again
}

// A Turn is when the action of a slot may begin: from Begin to End, both included.
type Turn struct {
	Slot
	Begin, End time.Time

	Apart time.Duration // so much later than Begin this agent begins, so that of two by accident one is first
}

// A Record is what became of a slot whose action did not begin.
type Record struct {
	Slot
	Outcome Outcome `json:"outcome"`
	Reason  Reason  `json:"reason"`
}

// Outcome is what became of a slot; a closed set, fit for a label.
type Outcome string

// The outcomes. No Decision records that a slot has fired: who begins the action does.
const (
	Fired   Outcome = "fired"
	Missed  Outcome = "missed"  // it should have been
	Skipped Outcome = "skipped" // it should not be
)

// Outcomes lists them, for counters that must exist before they count.
func Outcomes() []Outcome { return []Outcome{Fired, Missed, Skipped} }

// Reason is why a slot did not fire; a closed set, fit for a label.
type Reason string

// The reasons.
const (
	Late         Reason = "late"          // nobody saw it come, and catch_up is none
	Closed       Reason = "closed"        // nobody saw it come, and its window is closed
	Held         Reason = "held"          // its action was held until the window closed, or until the next slot
	Superseded   Reason = "superseded"    // nobody saw it come, and a newer slot has
	Overlap      Reason = "overlap"       // an action of the object was under way
	TooSoon      Reason = "min_interval"  // the action had begun less than min_interval before
	Gap          Reason = "gap"           // clocks went forward over it, to the next slot
	Unchanged    Reason = "unchanged"     // no Decision gives it: whoever was to begin the action found nothing to do
	NoNext       Reason = "no_next"       // the file does not say what is to be put in place
	NoRecipients Reason = "no_recipients" // the file does not say for whom a backup is encrypted
	NoSchedule   Reason = "no_schedule"   // the file does not say how what is made is called
	Elsewhere    Reason = "elsewhere"     // somebody else has taken it: another agent, or a human
)

var reasons = map[Reason]string{
	Late:       "nobody saw it come, and catch_up is none",
	Closed:     "nobody saw it come before its window closed",
	Held:       "its action was held until it was too late",
	Superseded: "nobody saw it come before the next slot did",
	Overlap:    "an action of the same object was under way",
	TooSoon:    "the action had begun less than min_interval before",
	Unchanged:  "what it would change is as the file says",
	Gap:        "clocks went forward over it, and it fell together with the next slot",

	NoNext:       "the file names no passphrase_next, and none is made up",
	NoRecipients: "the file has no backup.recipients to encrypt the backup for",
	NoSchedule:   "the file has no schedule for it, by which the new key would be named",
	Elsewhere:    "somebody else has begun it, as the cluster shows: see that one agent alone looks after a cluster",
}

// Text is the reason in a sentence.
func (r Reason) Text() string { return reasons[r] }

// limit is how many slots one decision records at most: a clock that was set to another
// century for a moment fills no disk at once.
const limit = 1000

// Decide says what becomes of the slots that have come. Each is recorded once, as missed or
// skipped, or is due until it is fired; at most one is due, the newest:
//
//	it falls together with a newer one  skipped
//	min_interval is not over by End     skipped
//	its window is closed                missed
//	there is a newer one                missed
//	an action is under way              skipped, from Begin on
//	nobody saw it come                  missed, or with catch_up once due
//	else                                due from Begin on, and Apart
//
// Begin is the slot and the object's jitter, or later, when min_interval is over. While the clock
// is before LastStart, the last slot on record or the baseline, nothing is due and nothing is
// recorded: one that was set back must not repeat what was.
func (s *Schedule) Decide(in Input) Decision {
	if in.State.Baseline.IsZero() && in.State.Last.IsZero() {
		in.State.Baseline = in.Now
	}
	d := Decision{State: in.State}
	from := s.settled(in.State)
	if in.Now.Before(in.State.Baseline) || in.Now.Before(in.State.Last.At) || in.Now.Before(in.State.LastStart) {
		d.Back = true
		d.Next = s.turn(s.slot(s.after(later(from, s.reached(in.Now)))), in)
		return d
	}
	var come []Slot
	var next Slot
	for next = range s.from(from) {
		if d.More = len(come) == limit; d.More || next.At.After(in.Now) {
			break
		}
		come = append(come, next)
		next = Slot{}
	}
	d.Next = s.turn(next, in)
	for i, slot := range come {
		var newer Slot
		if i+1 < len(come) {
			newer = come[i+1]
		} else if d.More {
			newer = next
		}
		t := s.turn(slot, in)
		if r := s.refuse(t, newer, in); r.Outcome != "" {
			d.Records = append(d.Records, r)
			d.State.Last, d.State.Seen = slot, Slot{}
			continue
		}
		d.State.Seen = slot
		if in.Now.Before(t.Begin.Add(t.Apart)) {
			d.Next = t
		} else {
			d.Due = t
		}
	}
	return d
}

// settled is the local time up to which nothing is to be decided any more.
func (s *Schedule) settled(st State) time.Time {
	last, ok := parseLocal(st.Last.Local)
	if !ok || st.Last.Zone != s.spec.Timezone {
		last = s.reached(st.Last.At) // of another zone: there is only the instant
	}
	if st.Baseline.Before(st.Last.At) {
		return last
	}
	return later(last, s.reached(st.Baseline))
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// turn is when the action of a slot may begin.
func (s *Schedule) turn(slot Slot, in Input) Turn {
	if slot.IsZero() {
		return Turn{}
	}
	t := Turn{Slot: slot, Begin: slot.At.Add(JitterOf(in.Seed, s.spec.Jitter)), End: slot.At.Add(s.spec.Window)}
	if free := s.free(in.State); !in.State.LastStart.After(t.End) && free.After(t.Begin) && !free.After(t.End) {
		t.Begin = free
	}
	t.Apart = s.apart(t, in)
	return t
}

// longestApart bounds by how much two agents begin apart: far more than one needs from its look
// at the cluster's jobs to its own.
const longestApart = 5 * time.Second

// apart is how much later than its turn an agent begins, so that of two one is first. Whoever has
// once come second stays behind from then on, by more than the other ever waits.
func (s *Schedule) apart(t Turn, in Input) time.Duration {
	if in.Instance == "" {
		return 0
	}
	most := min(longestApart, t.End.Sub(t.Begin)/8, s.nearest/8)
	d := fraction(in.Instance+" "+t.ID(), most)
	if in.State.Second {
		d += 2 * most
	}
	return d
}

// free is when min_interval is over.
func (s *Schedule) free(st State) time.Time {
	if st.LastStart.IsZero() {
		return time.Time{}
	}
	return st.LastStart.Add(s.spec.MinInterval)
}

// refuse says why the action of a slot that has come will not begin; the zero Record if it may.
// newer is the slot after it, if that has come too.
func (s *Schedule) refuse(t Turn, newer Slot, in Input) Record {
	seen := in.State.Seen.ID() == t.ID()
	missed := func(r Reason) Record {
		if seen {
			r = Held
		}
		return Record{t.Slot, Missed, r}
	}
	switch {
	case newer.At.Equal(t.At):
		return Record{t.Slot, Skipped, Gap}
	case !in.State.LastStart.After(t.End) && s.free(in.State).After(t.End):
		return Record{t.Slot, Skipped, TooSoon}
	case in.Now.After(t.End):
		return missed(Closed)
	case !newer.IsZero():
		return missed(Superseded)
	}
	late := s.spec.CatchUp == None && !seen && in.Now.After(t.At.Add(JitterOf(in.Seed, s.spec.Jitter)+in.Tolerance))
	switch {
	case !late && in.Now.Before(t.Begin):
		return Record{}
	case in.Running:
		return Record{t.Slot, Skipped, Overlap}
	case late:
		return missed(Late)
	}
	return Record{}
}
