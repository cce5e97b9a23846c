package metrics

import (
	"maps"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"kmagent/internal/resource"
)

// start is when the made-up fleet is first looked at.
var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func addr(kind, svm, name string) resource.Addr {
	return resource.Addr{Cluster: "prod-a", Kind: kind, SVM: svm, Name: name}
}

// set gives o the value of a field and returns o.
func set(o *resource.Object, field string, v resource.Value) *resource.Object {
	o.Values[o.Kind.Index(field)] = v
	return o
}

// external returns an external key manager with the certificates that [observed] installs.
func external(svm, uuid string, status int64, servers ...*resource.Object) *resource.Object {
	o := resource.NewObject(resource.External, addr("key_manager", svm, ""))
	o.ID, o.Children = uuid, servers
	set(o, "external.client_certificate", resource.LinkValue(resource.LinkTo{Name: "kmip-client", UUID: "cert-client"}))
	set(o, "external.server_ca_certificates", resource.LinkList([]resource.LinkTo{{Name: "kmip-ca", UUID: "cert-ca"}}))
	return set(o, "status.code", resource.Int(status))
}

// azure returns a key vault whose service is reachable or not, with the nodes that reach the
// embedded KMIP servers; the last of them does not.
func azure(svm, uuid string, reachable bool, nodes ...string) *resource.Object {
	o := resource.NewObject(resource.Azure, addr("azure_key_vault", svm, ""))
	o.ID = uuid
	set(o, "azure_reachability", resource.ReachValue(resource.Reach{OK: reachable}))
	list := make([]resource.Reach, len(nodes))
	for i, n := range nodes {
		list[i] = resource.Reach{Node: n, OK: i < len(nodes)-1}
	}
	return set(o, "ekmip_reachability", resource.ReachList(list))
}

// keyServer returns a key server with the state that each of node1, node2, … sees.
func keyServer(svm, name string, states ...string) *resource.Object {
	o := resource.NewObject(resource.KeyServer, addr("key_server", svm, name))
	o.ID = name
	list := make([]resource.NodeState, len(states))
	for i, s := range states {
		list[i] = resource.NodeState{Node: "node" + position(i), State: s}
	}
	return set(o, "connectivity", resource.NodeStateList(list))
}

func installed(uuid, kind, expiry string) *resource.Object {
	o := resource.NewObject(resource.Certificate, addr("certificate", "", uuid))
	o.ID = uuid
	set(o, "type", resource.Str(kind))
	return set(o, "expiry_time", resource.Str(expiry))
}

// observed returns a cluster of two nodes as a pass with health sees it at [start].
func observed(name string, managers ...*resource.Object) *resource.Cluster {
	c := &resource.Cluster{
		Name: name, UUID: "uuid-of-" + name, Version: resource.Version{Generation: 9, Major: 16, Minor: 1},
		Nodes:   []resource.Node{{Name: "node1", Member: true}, {Name: "node2", Member: true}},
		Objects: map[resource.Addr]*resource.Object{},
		Links: []*resource.Object{
			installed("cert-client", "client", "2030-01-25T11:20:13+00:00"),
			installed("cert-ca", "server_ca", "2031-01-25 11:20:13+00:00"),
			installed("cert-idle", "client", "2026-01-25T11:20:13+00:00"),
		},
		At: start, Health: true,
	}
	for _, o := range managers {
		c.Objects[o.Addr] = o
	}
	return c
}

func sorted(objects map[resource.Addr]*resource.Object) []*resource.Object {
	list := slices.Collect(maps.Values(objects))
	slices.SortFunc(list, func(a, b *resource.Object) int { return a.Addr.Compare(b.Addr) })
	return list
}

// fresh returns metrics on a registry that checks everything it is given.
func fresh(t testing.TB) (*Metrics, *prometheus.Registry) {
	t.Helper()
	reg := prometheus.NewPedanticRegistry()
	return New(reg, "/etc/kmagent/desired.yaml"), reg
}

// scrape returns what Prometheus would be served.
func scrape(t testing.TB, reg prometheus.Gatherer) string {
	t.Helper()
	w := httptest.NewRecorder()
	promhttp.HandlerFor(reg, promhttp.HandlerOpts{}).ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	if w.Code != 200 {
		t.Fatalf("scrape: status %d\n%s", w.Code, w.Body)
	}
	return w.Body.String()
}

// lines returns the samples whose line contains every one of the words.
func lines(text string, words ...string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		missing := func(w string) bool { return !strings.Contains(line, w) }
		if !strings.HasPrefix(line, "#") && !slices.ContainsFunc(words, missing) {
			b.WriteString(line)
		}
	}
	return b.String()
}
