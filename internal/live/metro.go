package live

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"

	"kmagent/internal/resource"
)

// A refusal is what an answer that says no tells of itself.
type refusal interface {
	error
	Denied() bool // the account's role does not permit it
	Coded(code string) bool
}

// noMetroCluster is ONTAP's code for a cluster that is not half of a MetroCluster (ONTAP REST
// reference, cluster/metrocluster).
const noMetroCluster = "2426405"

// readMetro reads whether the cluster is half of a MetroCluster with every pass where the file wants
// something on that cannot be on in one. A role that may not read it leaves that unknown:
// then ONTAP has the last word.
func (r *Reader) readMetro(ctx context.Context, c *resource.Cluster, wanted []*resource.Object) error {
	if !slices.ContainsFunc(wanted, dependsOnMetro) {
		return nil
	}
	m, err := r.Metro(ctx)
	c.Metro = m
	return err
}

// Metro reads whether the cluster is half of a MetroCluster, and how that is.
func (r *Reader) Metro(ctx context.Context) (resource.MetroCluster, error) {
	asked := resource.MetroCluster{Asked: true}
	raw, err := r.get.Get(ctx, "cluster/metrocluster", url.Values{"fields": {"local.configuration_state,local.mode"}})
	if no, ok := errors.AsType[refusal](err); ok {
		switch {
		case no.Denied():
			return asked, nil
		case no.Coded(noMetroCluster):
			asked.State = resource.NoMetroCluster
			return asked, nil
		}
	}
	if err != nil {
		return resource.MetroCluster{}, fmt.Errorf("read the MetroCluster: %w", err)
	}
	var d struct {
		Local struct {
			State string `json:"configuration_state"`
			Mode  string
		}
	}
	if err := json.Unmarshal(raw, &d); err != nil || d.Local.State == "" {
		return resource.MetroCluster{}, fmt.Errorf("read the MetroCluster: %w", implausible("a cluster that does not say whether it is one"))
	}
	asked.State, asked.Mode = d.Local.State, d.Local.Mode
	return asked, nil
}

func dependsOnMetro(w *resource.Object) bool {
	for i := range w.Kind.Fields {
		if w.Kind.Fields[i].Flags.Has(resource.NoMetro) && w.Values[i].Bool() {
			return true
		}
	}
	return false
}
