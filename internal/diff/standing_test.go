package diff_test

import (
	"testing"
	"time"

	"kmagent/internal/diff"
	"kmagent/internal/plan"
)

// What people order holds or lets pass what it names, for as long as it says, and nothing else.
func TestStanding(t *testing.T) {
	file := manager("{server: ks1}")
	given := func(from, until time.Duration) plan.Given {
		return plan.Given{ID: "o1", At: now.Add(from), Until: now.Add(until), By: "anna", Reason: "why"}
	}
	pause := func(cluster, svm string, until time.Duration) plan.Standing {
		return plan.Standing{Pauses: []plan.Pause{{Given: given(-time.Hour, until), Cluster: cluster, SVM: svm}}}
	}
	override := func(rule, object string, until time.Duration, used bool) plan.Standing {
		return plan.Standing{Overrides: []plan.Override{{Given: given(-time.Hour, until), Rule: rule, Object: object, Used: used}}}
	}
	const removal = "a/key_server/vs/ks2:5696"
	for _, tt := range []struct {
		name     string
		standing plan.Standing
		floor    int
		want     string
		why      string
	}{
		{"none", plan.Standing{}, 1, "ready", ""},
		{"a pause of everything", pause("", "", time.Minute), 1, "held paused", ""},
		{"a pause of the cluster", pause("a", "", time.Minute), 1, "held paused", ""},
		{"a pause of another cluster", pause("b", "", time.Minute), 1, "ready", ""},
		{"a pause of the SVM", pause("a", "vs", time.Minute), 1, "held paused", ""},
		{"a pause of another SVM", pause("a", "other", time.Minute), 1, "ready", ""},
		{"a pause of the cluster's own scope", pause("a", "@cluster", time.Minute), 1, "ready", "an SVM is not it"},
		{"a pause that is over", pause("", "", 0), 1, "ready", "it ends by itself"},
		{"the floor", plan.Standing{}, 2, "held floor", ""},
		{"an override", override("floor", removal, time.Minute, false), 2, "ready o1", ""},
		{"by the rule", override("KM040", removal, time.Minute, false), 2, "ready o1", "people know the rule that a plan names"},
		{"of another guard", override("order", removal, time.Minute, false), 2, "held floor", ""},
		{"of another object", override("floor", "a/key_server/vs/ks1:5696", time.Minute, false), 2, "held floor", ""},
		{"that is used up", override("floor", removal, time.Minute, true), 2, "held floor", "once is once"},
		{"that is over", override("floor", removal, 0, false), 2, "held floor", "it did not wait for ever"},
	} {
		in := input(wanted(t, file), found(server{name: "ks1"}, server{name: "ks2"}))
		in.Policy.MinReachable = tt.floor
		in.Standing = tt.standing
		p := diff.Compute(in)
		got := "no step"
		for _, s := range p.Steps {
			got = s.Status.String()
			if s.Guard != plan.NoGuard {
				got += " " + string(s.Guard)
			}
			if len(s.Lifted) > 0 {
				got += " " + s.Lifted[0]
			}
		}
		if got != tt.want {
			t.Errorf("%s: %q, want %q: %s", tt.name, got, tt.want, tt.why)
		}
	}
}
