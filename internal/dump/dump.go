// Package dump writes what clusters have as a desired-state file: one that declares all of
// it, changes nothing, and says where a secret has to be filled in. It asks no cluster, and
// never learns a secret: ONTAP does not tell one. What a file cannot say of a cluster stands
// in it as a comment, with the reason.
package dump

import (
	"maps"
	"slices"
	"time"

	"kmagent/internal/desired"
	"kmagent/internal/resource"
)

// A Source is one cluster to be written.
type Source struct {
	// Spec says how the cluster is reached. Its objects are not used.
	Spec desired.Cluster
	// Have is what the cluster has, as a reader returns it for [Wanted].
	Have *resource.Cluster
	// Unread are the kinds that the account's role may not read. The file says so.
	Unread []*resource.Kind

	sanitized bool
}

// Wanted returns what a reader is to be asked for: an object of every kind, so that every
// collection is read. Have is what it returned for the kinds alone; with it the result names
// those objects too whose children have fields that only their own path returns. Nil is for
// the first time.
func Wanted(kinds []*resource.Kind, have *resource.Cluster) []*resource.Object {
	var out []*resource.Object
	for _, k := range kinds {
		out = append(out, resource.NewObject(k, resource.Addr{}))
	}
	if have == nil {
		return out
	}
	for _, addr := range slices.SortedFunc(maps.Keys(have.Objects), resource.Addr.Compare) {
		o := have.Objects[addr]
		if i := o.Kind.Children(); i >= 0 {
			w := resource.NewObject(o.Kind, addr)
			w.Children = []*resource.Object{detached(o.Kind.Fields[i].To)}
			out = append(out, w)
		}
	}
	return out
}

// detached returns an object that has every detached field: that it has them is what a
// reader looks at, and not what they are.
func detached(k *resource.Kind) *resource.Object {
	o := resource.NewObject(k, resource.Addr{})
	for i := range k.Fields {
		if k.Fields[i].Flags.Has(resource.Detached) {
			o.Values[i] = resource.Str("")
		}
	}
	return o
}

// File returns the file that declares what the sources have. [desired.Parse] takes it, and
// it plans to nothing as long as the clusters stay as they were seen. Equal sources give
// equal bytes. It is an error if the settings of a source are not valid, or if all of it is
// more than a file may hold.
func File(sources []Source) ([]byte, error) {
	d := &document{}
	refs := references{}
	for _, s := range sources {
		d.clusters = append(d.clusters, clusterOf(s, refs))
	}
	return d.settle()
}

// Check returns a cluster's settings as the file would hold them, in their one spelling, or
// says what is wrong with them, by the path below the cluster.
func Check(spec desired.Cluster) (desired.Cluster, error) {
	text, err := File([]Source{{Spec: spec, Have: &resource.Cluster{}}})
	if err != nil {
		return desired.Cluster{}, err
	}
	state, err := desired.Parse("settings", text)
	if err != nil {
		return desired.Cluster{}, err
	}
	return state.Clusters[0], nil
}

// clusterOf lays out one cluster.
func clusterOf(s Source, refs references) cluster {
	c := cluster{about: about(s), settings: settings(s.Spec)}
	objects := slices.SortedFunc(maps.Values(s.Have.Objects), func(a, b *resource.Object) int { return a.Addr.Compare(b.Addr) })
	w := &writer{links: linksOf(s.Have), refs: refs}
	for _, name := range resource.Sections() {
		sec := section{name: name}
		for _, k := range resource.InSection(name) {
			sec.single = k.Singleton
		}
		for _, o := range objects {
			if o.Kind.Section != name {
				continue
			}
			if e := w.entry(o); len(e.lines) > 0 {
				sec.entries = append(sec.entries, e)
			}
			if !slices.Contains(sec.about, o.Kind.Doc) {
				sec.about = append(sec.about, o.Kind.Doc)
			}
		}
		if len(sec.entries) > 0 {
			c.sections = append(c.sections, sec)
		}
	}
	for _, o := range objects {
		if o.Kind.Section == "" {
			c.remarks = append(c.remarks, "Not in a file: "+scope(o)+" has a "+o.Kind.Name+" of type "+o.Kind.Type+", which kmagent leaves alone.")
		}
	}
	for _, k := range s.Unread {
		needs := "/api/" + k.Collection()
		if k.Type != "" {
			needs += " or /api/security/key-stores"
		}
		c.remarks = append(c.remarks, "Not read: "+k.Section+". The account's role lacks "+needs+".")
	}
	return c
}

func scope(o *resource.Object) string {
	if o.Addr.SVM == "" {
		return "the cluster"
	}
	return "SVM " + remark(o.Addr.SVM)
}

// about says, for the comment above a cluster, what was seen and when.
func about(s Source) []string {
	if s.Have.Version.IsZero() {
		return nil
	}
	lines := []string{remark(s.Have.Name) + ", ONTAP " + s.Have.Version.String() + ", as it was at " + s.Have.At.UTC().Format(time.RFC3339) + "."}
	if s.sanitized {
		lines = append(lines, "Its names, hosts and UUIDs are pseudonyms, so this part shows what there is and manages nothing.")
	}
	return lines
}
