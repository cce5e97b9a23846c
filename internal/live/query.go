package live

import (
	"net/url"
	"slices"
	"strconv"
	"strings"

	"kmagent/internal/resource"
)

// How many records a page may have. An answer must stay under the client's limit on its
// size: a key manager has 0.7 KB, with the states of 24 nodes for each of four servers
// 10 KB, and whatever else is read some hundred bytes.
const (
	smallPage  = 10_000
	cheapPage  = 5000
	healthPage = 1000
)

// Collections that no table describes.
var (
	nodesCall = call{"nodes", "cluster/nodes", fields(smallPage, "name", "uuid", "state", "membership", "version"), "uuid"}
	svmsCall  = call{"SVMs", "svm/svms", fields(smallPage, "name", "uuid", "state"), "uuid"}
	linksCall = linksOf(resource.Certificate)
)

// Where an object is; every record has it beside the fields of its kind.
var scopeFields = []string{"uuid", "scope", "svm.name"}

func fields(page int, names ...string) url.Values {
	return url.Values{"fields": {strings.Join(names, ",")}, "max_records": {strconv.Itoa(page)}}
}

// linksOf reads all objects that another one may name. A cluster comes with more than a
// hundred CA certificates of its own, and every SVM has a server certificate: the latter
// are of no use here and stay out.
func linksOf(k *resource.Kind) call {
	names := append([]string{}, scopeFields...)
	for i := range k.Fields {
		names = append(names, k.Fields[i].Name)
	}
	q := fields(smallPage, names...)
	q.Set("type", "client|server_ca")
	return call{"certificates", k.Path, q, k.ID}
}

// kindsOf lists the kinds that the objects of the file are of, each once.
func kindsOf(wanted []*resource.Object) []*resource.Kind {
	var kinds []*resource.Kind
	for _, w := range wanted {
		if !slices.Contains(kinds, w.Kind) {
			kinds = append(kinds, w.Kind)
		}
	}
	return kinds
}

// collections lists the paths that a pass reads: that of the key managers always, and those
// of the other kinds in the file that the release knows.
func collections(v resource.Version, kinds []*resource.Kind) []string {
	var paths []string
	for _, k := range resource.Managers() {
		wanted := k.Path == resource.External.Path || slices.Contains(kinds, k)
		if wanted && !v.Before(k.Since) && !slices.Contains(paths, k.Path) {
			paths = append(paths, k.Path)
		}
	}
	return paths
}

// singles lists those kinds of the file that the cluster has exactly one of, and that the
// release knows.
func singles(v resource.Version, kinds []*resource.Kind) []*resource.Kind {
	var found []*resource.Kind
	for _, k := range kinds {
		if k.Singleton && !v.Before(k.Since) {
			found = append(found, k)
		}
	}
	return found
}

// wantsStores says whether the states of key stores matter: where the file has kinds whose
// objects are switched, rekeyed and reached as key stores.
func wantsStores(v resource.Version, kinds []*resource.Kind) bool {
	return !v.Before(resource.StoresSince) && slices.ContainsFunc(kinds, func(k *resource.Kind) bool { return k.Type != "" && k.Path != resource.External.Path })
}

func storesCall(v resource.Version) call {
	names := append([]string{"enabled"}, scopeFields...)
	if !v.Before(resource.Version{Generation: 9, Major: 16}) {
		names = append(names, "state")
	}
	return call{"key stores", "security/key-stores", fields(smallPage, names...), "uuid"}
}

// managersCall asks for everything in one collection of managed objects, naming each field
// that the release knows. The whole of "external" or "onboard" is never named: it may bring
// what ONTAP has to work out, or a key backup.
func managersCall(path string, v resource.Version, health bool) call {
	names := append([]string{}, scopeFields...)
	k := call{what: "key managers", path: path}
	for _, kind := range resource.Managers() {
		if kind.Path != path {
			continue
		}
		k.identity = kind.ID
		if path != resource.External.Path {
			k.what = strings.TrimPrefix(path, "security/")
		}
		for i := range kind.Fields {
			for _, n := range readable(&kind.Fields[i], "", v, health) {
				if !slices.Contains(names, n) {
					names = append(names, n)
				}
			}
		}
	}
	page := cheapPage
	if health {
		page = healthPage
	}
	k.query = fields(page, names...)
	return k
}

// kindCall asks for everything in a collection of one kind that is not a key manager.
func kindCall(k *resource.Kind, path string, v resource.Version, health bool) call {
	var names []string
	for i := range k.Fields {
		names = append(names, readable(&k.Fields[i], "", v, health)...)
	}
	return call{strings.ReplaceAll(k.Section, "_", " "), path, fields(cheapPage, names...), k.ID}
}

// readable lists the names under which a GET of the parent's collection returns a field.
func readable(f *resource.Field, prefix string, v resource.Version, health bool) []string {
	switch {
	case v.Before(f.Since), f.Type == resource.Secret, f.Type == resource.Timed, f.Flags.Has(resource.Detached), f.Flags.Has(resource.Modifier),
		f.Flags.Has(resource.Advanced) && !health:
		return nil
	case f.Type == resource.Children:
		var names []string
		for i := range f.To.Fields {
			names = append(names, readable(&f.To.Fields[i], f.Name+".", v, health)...)
		}
		return names
	default:
		return []string{prefix + f.Name}
	}
}
