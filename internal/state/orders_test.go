package state

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"kmagent/internal/plan"
)

func TestOrders(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	if s, err := ReadOrders(dir); err != nil || len(s.Pauses)+len(s.Overrides)+len(s.Resolved)+len(s.Acks) > 0 {
		t.Fatalf("where there is no directory: %+v, %v", s, err)
	}
	o := Orders{dir}
	by := plan.Given{At: epoch, Until: epoch.Add(time.Hour), By: "anna@host", Reason: "why"}
	ids := func(id string, err error) string { must(t, err); return id }
	paused := ids(o.Pause(plan.Pause{Given: by, Cluster: "a"}))
	ids(o.Pause(plan.Pause{Given: by, Cluster: "a", SVM: "vs"}))
	ids(o.Resume(by, "a", "vs"))
	first := ids(o.Override(plan.Override{Given: by, Rule: "floor", Object: "a/key_server/vs/ks1:5696"}))
	second := ids(o.Override(plan.Override{Given: by, Rule: "order", Object: "a/key_server/vs/ks1:5696"}))
	must(t, o.Use(first))
	must(t, o.Revoke(second))
	resolved := ids(o.Resolve(plan.Resolution{Given: by, Operation: "a/7", Outcome: "failed"}))
	ids(o.Ack(by, "3f2a1c0d9e8b"))
	named := func(id string) plan.Given { g := by; g.ID = id; return g }
	want := plan.Standing{
		Pauses:    []plan.Pause{{Given: named(paused), Cluster: "a"}},
		Overrides: []plan.Override{{Given: named(first), Rule: "floor", Object: "a/key_server/vs/ks1:5696", Used: true}},
		Resolved:  []plan.Resolution{{Given: named(resolved), Operation: "a/7", Outcome: "failed"}},
		Acks:      []string{"3f2a1c0d9e8b"},
	}
	got, err := ReadOrders(dir)
	if d := cmp.Diff(want, got, cmpopts.EquateEmpty()); err != nil || d != "" {
		t.Errorf("%v (-want +got)\n%s", err, d)
	}
	for _, name := range []string{ordersFile, ordersLock} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
	}
}

// Who gives orders side by side loses none, and gets an id of his own.
func TestOrdersSideBySide(t *testing.T) {
	o := Orders{filepath.Join(t.TempDir(), "state")}
	var group sync.WaitGroup
	got := make([]string, 24)
	for i := range got {
		group.Go(func() {
			id, err := o.Ack(plan.Given{At: epoch}, "3f2a1c0d9e8b")
			if err != nil {
				t.Error(err)
			}
			got[i] = id
		})
	}
	group.Wait()
	seen := map[string]bool{}
	for _, id := range got {
		seen[id] = true
	}
	s, err := ReadOrders(o.Dir)
	if err != nil || len(s.Acks) != len(got) || len(seen) != len(got) {
		t.Errorf("%d orders with %d ids, %v; want %d", len(s.Acks), len(seen), err, len(got))
	}
}

// An order that a crash cut short was never given; any other damage stops writes.
func TestDamagedOrders(t *testing.T) {
	o := Orders{filepath.Join(t.TempDir(), "state")}
	for range 3 {
		_, err := o.Ack(plan.Given{At: epoch, By: "anna"}, "3f2a1c0d9e8b")
		must(t, err)
	}
	path := filepath.Join(o.Dir, ordersFile)
	whole, err := os.ReadFile(path)
	must(t, err)
	for i := range whole {
		broken := append([]byte{}, whole...)
		broken[i] ^= 0x20
		must(t, os.WriteFile(path, broken, 0o600))
		if s, err := ReadOrders(o.Dir); !errors.Is(err, ErrCorrupt) && !(i == len(whole)-1 && err == nil && len(s.Acks) == 2) {
			t.Fatalf("byte %d flipped: %+v, %v", i, s, err)
		}
	}
	must(t, os.WriteFile(path, whole[:len(whole)-5], 0o600))
	if s, err := ReadOrders(o.Dir); err != nil || len(s.Acks) != 2 {
		t.Errorf("cut short: %+v, %v", s, err)
	}
	id, err := o.Ack(plan.Given{At: epoch}, "0123456789ab")
	if s, rerr := ReadOrders(o.Dir); err != nil || rerr != nil || id != "o3" || len(s.Acks) != 3 {
		t.Errorf("after the cut: %s, %v, %+v, %v", id, err, s, rerr)
	}
}

// The baseline is what was last written, or damaged; never half of it.
func TestBaseline(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	if b, err := ReadBaseline(dir); err != nil || b.Revision != "" {
		t.Errorf("where there is none: %+v, %v", b, err)
	}
	s := openStore(t, dir)
	want := plan.Baseline{Revision: "r", Clusters: map[string]plan.Extent{"a": {"x": 3, "y": -1}}}
	must(t, s.Baseline(want))
	if got, err := ReadBaseline(dir); err != nil || !got.Equal(want) {
		t.Errorf("%+v, %v", got, err)
	}
	path := filepath.Join(dir, baselineFile)
	text, err := os.ReadFile(path)
	must(t, err)
	text[12] ^= 1
	must(t, os.WriteFile(path, text, 0o600))
	if _, err := ReadBaseline(dir); !errors.Is(err, ErrCorrupt) {
		t.Errorf("a flipped bit: %v", err)
	}
}
