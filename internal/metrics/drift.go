package metrics

import (
	"maps"
	"time"

	"kmagent/internal/plan"
	"kmagent/internal/resource"
)

// drift is a way in which a resource differs from the desired state.
type drift uint8

// The drifts, the one that tells most about a resource first: a resource that has to be
// created and then updated is missing.
const (
	missing drift = iota
	unexpected
	changed
)

// driftOf says what a step makes up for.
func driftOf(op plan.Op) drift {
	switch op {
	case plan.Create:
		return missing
	case plan.Delete:
		return unexpected
	default:
		return changed
	}
}

// planned is what remains of the newest plan.
type planned struct {
	since   map[resource.Addr]time.Time // of the resources that still differ: since when
	totals  map[scope]totals
	guarded bool // a guard holds or refuses a step
}

// totals are the sums of one scope.
type totals struct {
	drifted [len(drifts)]int
	pending [len(actions)]int
	since   time.Time // of the oldest drift; zero if there is none
}

// review returns what remains of p once r is taken off, and the resources that differ now
// and did not when prev was made. Steps that are held or refused count like others. Both
// prev and r may be nil.
func review(prev *planned, p *plan.Plan, r *plan.Report, now time.Time) (*planned, map[resource.Addr]drift) {
	if prev == nil {
		prev = &planned{}
	}
	seen := p.Observed
	if seen.IsZero() {
		seen = now
	}
	next := &planned{since: map[resource.Addr]time.Time{}, totals: map[scope]totals{}}
	all, left := map[resource.Addr]drift{}, map[resource.Addr]drift{}
	done := appliedSteps(r)
	for i := range p.Steps {
		s := &p.Steps[i]
		enter(all, s)
		next.guarded = next.guarded || guarded(s)
		if done[s] {
			continue
		}
		enter(left, s)
		t := next.totals[scopeOf(s.Addr)]
		t.pending[s.Op]++
		next.totals[scopeOf(s.Addr)] = t
	}
	for a, d := range left {
		since, known := prev.since[a]
		if !known {
			since = seen
		}
		next.since[a] = since
		t := next.totals[scopeOf(a)]
		t.drifted[d]++
		if t.since.IsZero() || since.Before(t.since) {
			t.since = since
		}
		next.totals[scopeOf(a)] = t
	}
	maps.DeleteFunc(all, func(a resource.Addr, _ drift) bool {
		_, known := prev.since[a]
		return known
	})
	return next, all
}

// enter notes the drift that s makes up for, unless a worse one of its object is known. The
// children that come with an object are missing as it is. The keys that come and go at the slots
// of a schedule are no drift: the file does not have them.
func enter(m map[resource.Addr]drift, s *plan.Step) {
	if s.Timed && s.Op != plan.Act {
		return
	}
	d := driftOf(s.Op)
	for _, a := range append([]resource.Addr{s.Addr}, s.Brings...) {
		if known, ok := m[a]; !ok || d < known {
			m[a] = d
		}
	}
}

// guarded says whether a guard keeps s from being sent. The mode and a broken file do so
// too, and have metrics of their own.
func guarded(s *plan.Step) bool {
	if s.Status == plan.Ready {
		return false
	}
	return s.Guard != plan.NoGuard && s.Guard != plan.Mode && s.Guard != plan.Source
}

func appliedSteps(r *plan.Report) map[*plan.Step]bool {
	done := map[*plan.Step]bool{}
	if r == nil {
		return done
	}
	for _, x := range r.Results {
		if x.Outcome == plan.Applied || x.Outcome == plan.Kept {
			done[x.Step] = true
		}
	}
	return done
}
