package status

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"kmagent/internal/plan"
)

// A Schedule is an action that the file has a schedule for: when it is taken next, and what
// came of it last, on schedule or by hand.
type Schedule struct {
	Address  string    `json:"address"`
	Action   string    `json:"action"`
	Schedule string    `json:"schedule"` // line and zone, as the file has them
	Next     time.Time `json:"next_at,omitzero"`
	Due      bool      `json:"due,omitempty"`            // the slot of Next has come
	Until    time.Time `json:"next_until,omitzero"`      // after which it is missed
	Running  bool      `json:"running,omitempty"`        // it was sent, and has no known end
	Unknown  bool      `json:"unknown,omitempty"`        // of what runs: nobody knows whether it does
	Ended    time.Time `json:"ended_at,omitzero"`        // when it last came to an end that is known
	Outcome  string    `json:"outcome,omitempty"`        // what that was: applied or failed
	Why      string    `json:"why,omitempty"`            // of one that failed, as far as is remembered
	Last     time.Time `json:"last_success,omitzero"`    // zero: none is known
	Flaw     string    `json:"unverified,omitempty"`     // what is wrong since then
	MaxAge   float64   `json:"max_age_seconds,omitzero"` // of what it makes anew; 0: any
	Missed   int       `json:"missed,omitempty"`         // slots
	Skipped  int       `json:"skipped,omitempty"`        // slots
}

// schedule takes over what a plan tells of schedules. What is remembered after a pass is newer
// than what its plan rests on.
func (c *picture) schedule(p *plan.Plan, l *plan.Ledger) {
	c.Schedules = nil
	for i := range p.Turns {
		t := &p.Turns[i]
		known := t.Slots
		s := Schedule{
			Address: plan.Safe(t.Addr.String()), Action: t.Action, Schedule: plan.Safe(t.Timing.String()),
			Due: t.Due, Flaw: t.Flaw, MaxAge: t.Timing.MaxAge.Seconds(),
		}
		if !t.Next.IsZero() {
			s.Next, s.Until = t.Next.Begin.UTC(), t.Next.End.UTC()
		}
		if l != nil {
			known = l.Objects[t.Addr].Slots[t.Action]
			if o := l.UnderWay(t.Addr, t.Action); o != nil {
				s.Running, s.Unknown = true, o.Standing() == "unknown"
			}
		}
		if t.Due && known.State.Last.ID() == t.Next.ID() { // it has begun, and the next pass knows the next
			s.Next, s.Until, s.Due = time.Time{}, time.Time{}, false
		}
		s.Ended, s.Outcome, s.Last = known.Ended.UTC(), plan.Safe(known.Outcome), known.Succeeded.UTC()
		s.Why = plan.Safe(known.Why)
		s.Missed, s.Skipped = known.Missed, known.Skipped
		c.Schedules = append(c.Schedules, s)
	}
	now := p.Observed
	slices.SortStableFunc(c.Schedules, func(a, b Schedule) int { return cmp.Compare(a.rank(now), b.rank(now)) })
}

// rank has those that a human should see to first, so that they are not cut off.
func (s *Schedule) rank(now time.Time) int {
	if s.failed() || s.overdue(now) || s.Flaw != "" {
		return 0
	}
	return 1
}

func (s *Schedule) failed() bool { return s.Outcome == plan.Failed.String() }

// overdue says whether what the action makes anew is older than the file allows. What was never
// seen to be made anew has no age.
func (s *Schedule) overdue(now time.Time) bool {
	limit := time.Duration(s.MaxAge * float64(time.Second))
	return limit > 0 && !s.Last.IsZero() && now.Sub(s.Last) > limit
}

// late adds the schedules that a human should see to.
func (c *Cluster) late(only string, now time.Time, add func(command, format string, args ...any)) {
	for i := range c.Schedules {
		s := &c.Schedules[i]
		if s.failed() {
			why := ""
			if s.Why != "" {
				why = ": " + s.Why
			}
			add("kmagent plan"+only, "%s of %s failed %s ago%s", s.Action, s.Address, since(now, s.Ended), why)
		}
		if s.Flaw != "" {
			add("kmagent plan"+only, "%s of %s succeeded %s ago and is not verified: %s", s.Action, s.Address, since(now, s.Last), s.Flaw)
		}
		if s.overdue(now) {
			add("kmagent plan"+only, "%s of %s was last done %s ago; the file allows %s", s.Action, s.Address, since(now, s.Last), span(time.Duration(s.MaxAge*float64(time.Second))))
		}
	}
}

// line says when the action is taken next, and what came of it last.
func (s *Schedule) line(now time.Time) string {
	out := fmt.Sprintf("%s of %s: ", s.Action, s.Address)
	switch {
	case s.Unknown:
		out += "nobody knows what became of it"
	case s.Running:
		out += "under way"
	case s.Due:
		out += "its slot has come, until " + s.Until.Format(time.RFC3339)
	case s.Next.IsZero():
		out += "its next slot is not known"
	default:
		out += fmt.Sprintf("next at %s, in %s", s.Next.Format(time.RFC3339), span(s.Next.Sub(now)))
	}
	if s.Last.IsZero() {
		out += "; never done, as far as is known"
	} else {
		out += "; last done " + since(now, s.Last) + " ago"
	}
	if s.Missed > 0 {
		out += fmt.Sprintf("; %d missed", s.Missed)
	}
	return out
}

// scheduled lists what is taken by itself, and when.
func (c *Cluster) scheduled(now time.Time) []Advice {
	out := make([]Advice, len(c.Schedules), len(c.Schedules)+1)
	for i := range c.Schedules {
		out[i].What = c.Schedules[i].line(now)
	}
	if c.SchedulesCut > 0 {
		out = append(out, Advice{What: count(c.SchedulesCut, "more schedule")})
	}
	return out
}
