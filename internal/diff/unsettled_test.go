package diff_test

import (
	"testing"
	"time"

	"kmagent/internal/diff"
	"kmagent/internal/plan"
	"kmagent/internal/resource"
)

// A rekey whose answer was lost is not sent again while it may still run: twice is worse than
// late.
func TestLostRekeyIsNotRepeated(t *testing.T) {
	a := resource.Addr{Cluster: "a", Kind: "aws_kms", SVM: "vs"}
	have := found()
	o := resource.NewObject(resource.AWS, a)
	o.ID = "aws-1"
	set(o, "key_id", resource.Str("k1"))
	have.Objects[a] = o
	want := resource.NewObject(resource.AWS, a)
	set(want, "key_id", resource.Str("k2"))
	for _, c := range []struct {
		age    time.Duration
		status plan.Status
	}{{-1, plan.Ready}, {time.Minute, plan.Held}, {59 * time.Minute, plan.Held}, {time.Hour, plan.Ready}} {
		in := input([]*resource.Object{want}, have)
		if c.age >= 0 {
			in.Ledger.Open = []plan.Operation{{ID: "7", Op: plan.Act, Action: "rekey_external", Addr: a, Repeat: resource.Converges,
				Wishes: []plan.Wish{{Field: "key_id", Value: "k2"}}, At: now.Add(-c.age), Lost: true}}
		}
		p := diff.Compute(in)
		if len(p.Steps) != 1 || p.Steps[0].Op != plan.Act || p.Steps[0].Status != c.status {
			t.Errorf("sent %s ago: %s", c.age, short(p))
		}
	}
	set(o, "key_id", resource.Str("k2"))
	if p := diff.Compute(input([]*resource.Object{want}, have)); len(p.Steps) != 0 {
		t.Errorf("it is there, and yet: %s", short(p))
	}
}
