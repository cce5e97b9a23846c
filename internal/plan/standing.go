package plan

import (
	"slices"
	"strings"
	"time"

	"kmagent/internal/resource"
)

// Standing is what people have ordered beside the file: to rest, to let one thing pass a guard,
// to take a smaller file for meant, and what became of an operation that nobody else can tell.
// It is kept in the state directory, and nothing of it lasts for ever. The zero Standing is
// no orders.
type Standing struct {
	Pauses    []Pause
	Overrides []Override
	Asks      []Ask
	Resolved  []Resolution
	Acks      []string // digests of files that may be smaller than the one before
}

// Given is what every order has.
type Given struct {
	ID     string    `json:"id"`
	At     time.Time `json:"at"`
	Until  time.Time `json:"until,omitzero"`
	By     string    `json:"by"` // who gave it: user, uid and host
	Reason string    `json:"reason"`
}

// A Pause rests all writes to a place.
type Pause struct {
	Given
	Cluster string `json:"cluster,omitempty"` // empty: every cluster
	SVM     string `json:"svm,omitempty"`     // with a cluster; empty: all of it. [resource.ClusterWord]: its own scope
}

// An Override lets one step on one object pass one guard, once.
type Override struct {
	Given
	Rule   string `json:"rule"`   // the guard, or the rule that it enforces
	Object string `json:"object"` // its address
	Used   bool   `json:"used,omitempty"`
}

// An Ask has one action of one object taken now, once: what a schedule would do at its slot.
type Ask struct {
	Given
	Object string `json:"object"` // its address
	Action string `json:"action"`
	Used   bool   `json:"used,omitempty"`
}

// A Resolution is what a human says became of an operation.
type Resolution struct {
	Given
	Operation string `json:"operation"` // "prod-a/17"
	Outcome   string `json:"outcome"`   // applied or failed
}

// Overridable lists the guards that an order may let pass. The others are about what ONTAP, the
// file or the memory of kmagent cannot do at all.
func Overridable() []Guard {
	return []Guard{Order, Reachability, Floor, MaxDeletes, Flap, Nodes, KeyStore, Keys}
}

// Paused returns the pause that is in force at a place; nil if there is none.
func (s *Standing) Paused(cluster, svm string, now time.Time) *Pause {
	if svm == "" {
		svm = resource.ClusterWord
	}
	for i := range s.Pauses {
		p := &s.Pauses[i]
		if now.Before(p.Until) && (p.Cluster == "" || p.Cluster == cluster) && (p.SVM == "" || p.SVM == svm) {
			return p
		}
	}
	return nil
}

// Overridden returns the override that lets a step on that object pass the guard; nil if there
// is none in force.
func (s *Standing) Overridden(a resource.Addr, g Guard, rule string, now time.Time) *Override {
	if !slices.Contains(Overridable(), g) {
		return nil
	}
	for i := range s.Overrides {
		o := &s.Overrides[i]
		named := strings.EqualFold(o.Rule, string(g)) || rule != "" && strings.EqualFold(o.Rule, rule)
		if !o.Used && now.Before(o.Until) && named && o.Object == a.String() {
			return o
		}
	}
	return nil
}

// Resolution returns what a human says of an operation; ok is false if nobody did.
func (s *Standing) Resolution(o *Operation) (r Resolution, ok bool) {
	i := slices.IndexFunc(s.Resolved, func(r Resolution) bool { return r.Operation == o.Name() && r.At.After(o.At) })
	if i < 0 {
		return Resolution{}, false
	}
	return s.Resolved[i], true
}
