package diff

import (
	"fmt"
	"slices"
	"time"

	"kmagent/internal/plan"
)

// holdPaused rests what somebody ordered to rest.
func (d *decider) holdPaused() {
	for i := range d.plan.Steps {
		s := &d.plan.Steps[i]
		for _, svm := range s.Scopes() {
			if p := d.Standing.Paused(d.Cluster, svm, d.Now); p != nil {
				d.block(s, s.Source, plan.Held, plan.Paused, fmt.Sprintf("paused by %s until %s: %s (%s)", p.By, p.Until.UTC().Format(time.RFC3339), p.Reason, p.ID))
			}
		}
	}
}

// lifted says whether an order lets the step pass the guard, and notes that this uses it up.
func (d *decider) lifted(s *plan.Step, g plan.Guard) bool {
	asked := *s
	asked.Guard = g
	v := d.Standing.Overridden(s.Addr, g, string(ruleOf(&asked)), d.Now)
	if v == nil {
		return false
	}
	if !slices.Contains(s.Lifted, v.ID) {
		s.Lifted = append(s.Lifted, v.ID)
		d.plan.Notes = append(d.plan.Notes, plan.Note{Addr: s.Addr, Source: s.Source,
			Text: fmt.Sprintf("passes the guard %s by order %s of %s: %s; the order is used up by it", g, v.ID, v.By, v.Reason)})
	}
	return true
}
