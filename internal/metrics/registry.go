package metrics

import (
	"log/slog"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/collectors/version"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// NewRegistry returns a registry that has what every Go program exports: go_*, process_*
// and kmagent_build_info, which carries the release and the commit it was built from.
func NewRegistry(release, revision string) *prometheus.Registry {
	reg := prometheus.NewRegistry()
	reg.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		version.NewCollector("kmagent", version.WithExtraConstLabels(prometheus.Labels{
			"version": label(release), "revision": label(revision),
		})),
	)
	return reg
}

// maxScrapes bounds the scrapes under way. Those that come at the same time share one
// gathering, so a slot is held for as long as one scraper takes to read.
const maxScrapes = 40

// Handler serves what reg holds, and promhttp_* about that. A scrape beyond the limit is
// answered with 503. An error of gathering is logged, and the rest is served.
func Handler(reg *prometheus.Registry, log *slog.Logger) http.Handler {
	return promhttp.InstrumentMetricHandler(reg, promhttp.HandlerFor(reg, promhttp.HandlerOpts{
		ErrorLog:            slog.NewLogLogger(log.Handler(), slog.LevelError),
		ErrorHandling:       promhttp.ContinueOnError,
		Registry:            reg,
		MaxRequestsInFlight: maxScrapes,
		CoalesceGather:      true,
	}))
}
