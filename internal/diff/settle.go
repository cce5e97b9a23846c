package diff

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"kmagent/internal/plan"
	"kmagent/internal/resource"
)

// How long an operation may take that nobody waits for any more. One without a job is taken to
// have come to its end by then, one way or the other; a job that runs longer is stuck, and
// a human has to look.
const (
	openWindow = time.Hour
	jobLimit   = 12 * time.Hour
)

// settle ends the operations of which no answer told the end, as far as this look shows it
// (read-back of ambiguous operations: ONTAP knows no idempotency key). What it finds counts
// in this decision already, and is written down before anything is sent.
func (d *decider) settle() {
	if len(d.Ledger.Open) == 0 {
		return
	}
	led := d.Ledger.Clone()
	for _, o := range d.Ledger.Open {
		e, ok := d.verdict(&o)
		if !ok {
			d.open = append(d.open, d.doubt(o))
			continue
		}
		e.At = d.Now
		led.End(o.ID, e)
		d.plan.Settled = append(d.plan.Settled, plan.Settlement{Op: o, End: e})
	}
	d.Ledger = led
}

// verdict says what became of an operation; ok is false while that is not known. What its job
// says counts first; where there is none, or ONTAP has forgotten it, what the object is like.
func (d *decider) verdict(o *plan.Operation) (e plan.End, ok bool) {
	if r, ok := d.Standing.Resolution(o); ok {
		e := plan.End{Outcome: plan.OutcomeOf(r.Outcome), Why: fmt.Sprintf("%s says so: %s (%s)", r.By, r.Reason, r.ID)}
		if e.Outcome == plan.Applied {
			e.Secrets = o.Offered
		}
		return e, true
	}
	if o.Halfway() {
		return plan.End{}, false
	}
	if o.Repeat == resource.Repeatable {
		if _, busy := d.underWay(o); busy {
			return plan.End{}, false
		}
		if o.Job == "" {
			return d.evidence(o)
		}
	}
	if j, known := d.jobOf(o); known {
		switch {
		case j.Failed() && o.Rekeys() && resource.Halfway(j.Code):
			return plan.End{}, false
		case j.Failed():
			e := plan.End{Outcome: plan.Failed, Code: j.Code, Why: "its job failed", Job: j.UUID}
			if resource.Partly(j.Code) {
				e.Secrets = o.Offered
			}
			return e, true
		case !j.Succeeded():
			return plan.End{}, false
		case o.Op == plan.Act || o.Op == plan.Update:
			return plan.End{Outcome: plan.Applied, Secrets: o.Offered, Why: "its job succeeded", Job: j.UUID}, true
		}
	}
	return d.evidence(o)
}

// doubt notes of an operation that stays open that its job does not tell its end: it has not come
// to one in time, the cluster does not know it any more, or it did its work on some nodes only.
// Somebody should see to it, then, however long ago the cluster took it on.
func (d *decider) doubt(o plan.Operation) plan.Operation {
	e := plan.End{Outcome: plan.Unknown, At: d.Now}
	j, known := d.jobOf(&o)
	switch {
	case o.Halfway():
		return o
	case known && j.Failed() && o.Rekeys() && resource.Halfway(j.Code):
		e.Code, e.Why = j.Code, plan.HalfwayWhy(j.Code)
	case o.Job == "" && !o.Lost && o.Repeat == resource.Never && d.Now.Sub(o.At) >= d.settled():
		// Whoever sent it would know by now: it was cut off.
		d.plan.Settled = append(d.plan.Settled, plan.Settlement{Op: o, End: e})
		o.Lost = true
		return o
	case o.Job == "":
		return o
	case known && d.Now.Sub(o.At) >= d.jobLimit():
		e.Why = fmt.Sprintf("its job has not ended within %s", shortly(d.jobLimit()))
	case !known && d.Now.Sub(o.At) >= d.settled():
		e.Why = "the cluster does not know its job any more"
	default:
		return o
	}
	if o.Doubt == e.Why {
		return o
	}
	d.plan.Settled = append(d.plan.Settled, plan.Settlement{Op: o, End: e})
	o.Lost, o.Doubt, o.Code = true, e.Why, e.Code
	return o
}

// shortly writes whole hours as such.
func shortly(t time.Duration) string {
	if t%time.Hour == 0 {
		return fmt.Sprintf("%d hours", t/time.Hour)
	}
	return t.String()
}

// jobOf finds the job of an operation: by its UUID or, if the answer with that was lost, by
// what it does and when it began. One that is known to be of another operation is not taken for
// it, and where there are several none is: each may be somebody else's.
func (d *decider) jobOf(o *plan.Operation) (found resource.Job, ok bool) {
	for _, j := range d.Have.Jobs {
		switch {
		case o.Job != "" && j.UUID == o.Job:
			return j, true
		case o.Job != "" || j.Description != o.Request || !near(j.Start, o.At) || slices.Contains(d.Ledger.Jobs, j.UUID):
		case ok:
			return resource.Job{}, false
		default:
			found, ok = j, true
		}
	}
	return found, ok
}

// underWay returns the job by which the cluster does what an operation set out to do, be it for
// that one or for one like it: what is sent meanwhile could be sent a second time.
func (d *decider) underWay(o *plan.Operation) (resource.Job, bool) {
	for _, j := range d.Have.Jobs {
		its := o.Job == "" && j.Description == o.Request || o.Op == plan.Create && strings.HasPrefix(j.Description, o.After())
		if its && !j.Succeeded() && !j.Failed() && j.Start.After(o.At.Add(-clockSkew)) {
			return j, true
		}
	}
	return resource.Job{}, false
}

// near says whether a job that the cluster's clock saw begin at start may be the one of an
// operation that ours saw set out at begun. Clocks differ.
func near(start, begun time.Time) bool {
	return !start.IsZero() && start.Sub(begun).Abs() < clockSkew
}

// clockSkew is how far the cluster's clock may be from ours.
const clockSkew = 2 * time.Minute

// evidence says what became of an operation by what the object is like.
func (d *decider) evidence(o *plan.Operation) (e plan.End, ok bool) {
	have := d.Have.Find(o.Addr)
	applied := func(why string) (plan.End, bool) {
		return plan.End{Outcome: plan.Applied, Secrets: o.Offered, Why: why}, true
	}
	failed := func(why string) (plan.End, bool) { return plan.End{Outcome: plan.Failed, Why: why}, true }
	switch {
	case o.Op == plan.Create && have != nil:
		return applied("the object is there")
	case o.Op == plan.Create:
		return failed("the object is not there")
	case o.Op == plan.Delete && have == nil:
		return applied("the object is gone")
	case o.Op == plan.Delete:
		return failed("the object is there still")
	case o.Repeat == resource.Repeatable:
		return failed("it may be sent again: the plan compares")
	case o.Action == resource.RekeyInternal:
		return d.rekeyed(o, have)
	case have != nil && d.fulfilled(o, have):
		return applied("the object is as it was to be")
	case o.Repeat == resource.Converges && o.Job == "" && d.Now.Sub(o.At) >= openWindow:
		return failed("an hour later the object is not as it was to be")
	}
	return plan.End{}, false
}

// rekeyed says what became of a rekey by the keys that it was to replace: others in their place
// are its success; the same ones, long enough after it set out and in a key store that is not
// busy, say that it was never begun. Where the keys cannot be read nothing is known.
func (d *decider) rekeyed(o *plan.Operation, have *resource.Object) (e plan.End, ok bool) {
	if have == nil || o.Before == nil || d.Now.Sub(o.At) < d.settled() {
		return plan.End{}, false
	}
	now := keyIDs(d.Have.Rekeyed, have.ID, svmKey)
	switch {
	case now == nil || d.busy(o.Addr.SVM):
		return plan.End{}, false
	case !slices.Equal(now, o.Before):
		return plan.End{Outcome: plan.Applied, Why: "the SVM has other keys than before"}, true
	case len(now) == 0:
		return plan.End{}, false // ONTAP lists none: there is no evidence either way
	default:
		return plan.End{Outcome: plan.Failed, Why: "the SVM has the keys that it had before, and no rekey is under way"}, true
	}
}

// settled is how long after it set out an operation of which nothing is heard has had its effect
// or has none: longer than a request may take.
func (d *decider) settled() time.Duration {
	if d.Seconds {
		return 2 * time.Second
	}
	return time.Minute
}

// jobLimit is how long a job may take before somebody has to look.
func (d *decider) jobLimit() time.Duration {
	if d.Seconds {
		return 10 * time.Second
	}
	return jobLimit
}

// busy says whether the key store of a scope is at work.
func (d *decider) busy(svm string) bool {
	return slices.ContainsFunc(d.Have.Stores, func(k resource.KeyStore) bool { return k.SVM == svm && k.State != "" && k.State != "active" })
}

// fulfilled says whether the object is as the operation was to make it, so far as ONTAP tells.
func (d *decider) fulfilled(o *plan.Operation, have *resource.Object) bool {
	if len(o.Wishes) == 0 {
		return false
	}
	for _, w := range o.Wishes {
		i := have.Kind.Index(w.Field)
		if i < 0 || have.Kind.Fields[i].Type == resource.Secret || !have.Values[i].IsSet() {
			return false
		}
		if wishOf(have.Values[i]) != w.Value && wishOf(have.Kind.Fields[i].Spell(have.Values[i])) != w.Value {
			return false
		}
	}
	return true
}

// holdUnsettled keeps away from a scope in which an operation is under way, or in which
// nobody knows what became of one: what depends on it cannot be told. Keys are restored after half
// a rekey all the same: nodes may lack theirs because of it.
func (d *decider) holdUnsettled() {
	for i := range d.plan.Steps {
		s := &d.plan.Steps[i]
		j := slices.IndexFunc(d.open, func(o plan.Operation) bool {
			return slices.ContainsFunc(s.Scopes(), o.Touches) && !(s.Action == resource.Restore && o.Halfway())
		})
		if j >= 0 && s.Status == plan.Ready {
			d.block(s, s.Source, plan.Held, plan.Unsettled, d.openReason(&d.open[j]))
		}
	}
}

// openReason says what is known of an operation, and what to do.
func (d *decider) openReason(o *plan.Operation) string {
	what := fmt.Sprintf("operation %s (%s of %s, %s)", o.Name(), o.Title(), o.Addr, o.At.UTC().Format(time.RFC3339))
	j, known := d.jobOf(o)
	if running, ok := d.underWay(o); ok {
		j, known = running, true
	}
	resolve := fmt.Sprintf("; look at the cluster, then: kmagent operations resolve %s --outcome succeeded|failed", o.Name())
	switch {
	case o.Halfway():
		return what + ": " + o.Doubt + resolve
	case known && d.Now.Sub(o.At) < d.jobLimit():
		return fmt.Sprintf("%s is under way: job %s is %s", what, j.UUID, plan.Safe(j.State))
	case known:
		return what + " does not end: job " + j.UUID + " is " + plan.Safe(j.State) + resolve
	case !o.Lost && d.Now.Sub(o.At) < time.Minute:
		return what + " is under way"
	case o.Repeat == resource.Converges && o.Job == "":
		return fmt.Sprintf("%s got no answer and may still be under way: the plan goes on when the cluster shows it, or at %s",
			what, o.At.Add(openWindow).UTC().Format(time.RFC3339))
	}
	return "what became of " + what + " is not known" + resolve
}
