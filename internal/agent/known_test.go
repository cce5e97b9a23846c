package agent

import (
	"testing"

	"kmagent/internal/plan"
	"kmagent/internal/resource"
)

type memory struct {
	Memory
	led plan.Ledger
}

func (m memory) Ledger() plan.Ledger { return m.led }

// A decision about one cluster does not rest on what was sent to another.
func TestKnown(t *testing.T) {
	a := resource.Addr{Cluster: "c", Kind: "key_server", Name: "ks1:5696"}
	led := plan.Ledger{UUID: "u-1", Objects: map[resource.Addr]plan.Remembered{a: {Created: true}}}
	for _, c := range []struct {
		have string
		want int
	}{{"u-1", 1}, {"u-2", 0}} {
		l := Loop{Edges: Edges{Memory: memory{led: led}}}
		if got := l.known(&resource.Cluster{UUID: c.have}); len(got.Objects) != c.want {
			t.Errorf("cluster %s: %d objects are known, want %d", c.have, len(got.Objects), c.want)
		}
	}
}
