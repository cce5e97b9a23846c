package state

import (
	"path/filepath"
	"testing"
	"time"

	"kmagent/internal/plan"
	"kmagent/internal/resource"
)

// An action counts as open from before it is sent until its end is known, over restarts and
// compaction.
func TestOpenAction(t *testing.T) {
	at := time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)
	a := resource.Addr{Cluster: "c", Kind: "aws_kms", SVM: "vs"}
	step := &plan.Step{Op: plan.Act, Addr: a, Wishes: []plan.Wish{{Field: "key_id", Value: "k2"}}}
	for _, c := range []struct {
		name string
		end  func(*Book) error
		open bool
	}{
		{"killed in between", func(*Book) error { return nil }, true},
		{"answer lost", func(b *Book) error { return b.End(step, at, at.Add(time.Second), plan.Unknown, nil) }, true},
		{"failed", func(b *Book) error { return b.End(step, at, at.Add(time.Second), plan.Failed, nil) }, false},
		{"applied", func(b *Book) error { return b.End(step, at, at.Add(time.Second), plan.Applied, nil) }, false},
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
			if err := b.Begin(step, at); err != nil {
				t.Fatal(err)
			}
			if err := c.end(b); err != nil {
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
			if got := again.Ledger().Objects[a].Unsettled(at.Add(time.Minute)); got != c.open {
				t.Errorf("open: %t, want %t", got, c.open)
			}
			if again.Ledger().Objects[a].Unsettled(at.Add(plan.OpenWindow)) {
				t.Error("still open when its time is over")
			}
		})
	}
}
