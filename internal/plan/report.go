package plan

import "time"

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
)

var outcomes = [...]string{"not attempted", "applied", "failed", "unknown"}

// String returns the word of a report.
func (o Outcome) String() string { return outcomes[o] }

// A Result is what came of one step.
type Result struct {
	Step    *Step
	Outcome Outcome
	ID      string // of the object that a create made, if the answer told it
	Err     error  // of a failed or unknown step
	Took    time.Duration
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

// Changed says whether anything may have changed on the cluster.
func (r *Report) Changed() bool { return r.Count(Applied)+r.Count(Unknown) > 0 }
