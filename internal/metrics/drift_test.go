package metrics

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"kmagent/internal/plan"
	"kmagent/internal/resource"
)

func TestReview(t *testing.T) {
	var (
		km  = addr("key_manager", "vs_db", "")
		ks1 = addr("key_server", "vs_db", "ks1.example.net:5696")
		ks2 = addr("key_server", "vs_db", "ks2.example.net:5696")

		managers = scope{"vs_db", "key_manager"}
		servers  = scope{"vs_db", "key_server"}
		earlier  = start.Add(-time.Hour)
	)
	type found = map[resource.Addr]drift
	tests := []struct {
		name   string
		prev   *planned
		steps  []plan.Step
		done   []plan.Outcome // of the steps; nil: nothing was sent
		totals map[scope]totals
		found  found
		why    string
	}{
		{
			name:   "nothing to do",
			totals: map[scope]totals{},
			found:  found{},
			why:    "an empty plan is no drift",
		},
		{
			name:  "each operation",
			steps: []plan.Step{{Op: plan.Create, Addr: ks1}, {Op: plan.Delete, Addr: ks2}, {Op: plan.Act, Addr: km}},
			totals: map[scope]totals{
				servers:  {drifted: [3]int{missing: 1, unexpected: 1}, pending: [4]int{plan.Create: 1, plan.Delete: 1}, since: start},
				managers: {drifted: [3]int{changed: 1}, pending: [4]int{plan.Act: 1}, since: start},
			},
			found: found{ks1: missing, ks2: unexpected, km: changed},
			why:   "create is missing, delete is unexpected, update and act are changed",
		},
		{
			name:   "held and refused",
			steps:  []plan.Step{{Op: plan.Update, Status: plan.Held, Addr: ks1}, {Op: plan.Update, Status: plan.Refused, Addr: ks2}},
			totals: map[scope]totals{servers: {drifted: [3]int{changed: 2}, pending: [4]int{plan.Update: 2}, since: start}},
			found:  found{ks1: changed, ks2: changed},
			why:    "what waits differs all the same",
		},
		{
			name:   "two steps of one object",
			steps:  []plan.Step{{Op: plan.Update, Addr: ks1}, {Op: plan.Create, Addr: ks1}},
			totals: map[scope]totals{servers: {drifted: [3]int{missing: 1}, pending: [4]int{plan.Create: 1, plan.Update: 1}, since: start}},
			found:  found{ks1: missing},
			why:    "resources are counted once, changes each",
		},
		{
			name:  "children that come with their parent",
			steps: []plan.Step{{Op: plan.Create, Addr: km, Brings: []resource.Addr{ks1, ks2}}},
			totals: map[scope]totals{
				managers: {drifted: [3]int{missing: 1}, pending: [4]int{plan.Create: 1}, since: start},
				servers:  {drifted: [3]int{missing: 2}, since: start},
			},
			found: found{km: missing, ks1: missing, ks2: missing},
			why:   "one request makes three resources",
		},
		{
			name:   "drift that was there before",
			prev:   &planned{since: map[resource.Addr]time.Time{ks1: earlier}},
			steps:  []plan.Step{{Op: plan.Update, Addr: ks1}, {Op: plan.Update, Addr: ks2}},
			totals: map[scope]totals{servers: {drifted: [3]int{changed: 2}, pending: [4]int{plan.Update: 2}, since: earlier}},
			found:  found{ks2: changed},
			why:    "the first sight of the oldest counts, and only what is new is found",
		},
		{
			name:   "another drift of the same object",
			prev:   &planned{since: map[resource.Addr]time.Time{ks1: earlier}},
			steps:  []plan.Step{{Op: plan.Create, Addr: ks1}},
			totals: map[scope]totals{servers: {drifted: [3]int{missing: 1}, pending: [4]int{plan.Create: 1}, since: earlier}},
			found:  found{},
			why:    "it did not match in between",
		},
		{
			name:   "applied",
			steps:  []plan.Step{{Op: plan.Update, Addr: ks1}, {Op: plan.Update, Addr: ks2}},
			done:   []plan.Outcome{plan.Applied, plan.Failed},
			totals: map[scope]totals{servers: {drifted: [3]int{changed: 1}, pending: [4]int{plan.Update: 1}, since: start}},
			found:  found{ks1: changed, ks2: changed},
			why:    "what was put right was found nevertheless",
		},
		{
			name:   "unanswered",
			steps:  []plan.Step{{Op: plan.Create, Addr: ks1}},
			done:   []plan.Outcome{plan.Unknown},
			totals: map[scope]totals{servers: {drifted: [3]int{missing: 1}, pending: [4]int{plan.Create: 1}, since: start}},
			found:  found{ks1: missing},
			why:    "only the next read can tell",
		},
		{
			name:   "half applied",
			steps:  []plan.Step{{Op: plan.Create, Addr: ks1}, {Op: plan.Update, Addr: ks1}},
			done:   []plan.Outcome{plan.Applied, plan.Failed},
			totals: map[scope]totals{servers: {drifted: [3]int{changed: 1}, pending: [4]int{plan.Update: 1}, since: start}},
			found:  found{ks1: missing},
			why:    "it is there by now, but not as it should be",
		},
		{
			name:   "back in order",
			prev:   &planned{since: map[resource.Addr]time.Time{ks1: earlier}},
			totals: map[scope]totals{},
			found:  found{},
			why:    "a resource that matches is forgotten, so it can be found again",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := &plan.Plan{Steps: tt.steps, Observed: start}
			var r *plan.Report
			if tt.done != nil {
				r = &plan.Report{}
				for i, o := range tt.done {
					r.Results = append(r.Results, plan.Result{Step: &p.Steps[i], Outcome: o})
				}
			}
			next, got := review(tt.prev, p, r, start.Add(time.Minute))
			if diff := cmp.Diff(tt.totals, next.totals, cmp.AllowUnexported(scope{}, totals{})); diff != "" {
				t.Errorf("%s: totals (-want +got):\n%s", tt.why, diff)
			}
			if diff := cmp.Diff(tt.found, got); diff != "" {
				t.Errorf("%s: found (-want +got):\n%s", tt.why, diff)
			}
		})
	}
}

func TestGuarded(t *testing.T) {
	tests := []struct {
		step plan.Step
		want bool
		why  string
	}{
		{plan.Step{}, false, "a ready step waits for nothing"},
		{plan.Step{Status: plan.Held, Guard: plan.Reachability}, true, "a guard holds it"},
		{plan.Step{Status: plan.Refused, Guard: plan.Immutable}, true, "a guard refuses it"},
		{plan.Step{Status: plan.Held, Guard: plan.Mode}, false, "reconcile_mode says so"},
		{plan.Step{Status: plan.Held, Guard: plan.Source}, false, "config_last_load_successful says so"},
		{plan.Step{Status: plan.Held}, false, "nothing is said to hold it"},
	}
	for _, tt := range tests {
		if got := guarded(&tt.step); got != tt.want {
			t.Errorf("%v %q: got %t, want %t: %s", tt.step.Status, tt.step.Guard, got, tt.want, tt.why)
		}
	}
}

// Drift that comes back after it was put right is counted again; drift that stays is not.
func TestDriftIsCountedOnce(t *testing.T) {
	m, reg := fresh(t)
	m.Clusters([]Cluster{{Name: "prod-a", Wanted: []*resource.Object{external("vs_db", "", 0)}}})
	pass := func(outcome ...plan.Outcome) {
		p := &plan.Plan{Observed: start}
		r := &plan.Report{}
		if len(outcome) > 0 {
			p.Steps = []plan.Step{{Op: plan.Update, Addr: addr("key_manager", "vs_db", "")}}
			r.Results = []plan.Result{{Step: &p.Steps[0], Outcome: outcome[0], Err: errors.New("some")}}
		}
		m.Pass("prod-a", Pass{Result: Applied, Plan: p, Report: r})
	}
	const sample = `kmagent_drift_detected_total{cluster="prod-a",drift="changed",kind="key_manager",svm="vs_db"} `
	for _, step := range []struct {
		outcome []plan.Outcome
		want    string
	}{
		{nil, "0\n"},
		{[]plan.Outcome{plan.Failed}, "1\n"},
		{[]plan.Outcome{plan.Applied}, "1\n"},
		{[]plan.Outcome{plan.Applied}, "2\n"},
		{nil, "2\n"},
	} {
		pass(step.outcome...)
		if got := lines(scrape(t, reg), sample); got != sample+step.want {
			t.Errorf("after %v: got %s, want %s", step.outcome, got, sample+step.want)
		}
	}
}
