package agent

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"kmagent/internal/desired"
	"kmagent/internal/plan"
)

// A Source is where the desired state comes from.
type Source interface {
	// Changed receives when Latest has something new, the first content included.
	Changed() <-chan struct{}
	// Latest returns the last good content, and an error if that may not be what the source
	// holds now.
	Latest() (text []byte, digest string, err error)
}

// A Fleet is a loop for each cluster of the file.
type Fleet struct {
	Name      string   // of the file, for positions
	Only      []string // the names of the clusters to look after; empty: all
	Open      func(desired.Cluster) (Edges, error)
	Observe   bool                                      // whatever the file says, write nothing
	Interval  time.Duration                             // between passes, where the file says nothing
	Health    time.Duration                             // between reads of Advanced fields, likewise
	Rekeys    *Rekeys                                   // bounds those that run at a time; may be nil
	Known     func(cluster string) (plan.Ledger, error) // what is on record of a cluster, for Rekeys
	Seconds   bool                                      // schedules may have seconds, for tests of the whole
	Passes    int                                       // how many may be under way, but for those that wait for a slow cluster
	Log       *slog.Logger
	Judge     func(*desired.State) Orders // what holds writes by a file that is valid, as long as it does; may be nil
	Done      func(Pass)                  // after each pass; from several goroutines
	Loaded    func(Revision)              // after each look at the source; from one goroutine
	Beat      func()                      // called at least every BeatEvery while the fleet is alive; may be nil
	BeatEvery time.Duration
	// Random returns a time of at least 0 and below n, for the pauses of a cluster; from several
	// goroutines; nil: anything.
	Random func(cluster string, n time.Duration) time.Duration

	woken   chan struct{} // one slot
	once    sync.Once     // of woken
	places  chan struct{}
	workers map[string]*worker
	state   *desired.State // in use
	broken  error          // why the newest content is not in use
	hold    Orders         // for everybody
}

// Wake has every cluster looked at soon, and the file judged anew: people have ordered
// something. It may be called from any goroutine.
func (f *Fleet) Wake() {
	select {
	case f.wakeup() <- struct{}{}:
	default: // it is owed already
	}
}

func (f *Fleet) wakeup() chan struct{} {
	f.once.Do(func() { f.woken = make(chan struct{}, 1) })
	return f.woken
}

// rejudge looks whether what holds writes by the file in use still does.
func (f *Fleet) rejudge(ctx context.Context) {
	if f.state == nil || f.broken != nil {
		return
	}
	if hold := f.orders(nil); hold != f.hold {
		f.hold = hold
		f.assign(ctx)
		f.Loaded(Revision{State: f.state, Digest: f.state.Digest, At: time.Now(), Hold: hold})
	}
}

// A Revision is what a look at the source gave.
type Revision struct {
	State  *desired.State // in use; nil while there has been no good one
	Err    error          // why the newest content is not in use: a [desired.Faults], or that it cannot be read
	Digest string         // of the newest content, if it could be read
	Hold   Orders         // what holds every write by it
	At     time.Time
}

// Run keeps every cluster as the source says until ctx ends. Then it finishes the steps
// under way, begins no other, and returns.
func (f *Fleet) Run(ctx context.Context, src Source) {
	f.places = make(chan struct{}, max(f.Passes, 1))
	f.wakeup()
	f.workers = map[string]*worker{}
	beat := time.NewTicker(max(f.BeatEvery, time.Second))
	defer beat.Stop()
	defer func() { stop(f.workers) }()
	for {
		select {
		case <-ctx.Done():
			return
		case <-beat.C:
			if f.Beat != nil {
				f.Beat()
			}
			f.rejudge(ctx)
		case <-f.woken:
			f.rejudge(ctx)
			for _, w := range f.workers {
				w.wake()
			}
		case <-src.Changed():
			f.take(ctx, src)
		}
	}
}

// take looks at the source. A content that cannot be read or has faults leaves the last
// good one in force for observation and stops every write; so does an empty one.
func (f *Fleet) take(ctx context.Context, src Source) {
	text, digest, err := src.Latest()
	rev := Revision{State: f.state, Digest: digest, At: time.Now(), Err: err}
	if err == nil {
		s, perr := desired.ParseWith(f.Name, text, desired.Options{Seconds: f.Seconds})
		if perr == nil {
			perr = s.Expired(rev.At)
		}
		if perr == nil {
			rev.State = f.only(s)
		} else {
			rev.Err = perr
		}
	}
	f.state, f.broken = rev.State, rev.Err
	f.hold = f.orders(rev.Err)
	rev.Hold = f.hold
	if f.state != nil {
		f.assign(ctx)
	}
	f.Loaded(rev)
}

// only reduces the file to the clusters that this agent looks after. One that it does not
// have may come with a later file.
func (f *Fleet) only(s *desired.State) *desired.State {
	s, missing := s.Only(f.Only)
	for _, name := range missing {
		f.Log.Warn("cluster to look after is not in the file", "event", "cluster.missing", "cluster", name)
	}
	return s
}

func (f *Fleet) orders(err error) Orders {
	switch {
	case err != nil:
		return Orders{Hold: plan.Source, Reason: "the newest desired state is not in use: " + firstLine(err)}
	case f.Observe:
		return Orders{Hold: plan.Mode, Reason: "the agent runs with --observe"}
	case f.Judge != nil && f.state != nil:
		return f.Judge(f.state)
	default:
		return Orders{}
	}
}

// firstLine keeps a hold's reason short; the log has every fault.
func firstLine(err error) string {
	if faults, ok := err.(desired.Faults); ok && len(faults) > 1 {
		return fmt.Sprintf("%v (and %d more faults)", faults[0], len(faults)-1)
	}
	return err.Error()
}

// assign starts, tells and stops workers, so that there is one for each cluster of the file.
// One that left the file is let alone from now on: absence never deletes.
func (f *Fleet) assign(ctx context.Context) {
	f.Rekeys.Follow(f.state, f.Known)
	listed := map[string]bool{}
	for _, spec := range f.state.Clusters {
		listed[spec.Name] = true
		w := f.workers[spec.Name]
		if w == nil {
			w = f.start(ctx, spec.Name)
		}
		w.assign(task{spec: spec, orders: f.hold})
	}
	left := map[string]*worker{}
	for name, w := range f.workers {
		if !listed[name] {
			f.Log.Info("cluster left the file; it is let alone", "event", "cluster.left", "cluster", name)
			left[name] = w
			delete(f.workers, name)
		}
	}
	stop(left)
	for name := range left {
		f.Rekeys.Forget(name)
	}
}

func (f *Fleet) start(ctx context.Context, name string) *worker {
	ctx, cancel := context.WithCancel(ctx)
	w := &worker{fleet: f, name: name, stop: cancel, done: make(chan struct{}), dirty: make(chan struct{}, 1)}
	f.workers[name] = w
	go func() {
		select { // the first task
		case <-w.dirty:
			w.run(ctx)
		case <-ctx.Done():
			close(w.done)
		}
	}()
	return w
}

// stop stops workers side by side, and waits for each.
func stop(workers map[string]*worker) {
	var all sync.WaitGroup
	for _, w := range workers {
		w.stop()
		all.Go(func() { <-w.done })
	}
	all.Wait()
}

// slowPass is how long a pass keeps its place in the fleet. One that takes longer waits for its
// cluster and does little else: however many clusters hang, the others do not wait with it.
const slowPass = 5 * time.Second

// place waits for a place among the passes under way, and returns what gives it back; false
// if ctx ended first. A pass that is slow loses its place before its end.
func (f *Fleet) place(ctx context.Context) (leave func(), ok bool) {
	select {
	case f.places <- struct{}{}:
	case <-ctx.Done():
		return nil, false
	}
	free := sync.OnceFunc(func() { <-f.places })
	slow := time.AfterFunc(slowPass, free)
	return func() { slow.Stop(); free() }, true
}

func (f *Fleet) interval(c desired.Cluster) time.Duration {
	if c.Interval > 0 {
		return c.Interval
	}
	return f.Interval
}

func (f *Fleet) health(c desired.Cluster) time.Duration {
	if c.HealthInterval > 0 {
		return c.HealthInterval
	}
	return f.Health
}
