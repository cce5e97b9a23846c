// Package apply carries a plan out, step by step. It is the only writer to a cluster and
// the only place that opens a secret. It decides nothing: what may not be sent is held or
// refused in the plan already, and stays so.
package apply

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"kmagent/internal/ontap"
	"kmagent/internal/plan"
	"kmagent/internal/resource"
	"kmagent/internal/secret"
)

// A Writer is what writing needs of a cluster; *[ontap.Client] is one.
type Writer interface {
	// Send makes one request and, if ONTAP answers with a job, tells accepted its UUID and
	// waits for its end. Leaves of body may be secrets. An error that is
	// [ontap.ErrOutcomeUnknown] may have had its effect; any other had none.
	Send(ctx context.Context, method, path string, body any, accepted func(job string)) (ontap.Answer, error)
}

// A Journal remembers operations. A step is sent only after Begin has returned no error.
type Journal interface {
	Begin(o plan.Operation) (id string, err error)
	// Sending is told of each request of an operation. The request leaves only if it returns nil.
	Sending(id string, q plan.Sending) error
	Accept(id, job string, at time.Time) error
	End(id string, e plan.End) error
}

// A Keeper saves the backup that is at the path of an object's request. What it saves never
// passes through here.
type Keeper interface {
	Keep(ctx context.Context, path string) (plan.Backup, error)
}

// A Runner carries plans of one cluster out. Its methods must not overlap.
type Runner struct {
	Writer  Writer
	Secrets Opener
	Key     secret.Key // of the digests that the journal gets
	Journal Journal
	Use     func(override string) error // notes that an override is used up; may be nil if no step has one
	Keeper  Keeper                      // of the cluster's key backups; nil if none are kept
	Done    func(plan.Result)           // after each step that was sent; may be nil
}

// Deadlines of a step. What it does rests on what was seen, and it is not sent on an older
// sight than [maxAge]. A step under way when the context ends has [grace] to be finished; then
// it is cut off and recorded as unknown.
const (
	maxAge = 60 * time.Second
	// maxSlotAge is [maxAge] of a rekey that a slot begins: what tells that somebody else has begun
	// it is of the look, and another agent may be as far. So it is the first to be sent on a look, too.
	maxSlotAge = 3 * time.Second
	grace      = 7 * time.Second
)

// Errors of steps that were not attempted, beside [plan.ErrStale] and [plan.ErrChanged].
var (
	ErrStopped     = errors.New("stopped before this step")
	ErrParent      = errors.New("what it depends on was not created")
	ErrBefore      = errors.New("the change of the object that comes before it was not made")
	ErrUnreachable = errors.New("the cluster did not answer an earlier step")
)

// Run sends the ready steps of p in order. Independent steps go on after a failure; the
// report has every step. When ctx ends, the step under way is finished and no other begun.
func (r *Runner) Run(ctx context.Context, p *plan.Plan) plan.Report {
	rep := plan.Report{Cluster: p.Cluster, Results: make([]plan.Result, len(p.Steps))}
	run := &run{Runner: r, created: map[resource.Addr]string{}, failed: map[resource.Addr]bool{}, later: map[resource.Addr]bool{}}
	var stop error
	for i := range p.Steps {
		s := &p.Steps[i]
		rep.Results[i] = plan.Result{Step: s}
		if s.Status != plan.Ready {
			continue
		}
		if stop == nil && ctx.Err() != nil {
			stop = ErrStopped
		}
		if stop != nil {
			rep.Results[i].Err = stop
			continue
		}
		rep.Results[i] = run.step(ctx, p, s)
		stop = fatal(rep.Results[i].Err)
		if r.Done != nil && rep.Results[i].Outcome != plan.NotAttempted {
			r.Done(rep.Results[i])
		}
	}
	return rep
}

// A JournalError says that nothing can be remembered, so nothing may be sent.
type JournalError struct{ Err error }

func (e *JournalError) Error() string { return "no change without a record of it: " + e.Err.Error() }
func (e *JournalError) Unwrap() error { return e.Err }

// Forgetful says that the journal has to be opened anew: it takes no record after one that
// it could not write.
func (e *JournalError) Forgetful() bool { return true }

// fatal says why no later step should be tried, if so: what cannot be recorded is not sent,
// and what does not answer is not asked again and again.
func fatal(err error) error {
	if _, ok := errors.AsType[*JournalError](err); ok {
		return err
	}
	if _, ok := errors.AsType[*ontap.TransportError](err); ok {
		return ErrUnreachable
	}
	if errors.Is(err, ontap.ErrAuth) {
		return err
	}
	return nil
}

// A run is one plan being carried out.
type run struct {
	*Runner
	created map[resource.Addr]string // ids of what this plan created
	failed  map[resource.Addr]bool   // a step of it was tried and did not succeed, or was not tried
	sent    bool                     // a step was
	later   map[resource.Addr]bool   // a step of it was left for the next look
}

func (r *run) step(ctx context.Context, p *plan.Plan, s *plan.Step) plan.Result {
	res := r.try(ctx, p, s)
	r.sent = r.sent || res.Outcome != plan.NotAttempted
	if res.Outcome != plan.Applied {
		r.failed[s.Addr], r.later[s.Addr] = true, res.Later
	}
	return res
}

func (r *run) try(ctx context.Context, p *plan.Plan, s *plan.Step) plan.Result {
	begun := time.Now()
	skip := func(err error) plan.Result { return plan.Result{Step: s, Err: err} }
	switch {
	case plan.Off(plan.Stale):
	case plan.Age(begun, p.Observed) > maxAge:
		return skip(plan.ErrStale)
	case s.TakesSlot() && (r.sent || plan.Age(begun, p.Decided) > maxSlotAge):
		return plan.Result{Step: s, Later: true}
	case s.After && r.later[s.Addr]:
		return plan.Result{Step: s, Later: true}
	}
	parent, ok := r.created[s.Parent]
	switch {
	case s.Parent != (resource.Addr{}) && !ok:
		return skip(ErrParent)
	case s.After && r.failed[s.Addr]:
		return skip(ErrBefore)
	case s.After && parent == "":
		parent = r.created[s.Addr]
	}
	bodies, digests, err := r.open(ctx, s)
	if err != nil {
		return plan.Result{Step: s, Outcome: plan.Failed, Err: err}
	}
	if field, ok := rotated(s, all(digests)); ok {
		return skip(fmt.Errorf("%s: %w", field, errRotated))
	}
	for _, override := range s.Lifted {
		if err := r.Use(override); err != nil {
			return skip(&JournalError{err})
		}
	}
	o := operation(s, digests, begun)
	o.Plan = p.ID
	id, err := r.Journal.Begin(o)
	if err != nil && !plan.Off(plan.Recorded) {
		return skip(&JournalError{err})
	}
	ctx, cancel := inFlight(ctx)
	defer cancel()
	end := r.send(ctx, s, id, parent, bodies)
	if end.Outcome == plan.Applied || resource.Partly(end.Code) {
		end.Secrets = all(digests)
	}
	end.At = time.Now()
	err = end.err
	if jerr := r.Journal.End(id, end.End); jerr != nil {
		err = errors.Join(err, &JournalError{jerr})
	}
	return plan.Result{Step: s, Operation: id, Outcome: end.Outcome, ID: r.created[s.Addr], Err: err, Why: end.Why, Took: time.Since(begun)}
}

// operation is a step as it is remembered before its first request leaves.
func operation(s *plan.Step, digests []map[string]string, begun time.Time) plan.Operation {
	o := plan.Operation{Op: s.Op, Action: s.Action, Addr: s.Addr, Beside: s.Beside, Brings: s.Brings, Wishes: s.Wishes, Repeat: s.Repeat,
		Nodes: s.Nodes, Backup: s.Backup, Slot: s.Slot, For: s.For, Timed: s.Timed, Before: s.Before, At: begun}
	if len(s.Requests) > 0 {
		path, _, _ := strings.Cut(s.Requests[0].Path, "?")
		o.Request, o.Offered = s.Requests[0].Method+" "+path, digests[0]
	}
	return o
}

// all joins the digests of all requests.
func all(digests []map[string]string) map[string]string {
	out := map[string]string{}
	for _, d := range digests {
		maps.Copy(out, d)
	}
	return out
}

// errRotated says that a secret is another one than the plan was made with.
var errRotated = fmt.Errorf("the secret is another one: %w", plan.ErrChanged)

// rotated returns the first field whose secret is not the one that the step was planned with.
func rotated(s *plan.Step, now map[string]string) (field string, ok bool) {
	for _, f := range slices.Sorted(maps.Keys(s.Secrets)) {
		if s.Secrets[f] != now[f] {
			return f, true
		}
	}
	return "", false
}

// An end is what came of a step, and why.
type end struct {
	plan.End
	err error
}

// send makes the requests of a step, one after the other, up to the first that fails.
func (r *run) send(ctx context.Context, s *plan.Step, id, parent string, bodies []body) end {
	e := end{End: plan.End{Outcome: plan.Applied}}
	for i := range s.Requests {
		q := &s.Requests[i]
		if q.Method == http.MethodGet {
			e.Backup, e.err = r.keep(ctx, q, parent)
		} else {
			e.err = r.request(ctx, s, i, id, &parent, bodies[i])
		}
		if e.err != nil {
			return e.failed(s, i)
		}
	}
	return e
}

// failed says what it means that request i of a step ended with an error.
func (e end) failed(s *plan.Step, i int) end {
	e.Outcome = plan.Failed
	e.Code = codeOf(e.err)
	e.err = withRemedy(e.err)
	switch {
	case errors.Is(e.err, ontap.ErrJobRunning):
		e.Outcome, e.err = plan.Running, nil
	case s.Action == resource.RetireKey && resource.KeyInUse(e.Code):
		e.Outcome, e.Why, e.err = plan.Kept, "drives still use it; it stays until the next slot at least", nil
	case s.Rekeys() && resource.Halfway(e.Code):
		e.Outcome, e.Why = plan.Unknown, plan.HalfwayWhy(e.Code)
	case resource.Partly(e.Code): // whatever its HTTP status: it says what became of it
	case errors.Is(e.err, ontap.ErrOutcomeUnknown):
		e.Outcome = plan.Unknown
	case i > 0:
		e.err = fmt.Errorf("%s %s was carried out, but then: %w", s.Requests[0].Method, s.Requests[0].Path, e.err)
	}
	return e
}

// request makes request i of a step, or what is to be sent instead of it. If it creates the
// step's object, its id is that of the parent from then on.
func (r *run) request(ctx context.Context, s *plan.Step, i int, id string, parent *string, b body) error {
	q := &s.Requests[i]
	var jerr error
	accepted := func(job string) { jerr = r.Journal.Accept(id, job, time.Now()) }
	send := func(q *plan.Request, body map[string]any) (ontap.Answer, error) {
		path, err := resolved(q, *parent)
		if err != nil {
			return ontap.Answer{}, err
		}
		if err := r.Journal.Sending(id, plan.Sending{Method: q.Method, Path: path, Fields: names(body, ""), Lifted: s.Lifted}); err != nil {
			return ontap.Answer{}, &JournalError{err}
		}
		return r.Writer.Send(ctx, q.Method, path, asBody(body), accepted)
	}
	answer, err := send(q, b.clear)
	if e, ok := errors.AsType[*ontap.Error](err); ok && q.Instead != nil && e.Status == http.StatusNotFound {
		q = q.Instead
		answer, err = send(q, b.instead)
	}
	if jerr != nil {
		err = errors.Join(err, &JournalError{jerr})
	}
	if err != nil {
		return err
	}
	if made := cmp.Or(q.ID, answer.ID()); s.Op == plan.Create && i == 0 && made != "" {
		r.created[s.Addr], *parent = made, made
	}
	return nil
}

// names lists the dotted names of the leaves of a body, in order.
func names(body map[string]any, under string) []string {
	var out []string
	for name, v := range body {
		if inner, ok := v.(map[string]any); ok && len(inner) > 0 {
			out = append(out, names(inner, under+name+".")...)
		} else {
			out = append(out, under+name)
		}
	}
	slices.Sort(out)
	return out
}

// keep saves the backup that a request asks for.
func (r *run) keep(ctx context.Context, q *plan.Request, parent string) (plan.Backup, error) {
	path, err := resolved(q, parent)
	if err != nil {
		return plan.Backup{}, err
	}
	if r.Keeper == nil {
		return plan.Backup{}, errors.New("no key backups are kept here")
	}
	return r.Keeper.Keep(ctx, path)
}

// resolved is the path of a request with the id of what was created in it.
func resolved(q *plan.Request, parent string) (string, error) {
	path := strings.Replace(q.Path, plan.ParentID, resource.Segment(parent), 1)
	if plan.Off(plan.WholePath) {
		return path, nil
	}
	if strings.Contains(path, "//") || strings.HasSuffix(path, "/") || strings.Contains(path, "/?") {
		return "", fmt.Errorf("%s %s: a segment of the path is empty", q.Method, path)
	}
	return path, nil
}

// codeOf is the ONTAP error code in an error; empty if there is none.
func codeOf(err error) string {
	if e, ok := errors.AsType[*ontap.Error](err); ok {
		return e.Code
	}
	if e, ok := errors.AsType[*ontap.JobError](err); ok {
		return e.Code
	}
	return ""
}

// withRemedy adds what to do about an answer, where ONTAP's words do not say it.
func withRemedy(err error) error {
	if r := resource.Remedy(codeOf(err)); r != "" {
		return fmt.Errorf("%w: %s", err, r)
	}
	return err
}

// asBody keeps a body that is not there from becoming an interface that is.
func asBody(b map[string]any) any {
	if b == nil {
		return nil
	}
	return b
}

// inFlight returns a context for a step under way: the end of ctx reaches it only after
// [grace].
func inFlight(ctx context.Context) (context.Context, context.CancelFunc) {
	own, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		t := time.NewTimer(grace)
		defer t.Stop()
		select {
		case <-t.C:
			cancel()
		case <-own.Done():
		}
	})
	return own, func() { stop(); cancel() }
}
