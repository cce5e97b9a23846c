package plan

import (
	"fmt"
	"maps"
	"slices"

	"kmagent/internal/resource"
)

// An Extent is how much a file manages of a cluster: its entries, those that are to be gone
// among them, and the children of those that are to be there.
type Extent struct {
	Objects  int `json:"objects"`
	Children int `json:"children"`
}

// A Baseline is the extent of the file that was last in use, by cluster.
type Baseline struct {
	Revision string            `json:"revision"` // digest of the file
	Clusters map[string]Extent `json:"clusters"`
}

// ExtentOf counts what a file says of a cluster.
func ExtentOf(objects []*resource.Object) Extent {
	e := Extent{Objects: len(objects)}
	for _, o := range objects {
		e.Children += len(o.Children)
	}
	return e
}

// Shrunk says by how much next has less than b, if that is more than half: of a cluster that
// both have, or of all clusters together. Only the clusters of names count; no names are all.
// A file that has lost that much was rarely meant, and has often been cut off.
func (b Baseline) Shrunk(next Baseline, names []string) (what string, shrunk bool) {
	var was, is Extent
	for _, name := range slices.Sorted(maps.Keys(b.Clusters)) {
		if len(names) > 0 && !slices.Contains(names, name) {
			continue
		}
		old, now := b.Clusters[name], next.Clusters[name]
		was.Objects += old.Objects
		was.Children += old.Children
		is.Objects += now.Objects
		is.Children += now.Children
		if _, there := next.Clusters[name]; !there {
			continue // it counts in the sum: absence deletes nothing
		}
		if what, shrunk := old.shrunk(now); shrunk {
			return "of " + name + " " + what, true
		}
	}
	return was.shrunk(is)
}

func (e Extent) shrunk(now Extent) (what string, shrunk bool) {
	switch {
	case 2*now.Objects < e.Objects:
		return fmt.Sprintf("%d of %d objects are left", now.Objects, e.Objects), true
	case 2*now.Children < e.Children:
		return fmt.Sprintf("%d of %d key servers are left", now.Children, e.Children), true
	}
	return "", false
}

// With returns the baseline once next is in use for the clusters of names; no names are all.
func (b Baseline) With(next Baseline, names []string) Baseline {
	if len(names) == 0 {
		return next
	}
	out := Baseline{Revision: next.Revision, Clusters: maps.Clone(b.Clusters)}
	if out.Clusters == nil {
		out.Clusters = map[string]Extent{}
	}
	for _, n := range names {
		if e, ok := next.Clusters[n]; ok {
			out.Clusters[n] = e
		}
	}
	return out
}

// Equal says whether two baselines say the same.
func (b Baseline) Equal(c Baseline) bool {
	return b.Revision == c.Revision && maps.Equal(b.Clusters, c.Clusters)
}
