package plan_test

import (
	"testing"
	"time"

	"kmagent/internal/plan"
	"kmagent/internal/resource"
)

// What came of a rekey is counted once, and an answer that was lost counts beside it.
func TestSlotsCountOutcomes(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	type counts struct{ done, failed, unknown int }
	for _, tt := range []struct {
		name string
		ends []plan.Outcome // of one operation
		want counts
		why  string
	}{
		{"done", []plan.Outcome{plan.Applied}, counts{done: 1}, "it is"},
		{"failed", []plan.Outcome{plan.Failed}, counts{failed: 1}, "it is"},
		{"under way", []plan.Outcome{plan.Running}, counts{}, "a job tells of itself"},
		{"a job that ended", []plan.Outcome{plan.Running, plan.Applied}, counts{done: 1}, "once"},
		{"lost", []plan.Outcome{plan.Unknown, plan.Unknown}, counts{unknown: 1}, "it is lost once"},
		{"lost and found", []plan.Outcome{plan.Unknown, plan.Failed}, counts{failed: 1, unknown: 1}, "both are true, one after the other"},
		{"under way, then in doubt", []plan.Outcome{plan.Running, plan.Unknown, plan.Unknown}, counts{unknown: 1}, "nobody knows, from then on"},
		{"ended twice", []plan.Outcome{plan.Applied, plan.Failed}, counts{done: 1}, "the second is of nothing"},
	} {
		var l plan.Ledger
		a := resource.Addr{Cluster: "prod-a", Kind: "azure_key_vault", SVM: "vs_hr"}
		l.Begin(plan.Operation{ID: "1", Op: plan.Act, Action: "rekey_external", Addr: a, Timed: true, At: at})
		for _, o := range tt.ends {
			e := plan.End{Outcome: o, At: at.Add(time.Minute)}
			if o == plan.Running {
				l.Accept("1", "job-1")
			} else if o == plan.Unknown && len(l.Open) > 0 && l.Open[0].Job != "" {
				e.Why = "its job is forgotten"
			}
			l.End("1", e)
		}
		s := l.Objects[a].Slots["rekey_external"]
		if got := (counts{s.Done, s.Failed, s.Unknown}); got != tt.want {
			t.Errorf("%s: %+v, want %+v: %s", tt.name, got, tt.want, tt.why)
		}
	}
}

// What is remembered of a failure is what somebody needs who looks at it a week later.
func TestSlotsRememberWhy(t *testing.T) {
	a := resource.Addr{Cluster: "prod-a", Kind: "azure_key_vault", SVM: "vs_hr"}
	for _, c := range []struct {
		end  plan.End
		want string
	}{
		{plan.End{Outcome: plan.Failed, Code: "65537559"}, "ONTAP error 65537559"},
		{plan.End{Outcome: plan.Failed, Code: "65536600", Why: "its job failed"}, "its job failed: ONTAP error 65536600: " + resource.Remedy("65536600")},
		{plan.End{Outcome: plan.Failed, Why: "ops says so: \x1b[2J"}, `ops says so: \x1b[2J`},
		{plan.End{Outcome: plan.Failed}, ""},
		{plan.End{Outcome: plan.Applied, Why: "its job succeeded"}, ""},
	} {
		l := plan.Ledger{Objects: map[resource.Addr]plan.Remembered{a: {Slots: map[string]plan.Slots{"rekey_internal": {Why: "of last time"}}}}}
		l.Begin(plan.Operation{ID: "1", Op: plan.Act, Action: "rekey_internal", Addr: a, Timed: true})
		l.End("1", c.end)
		if got := l.Objects[a].Slots["rekey_internal"].Why; got != c.want {
			t.Errorf("%+v: %q, want %q", c.end, got, c.want)
		}
	}
}

// A generation whose answer is lost counts with the key that the file rotates, which has the
// schedule, and not with one that may not be there.
func TestLostGenerationCounts(t *testing.T) {
	var l plan.Ledger
	key := resource.Addr{Cluster: "prod-a", Kind: "auth_key", Name: "nse"}
	made := resource.Addr{Cluster: "prod-a", Kind: "auth_key", Name: "nse-2026-11-01"}
	l.Begin(plan.Operation{ID: "1", Op: plan.Create, Action: resource.RotateKey, Addr: made, For: key, Timed: true})
	l.End("1", plan.End{Outcome: plan.Unknown})
	if n := l.Objects[key].Slots[resource.RotateKey].Unknown; n != 1 {
		t.Errorf("counted %d times with the key", n)
	}
	if s := l.Objects[made].Slots; s != nil {
		t.Errorf("the generation has a schedule: %v", s)
	}
}
