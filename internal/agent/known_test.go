package agent

import (
	"context"
	"slices"
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

// A witness notes in which order it is asked.
type witness struct {
	Reader
	asked []string
	uuid  string
}

func (w *witness) Jobs(_ context.Context, sought []resource.JobSought) ([]resource.Job, error) {
	for _, s := range sought {
		w.asked = append(w.asked, "jobs "+s.Description)
	}
	return []resource.Job{{UUID: "j1", State: "success"}}, nil
}

func (w *witness) Read(context.Context, bool, []*resource.Object) (*resource.Cluster, error) {
	w.asked = append(w.asked, "objects")
	return &resource.Cluster{UUID: w.uuid}, nil
}

// Jobs are read before objects: what a job has done by its end is then in what was read, and a
// create whose job succeeded in between is not taken for one that made nothing.
func TestJobsBeforeObjects(t *testing.T) {
	o := plan.Operation{Op: plan.Create, Request: "POST /api/x"}
	for _, c := range []struct {
		name string
		led  plan.Ledger
		want []string
	}{
		{"an open operation", plan.Ledger{UUID: "u-1", Open: []plan.Operation{o}}, []string{"jobs POST /api/x", "jobs PATCH /api/x/*", "objects"}},
		{"none", plan.Ledger{UUID: "u-1"}, []string{"objects"}},
	} {
		w := &witness{uuid: "u-1"}
		l := Loop{Edges: Edges{Reader: w, Memory: memory{led: c.led}}}
		have, err := l.read(t.Context(), false)
		if err != nil || !slices.Equal(w.asked, c.want) || len(have.Jobs) != len(c.led.Open) {
			t.Errorf("%s: asked for %v, error %v; want %v", c.name, w.asked, err, c.want)
		}
	}
}
