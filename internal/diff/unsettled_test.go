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

// A passphrase that some nodes did not take is in place, and the nodes are to be synchronized.
func TestPartlyChanged(t *testing.T) {
	a := resource.Addr{Cluster: "a", Kind: "key_manager"}
	have := onboard(found())
	for i := range have.Nodes {
		have.Nodes[i].UUID = have.Nodes[i].Name
	}
	have.Jobs = []resource.Job{{UUID: "j1", State: "failure", Code: "65536407"}}
	in := input(wanted(t, "- onboard: {passphrase: 'env:P'}"), have)
	in.Secrets = plan.Secrets{{Addr: a, Field: "onboard.passphrase"}: {Digest: "new"}}
	in.Ledger = plan.Ledger{
		Objects: map[resource.Addr]plan.Remembered{a: {Nodes: []string{"n1", "n2"}, Secrets: map[string]string{"onboard.passphrase": "old"}}},
		Open: []plan.Operation{{ID: "7", Op: plan.Update, Addr: a, Repeat: resource.Never, Job: "j1", At: now,
			Offered: map[string]string{"onboard.passphrase": "new", resource.Proof: "old"}}},
	}
	p := diff.Compute(in)
	if len(p.Settled) != 1 || len(p.Steps) != 1 || p.Steps[0].Action != "synchronize" || p.Steps[0].Status != plan.Ready {
		t.Errorf("settled %v, then\n%s", p.Settled, short(p))
	}
}
