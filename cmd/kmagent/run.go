package main

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"kmagent/internal/agent"
	"kmagent/internal/desired"
	"kmagent/internal/metrics"
	"kmagent/internal/ontap"
	"kmagent/internal/plan"
	"kmagent/internal/state"
	"kmagent/internal/status"
	"kmagent/internal/watch"
)

func runCommand(c *common) *cobra.Command {
	d := &service{common: c}
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Keep the clusters as the file says, as a service",
		Long: `Watch the file, keep every cluster as it says, and serve metrics. A file that
cannot be read or has faults stops every write; the clusters are observed against the
last good one. SIGHUP reads the file again. SIGTERM finishes the step under way.`,
		Example: "  kmagent run -f /etc/kmagent/desired.yaml\n  kmagent run -f desired.yaml --observe --interval 1m",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return d.run(cmd.Context()) },
	}
	c.testSeconds(cmd)
	f := cmd.Flags()
	f.StringSliceVar(&d.web.addresses, "web.listen-address", []string{defaultListen}, "address to serve metrics and the status on; repeatable")
	f.StringVar(&d.web.config, "web.config.file", "", "TLS and basic authentication, in the form of Prometheus' exporter-toolkit")
	f.BoolVar(&d.web.socket, "web.systemd-socket", false, "serve on the sockets that systemd passes")
	f.DurationVar(&d.interval, "interval", time.Minute, "between passes over a cluster, where the file says nothing")
	f.DurationVar(&d.health, "health-interval", 5*time.Minute, "between reads of reachability, where the file says nothing")
	f.BoolVar(&d.observe, "observe", false, "write nothing, whatever the file says")
	d.boundRekeys(cmd)
	f.IntVar(&d.passes, "max-passes", 128, "passes under way at the same time")
	return cmd
}

// A service is one run of the service.
type service struct {
	*common
	web              webFlags
	interval, health time.Duration
	observe          bool
	passes           int

	log      *slog.Logger
	metrics  *metrics.Metrics
	systemd  *systemd
	board    *board
	tracker  *status.Tracker
	watcher  *watch.Watcher
	beaten   atomic.Int64 // when the fleet last gave a sign of life, Unix nanoseconds
	loaded   atomic.Bool  // a desired state is in use
	goodAt   time.Time    // when the newest good one was loaded; of the fleet's goroutine
	revision atomic.Value // string: digest of the desired state in use
	store    *stateStore
	mute     atomic.Bool // the audit log could not be written when last tried
}

// digest is that of the desired state in use.
func (d *service) digest() string {
	s, _ := d.revision.Load().(string)
	return s
}

// audited tells when the audit log ceases to take entries, and when it does again.
func (d *service) audited(err error) {
	d.metrics.ReadOnly(metrics.ReadOnlyAudit, err != nil)
	switch was := d.mute.Swap(err != nil); {
	case err != nil && !was:
		d.log.Error("audit log cannot be written; writes rest", "event", "audit.failed", "err", plan.Safe(err.Error()))
	case err == nil && was:
		d.log.Info("audit log can be written again", "event", "audit.recovered")
	}
}

func (d *service) run(ctx context.Context) error {
	var err error
	if d.log, err = d.logger(); err != nil {
		return err
	}
	if d.interval < time.Second || d.health < 0 || d.passes < 1 {
		return &exit{exitUsage, errors.New("--interval is at least 1s, --health-interval not negative, --max-passes at least 1")}
	}
	audit := newAuditor(d.stateDir, "daemon", d.digest)
	defer audit.close()
	d.store = &stateStore{dir: d.stateDir, highWater: audit.highWater}
	_, unusable := d.store.get()
	if unusable != nil && !mayPassByItself(unusable) {
		return unusable
	}
	defer d.store.close()
	reg := metrics.NewRegistry(release, revision())
	d.metrics = metrics.New(reg, d.file)
	d.systemd = newSystemd(d.log)
	d.board = &board{show: d.systemd.status}
	d.tracker = status.NewTracker(status.Agent{Version: release, Commit: revision(), Started: time.Now().UTC()})
	d.watcher = watch.New(watch.Config{Path: d.file, Log: d.log})
	d.beat()
	server, err := d.web.serve(metrics.Handler(reg, d.log), newStatusPages(d.tracker), d, d.log)
	if err != nil {
		return &exit{exitError, err}
	}
	defer server.stop()
	d.log.Info("started", "event", "start", "version", release, "commit", revision(), "go", runtime.Version(), "file", d.file, "state_dir", d.stateDir)

	if unusable != nil {
		d.log.Error("state cannot be taken; clusters are observed and nothing is written until it can", "event", "state.write_failed", "err", plan.Safe(unusable.Error()))
	}
	w := d.wiring(0)
	w.audit, audit.told = audit, d.audited
	w.exchange = func(cluster string, x ontap.Exchange) {
		d.metrics.Exchange(cluster, x.Method, x.Path, x.Status, x.Took)
	}
	w.retried = func(cluster string, err error) { d.metrics.Retried(cluster, retryReason(err)) }
	fleet := &agent.Fleet{
		Name: d.file, Only: d.clusters, Open: w.writing(d.store, nil), Observe: d.observe, Interval: d.interval, Health: d.health, Seconds: d.seconds, Rekeys: agent.NewRekeys(int(d.maxRekeys)), Known: d.recorded,
		Passes: d.passes, Log: d.log, Judge: d.judge, Done: d.passed, Loaded: d.loadedFile, Beat: d.beat, BeatEvery: d.systemd.beatEvery(),
	}
	var parts sync.WaitGroup
	parts.Go(func() { d.watcher.Run(ctx) })
	parts.Go(func() { d.onHangup(ctx) })
	parts.Go(func() { d.onEnd(ctx) })
	parts.Go(func() { d.onOrders(ctx, fleet.Wake) })
	fleet.Run(ctx, source{d.watcher, d.file})
	parts.Wait()
	d.log.Info("stopped", "event", "shutdown.end")
	return nil
}

// retryReason is the word for what kept a GET from being answered.
func retryReason(err error) metrics.RetryReason {
	if e, ok := errors.AsType[*ontap.Error](err); ok {
		if e.Status == http.StatusTooManyRequests {
			return metrics.RetryTooMany
		}
		return metrics.RetryServer
	}
	if e, ok := errors.AsType[*ontap.TransportError](err); ok && e.Reason == ontap.Timeout {
		return metrics.RetryTimeout
	}
	return metrics.RetryConnect
}

// onHangup has the file read again at each SIGHUP.
func (d *service) onHangup(ctx context.Context) {
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	for {
		select {
		case <-ctx.Done():
			return
		case <-hup:
			d.systemd.reloading()
			d.watcher.Reread()
		}
	}
}

// onEnd tells at once that we end: a step under way may take seconds yet.
func (d *service) onEnd(ctx context.Context) {
	<-ctx.Done()
	d.systemd.stopping()
	d.log.Info("stopping", "event", "shutdown.begin")
}

// A source is the watched file as a fleet sees it.
type source struct {
	*watch.Watcher
	file string
}

func (s source) Latest() (text []byte, digest string, err error) {
	state := s.Watcher.Latest()
	if state.Err != nil {
		return state.Good.Text, state.Good.Digest, errors.New(unreadable(s.file, state.Err))
	}
	return state.Good.Text, state.Good.Digest, nil
}

// loadedFile tells what came of a look at the file.
func (d *service) loadedFile(rev agent.Revision) {
	defer d.systemd.ready()
	source := metrics.SourceState{Valid: rev.Err == nil}
	if rev.State != nil {
		source.Revision = rev.State.Digest
		d.revision.Store(rev.State.Digest)
		d.loaded.Store(true)
	}
	if rev.Err == nil {
		d.lastLoad(rev, &source)
	} else {
		d.rejected(rev, &source)
	}
	d.metrics.Source(source)
	d.metrics.ReadOnly(metrics.ReadOnlySource, rev.Err != nil)
	d.metrics.ReadOnly(metrics.ReadOnlyShrink, rev.Hold.Hold == plan.Shrink)
	if rev.Err == nil {
		d.judged(rev)
	}
	var names []string
	if rev.State != nil {
		d.metrics.Clusters(d.declared(rev.State))
		for _, k := range rev.State.Clusters {
			names = append(names, k.Name)
		}
	}
	problem := ""
	if rev.Err != nil {
		problem = rev.Err.Error()
	}
	d.board.load(source.Revision, names, problem)
	d.known(rev)
}

// judged tells that the file holds every write by itself, or remembers that it is in use.
func (d *service) judged(rev agent.Revision) {
	if rev.Hold.Hold == plan.Shrink {
		d.log.Error("desired state has lost much of the last one; writes rest", "event", "guard.shrink", "revision", rev.Digest, "reason", rev.Hold.Reason)
		return
	}
	if rev.Hold.Hold != plan.NoGuard || rev.State == nil {
		return
	}
	store, err := d.store.get()
	if err == nil {
		err = d.inUse(store, rev.State)
	}
	if err != nil {
		d.log.Error("baseline not written", "event", "state.write_failed", "err", plan.Safe(err.Error()))
	}
}

func (d *service) lastLoad(rev agent.Revision, source *metrics.SourceState) {
	d.goodAt = rev.At
	source.Loaded, source.Warnings = rev.At, len(rev.State.Warnings)
	d.metrics.Fetched(metrics.FetchSuccess, rev.At)
	d.log.Info("desired state in use", "event", "desired.applied", "revision", rev.Digest, "clusters", len(rev.State.Clusters))
	for i, w := range rev.State.Warnings {
		if i == maxFaults {
			d.log.Warn("more warnings", "event", "desired.doubtful", "warnings", len(rev.State.Warnings)-i)
			break
		}
		d.log.Warn("desired state doubtful", "event", "desired.doubtful", "rule", w.Rule, "err", plan.Safe(w.Error()))
	}
}

// maxFaults is how many faults of one file go to the log.
const maxFaults = 20

func (d *service) rejected(rev agent.Revision, source *metrics.SourceState) {
	source.Loaded, source.Errors = d.goodAt, 1
	d.metrics.Fetched(metrics.FetchError, rev.At)
	faults, ok := errors.AsType[desired.Faults](rev.Err)
	if !ok {
		d.log.Error("desired state not usable; writes rest", "event", "desired.rejected", "err", plan.Safe(rev.Err.Error()))
		return
	}
	source.Errors = len(faults)
	for i, f := range faults {
		if i == maxFaults {
			d.log.Error("more faults", "event", "desired.rejected", "faults", len(faults)-i)
			break
		}
		d.log.Error("desired state not usable; writes rest", "event", "desired.rejected", "revision", rev.Digest, "err", plan.Safe(f.Error()))
	}
}

func (d *service) declared(s *desired.State) []metrics.Cluster {
	out := make([]metrics.Cluster, len(s.Clusters))
	for i, k := range s.Clusters {
		mode := metrics.ModeEnforce
		if d.observe || k.Mode == desired.Observe {
			mode = metrics.ModeObserve
		}
		interval := k.Interval
		if interval == 0 {
			interval = d.interval
		}
		out[i] = metrics.Cluster{Name: k.Name, Interval: interval, Mode: mode, Wanted: k.Objects}
	}
	return out
}

// passed counts a pass.
func (d *service) passed(p agent.Pass) {
	m := metrics.Pass{Ended: p.Began.Add(p.Took), Took: p.Took, Observed: p.Observed, Report: p.Report, Result: resultOf(p), NoMemory: p.Forgetful()}
	if p.Plan.Err == nil {
		m.Plan = &p.Plan
	}
	if p.Ledger != nil {
		known := p.Ledger.Memory()
		m.Memory, m.Ledger = &known, p.Ledger
	}
	d.metrics.Pass(p.Cluster, m)
	d.board.pass(p.Cluster, m.Result)
	d.seen(p, string(m.Result))
}

func resultOf(p agent.Pass) metrics.Result {
	c := p.Plan.Counts()
	switch {
	case p.Failure() != nil:
		return metrics.Failed
	case p.Report != nil && c.Held+c.Refused == 0:
		return metrics.Applied
	case onlyObserved(p.Plan):
		return metrics.Planned
	case c.Held+c.Refused > 0:
		return metrics.Blocked
	default:
		return metrics.InSync
	}
}

// onlyObserved says whether the mode alone keeps the steps from being sent.
func onlyObserved(p plan.Plan) bool {
	for i := range p.Steps {
		if p.Steps[i].Guard != plan.Mode {
			return false
		}
	}
	return len(p.Steps) > 0
}

// beat is the fleet's sign of life; the watchdog gets it from there and from nowhere else.
func (d *service) beat() {
	now := time.Now()
	d.beaten.Store(now.UnixNano())
	d.systemd.alive()
	if d.loaded.Load() && d.watcher.Latest().Err == nil {
		d.metrics.Fetched(metrics.FetchUnchanged, now)
	}
}

// orderPoll is how often is looked whether people have ordered something.
const orderPoll = time.Second

// onOrders has every cluster looked at when people have ordered something.
func (d *service) onOrders(ctx context.Context, wake func()) {
	tick := time.NewTicker(orderPoll)
	defer tick.Stop()
	for last := state.OrdersChanged(d.stateDir); ; {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if at := state.OrdersChanged(d.stateDir); !at.Equal(last) {
			last = at
			wake()
		}
	}
}

// live says whether the fleet's loop has turned lately; clusters that fail do not matter.
func (d *service) live() bool {
	return time.Since(time.Unix(0, d.beaten.Load())) < 4*d.systemd.beatEvery()
}

// ready says what keeps us from doing our work.
func (d *service) ready() error {
	if !d.loaded.Load() {
		return errors.New("no desired state has been loaded")
	}
	return nil
}
