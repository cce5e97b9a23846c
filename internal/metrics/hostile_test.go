package metrics

import (
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"kmagent/internal/plan"
	"kmagent/internal/resource"
)

// hostile returns a cluster in which every text that ONTAP sends is one of the given.
func hostile(text func() string) *resource.Cluster {
	servers := make([]*resource.Object, 3)
	for i := range servers {
		servers[i] = keyServer(text(), text())
		set(servers[i], "connectivity", resource.NodeStateList([]resource.NodeState{{Node: text(), State: text()}}))
		set(servers[i], "secondary_key_servers", resource.StrList([]string{text(), text()}))
	}
	svm := text()
	c := observed(text(), external(svm, text(), 1, servers...), external(text(), text(), 0, servers...))
	c.UUID = text()
	c.Nodes = []resource.Node{{Name: text()}, {Name: text()}}
	c.Links = []*resource.Object{installed("cert-client", text(), "2030-01-25 11:20:13Z"), installed(text(), text(), text())}
	return c
}

// tell exports everything that a hostile cluster can make the agent say.
func tell(m *Metrics, text func() string) {
	c := hostile(text)
	p := &plan.Plan{Steps: []plan.Step{{Op: plan.Delete, Addr: addr("key_server", text(), text())}}}
	m.Pass("prod-a", Pass{Result: Failed, Ended: start, Observed: c, Plan: p})
	m.Exchange("prod-a", text(), "/api/"+text(), len(text()), time.Second)
	m.Exchange(text(), "GET", "/api/cluster", 200, time.Second)
}

func gathered(t testing.TB, reg prometheus.Gatherer) int {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, f := range families {
		n += len(f.GetMetric())
	}
	return n
}

// No text of a cluster may make the client library panic, nor a scrape fail, nor leave
// anything behind that the next answer does not replace.
func FuzzHostile(f *testing.F) {
	f.Add("vs_db", "ks1.example.net:5696")
	f.Add("", "")
	f.Add("\xff\xfe", "a\x00\n\"\\}")
	f.Add("\u202e", "# HELP x")
	f.Fuzz(func(t *testing.T, a, b string) {
		m, reg := fresh(t)
		m.Clusters([]Cluster{{Name: "prod-a"}})
		texts := []string{a, b, a + b, b + a, "vs_db", "\x00" + a}
		n := 0
		tell(m, func() string { n++; return texts[n%len(texts)] })
		scrape(t, reg)
		if got := gathered(t, reg); got > 400 {
			t.Errorf("%d series", got)
		}
	})
}

// The series of a cluster that answers something else each time do not pile up: not after
// 100,000 answers to requests and 10,000 passes made of them.
func TestSeriesAreBounded(t *testing.T) {
	m, reg := fresh(t)
	m.Clusters([]Cluster{{Name: "prod-a", Wanted: []*resource.Object{external("vs_db", "", 0)}}})
	r := rand.New(rand.NewPCG(1, 2))
	text := func() string { return strconv.FormatUint(r.Uint64(), 36) }
	for range 10_000 {
		tell(m, text)
	}
	paths := []string{"/api/cluster", "/api/security/key-managers/", "/api/"}
	methods := []string{"GET", "POST", "PATCH", "DELETE", "HEAD"}
	for i := range 100_000 {
		m.Exchange("prod-a", methods[i%len(methods)], paths[i%len(paths)]+text(), r.IntN(1000), time.Second)
	}
	// 63 codes, 5 methods and 3 endpoints, and the rest of one cluster.
	if got := gathered(t, reg); got > 64*5*3+300 {
		t.Errorf("%d series", got)
	}
}
