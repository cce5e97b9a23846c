package metrics

import (
	"fmt"
	"net/http/httptest"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"kmagent/internal/plan"
	"kmagent/internal/resource"
)

// bigCluster has so many key managers with two servers each, seen from two nodes.
func bigCluster(name string, managers int) *resource.Cluster {
	objects := make([]*resource.Object, managers)
	for i := range objects {
		svm := fmt.Sprintf("vs%04d", i)
		objects[i] = external(svm, fmt.Sprintf("uuid-%s-%s", name, svm), 0,
			keyServer(svm, "ks1.example.net:5696", "available", "available"),
			keyServer(svm, "ks2.example.net:5696", "available", "not_responding"))
	}
	return observed(name, objects...)
}

// BenchmarkScrape reads 500 clusters of 20 key managers: about 250,000 series.
func BenchmarkScrape(b *testing.B) {
	reg := prometheus.NewRegistry()
	m := New(reg, "desired.yaml")
	fleet := make([]Cluster, 500)
	seen := make([]*resource.Cluster, len(fleet))
	for i := range fleet {
		name := fmt.Sprintf("c%03d", i)
		seen[i] = bigCluster(name, 20)
		fleet[i] = Cluster{Name: name, Wanted: sorted(seen[i].Objects)}
	}
	m.Clusters(fleet)
	for i, c := range fleet {
		m.Pass(c.Name, Pass{Result: InSync, Ended: start, Observed: seen[i], Plan: &plan.Plan{}})
	}
	h := promhttp.HandlerFor(reg, promhttp.HandlerOpts{DisableCompression: true})
	b.ReportAllocs()
	for b.Loop() {
		w := &discard{httptest.NewRecorder(), 0}
		h.ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
		b.ReportMetric(float64(w.n), "bytes/scrape")
	}
}

// BenchmarkGather is the part of a scrape that is ours: making the series.
func BenchmarkGather(b *testing.B) {
	m := New(prometheus.NewRegistry(), "desired.yaml")
	seen := bigCluster("big", 10_000)
	m.Clusters([]Cluster{{Name: "big", Wanted: sorted(seen.Objects)}})
	m.Pass("big", Pass{Result: InSync, Ended: start, Observed: seen, Plan: &plan.Plan{}})
	b.ReportAllocs()
	for b.Loop() {
		ch := make(chan prometheus.Metric, 1024)
		go func() { collector{m}.Collect(ch); close(ch) }()
		n := 0
		for range ch {
			n++
		}
		b.ReportMetric(float64(n), "series")
	}
}

// BenchmarkPass takes over a cluster of 10,000 key managers.
func BenchmarkPass(b *testing.B) {
	m := New(prometheus.NewRegistry(), "desired.yaml")
	seen := bigCluster("big", 10_000)
	m.Clusters([]Cluster{{Name: "big", Wanted: sorted(seen.Objects)}})
	b.ReportAllocs()
	for b.Loop() {
		m.Pass("big", Pass{Result: InSync, Ended: start, Observed: seen, Plan: &plan.Plan{}})
	}
}

// discard counts what is written and keeps none of it.
type discard struct {
	*httptest.ResponseRecorder
	n int
}

func (d *discard) Write(p []byte) (int, error) {
	d.n += len(p)
	return len(p), nil
}
