package main

import (
	"errors"

	"kmagent/internal/agent"
	"kmagent/internal/desired"
	"kmagent/internal/plan"
	"kmagent/internal/status"
)

// known tells the tracker what came of a look at the file.
func (d *service) known(rev agent.Revision) {
	s := status.Source{File: d.file, Loaded: d.goodAt.UTC()}
	var list []status.Declared
	if rev.State != nil {
		s.Revision = rev.State.Digest
		for _, k := range d.declared(rev.State) {
			list = append(list, status.Declared{Name: k.Name, Mode: string(k.Mode), Interval: k.Interval})
		}
	}
	if rev.Err != nil {
		s.Problem, s.ProblemAt, s.Newest, s.Faults = rev.Err.Error(), rev.At.UTC(), rev.Digest, 1
		if faults, ok := errors.AsType[desired.Faults](rev.Err); ok && len(faults) > 0 {
			s.Problem, s.Faults = faults[0].Error(), len(faults)
		}
	}
	switch rev.Hold.Hold {
	case plan.NoGuard, plan.Mode, plan.Source: // that is told otherwise
	default:
		s.Hold, s.Reason = string(rev.Hold.Hold), rev.Hold.Reason
	}
	d.tracker.Source(s, list)
}

// seen tells the tracker what came of a pass.
func (d *service) seen(p agent.Pass, result string) {
	t := status.Pass{
		Result: result, Ended: p.Began.Add(p.Took), Took: p.Took, Err: p.Failure(),
		Observed: p.Observed, Report: p.Report, Ledger: p.Ledger, Standing: p.Standing,
	}
	if p.Plan.Err == nil {
		t.Plan = &p.Plan
	}
	switch code := codeOf(t.Err); code {
	case exitOK:
	case exitAccess:
		t.ErrorKind = "access"
	case exitState:
		t.ErrorKind = "state"
	default:
		t.ErrorKind = "cluster"
	}
	d.tracker.Pass(p.Cluster, t)
}
