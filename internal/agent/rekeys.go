package agent

import (
	"fmt"
	"sync"

	"kmagent/internal/plan"
)

// Rekeys bounds how many rekeys run at a time over all clusters of a fleet. Its methods may be
// called from any goroutine. A nil Rekeys bounds nothing.
type Rekeys struct {
	limit int

	mu      sync.Mutex
	running map[string]int // by cluster
}

// NewRekeys returns a bound of that many.
func NewRekeys(limit int) *Rekeys { return &Rekeys{limit: limit, running: map[string]int{}} }

// admit holds the rekeys of a plan for which there is no room, and keeps room for the others
// and for those that run in the cluster already.
func (r *Rekeys) admit(p *plan.Plan, open []plan.Operation) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.running[p.Cluster] = rekeying(open)
	total := 0
	for _, n := range r.running {
		total += n
	}
	for i := range p.Steps {
		s := &p.Steps[i]
		if !s.Rekeys() || s.Status != plan.Ready {
			continue
		}
		if total >= r.limit {
			s.Status, s.Guard = plan.Held, plan.Window
			s.Reason = fmt.Sprintf("%d rekeys may run at a time over all clusters (--max-rekeys): it waits for its turn", r.limit)
			continue
		}
		total++
		r.running[p.Cluster]++
	}
}

// done gives back the room of what a pass has ended.
func (r *Rekeys) done(cluster string, open []plan.Operation) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.running[cluster] = rekeying(open)
}

// forget gives back the room of a cluster that is not looked after any more.
func (r *Rekeys) forget(cluster string) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.running, cluster)
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
