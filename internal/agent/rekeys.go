package agent

import (
	"fmt"
	"slices"
	"sync"

	"kmagent/internal/desired"
	"kmagent/internal/plan"
	"kmagent/internal/resource"
	"kmagent/internal/schedule"
)

// Rekeys bounds the rekeys of a fleet: how many run at a time, and how those that share a slot
// follow each other, wave after wave, until one of them fails. A cluster without waves is on its
// own: a failure ends the slot within it alone. Its methods may be called from any
// goroutine. A nil Rekeys bounds nothing.
type Rekeys struct {
	limit int

	mu      sync.Mutex
	sharing map[round]int             // how many objects of clusters with waves have that schedule
	waves   map[string]schedule.Waves // by cluster; none: it is on its own
	running map[string]int            // by cluster
	taken   map[string][]plan.Taken   // by cluster
	waiting map[string]func()         // by cluster: what wakes it
}

// A round is what comes at the same time for all that have it.
type round struct{ action, line string }

// NewRekeys returns a bound of that many at a time.
func NewRekeys(limit int) *Rekeys {
	return &Rekeys{limit: limit, sharing: map[round]int{}, waves: map[string]schedule.Waves{}, running: map[string]int{},
		taken: map[string][]plan.Taken{}, waiting: map[string]func(){}}
}

// Follow takes a file up: which objects share a schedule, and by which waves. What was done
// before is read of clusters that are new; one of which it cannot be read begins nothing either.
func (r *Rekeys) Follow(s *desired.State, read func(cluster string) (plan.Ledger, error)) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	clear(r.sharing)
	named := map[string]bool{}
	for _, c := range s.All {
		named[c.Name] = true
		if _, known := r.waves[c.Name]; !known {
			if led, err := read(c.Name); err == nil {
				r.running[c.Name], r.taken[c.Name] = rekeying(led.Open), led.Taken()
			}
		}
		r.waves[c.Name] = c.Policy.Waves
		if c.Mode == desired.Observe || c.Policy.Waves.IsZero() {
			continue
		}
		for _, o := range c.Objects {
			for i := range o.Kind.Fields {
				if f := &o.Kind.Fields[i]; f.Type == resource.Timed && o.Values[i].IsSet() && !o.Absent {
					r.sharing[round{f.Runs, o.Values[i].Timing().Line()}]++
				}
			}
		}
	}
	for name := range r.waves {
		if !named[name] {
			r.forget(name)
		}
	}
}

// forget gives back the room of a cluster that is not looked after any more.
func (r *Rekeys) forget(cluster string) {
	delete(r.waves, cluster)
	delete(r.running, cluster)
	delete(r.taken, cluster)
	delete(r.waiting, cluster)
}

// reserve holds the rekeys of a plan for which there is no room, and has the cluster woken when
// there may be. For the others it keeps room until [Rekeys.done]. Led is what is known of the
// cluster, with what this look has settled.
func (r *Rekeys) reserve(p *plan.Plan, led *plan.Ledger, wake func()) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.running[p.Cluster], r.taken[p.Cluster] = rekeying(led.Open), led.Taken()
	delete(r.waiting, p.Cluster)
	total := 0
	for _, n := range r.running {
		total += n
	}
	for i := range p.Steps {
		s := &p.Steps[i]
		if !s.Rekeys() || s.Status != plan.Ready {
			continue
		}
		line := lineOf(p, s)
		reason := r.wave(p.Cluster, s, line)
		if reason == "" && total >= r.limit {
			reason = fmt.Sprintf("%d rekeys may run at a time over all clusters (--max-rekeys): it waits for its turn", r.limit)
		}
		if reason != "" {
			s.Status, s.Guard, s.Reason = plan.Held, plan.Window, reason
			if wake != nil {
				r.waiting[p.Cluster] = wake
			}
			continue
		}
		total++
		r.running[p.Cluster]++
		if !s.Slot.IsZero() {
			r.taken[p.Cluster] = append(r.taken[p.Cluster], plan.Taken{Addr: s.Owner(), Action: s.Action, Line: line, Slot: s.Slot})
		}
	}
}

// done gives back the room of what a pass has ended, and wakes those who wait for it.
func (r *Rekeys) done(cluster string, led *plan.Ledger) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	running, taken := rekeying(led.Open), led.Taken()
	if running == r.running[cluster] && slices.Equal(taken, r.taken[cluster]) {
		return
	}
	r.running[cluster], r.taken[cluster] = running, taken
	for name, wake := range r.waiting {
		if name != cluster {
			delete(r.waiting, name)
			wake()
		}
	}
}

// wave says why a step that is for a slot has to wait for others that share it; empty if it
// need not.
func (r *Rekeys) wave(cluster string, s *plan.Step, line string) string {
	if s.Slot.IsZero() {
		return ""
	}
	begun, succeeded := 0, 0
	var open plan.Taken
	for name, list := range r.taken {
		if name != cluster && (r.waves[name].IsZero() || r.waves[cluster].IsZero()) {
			continue // one of the two is on its own
		}
		for _, t := range list {
			if t.Action != s.Action || t.Line != line || t.Slot.ID() != s.Slot.ID() || t.Addr == s.Owner() {
				continue
			}
			begun++
			switch t.Outcome {
			case plan.Applied:
				succeeded++
			case plan.Failed:
				return fmt.Sprintf("at this slot it has failed for %s: see to that one, and take its %s by kmagent rekey run; then the others go on", t.Addr, s.Action)
			default:
				if open.Addr.Cluster == "" || t.Addr.Compare(open.Addr) < 0 {
					open = t
				}
			}
		}
	}
	objects := max(r.sharing[round{s.Action, line}], begun+1)
	if begun < r.waves[cluster].Room(objects, succeeded) {
		return ""
	}
	return fmt.Sprintf("%d of the %d objects that share this slot go first, and the others wait until those have succeeded and were verified (policy.waves): now for %s",
		begun, objects, open.Addr)
}

// lineOf is the line of the schedule that a step is for.
func lineOf(p *plan.Plan, s *plan.Step) string {
	i := slices.IndexFunc(p.Turns, func(t plan.Turn) bool { return t.Addr == s.Owner() && t.Action == s.Action })
	if i < 0 {
		return ""
	}
	return p.Turns[i].Line
}

// rekeying counts the rekeys among operations. One that somebody has to look at may wait for that
// for days, and other clusters do not wait with it.
func rekeying(list []plan.Operation) int {
	n := 0
	for i := range list {
		if list[i].Rekeys() && list[i].Standing() != "unknown" {
			n++
		}
	}
	return n
}
