package plan

import (
	"fmt"
	"maps"
	"slices"

	"kmagent/internal/resource"
)

// An Extent is what a file manages of a cluster: its entries by address, with the number of
// children of each; -1 for one that is to be gone.
type Extent map[string]int

// A Baseline is the extent of the file that was last in use, by cluster.
type Baseline struct {
	Revision string            `json:"revision"` // digest of the file
	Clusters map[string]Extent `json:"clusters"`
}

// ExtentOf counts what a file says of a cluster.
func ExtentOf(objects []*resource.Object) Extent {
	e := Extent{}
	for _, o := range objects {
		e[o.Addr.String()] = len(o.Children)
		if o.Absent {
			e[o.Addr.String()] = -1
		}
	}
	return e
}

// Shrunk says by how much next has less than b, if that is more than half: of the entries of a
// cluster that both have, if there were three or more, of the key servers of the entries that both have, or of either over
// all clusters. Only the clusters of names count; no names are all. A file that has lost that
// much was rarely meant, and has often been cut off. An entry that says state: absent is not
// lost: nothing could be more explicit.
func (b Baseline) Shrunk(next Baseline, names []string) (what string, shrunk bool) {
	var all loss
	for _, name := range slices.Sorted(maps.Keys(b.Clusters)) {
		if len(names) > 0 && !slices.Contains(names, name) {
			continue
		}
		one := lossOf(b.Clusters[name], next.Clusters[name])
		all.add(one)
		if _, there := next.Clusters[name]; !there {
			continue // it counts in the sum: absence deletes nothing
		}
		if what, shrunk := one.tooMuch(); shrunk {
			return "of " + name + " " + what, true
		}
	}
	return all.tooMuch()
}

// A loss is what is left of what was.
type loss struct{ objects, left, servers, serversLeft int }

func lossOf(old, now Extent) loss {
	var l loss
	for addr, servers := range old {
		if servers < 0 {
			continue // it was to be gone, and so may its entry
		}
		l.objects++
		n, there := now[addr]
		if there {
			l.left++
		}
		if there && n >= 0 {
			l.servers += servers
			l.serversLeft += n
		}
	}
	return l
}

func (l *loss) add(m loss) {
	l.objects += m.objects
	l.left += m.left
	l.servers += m.servers
	l.serversLeft += m.serversLeft
}

// few is how many entries lose more than half of themselves by an edit that anybody may make.
const few = 2

func (l loss) tooMuch() (what string, yes bool) {
	switch {
	case 2*l.left < l.objects && l.objects > few:
		return fmt.Sprintf("%d of %d objects are left", l.left, l.objects), true
	case 2*l.serversLeft < l.servers:
		return fmt.Sprintf("%d of %d key servers are left", l.serversLeft, l.servers), true
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
	return b.Revision == c.Revision && maps.EqualFunc(b.Clusters, c.Clusters, func(x, y Extent) bool { return maps.Equal(x, y) })
}
