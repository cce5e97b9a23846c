// Package apply carries a plan out, step by step. It is the only writer to a cluster and
// the only place that opens a secret. It decides nothing: what may not be sent is held or
// refused in the plan already, and stays so.
package apply

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"kmagent/internal/ontap"
	"kmagent/internal/plan"
	"kmagent/internal/resource"
	"kmagent/internal/secret"
)

// A Writer is what writing needs of a cluster; *[ontap.Client] is one.
type Writer interface {
	// Send makes one request and, if ONTAP answers with a job, waits for its end. Leaves of
	// body may be secrets. An error that is [ontap.ErrOutcomeUnknown] may have had its
	// effect; any other had none.
	Send(ctx context.Context, method, path string, body any) (ontap.Answer, error)
}

// A Journal remembers steps. The step is sent only after Begin has returned nil.
type Journal interface {
	Begin(s *plan.Step, at time.Time) error
	End(s *plan.Step, begun, at time.Time, o plan.Outcome, digests map[string]string) error
}

// A Runner carries plans of one cluster out. Its methods must not overlap.
type Runner struct {
	Writer  Writer
	Secrets Opener
	Key     secret.Key // of the digests that the journal gets
	Journal Journal
	Done    func(plan.Result) // after each step that was sent; may be nil
}

// Deadlines of a step. A removal rests on what was seen, and is not sent on an older sight
// than [maxAge]. A step under way when the context ends has [grace] to be finished; then it
// is cut off and recorded as unknown.
const (
	maxAge = 60 * time.Second
	grace  = 7 * time.Second
)

// Errors of steps that were not attempted.
var (
	ErrStopped     = errors.New("stopped before this step")
	ErrStale       = errors.New("what this removal rests on was seen more than a minute ago; the next pass looks again")
	ErrParent      = errors.New("what it depends on was not created")
	ErrUnreachable = errors.New("the cluster did not answer an earlier step")
)

// Run sends the ready steps of p in order. Independent steps go on after a failure; the
// report has every step. When ctx ends, the step under way is finished and no other begun.
func (r *Runner) Run(ctx context.Context, p *plan.Plan) plan.Report {
	rep := plan.Report{Cluster: p.Cluster, Results: make([]plan.Result, len(p.Steps))}
	run := &run{Runner: r, created: map[resource.Addr]string{}}
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
}

func (r *run) step(ctx context.Context, p *plan.Plan, s *plan.Step) plan.Result {
	begun := time.Now()
	skip := func(err error) plan.Result { return plan.Result{Step: s, Err: err} }
	if s.Fresh && age(begun, p.Observed) > maxAge {
		return skip(ErrStale)
	}
	parent, ok := r.created[s.Parent]
	if s.Parent != (resource.Addr{}) && !ok {
		return skip(ErrParent)
	}
	bodies, digests, err := r.open(ctx, s)
	if err != nil {
		return plan.Result{Step: s, Outcome: plan.Failed, Err: err}
	}
	if err := r.Journal.Begin(s, begun); err != nil {
		return skip(&JournalError{err})
	}
	ctx, cancel := inFlight(ctx)
	defer cancel()
	outcome, err := r.send(ctx, s, parent, bodies)
	if err == nil {
		outcome = plan.Applied
	} else {
		digests = nil
	}
	if jerr := r.Journal.End(s, begun, time.Now(), outcome, digests); jerr != nil {
		err = errors.Join(err, &JournalError{jerr})
	}
	return plan.Result{Step: s, Outcome: outcome, ID: r.created[s.Addr], Err: err, Took: time.Since(begun)}
}

// age is how long ago something was seen, by whichever clock makes it older: the monotonic
// one stands still while the machine is suspended, and the other may be set back.
func age(now, seen time.Time) time.Duration {
	return max(now.Sub(seen), now.Round(0).Sub(seen.Round(0)))
}

// send makes the requests of a step, one after the other, up to the first that fails.
func (r *run) send(ctx context.Context, s *plan.Step, parent string, bodies []body) (plan.Outcome, error) {
	for i := range s.Requests {
		q := &s.Requests[i]
		answer, err := r.request(ctx, q, bodies[i].clear, parent)
		if e, ok := errors.AsType[*ontap.Error](err); ok && q.Instead != nil && e.Status == http.StatusNotFound {
			q = q.Instead
			answer, err = r.request(ctx, q, bodies[i].instead, parent)
		}
		if err != nil {
			err = withRemedy(err)
			if errors.Is(err, ontap.ErrOutcomeUnknown) {
				return plan.Unknown, err
			}
			if i > 0 {
				err = fmt.Errorf("%s %s was carried out, but then: %w", s.Requests[0].Method, s.Requests[0].Path, err)
			}
			return plan.Failed, err
		}
		if id := cmp.Or(q.ID, answer.ID()); s.Op == plan.Create && i == 0 && id != "" {
			r.created[s.Addr] = id
			parent = id
		}
	}
	return plan.Applied, nil
}

func (r *run) request(ctx context.Context, q *plan.Request, body map[string]any, parent string) (ontap.Answer, error) {
	path := strings.Replace(q.Path, plan.ParentID, resource.Segment(parent), 1)
	if strings.Contains(path, "//") || strings.HasSuffix(path, "/") {
		return ontap.Answer{}, fmt.Errorf("%s %s: a segment of the path is empty", q.Method, path)
	}
	return r.Writer.Send(ctx, q.Method, path, asBody(body))
}

// withRemedy adds what to do about an answer, where ONTAP's words do not say it.
func withRemedy(err error) error {
	code := ""
	if e, ok := errors.AsType[*ontap.Error](err); ok {
		code = e.Code
	} else if e, ok := errors.AsType[*ontap.JobError](err); ok {
		code = e.Code
	}
	if r := resource.Remedy(code); r != "" {
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
