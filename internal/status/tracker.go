package status

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"kmagent/internal/plan"
	"kmagent/internal/resource"
)

// A Tracker remembers what the passes of an agent told. Its methods may be called from any
// goroutine and keep nothing that they are given but short texts.
type Tracker struct {
	agent Agent

	mu       sync.Mutex // held while copying, never while working or waiting
	source   Source
	clusters map[string]*picture // by the name in the file; a picture is replaced, not changed
}

// NewTracker returns the tracker of one run of the agent.
func NewTracker(a Agent) *Tracker {
	return &Tracker{agent: a, clusters: map[string]*picture{}}
}

// A Declared is what the file says of a cluster.
type Declared struct {
	Name     string
	Mode     string // in force, whoever set it
	Interval time.Duration
}

// A Pass is what came of looking at a cluster once. What it lacks leaves what is known as it
// was: a cluster that cannot be read keeps its last picture, which ages.
type Pass struct {
	Result    string // a word of the metric kmagent_reconciles_total
	Ended     time.Time
	Took      time.Duration
	Err       error  // what went wrong
	ErrorKind string // access, state or cluster

	Observed *resource.Cluster // nil if the cluster could not be read
	Plan     *plan.Plan        // nil if there is none
	Report   *plan.Report      // nil if nothing was sent
	Ledger   *plan.Ledger      // nil if nothing is remembered
	Standing *plan.Standing    // likewise
}

// A picture is what is known of one cluster, with everything that a report cuts short.
type picture struct {
	Cluster
	inSync    bool          // there was nothing to do at the newest look
	onlyMode  bool          // and if there was, the mode alone kept it from being done
	looked    time.Duration // how long the pass of that look took
	pauses    []plan.Pause
	overrides []plan.Override
}

// Source replaces what is known of the desired state: of its clusters those that stay keep
// what is known of them.
func (t *Tracker) Source(s Source, clusters []Declared) {
	s.File, s.Revision, s.Problem, s.Newest = plan.Safe(s.File), plan.Safe(s.Revision), plan.Safe(s.Problem), plan.Safe(s.Newest)
	s.Reason = plan.Safe(s.Reason)
	t.mu.Lock()
	defer t.mu.Unlock()
	// The same content may be looked at again and again.
	if was := t.source; was.Revision == s.Revision && !was.Loaded.IsZero() {
		s.Loaded = was.Loaded
	}
	if was := t.source; was.Problem == s.Problem && was.Newest == s.Newest {
		s.ProblemAt = was.ProblemAt
	}
	t.source = s
	old := t.clusters
	t.clusters = make(map[string]*picture, len(clusters))
	for _, d := range clusters {
		p := picture{Cluster: Cluster{Name: d.Name}}
		if known := old[d.Name]; known != nil {
			p = *known
		}
		p.Mode, p.Interval = d.Mode, d.Interval.Seconds()
		t.clusters[d.Name] = &p
	}
}

// Pass takes over what a pass told. The passes of one cluster are told in their order; one of
// a cluster that left the file is ignored.
func (t *Tracker) Pass(cluster string, p Pass) {
	t.mu.Lock()
	known := t.clusters[cluster]
	t.mu.Unlock()
	if known == nil {
		return
	}
	next := *known
	next.take(&p)

	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.clusters[cluster]
	if now == nil {
		return
	}
	next.Mode, next.Interval = now.Mode, now.Interval // the file may have been read meanwhile
	t.clusters[cluster] = &next
}

func (c *picture) take(p *Pass) {
	c.Result, c.LastPass, c.Took = p.Result, p.Ended, p.Took.Seconds()
	if p.Err == nil {
		c.Error, c.ErrorKind, c.Failing, c.LastSuccess = "", "", time.Time{}, p.Ended
	} else {
		c.Error, c.ErrorKind = oneLine(p.Err), p.ErrorKind
		if c.Failing.IsZero() {
			c.Failing = p.Ended
		}
	}
	if p.Observed != nil {
		c.observe(p.Observed)
	}
	if p.Observed != nil && p.Plan != nil && p.Plan.Err == nil {
		c.looked = p.Took
		c.plan(p.Plan, p.Report)
		c.schedule(p.Plan, p.Ledger)
	}
	if p.Ledger != nil {
		c.remember(p.Ledger)
	}
	if p.Standing != nil {
		c.order(p.Standing)
	}
}

// oneLine joins the lines of an error.
func oneLine(err error) string {
	return plan.Safe(strings.Join(strings.Split(err.Error(), "\n"), "; "))
}

// plan takes over what a plan leaves to be done.
func (c *picture) plan(p *plan.Plan, r *plan.Report) {
	c.inSync, c.onlyMode = len(p.Steps) == 0, onlyMode(p)
	done := map[*plan.Step]bool{}
	if r != nil {
		for _, x := range r.Results {
			done[x.Step] = x.Outcome == plan.Applied || x.Outcome == plan.Running || x.Outcome == plan.Kept
		}
	}
	var left plan.Plan
	c.Steps, c.StepsCut = nil, 0
	for _, s := range plan.ByRisk(p.Steps) {
		if done[s] {
			continue
		}
		left.Steps = append(left.Steps, plan.Step{Op: s.Op, Status: s.Status})
		switch {
		case s.Status == plan.Ready:
		case len(c.Steps) == maxSteps:
			c.StepsCut++
		default:
			c.Steps = append(c.Steps, Step{
				Op: s.Op.String(), Status: s.Status.String(), Address: plan.Safe(s.Addr.String()), Action: s.Action,
				Source: plan.Safe(s.Source.String()), Guard: string(s.Guard), Rule: s.Rule, Reason: plan.Safe(s.Reason),
			})
		}
	}
	c.Plan = left.Counts()
}

// remember takes over what the ledger tells: operations without an end, and backups.
func (c *picture) remember(l *plan.Ledger) {
	c.Operations, c.OperationsCut = nil, 0
	for i := range l.Open {
		o := &l.Open[i]
		c.Operations = append(c.Operations, Operation{
			ID: plan.Safe(o.Name()), Op: o.Op.String(), Action: o.Action, Address: plan.Safe(o.Addr.String()),
			At: o.At.UTC(), Job: plan.Safe(o.Job), State: o.Standing(), Why: plan.Safe(o.Doubt),
		})
	}
	// Those of which nobody knows what became of them count, so they are not cut off.
	slices.SortStableFunc(c.Operations, func(a, b Operation) int { return cmp.Compare(a.rank(), b.rank()) })
	c.Operations, c.OperationsCut = cut(c.Operations, maxOperations)
	c.Backup = backup(l)
}

func backup(l *plan.Ledger) *Backup {
	b := Backup{}
	for _, a := range slices.SortedFunc(maps.Keys(l.Objects), resource.Addr.Compare) {
		m := l.Objects[a]
		if m.Owed {
			b.Owed++
		}
		if m.Backup.At.After(b.At) {
			b.At, b.Address = m.Backup.At.UTC(), plan.Safe(a.String())
		}
	}
	if b == (Backup{}) {
		return nil
	}
	return &b
}

// order takes over the orders that are about this cluster.
func (c *picture) order(s *plan.Standing) {
	c.pauses, c.overrides = nil, nil
	for _, p := range s.Pauses {
		if p.Cluster == "" || p.Cluster == c.Name {
			c.pauses = append(c.pauses, p)
		}
	}
	for _, o := range s.Overrides {
		if !o.Used && strings.HasPrefix(o.Object, c.Name+"/") {
			c.overrides = append(c.overrides, o)
		}
	}
}

// Report says what is known at a time: of the clusters of these names, or of all. The names
// that the file in use does not have are returned.
func (t *Tracker) Report(now time.Time, only ...string) (r *Report, missing []string) {
	t.mu.Lock()
	r = &Report{Version: 1, At: now.UTC(), Agent: t.agent, Source: t.source}
	var list []*picture
	if len(only) == 0 {
		list = slices.Collect(maps.Values(t.clusters))
	}
	for i, name := range only {
		switch p := t.clusters[name]; {
		case slices.Contains(only[:i], name):
		case p == nil:
			missing = append(missing, name)
		default:
			list = append(list, p)
		}
	}
	t.mu.Unlock()

	need := make(map[string]int, len(list))
	r.Clusters = make([]Cluster, len(list))
	for i, p := range list {
		r.Clusters[i] = p.at(now, managersOfEach(len(list)), schedulesOfEach(len(list)))
		c := &r.Clusters[i]
		r.Summary.count(c.State)
		need[c.Name] = c.need(now)
	}
	slices.SortFunc(r.Clusters, func(a, b Cluster) int {
		return cmp.Or(cmp.Compare(need[a.Name], need[b.Name]), strings.Compare(a.Name, b.Name))
	})
	return r, missing
}

// at returns what a report at that time says of a cluster: ages are judged, orders that have
// run out are left out, and what is long is cut.
func (p picture) at(now time.Time, managers, schedules int) Cluster {
	p.judge(now)
	c := p.Cluster
	c.Pauses, c.Overrides, c.OrdersCut = p.orders(now)
	c.Schedules, c.SchedulesCut = cut(c.Schedules, schedules)
	c.Managers, c.ManagersCut = cut(c.Managers, managers)
	ending := len(c.Certificates)
	for ending > 0 && c.Certificates[ending-1].Ends.Sub(now) >= soon {
		ending--
	}
	c.Certificates, c.CertificatesCut = cut(c.Certificates[:ending:ending], maxCertificates)
	c.LastPass, c.LastSuccess, c.Observed, c.Failing = c.LastPass.UTC(), c.LastSuccess.UTC(), c.Observed.UTC(), c.Failing.UTC()
	return c
}

func (p *picture) orders(now time.Time) (pauses, overrides []Order, more int) {
	for _, x := range p.pauses {
		if now.Before(x.Until) {
			pauses = append(pauses, order(&x.Given, Order{Cluster: x.Cluster, SVM: x.SVM}))
		}
	}
	for _, x := range p.overrides {
		if now.Before(x.Until) {
			overrides = append(overrides, order(&x.Given, Order{Rule: x.Rule, Address: x.Object}))
		}
	}
	pauses, a := cut(pauses, maxOrders)
	overrides, b := cut(overrides, maxOrders)
	return pauses, overrides, a + b
}

func order(g *plan.Given, o Order) Order {
	o.ID, o.Until, o.By, o.Reason = plan.Safe(g.ID), g.Until.UTC(), plan.Safe(g.By), plan.Safe(g.Reason)
	o.Cluster, o.SVM, o.Rule, o.Address = plan.Safe(o.Cluster), plan.Safe(o.SVM), plan.Safe(o.Rule), plan.Safe(o.Address)
	return o
}
