package plan

import (
	"errors"
	"slices"
	"time"
)

// Outcome is what came of a step.
type Outcome uint8

const (
	// NotAttempted steps were held, refused, or came after what they depend on had failed.
	NotAttempted Outcome = iota
	// Applied steps were answered with success.
	Applied
	// Failed steps were answered with an error, or certainly not carried out.
	Failed
	// Unknown steps were sent and not answered: only the next read can tell.
	Unknown
	// Running steps were taken on as a job whose end was not waited for; it is owned until then.
	Running
	// Kept steps were to remove what ONTAP keeps because it is in use: that is an answer, and no failure.
	Kept
)

var outcomes = [...]string{"not attempted", "applied", "failed", "unknown", "running", "kept"}

// OutcomeOf returns the outcome of that word; NotAttempted for any other.
func OutcomeOf(word string) Outcome { return Outcome(max(slices.Index(outcomes[:], word), 0)) }

// String returns the word of a report.
func (o Outcome) String() string { return outcomes[o] }

// Errors of steps that were not attempted because of when they were due. Another look may let
// them be sent.
var (
	// ErrStale steps rest on a look of more than a minute ago.
	ErrStale = errors.New("what it rests on was seen too long ago; the next pass looks again")
	// ErrChanged steps are not the same any more.
	ErrChanged = errors.New("what it rests on has changed since it was planned")
	// ErrPassed steps were left for the next look, which found that their slot begins them no more.
	ErrPassed = errors.New("its slot is over, or something holds it now: kmagent plan shows it")
)

// Age is how long ago something was seen, by whichever clock makes it older: the monotonic one
// stands still while the machine is suspended, and the other may be set back.
func Age(now, seen time.Time) time.Duration {
	return max(now.Sub(seen), now.Round(0).Sub(seen.Round(0)))
}

// A Result is what came of one step.
type Result struct {
	Step      *Step
	Operation string // its id in the journal; empty if it was not attempted
	Outcome   Outcome
	ID        string // of the object that a create made, if the answer told it
	Err       error  // of a failed or unknown step
	Why       string // of a kept one
	Later     bool   // it was left for the next look: of what slots begin, one is sent with each
	Took      time.Duration
}

// A Report is what came of a plan, in the order of its steps.
type Report struct {
	Cluster string
	Results []Result
}

// Count says how many steps ended so.
func (r *Report) Count(o Outcome) int {
	n := 0
	for _, x := range r.Results {
		if x.Outcome == o {
			n++
		}
	}
	return n
}

// Stale says how many steps were left because the look had become old.
func (r *Report) Stale() int {
	return r.left(func(x *Result) bool { return errors.Is(x.Err, ErrStale) })
}

// Later says how many steps were left for the next look, which is to be soon.
func (r *Report) Later() int { return r.left(func(x *Result) bool { return x.Later }) }

func (r *Report) left(why func(*Result) bool) int {
	n := 0
	for i := range r.Results {
		if why(&r.Results[i]) {
			n++
		}
	}
	return n
}

// Changed says whether anything may have changed on the cluster.
func (r *Report) Changed() bool { return r.Count(Applied)+r.Count(Unknown)+r.Count(Running) > 0 }
