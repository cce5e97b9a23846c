package metrics

import (
	"maps"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"kmagent/internal/plan"
	"kmagent/internal/resource"
)

// A cluster is the picture of one cluster. Its maps, its observation and its plan are
// replaced and never changed, so a copy of it is a snapshot.
type cluster struct {
	label    string
	interval time.Duration
	mode     Mode
	declared map[scope]int // how many resources the file declares; 0 where all are absent

	up          bool
	lastRun     time.Time
	lastSuccess time.Time
	noMemory    bool
	seen        *observation // nil until the cluster was read
	planned     *planned     // nil until there was a plan
	memory      *plan.Memory // nil until it is known

	scheduled map[target]scheduled // by the file
	rekeys    map[target]rekey     // nil until a pass knew what is remembered
}

// A scope is what declared resources are counted by.
type scope struct{ svm, kind string }

func scopeOf(a resource.Addr) scope { return scope{label(a.SVM), label(a.Kind)} }

func (c *cluster) declares(s scope) bool {
	_, ok := c.declared[s]
	return ok
}

// declared counts the wanted objects and their children. A scope with nothing but absent
// ones is there with 0: what is to go from it is still reported. The kind of the children
// is there as well, since an unwanted one can turn up.
func declared(wanted []*resource.Object) map[scope]int {
	n := map[scope]int{}
	for _, o := range wanted {
		present := 1
		if o.Absent {
			present = 0
		}
		n[scopeOf(o.Addr)] += present
		if i := o.Kind.Children(); i >= 0 {
			n[scope{label(o.Addr.SVM), o.Kind.Fields[i].To.Name}] += present * len(o.Children)
		}
	}
	return n
}

// collector turns the pictures into series. It is a type of its own so that [Metrics] does
// not offer its methods.
type collector struct{ *Metrics }

// Describe implements [prometheus.Collector]. Every gauge describes a state, and one counter is
// of the ledger.
func (collector) Describe(ch chan<- *prometheus.Desc) {
	for _, g := range groups() {
		for _, f := range g.families {
			if f.told() {
				ch <- f.desc
			}
		}
	}
}

// Collect implements [prometheus.Collector]. It waits for the scraper without the lock.
func (c collector) Collect(ch chan<- prometheus.Metric) {
	c.mu.Lock()
	state, fetched := c.state, c.fetched
	rests := maps.Clone(c.readOnly)
	clusters := make([]cluster, 0, len(c.clusters))
	for _, one := range c.clusters {
		clusters = append(clusters, *one)
		rests[ReadOnlyState] = rests[ReadOnlyState] || one.noMemory
	}
	c.mu.Unlock()

	out := series(ch)
	out.source(c.source, state, fetched)
	for _, reason := range ReadOnlyReasons() {
		out.put(readOnlyMode, oneIf(rests[reason]), string(reason))
	}
	for i := range clusters {
		out.cluster(&clusters[i])
	}
}

// series is where samples go.
type series chan<- prometheus.Metric

func (out series) put(f *family, value float64, labels ...string) {
	kind := prometheus.GaugeValue
	if f.kind == counterKind {
		kind = prometheus.CounterValue
	}
	out <- prometheus.MustNewConstMetric(f.desc, kind, value, labels...)
}

func (out series) source(source string, s SourceState, fetched time.Time) {
	if s.Revision != "" {
		out.put(sourceInfo, 1, source, label(s.Ref), label(s.Revision), label(s.SignedBy))
	}
	out.put(sourceLastSuccess, unix(fetched), source)
	out.put(configValid, oneIf(s.Valid), source)
	out.put(configLoaded, unix(s.Loaded), source)
	out.put(configProblems, float64(s.Errors), source, severityError)
	out.put(configProblems, float64(s.Warnings), source, severityWarning)
}

func (out series) cluster(c *cluster) {
	out.put(ontapUp, oneIf(c.up), c.label)
	out.put(lastRun, unix(c.lastRun), c.label)
	out.put(lastSuccess, unix(c.lastSuccess), c.label)
	out.put(reconcileInterval, c.interval.Seconds(), c.label)
	for _, m := range Modes() {
		out.put(reconcileMode, oneIf(m == c.mode), c.label, string(m))
	}
	for s, n := range c.declared {
		out.put(managedResources, float64(n), c.label, s.svm, s.kind)
	}
	for _, reason := range blockReasons {
		waits := reason == guardReason && c.planned != nil && c.planned.guarded
		out.put(planBlocked, oneIf(waits), c.label, reason)
	}
	if c.planned != nil {
		out.planned(c)
	}
	if c.seen != nil {
		out.seen(c.label, c.seen)
	}
	if c.memory != nil {
		out.memory(c.label, *c.memory)
	}
	out.rekeys(c)
}

func (out series) memory(cluster string, m plan.Memory) {
	out.put(openOperations, float64(m.Open), cluster)
	out.put(operationUnknown, oneIf(m.Unknown > 0), cluster)
	if !m.Backup.IsZero() {
		out.put(lastBackup, unix(m.Backup), cluster)
	}
}

// planned walks what the file declares rather than the plan: every declared scope has all
// its series, and no other has any.
func (out series) planned(c *cluster) {
	for s := range c.declared {
		t := c.planned.totals[s]
		for d, word := range drifts {
			out.put(driftedResources, float64(t.drifted[d]), c.label, s.svm, s.kind, word)
		}
		for op, word := range actions {
			out.put(pendingChanges, float64(t.pending[op]), c.label, s.svm, s.kind, word)
		}
		if !t.since.IsZero() {
			out.put(driftFirstSeen, unix(t.since), c.label, s.svm, s.kind)
		}
	}
}

func (out series) seen(cluster string, o *observation) {
	out.put(clusterInfo, 1, cluster, o.name, o.uuid, o.version)
	out.put(droppedObjects, float64(o.dropped), cluster)
	for i := range o.managers {
		out.manager(cluster, o.nodes, &o.managers[i])
	}
}

func (out series) manager(cluster string, nodes []string, m *manager) {
	out.put(managerInfo, 1, cluster, m.svm, m.scope, m.kind, m.uuid)
	if m.state != "" {
		for _, word := range managerStates {
			out.put(managerState, oneIf(word == m.state), cluster, m.svm, m.kind, word)
		}
	}
	if m.service != "" {
		out.put(cloudReachable, oneIf(m.service == "yes"), cluster, m.svm, m.kind)
	}
	for _, r := range m.ekmip {
		out.put(ekmipReachable, oneIf(r.ok), cluster, m.svm, r.node)
	}
	for _, c := range m.certificates {
		out.put(certificateNotAfter, unix(c.end), cluster, m.svm, c.use, c.uuid)
	}
	for _, s := range m.servers {
		out.put(serverInfo, 1, cluster, m.svm, s.name, s.role, s.position)
		for i, r := range s.reach {
			if r.state != "" {
				out.reach(r, cluster, m.svm, nodes[i], s.name)
			}
		}
	}
}

func (out series) reach(r reach, cluster, svm, node, server string) {
	out.put(serverReachable, oneIf(r.state == serverAvailable), cluster, svm, node, server)
	out.put(serverLastReachable, unix(r.last), cluster, svm, node, server)
	for _, word := range serverStates {
		out.put(serverState, oneIf(word == r.state), cluster, svm, node, server, word)
	}
}

func oneIf(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// unix returns seconds since 1970, and 0 for the zero time: never, since the agent started.
func unix(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMilli()) / 1000
}
