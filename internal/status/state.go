package status

import (
	"slices"
	"strings"
	"time"

	"kmagent/internal/plan"
)

// A State is how a cluster is, in one word of a closed set.
type State string

// The states, that which needs a human most first.
const (
	Failing   State = "failing"   // the last pass could not read the cluster, remember, or carry a step out
	Stale     State = "stale"     // it has not been seen for two intervals
	Unsettled State = "unsettled" // an operation was sent, and nobody knows what became of it
	Held      State = "held"      // a guard holds or refuses a step
	Pending   State = "pending"   // something is to be done, and nothing holds it
	Waiting   State = "waiting"   // no pass has ended yet
	Changed   State = "changed"   // everything was carried out; the next pass looks what came of it
	Observed  State = "observed"  // it differs, and only the mode keeps it so
	InSync    State = "in_sync"   // it is as the file says
)

var states = [...]State{Failing, Stale, Unsettled, Held, Pending, Waiting, Changed, Observed, InSync}

// Word is the state for people; "unknown" for a word that is not of the set.
func (s State) Word() string {
	if !slices.Contains(states[:], s) {
		return "unknown"
	}
	return strings.ReplaceAll(string(s), "_", " ")
}

// rank orders states; a word that is not of the set comes first.
func (s State) rank() int { return slices.Index(states[:], s) }

func (s *Summary) count(state State) {
	s.Clusters++
	for _, x := range s.each() {
		if x.state == state {
			*x.n++
		}
	}
}

// A counted is a counter of a summary, and the state that it counts.
type counted struct {
	state State
	n     *int
}

// each lists the counters in the order of the states.
func (s *Summary) each() []counted {
	return []counted{
		{Failing, &s.Failing}, {Stale, &s.Stale}, {Unsettled, &s.Unsettled}, {Held, &s.Held}, {Pending, &s.Pending},
		{Waiting, &s.Waiting}, {Changed, &s.Changed}, {Observed, &s.Observed}, {InSync, &s.InSync},
	}
}

// judge gives a cluster its state at a time: whether it is in sync is not known once the newest
// look is older than two intervals and the time that it took itself, nor while an operation is
// open of which nobody knows what became of it.
func (c *picture) judge(now time.Time) {
	limit := time.Duration(2*c.Interval*float64(time.Second)) + c.looked
	stale := c.Observed.IsZero() || age(now, c.Observed) > limit
	unsettled := slices.ContainsFunc(c.Operations, func(o Operation) bool { return o.unsettled() })
	inSync := c.inSync
	if !stale && !unsettled {
		c.InSync = &inSync
	}
	switch {
	case c.LastPass.IsZero():
		c.State = Waiting
	case c.Error != "":
		c.State = Failing
	case stale:
		c.State = Stale
	case unsettled:
		c.State = Unsettled
	case inSync:
		c.State = InSync
	case c.onlyMode:
		c.State = Observed
	case c.Plan.Held+c.Plan.Refused > 0:
		c.State = Held
	case c.Plan.Ready() > 0:
		c.State = Pending
	default:
		c.State = Changed
	}
}

// age is how long ago something was, by whichever clock makes it older: the monotonic one
// stands still while a machine is suspended.
func age(now, then time.Time) time.Duration {
	return max(now.Sub(then), now.Round(0).Sub(then.Round(0)))
}

// unsettled says whether nobody knows what became of an operation: a job tells of itself, as long
// as it tells anything.
func (o *Operation) unsettled() bool { return o.Job == "" || o.Why != "" }

func (o *Operation) rank() int {
	if o.unsettled() {
		return 0
	}
	return 1
}

// need orders clusters: those that need a human first. One that is as the file says comes
// after those that are not, but before those of which there is nothing else to say.
func (c *Cluster) need(now time.Time) int {
	if c.State.rank() > Pending.rank() && len(c.advice(now)) > 0 {
		return Pending.rank()
	}
	return c.State.rank()
}

// onlyMode says whether the mode alone keeps the steps of a plan from being sent.
func onlyMode(p *plan.Plan) bool {
	return len(p.Steps) > 0 && !slices.ContainsFunc(p.Steps, func(s plan.Step) bool { return s.Guard != plan.Mode })
}
