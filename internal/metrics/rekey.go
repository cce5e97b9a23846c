package metrics

import (
	"time"

	"kmagent/internal/plan"
	"kmagent/internal/resource"
)

// A target is what rekeys are told by: an object and an action, within a cluster. Its text is
// of the file alone.
type target struct{ svm, name string }

// targetOf names a target as the file does: kind, name where the kind has names, and action.
func targetOf(a resource.Addr, action string) target {
	name := a.Kind + "/" + action
	if a.Name != "" {
		name = a.Kind + "/" + a.Name + "/" + action
	}
	return target{label(a.SVM), label(name)}
}

// scheduled is what the file says of one.
type scheduled struct {
	addr   resource.Addr
	action string
	maxAge time.Duration
}

// schedules lists the actions that the file has a schedule for. Of two whose labels are equal
// only the first is told.
func schedules(wanted []*resource.Object) map[target]scheduled {
	m := map[target]scheduled{}
	for _, o := range wanted {
		for i := range o.Timings() {
			action := o.Kind.Fields[i].Runs
			t := targetOf(o.Addr, action)
			if _, taken := m[t]; !taken {
				m[t] = scheduled{o.Addr, action, o.Values[i].Timing().MaxAge}
			}
		}
	}
	return m
}

// rekey is what is known of one.
type rekey struct {
	next    time.Time     // when its next slot may begin; zero if none is known
	last    time.Time     // when it last succeeded; zero if that is not known
	took    time.Duration // the last that ended; 0 if none is known, or one is under way
	running bool
	flawed  bool // the last that succeeded was not verified
	results [len(rekeyResults)]int
}

// remembered returns what is known after a pass. The counts are the ledger's: what was missed
// while nobody ran is found once and by whoever runs next, whose own count of it would begin
// anew with every start, and look to Prometheus as if nothing had happened.
func remembered(c *cluster, p *plan.Plan, l *plan.Ledger) map[target]rekey {
	if l == nil {
		return c.rekeys
	}
	m := make(map[target]rekey, len(c.scheduled))
	for t, s := range c.scheduled {
		known := l.Objects[s.addr].Slots[s.action]
		m[t] = rekey{
			next:    c.rekeys[t].next,
			last:    known.Succeeded,
			took:    known.Took(),
			flawed:  known.Unverified(s.action),
			running: l.UnderWay(s.addr, s.action) != nil,
			results: [...]int{known.Done, known.Failed, known.Skipped, known.Missed, known.Unknown},
		}
	}
	if p == nil || p.Err != nil {
		return m
	}
	next := map[target]time.Time{}
	for i := range p.Turns {
		turn := &p.Turns[i]
		t := targetOf(turn.Addr, turn.Action)
		s, known := c.scheduled[t]
		begun := turn.Due && l.Objects[turn.Addr].Slots[turn.Action].State.Last.ID() == turn.Next.ID()
		if known && s.addr == turn.Addr && !begun { // if it has begun, the next pass knows the next
			next[t] = turn.Next.Begin
		}
	}
	for t, r := range m {
		r.next = next[t]
		m[t] = r
	}
	return m
}

// rekeys walks what the file declares: what is known of anything else is not told.
func (out series) rekeys(c *cluster) {
	for t, s := range c.scheduled {
		if s.maxAge > 0 {
			out.put(rekeyMaxAge, s.maxAge.Seconds(), c.label, t.svm, t.name)
		}
		r, known := c.rekeys[t]
		if !known {
			continue
		}
		if !r.next.IsZero() {
			out.put(rekeyNextRun, unix(r.next), c.label, t.svm, t.name)
		}
		if !r.last.IsZero() {
			out.put(rekeyLastSuccess, unix(r.last), c.label, t.svm, t.name)
		}
		if r.took > 0 {
			out.put(rekeyDuration, r.took.Seconds(), c.label, t.svm, t.name)
		}
		out.put(rekeyUnverified, oneIf(r.flawed), c.label, t.svm, t.name)
		out.put(rekeyRunning, oneIf(r.running), c.label, t.svm, t.name)
		for i, word := range rekeyResults {
			out.put(rekeys, float64(r.results[i]), c.label, t.svm, t.name, word)
		}
	}
}
