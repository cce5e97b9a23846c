package live

import (
	"net/url"
	"strconv"
	"strings"

	"kmagent/internal/resource"
)

// How many records a page may have. An answer must stay under the client's limit on its
// size, and with the states of 24 nodes for each of four servers a record has 10 KB.
const (
	cheapPage  = 5000
	healthPage = 1000
)

// Collections that no table describes.
var (
	nodesCall = call{"nodes", "cluster/nodes", fields(cheapPage, "name", "uuid", "state", "membership", "version"), "uuid"}
	svmsCall  = call{"SVMs", "svm/svms", fields(cheapPage, "name", "uuid", "state"), "uuid"}
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
	q := fields(cheapPage, names...)
	q.Set("type", "client|server_ca")
	return call{"certificates", k.Path, q, k.ID}
}

// managersCall asks for every key manager of the cluster with its servers, in one
// collection, naming each field that the release knows. The whole of "external" or
// "onboard" is never named: it may bring what ONTAP has to work out, or a key backup.
func managersCall(v resource.Version, health bool) call {
	names := append([]string{}, scopeFields...)
	seen := map[string]bool{}
	add := func(n string) {
		if !seen[n] {
			seen[n] = true
			names = append(names, n)
		}
	}
	for _, k := range resource.Managers() {
		for i := range k.Fields {
			for _, n := range readable(&k.Fields[i], "", v, health) {
				add(n)
			}
		}
	}
	page := cheapPage
	if health {
		page = healthPage
	}
	k := resource.Managers()[0]
	return call{"key managers", k.Path, fields(page, names...), k.ID}
}

// readable lists the names under which a GET of the parent's collection returns a field.
func readable(f *resource.Field, prefix string, v resource.Version, health bool) []string {
	switch {
	case v.Before(f.Since), f.Type == resource.Secret, f.Flags.Has(resource.Detached),
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
