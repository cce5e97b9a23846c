package agent

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"kmagent/internal/plan"
)

// maxIdle is how many looks in a row may come to nothing: a cluster that takes longer to be
// looked at than a plan lasts cannot be changed.
const maxIdle = 2

// Resume looks again while steps of a plan were left because they had become old, and carries
// out those that are still the same: what was shown to somebody is what is sent, if in several
// parts. Whatever else has come to be due is left to the next pass. The report is completed.
func (l *Loop) Resume(ctx context.Context, p *Pass, o Orders) {
	o.ID = p.Plan.ID
	for idle := 0; p.Err == nil && p.Report != nil && p.Report.Stale()+p.Report.Later() > 0 && ctx.Err() == nil && idle < maxIdle; idle++ {
		again := l.Look(ctx, o)
		if again.Err != nil {
			settle(p, fmt.Errorf("look again: %w", again.Err))
			return
		}
		places := keepLeft(p, &again.Plan)
		l.Act(ctx, &again)
		p.Observed, p.Err = again.Observed, again.Err
		if again.Report == nil {
			return
		}
		for i, r := range again.Report.Results {
			p.Report.Results[places[i]] = r
		}
		if again.Report.Changed() {
			idle = -1
		}
	}
}

// settle replaces the reason of the steps that were left.
func settle(p *Pass, err error) {
	for i := range p.Report.Results {
		if r := &p.Report.Results[i]; left(r) {
			r.Err, r.Later = err, false
		}
	}
}

// keepLeft takes out of a new plan what was not left of the old one, and returns the place in
// the old one of each step that stays. What was left and is not the same any more is marked so.
func keepLeft(p *Pass, again *plan.Plan) (places []int) {
	ours := touched(p.Report)
	var keep []plan.Step
	for i := range p.Report.Results {
		r := &p.Report.Results[i]
		if !left(r) {
			continue
		}
		j := slices.IndexFunc(again.Steps, func(s plan.Step) bool { return r.Step.Same(&s, ours[s.Addr.SVM]) })
		if j < 0 || r.Step.After && !done(p.Report, i) {
			if r.Err = plan.ErrChanged; r.Later {
				r.Err, r.Later = plan.ErrPassed, false
			}
			continue
		}
		keep, places = append(keep, again.Steps[j]), append(places, i)
	}
	again.Steps = keep
	return places
}

// left says whether a step was left for another look.
func left(r *plan.Result) bool { return r.Later || errors.Is(r.Err, plan.ErrStale) }

// touched are the scopes that a report may have changed something in.
func touched(rep *plan.Report) map[string]bool {
	out := map[string]bool{}
	for _, r := range rep.Results {
		if r.Outcome != plan.NotAttempted {
			out[r.Step.Addr.SVM] = true
		}
	}
	return out
}

// done says whether the steps of the same object that stand before step i were carried out, or
// are about to be.
func done(rep *plan.Report, i int) bool {
	for _, r := range rep.Results[:i] {
		if r.Step.Addr == rep.Results[i].Step.Addr && r.Outcome != plan.Applied && !left(&r) && r.Step.Status == plan.Ready {
			return false
		}
	}
	return true
}
