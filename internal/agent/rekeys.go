package agent

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"kmagent/internal/desired"
	"kmagent/internal/plan"
	"kmagent/internal/resource"
	"kmagent/internal/schedule"
)

// Rekeys bounds the rekeys of a fleet: how many run at a time, and how those that share a slot
// follow each other, wave after wave, until one of them fails. A cluster without waves is on its
// own: a failure ends the slot within it alone. Its methods may be called from any goroutine. A nil
// Rekeys bounds nothing.
type Rekeys struct {
	limit int

	mu      sync.Mutex
	sharing map[round]int            // how many objects of clusters with waves have that schedule
	lines   map[turning]string       // the schedules of the file
	known   map[string]*clusterTurns // by cluster of the file
}

// clusterTurns is what is known of the rekeys of a cluster.
type clusterTurns struct {
	waves   schedule.Waves // none: it is on its own
	unread  error          // why it is not known what was done before
	running int
	taken   []plan.Taken
	wake    func() // while it waits; may be nil
	forRoom bool   // it waits for others to end, and not for those of its slot
}

// A round is what comes at the same time for all that have it, and a turning what has it.
type (
	round   struct{ action, line string }
	turning struct {
		addr   resource.Addr
		action string
	}
)

// NewRekeys returns a bound of that many at a time.
func NewRekeys(limit int) *Rekeys {
	return &Rekeys{limit: limit, sharing: map[round]int{}, lines: map[turning]string{}, known: map[string]*clusterTurns{}}
}

// Follow takes a file up: which objects share a schedule, and by which waves. What was done
// before is read of clusters that are new.
func (r *Rekeys) Follow(s *desired.State, read func(cluster string) (plan.Ledger, error)) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	clear(r.sharing)
	clear(r.lines)
	for _, c := range s.All {
		k := r.known[c.Name]
		if k == nil || k.unread != nil {
			led, err := read(c.Name)
			k = &clusterTurns{unread: err, running: rekeying(led.Open), taken: led.Taken()}
			r.known[c.Name] = k
		}
		k.waves = c.Policy.Waves
		r.share(c)
	}
}

// share notes which objects of a cluster have which schedule.
func (r *Rekeys) share(c desired.Cluster) {
	for _, o := range c.Objects {
		for i := range o.Timings() {
			action, line := o.Kind.Fields[i].Runs, o.Values[i].Timing().Line()
			r.lines[turning{o.Addr, action}] = line
			if c.Mode != desired.Observe && !c.Policy.Waves.IsZero() {
				r.sharing[round{action, line}]++
			}
		}
	}
}

// Forget gives back the room of a cluster that is not looked after any more. No pass over it may
// be under way.
func (r *Rekeys) Forget(cluster string) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.known, cluster)
	r.wakeOthers(cluster, true)
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
	k := r.known[p.Cluster]
	if k == nil {
		k = &clusterTurns{} // it has just left the file
	}
	k.unread, k.running, k.taken, k.wake = nil, rekeying(led.Open), led.Taken(), nil
	for i := range p.Steps {
		s := &p.Steps[i]
		if s.Status != plan.Ready {
			continue
		}
		if s.After && slices.ContainsFunc(p.Steps[:i], func(before plan.Step) bool { return before.Addr == s.Addr && before.Status != plan.Ready }) {
			s.Status, s.Guard, s.Reason = plan.Held, plan.Window, "it comes after a step that is held"
			continue
		}
		if !s.Rekeys() {
			continue
		}
		line := r.lines[turning{s.Owner(), s.Action}]
		reason, forRoom := r.wave(p.Cluster, s, line), false
		if running, others := r.running(); reason == "" && running >= r.limit {
			reason, forRoom = fmt.Sprintf("as many rekeys run over all clusters as may (--max-rekeys %d): it waits for %s", r.limit, others), true
		}
		if reason != "" {
			s.Status, s.Guard, s.Reason = plan.Held, plan.Window, reason
			k.wake, k.forRoom = wake, forRoom
			continue
		}
		k.running++
		if !s.Slot.IsZero() {
			k.taken = append(k.taken, plan.Taken{Addr: s.Owner(), Action: s.Action, Line: line, Slot: s.Slot})
		}
	}
}

// running counts the rekeys under way, and names their clusters.
func (r *Rekeys) running() (n int, clusters string) {
	var names []string
	for name, k := range r.known {
		if n += k.running; k.running > 0 {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	if len(names) > 4 {
		names = append(names[:4], "others")
	}
	return n, strings.Join(names, ", ")
}

// done gives back the room of what a pass has ended, and wakes those who wait for it.
func (r *Rekeys) done(cluster string, led *plan.Ledger) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	k := r.known[cluster]
	if k == nil {
		return
	}
	k.wake = nil // it has just looked
	running, taken := rekeying(led.Open), led.Taken()
	came := !slices.Equal(taken, k.taken)
	if k.unread == nil && running == k.running && !came {
		return
	}
	k.unread, k.running, k.taken = nil, running, taken
	r.wakeOthers(cluster, came)
}

// away gives back the room of a cluster that does not answer: others do not wait until it does.
func (r *Rekeys) away(cluster string) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if k := r.known[cluster]; k != nil && k.running > 0 {
		k.running = 0
		r.wakeOthers(cluster, false)
	}
}

// wakeOthers wakes as many of those that wait as there is room for and, if others of their slot
// have come on, all that wait for those.
func (r *Rekeys) wakeOthers(cluster string, came bool) {
	running, _ := r.running()
	room := r.limit - running
	for name, k := range r.known {
		if name == cluster || k.wake == nil || k.forRoom && room <= 0 || !k.forRoom && !came {
			continue
		}
		if k.forRoom {
			room--
		}
		k.wake()
		k.wake = nil
	}
}

// wave says why a step that is for a slot has to wait for others that share it; empty if it
// need not. What somebody asks for does not wait.
func (r *Rekeys) wave(cluster string, s *plan.Step, line string) string {
	if s.Slot.IsZero() || s.Asked {
		return ""
	}
	own := r.known[cluster]
	begun, succeeded := 0, 0
	var failed, open resource.Addr
	unread := ""
	first := func(a *resource.Addr, b resource.Addr) {
		if a.Cluster == "" || b.Compare(*a) < 0 {
			*a = b
		}
	}
	for name, k := range r.known {
		if name != cluster && (k.waves.IsZero() || own == nil || own.waves.IsZero()) {
			continue // one of the two is on its own
		}
		if k.unread != nil && (unread == "" || name < unread) {
			unread = name
		}
		for _, t := range k.taken {
			if t.Action != s.Action || t.Line != line || t.Slot.ID() != s.Slot.ID() || t.Addr == s.Owner() || r.lines[turning{t.Addr, t.Action}] != line {
				continue
			}
			begun++
			switch t.Outcome {
			case plan.Applied:
				succeeded++
			case plan.Failed:
				first(&failed, t.Addr)
			default:
				first(&open, t.Addr)
			}
		}
	}
	objects := max(r.sharing[round{s.Action, line}], begun+1)
	switch {
	case failed.Cluster != "":
		return fmt.Sprintf("at this slot it has failed for %s: see to that one, and take its %s by kmagent rekey run; then the others go on", failed, s.Action)
	case unread != "":
		return fmt.Sprintf("what has been done at this slot in %s cannot be read: see to its journal", plan.Safe(unread))
	case own == nil || begun < own.waves.Room(objects, succeeded):
		return ""
	}
	return fmt.Sprintf("%d of the %d objects that share this slot go first, and the others wait until those have succeeded and were verified (policy.waves): now for %s",
		begun, objects, open)
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
