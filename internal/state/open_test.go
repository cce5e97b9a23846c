package state

import (
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"kmagent/internal/plan"
	"kmagent/internal/resource"
	"kmagent/internal/schedule"
)

// An operation is open from before it is sent until its end is known, over restarts and
// compaction.
func TestOpenOperation(t *testing.T) {
	at := time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)
	a := resource.Addr{Cluster: "c", Kind: "aws_kms", SVM: "vs"}
	op := plan.Operation{Op: plan.Act, Action: "rekey_external", Addr: a, Wishes: []plan.Wish{{Field: "key_id", Value: "k2"}}, At: at,
		Request: "POST /api/x", Repeat: resource.Converges, Nodes: []string{"n"}, Offered: map[string]string{"f": "d"}, Backup: true,
		Slot: schedule.Slot{Local: "2026-11-22T03:00", Zone: "UTC", At: at}, For: resource.Addr{Cluster: "c", Kind: "auth_key", Name: "nse"}, Timed: true}
	for _, c := range []struct {
		name string
		end  func(*Book, string) error
		open *plan.Operation // what is different of it; nil: it has ended
	}{
		{"killed in between", func(*Book, string) error { return nil }, &plan.Operation{}},
		{"answer lost", func(b *Book, id string) error {
			return b.End(id, plan.End{Outcome: plan.Unknown, At: at.Add(time.Second)})
		}, &plan.Operation{Lost: true}},
		{"a job", func(b *Book, id string) error { return b.Accept(id, "j1", at) }, &plan.Operation{Job: "j1"}},
		{"a job that goes on", func(b *Book, id string) error {
			return errors.Join(b.Accept(id, "j1", at), b.End(id, plan.End{Outcome: plan.Running, At: at}))
		}, &plan.Operation{Job: "j1", Lost: true}},
		{"a job that tells nothing", func(b *Book, id string) error {
			return errors.Join(b.Accept(id, "j1", at), b.End(id, plan.End{Outcome: plan.Unknown, Code: "65537919", Why: "on some nodes", At: at}))
		}, &plan.Operation{Job: "j1", Lost: true, Doubt: "on some nodes", Code: "65537919"}},
		{"failed", func(b *Book, id string) error { return b.End(id, plan.End{Outcome: plan.Failed, At: at}) }, nil},
		{"applied", func(b *Book, id string) error { return b.End(id, plan.End{Outcome: plan.Applied, At: at}) }, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			store, err := Open(filepath.Join(t.TempDir(), "state"))
			if err != nil {
				t.Fatal(err)
			}
			defer store.Close()
			b, err := store.Book("c")
			if err != nil {
				t.Fatal(err)
			}
			id, err := b.Begin(op)
			if err != nil {
				t.Fatal(err)
			}
			if err := c.end(b, id); err != nil {
				t.Fatal(err)
			}
			if err := b.compact(); err != nil {
				t.Fatal(err)
			}
			if err := b.Close(); err != nil {
				t.Fatal(err)
			}
			again, err := store.Book("c")
			if err != nil {
				t.Fatal(err)
			}
			defer again.Close()
			var want []plan.Operation
			if c.open != nil {
				o := op
				o.ID, o.Job, o.Lost, o.Doubt, o.Code = id, c.open.Job, c.open.Lost, c.open.Doubt, c.open.Code
				want = append(want, o)
			}
			if d := cmp.Diff(want, again.Ledger().Open, cmpopts.EquateEmpty()); d != "" {
				t.Errorf("open operations (-want +got)\n%s", d)
			}
		})
	}
}
