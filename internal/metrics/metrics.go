// Package metrics tells Prometheus what the agent knows: of its source, of its passes, of
// drift, and of the key managers and key servers of every cluster. It takes plans,
// observations and reports as they are and does the counting itself. A scrape is answered
// from memory: the package asks no cluster anything, neither at a scrape nor in between.
//
// Counters are counted as things happen. Whatever describes a state is kept as one snapshot
// for each cluster and becomes series at the scrape, so a scrape sees a cluster before a
// pass or after it, and the series of an object that is gone are gone too.
package metrics

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"kmagent/internal/plan"
	"kmagent/internal/resource"
)

// Metrics holds everything the agent exports about its work. Its methods may be called from
// any goroutine; none of them blocks for longer than it takes to count. What is said of a
// cluster that [Metrics.Clusters] did not name is ignored: a request that outlives its
// cluster must not bring its series back.
type Metrics struct {
	fetches    *prometheus.CounterVec
	reconciles *prometheus.CounterVec
	changes    *prometheus.CounterVec
	drifts     *prometheus.CounterVec
	requests   *prometheus.CounterVec
	retries    *prometheus.CounterVec

	passTime    *prometheus.HistogramVec
	requestTime *prometheus.HistogramVec

	source string // the label

	mu       sync.Mutex // of what follows; held while counting, never while waiting
	readOnly map[ReadOnlyReason]bool
	state    SourceState
	fetched  time.Time
	clusters map[string]*cluster // by the name in the file
}

// New returns the metrics of one daemon, registered with reg. The source is the path or
// address that the desired state is read from, as operators know it; it must not carry
// credentials. New panics if reg has the metrics already.
func New(reg prometheus.Registerer, source string) *Metrics {
	m := &Metrics{
		fetches:     sourceFetches.counter(),
		reconciles:  reconciles.counter(),
		changes:     changes.counter(),
		drifts:      driftDetected.counter(),
		requests:    ontapRequests.counter(),
		retries:     ontapRetries.counter(),
		passTime:    reconcileDuration.histogram(.1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120, 300),
		requestTime: requestDuration.histogram(.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30),
		source:      label(source),
		clusters:    map[string]*cluster{},
		readOnly:    map[ReadOnlyReason]bool{},
	}
	for _, r := range FetchResults() {
		m.fetches.WithLabelValues(m.source, string(r))
	}
	reg.MustRegister(m.fetches, m.reconciles, m.changes, m.drifts, m.requests, m.retries,
		m.passTime, m.requestTime, collector{m})
	return m
}

// SourceState is what is known of the desired state. The zero SourceState is that of a
// daemon that has not read any yet.
type SourceState struct {
	Ref      string    // the branch or tag that is followed; empty for a file
	Revision string    // of the desired state in use: a commit, or the digest of the content
	SignedBy string    // whose signature the revision bears; empty if it bears none
	Valid    bool      // the newest desired state is the one in use
	Errors   int       // faults found in the newest desired state
	Warnings int       // remarks on it that do not keep it from being used
	Loaded   time.Time // when a desired state last parsed and validated; zero for never
}

// ReadOnly says whether every change rests for a reason.
func (m *Metrics) ReadOnly(reason ReadOnlyReason, rests bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.readOnly[reason] = rests
}

// Source replaces what is exported of the desired state.
func (m *Metrics) Source(s SourceState) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.state = s
}

// Fetched counts an attempt to read the desired state that ended at the given time.
func (m *Metrics) Fetched(r FetchResult, at time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fetches.WithLabelValues(m.source, string(r)).Inc()
	if r != FetchError {
		m.fetched = at
	}
}

// A Cluster is what the desired state says of one cluster.
type Cluster struct {
	Name     string        // the name in the file: the label cluster of every series
	Interval time.Duration // between two passes
	Mode     Mode          // in force, whoever set it
	Wanted   []*resource.Object
}

// Clusters names the clusters of the desired state in use: all of them, every time. The
// counters of a new one start at 0, and the series of one that left are dropped. The same
// is true of the SVMs of a cluster.
func (m *Metrics) Clusters(list []Cluster) {
	m.mu.Lock()
	defer m.mu.Unlock()
	stay := make(map[string]bool, len(list))
	for _, c := range list {
		stay[c.Name] = true
		m.declare(c)
	}
	for name, c := range m.clusters {
		if !stay[name] {
			delete(m.clusters, name)
			m.forget(prometheus.Labels{"cluster": c.label})
		}
	}
}

// declare takes over what the file says of one cluster and keeps what was seen of it.
func (m *Metrics) declare(want Cluster) {
	c, known := m.clusters[want.Name]
	if !known {
		c = &cluster{label: label(want.Name)}
		m.clusters[want.Name] = c
		m.start(c.label)
	}
	before := c.declared
	c.interval, c.mode, c.declared = want.Interval, want.Mode, declared(want.Wanted)
	c.scheduled = schedules(want.Wanted)
	for s := range before {
		if _, stays := c.declared[s]; !stays {
			m.drifts.DeletePartialMatch(prometheus.Labels{"cluster": c.label, "svm": s.svm, "kind": s.kind})
		}
	}
	for s := range c.declared {
		for _, d := range drifts {
			m.drifts.WithLabelValues(c.label, s.svm, s.kind, d)
		}
		for _, op := range plan.Ops() {
			for _, result := range changeResults {
				m.changes.WithLabelValues(c.label, s.kind, actions[op], result)
			}
		}
	}
}

// start makes the counters of a cluster exist before they count: a rate misses the first
// event of a series that appears with it.
func (m *Metrics) start(cluster string) {
	for _, r := range Results() {
		m.reconciles.WithLabelValues(cluster, string(r))
	}
	m.passTime.WithLabelValues(cluster)
	for _, r := range RetryReasons() {
		m.retries.WithLabelValues(cluster, string(r))
	}
}

// forget drops the counted series that carry the labels.
func (m *Metrics) forget(l prometheus.Labels) {
	for _, v := range []interface {
		DeletePartialMatch(prometheus.Labels) int
	}{m.reconciles, m.changes, m.drifts, m.requests, m.retries, m.passTime, m.requestTime} {
		v.DeletePartialMatch(l)
	}
}

// A Pass is what came of looking at one cluster once. What it lacks leaves what is exported
// as it was: a cluster that cannot be read keeps its last picture, and its times age.
type Pass struct {
	Result   Result
	Ended    time.Time
	Took     time.Duration
	Observed *resource.Cluster // nil if the cluster could not be read
	Plan     *plan.Plan        // nil, or with an Err, if there is none
	Report   *plan.Report      // what came of the steps of Plan itself; nil if nothing was sent
	Memory   *plan.Memory      // what is remembered after it; nil if nothing is known of that
	Ledger   *plan.Ledger      // what that is of; nil likewise
	NoMemory bool              // nothing can be remembered of the cluster, so nothing is sent
}

// Pass counts a pass over a cluster and replaces its picture at one stroke. What it is
// given is read, not kept. The passes of one cluster are told in their order.
func (m *Metrics) Pass(cluster string, p Pass) {
	next, known := m.picture(cluster)
	if !known {
		return
	}
	if p.Observed != nil {
		next.seen = observe(next.seen, p.Observed)
	}
	var found map[resource.Addr]drift
	if p.Plan != nil && p.Plan.Err == nil {
		next.planned, found = review(next.planned, p.Plan, p.Report, p.Ended)
	}

	next.rekeys = remembered(&next, p.Plan, p.Ledger)

	m.mu.Lock()
	defer m.mu.Unlock()
	c := m.clusters[cluster]
	if c == nil {
		return
	}
	c.seen, c.planned, c.lastRun, c.noMemory = next.seen, next.planned, p.Ended, p.NoMemory
	c.rekeys = next.rekeys
	if p.Memory != nil {
		memory := *p.Memory
		c.memory = &memory
	}
	if p.Result != Failed {
		c.lastSuccess = p.Ended
	}
	m.reconciles.WithLabelValues(c.label, string(p.Result)).Inc()
	m.passTime.WithLabelValues(c.label).Observe(p.Took.Seconds())
	for a, d := range found {
		if s := scopeOf(a); c.declares(s) {
			m.drifts.WithLabelValues(c.label, s.svm, s.kind, drifts[d]).Inc()
		}
	}
	if p.Report != nil {
		m.sent(c.label, p.Report)
	}
}

// picture returns a copy of what is known of a cluster, to work on without the lock.
func (m *Metrics) picture(name string) (cluster, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if c := m.clusters[name]; c != nil {
		return *c, true
	}
	return cluster{}, false
}

func (m *Metrics) sent(cluster string, r *plan.Report) {
	for _, x := range r.Results {
		if result, sent := changeResult(x.Outcome); sent {
			m.changes.WithLabelValues(cluster, label(x.Step.Addr.Kind), actions[x.Step.Op], result).Inc()
		}
	}
}

// Exchange counts one request to a cluster's management API: its method, its path with or
// without /api and query, the status code of the answer (0 for none) and the time to the
// answer's end.
func (m *Metrics) Exchange(cluster, method, path string, code int, took time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := m.clusters[cluster]
	if c == nil {
		return
	}
	c.up = code != 0
	method = methodLabel(method)
	m.requests.WithLabelValues(c.label, endpoint(path), method, codeLabel(code)).Inc()
	m.requestTime.WithLabelValues(c.label, method).Observe(took.Seconds())
}

// Retried counts a request that is sent again.
func (m *Metrics) Retried(cluster string, why RetryReason) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if c := m.clusters[cluster]; c != nil {
		m.retries.WithLabelValues(c.label, string(why)).Inc()
	}
}
