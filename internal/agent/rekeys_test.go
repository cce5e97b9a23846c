package agent

import (
	"testing"

	"kmagent/internal/plan"
	"kmagent/internal/resource"
)

// What a cluster is known to work on takes a place from the others; what somebody has to look at
// does not, however long that takes.
func TestUnknownRekeysTakeNoPlace(t *testing.T) {
	rekey := func(o plan.Operation) plan.Operation {
		o.Action, o.Timed, o.Addr = "rekey_internal", true, resource.Addr{Cluster: "a", Kind: "aws_kms", SVM: "vs"}
		return o
	}
	for _, c := range []struct {
		name string
		open plan.Operation
		want plan.Status // of a rekey of another cluster, where one may run
	}{
		{"under way", rekey(plan.Operation{Job: "j1", Lost: true}), plan.Held},
		{"just sent", rekey(plan.Operation{}), plan.Held},
		{"its answer lost", rekey(plan.Operation{Lost: true}), plan.Ready},
		{"its job stuck", rekey(plan.Operation{Job: "j1", Lost: true, Doubt: "its job has not ended within 12 hours"}), plan.Ready},
	} {
		r := NewRekeys(1)
		r.done("a", []plan.Operation{c.open})
		p := plan.Plan{Cluster: "b", Steps: []plan.Step{{Op: plan.Act, Action: "rekey_internal", Timed: true}}}
		r.admit(&p, nil)
		if got := p.Steps[0].Status; got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}
