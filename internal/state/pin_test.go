package state

import (
	"path/filepath"
	"testing"
	"time"

	"kmagent/internal/plan"
	"kmagent/internal/resource"
)

// What was sent to one cluster is not remembered of another at the same place.
func TestAnotherClusterStartsAnew(t *testing.T) {
	store, err := Open(filepath.Join(t.TempDir(), "state"))
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	b, err := store.Book("c")
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	at := time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)
	a := resource.Addr{Cluster: "c", Kind: "key_server", SVM: "vs", Name: "ks1:5696"}
	for _, step := range []struct {
		pin  string
		want int // objects that are remembered after it
	}{{"u-1", 1}, {"u-1", 1}, {"u-2", 0}} {
		if err := b.Pin(step.pin, at); err != nil {
			t.Fatal(err)
		}
		if step.want > 0 {
			if err := b.Adopt([]plan.Adoption{{Addr: a, Field: "password", Digest: "d"}}, at); err != nil {
				t.Fatal(err)
			}
		}
		led, err := Read(store.dir, "c")
		if err != nil {
			t.Fatal(err)
		}
		if led.UUID != step.pin || len(led.Objects) != step.want || len(b.Ledger().Objects) != step.want {
			t.Errorf("pinned to %s: %+v, want %d objects", step.pin, led, step.want)
		}
	}
}
