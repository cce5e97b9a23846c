package agent

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"kmagent/internal/desired"
	"kmagent/internal/plan"
	"kmagent/internal/resource"
	"kmagent/internal/schedule"
)

// readBack is how soon after a change the next pass looks at what became of it.
const readBack = 2 * time.Second

// A worker is the goroutine of one cluster. Nothing that happens in it reaches another.
type worker struct {
	fleet *Fleet
	name  string
	stop  context.CancelFunc
	done  chan struct{}
	dirty chan struct{} // one slot: a pass is owed at once

	mu     sync.Mutex
	task   task
	reopen bool // the way to the cluster must be made anew
	again  bool // the file was read anew

	// Of the goroutine alone:
	loop     *Loop
	failures int
	told     map[string]bool   // what was told of failures since the last success
	held     map[string]string // what was told of held and refused steps: a fact is told once
	flaws    map[string]string // likewise of what is wrong after scheduled actions
}

// A task is what a worker works on; it is replaced as a whole.
type task struct {
	spec   desired.Cluster
	orders Orders
}

// assign hands a worker its task and wakes it. How the cluster is reached is made anew if
// the file says something else of it.
func (w *worker) assign(t task) {
	w.mu.Lock()
	w.reopen = w.reopen || reachedOtherwise(w.task.spec, t.spec)
	w.task, w.again = t, true
	w.mu.Unlock()
	w.wake()
}

// wake has a pass made soon.
func (w *worker) wake() {
	select {
	case w.dirty <- struct{}{}:
	default: // a pass is already owed
	}
}

func reachedOtherwise(a, b desired.Cluster) bool {
	return a.Endpoint != b.Endpoint || a.TLS != b.TLS || a.Auth != b.Auth ||
		a.Backup.Dir != b.Backup.Dir || !slices.Equal(a.Backup.Recipients, b.Backup.Recipients)
}

func (w *worker) run(ctx context.Context) {
	defer close(w.done)
	defer w.close()
	for ctx.Err() == nil {
		t := time.NewTimer(w.turn(ctx))
		select {
		case <-ctx.Done():
		case <-w.dirty:
		case <-t.C:
		}
		t.Stop()
	}
}

// turn makes one pass, when its place in the fleet is free, and returns how long to rest.
func (w *worker) turn(ctx context.Context) time.Duration {
	leave, ok := w.fleet.place(ctx)
	if !ok {
		return 0
	}
	defer leave()
	w.mu.Lock()
	t := w.task
	if w.reopen {
		w.close()
		w.reopen = false
	}
	if w.again && w.loop != nil && w.loop.Edges.Again != nil {
		w.loop.Edges.Again()
	}
	w.again = false
	w.mu.Unlock()
	p := w.pass(ctx, t)
	if ctx.Err() != nil && p.Report == nil {
		return 0
	}
	w.tell(p)
	return w.rest(p, t.spec)
}

// pass makes one pass. A panic in it is this cluster's failure and nobody else's.
func (w *worker) pass(ctx context.Context, t task) (p Pass) {
	began := time.Now()
	defer func() {
		if r := recover(); r != nil {
			// What was recovered may hold anything, so only where it happened is told.
			w.fleet.Log.Error("pass panicked", "event", "pass.panic", "cluster", w.name, "stack", string(stackOf(r)))
			w.close()
			p = Pass{Cluster: w.name, Began: began, Took: time.Since(began), Err: errPanic}
		}
	}()
	if w.loop == nil {
		edges, err := w.fleet.Open(t.spec)
		if err != nil {
			return Pass{Cluster: w.name, Began: began, Took: time.Since(began), Err: err}
		}
		w.loop = &Loop{Edges: edges}
	}
	w.loop.Spec, w.loop.Health = t.spec, w.fleet.health(t.spec)
	w.loop.Seconds, w.loop.Tolerance, w.loop.Rekeys = w.fleet.Seconds, 5*w.fleet.interval(t.spec), w.fleet.Rekeys
	w.loop.Wake = w.wake
	return w.loop.Once(ctx, t.orders)
}

// stackOf is where a panic happened: for one that came from another goroutine, there.
func stackOf(recovered any) []byte {
	if p, ok := recovered.(interface{ Stack() []byte }); ok {
		return p.Stack()
	}
	return debug.Stack()
}

var errPanic = errors.New("the pass panicked; the log has the stack")

func (w *worker) close() {
	if w.loop == nil || w.loop.Edges.Close == nil {
		w.loop = nil
		return
	}
	if err := w.loop.Edges.Close(); err != nil {
		w.fleet.Log.Warn("cluster not closed cleanly", "event", "cluster.close", "cluster", w.name, "err", err)
	}
	w.loop = nil
}

// reopenMemory tries to open the journal again, for the next pass. The way to the cluster
// stays: a new one would forget that the cluster refused a password.
func (w *worker) reopenMemory() {
	if w.loop == nil || w.loop.Edges.Reopen == nil {
		w.close()
		return
	}
	e := &w.loop.Edges
	e.Memory, e.MemoryErr = e.Reopen()
}

// rest says how long to wait before the next pass: soon after a change, longer and longer
// after failures, an interval otherwise. A pass that was too slow for all of its plan has not
// failed, unless it came to nothing.
func (w *worker) rest(p Pass, spec desired.Cluster) time.Duration {
	err := p.Failure()
	if forgetful(err) != nil || w.loop != nil && w.loop.Edges.MemoryErr != nil {
		w.reopenMemory()
	}
	switch {
	case forgetful(err) != nil && p.Observed != nil:
		// The cluster is well and goes on being observed.
		return spread(w.fleet.interval(spec), w.fleet.random(w.name))
	case err != nil && !(p.Perished() && p.Report.Changed()):
		w.failures++
		return pause(w.failures, w.fleet.random(w.name))
	case p.Report != nil && (p.Report.Changed() || p.Report.Later() > 0), len(p.Plan.Settled) > 0:
		w.failures = 0
		return min(readBack, w.fleet.interval(spec))
	default:
		w.failures = 0
		return untilTurn(p.Plan.Turns, spread(w.fleet.interval(spec), w.fleet.random(w.name)))
	}
}

// untilTurn is how long to wait for the next slot of a schedule, if that is less than rest.
func untilTurn(turns []plan.Turn, rest time.Duration) time.Duration {
	for _, t := range turns {
		if wait := time.Until(t.Next.Begin.Add(t.Next.Apart)); !t.Due && wait > 0 {
			rest = min(rest, wait+time.Millisecond)
		}
	}
	return rest
}

// tell reports a pass: always to the metrics, to the log what is news.
func (w *worker) tell(p Pass) {
	w.fleet.Done(p)
	log := w.fleet.Log.With("cluster", w.name)
	if p.Report != nil {
		for _, r := range p.Report.Results {
			tellStep(log, r)
		}
	}
	if p.Err == nil {
		tellSettled(log, p.Plan.Settled)
	}
	tellSlots(log, p.Plan.Slots)
	w.tellFlaws(log, p.Plan.Turns)
	if p.Report != nil && p.Report.Stale() > 0 {
		log.Warn("steps left, since what they rest on is old; the next pass looks again", "event", "plan.stale", "steps", p.Report.Stale())
	}
	err := cmp.Or(p.Err, forgetful(p.Failure()))
	switch {
	case err != nil:
		w.tellFailure(log, err)
	case len(w.told) > 0:
		log.Info("cluster is back", "event", "cluster.recovered", "failures", w.failures)
		w.told = nil
	default:
		log.Debug("pass done", "event", "pass.done", "plan", p.Plan.Counts().String(), "took", p.Took)
	}
	w.tellHeld(log, p.Plan)
}

// maxTold bounds what is told of one outage.
const maxTold = 8

// tellFailure tells a failure once in an outage: which of several requests fails first, and
// so what is said, may be another with every pass.
func (w *worker) tellFailure(log *slog.Logger, err error) {
	text := plan.Safe(err.Error())
	if w.told[text] || len(w.told) == maxTold {
		return
	}
	if w.told == nil {
		w.told = map[string]bool{}
	}
	w.told[text] = true
	log.Error("pass failed", "event", "pass.failed", "err", text)
}

// tellSlots reports the slots of schedules that will not begin their action.
func tellSlots(log *slog.Logger, notes []plan.SlotNote) {
	for _, n := range notes {
		for _, r := range n.Records {
			level := slog.LevelInfo
			if r.Outcome == schedule.Missed || r.Reason == schedule.Elsewhere {
				level = slog.LevelWarn
			}
			log.Log(context.Background(), level, "scheduled action "+string(r.Outcome), "event", "slot."+string(r.Outcome),
				"object", n.Addr.String(), "action", n.Action, "slot", r.ID(), "reason", string(r.Reason), "text", r.Reason.Text())
		}
	}
}

// tellFlaws reports what is wrong after a scheduled action has succeeded, each thing once.
func (w *worker) tellFlaws(log *slog.Logger, turns []plan.Turn) {
	now := map[string]string{}
	for i := range turns {
		t := &turns[i]
		if t.Flaw == "" {
			continue
		}
		key := t.Addr.String() + " " + t.Action
		if now[key] = t.Flaw; w.flaws[key] != t.Flaw {
			log.Warn("scheduled action succeeded and is not verified", "event", "slot.unverified", "object", t.Addr.String(), "action", t.Action, "reason", t.Flaw)
		}
	}
	w.flaws = now
}

func tellStep(log *slog.Logger, r plan.Result) {
	s := r.Step
	attrs := []any{"op", s.Op.String(), "object", s.Addr.String(), "source", s.Source.String(), "fields", fieldNames(s)}
	switch r.Outcome {
	case plan.Applied:
		log.Info("step applied", append(attrs, "event", "op.succeeded", "took", r.Took)...)
	case plan.Failed:
		log.Error("step failed", append(attrs, "event", "op.failed", "err", plan.Safe(r.Err.Error()))...)
	case plan.Kept:
		log.Info("object stays", append(attrs, "event", "op.kept", "why", r.Why)...)
	case plan.Running:
		log.Info("step goes on as a job; the next pass looks", append(attrs, "event", "op.accepted", "operation", s.Addr.Cluster+"/"+r.Operation, "took", r.Took)...)
	case plan.Unknown:
		message := "outcome of step unknown; the next pass looks"
		if r.Why != "" {
			message = "step not done everywhere; somebody has to look"
		}
		log.Error(message, append(attrs, "event", "op.unknown", "operation", s.Addr.Cluster+"/"+r.Operation, "err", plan.Safe(r.Err.Error()))...)
	}
}

// tellSettled reports what a look has shown of operations whose end nobody waited for.
func tellSettled(log *slog.Logger, list []plan.Settlement) {
	for i := range list {
		x := &list[i]
		attrs := []any{"operation", x.Op.Name(), "op", x.Op.Title(), "object", x.Op.Addr.String(), "why", x.Why}
		if x.Code != "" {
			attrs = append(attrs, "code", plan.Safe(x.Code))
		}
		switch x.Outcome {
		case plan.Applied:
			log.Info("operation has succeeded", append(attrs, "event", "op.succeeded")...)
		case plan.Unknown:
			log.Error("operation without an end that can be seen; somebody has to look", append(attrs, "event", "op.unknown")...)
		case plan.Failed:
			level := slog.LevelError
			if x.Op.Repeat == resource.Repeatable {
				level = slog.LevelWarn // the plan compares, and sends it again
			}
			log.Log(context.Background(), level, "operation has failed", append(attrs, "event", "op.failed")...)
		}
	}
}

func fieldNames(s *plan.Step) []string {
	names := make([]string, len(s.Changes))
	for i, c := range s.Changes {
		names[i] = c.Field
	}
	return names
}

func (w *worker) tellHeld(log *slog.Logger, p plan.Plan) {
	now := map[string]string{}
	for i := range p.Steps {
		s := &p.Steps[i]
		if s.Status == plan.Ready {
			continue
		}
		key := fmt.Sprintf("%s %s", s.Op, s.Addr)
		now[key] = s.Reason
		if w.held[key] == s.Reason {
			continue
		}
		log.Warn("step "+s.Status.String(), "event", "guard."+s.Status.String(), "op", s.Op.String(), "object", s.Addr.String(),
			"source", s.Source.String(), "guard", string(s.Guard), "reason", plan.Safe(s.Reason))
	}
	w.held = now
}
