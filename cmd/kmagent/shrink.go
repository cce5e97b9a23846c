package main

import (
	"fmt"
	"slices"
	"strings"

	"kmagent/internal/agent"
	"kmagent/internal/desired"
	"kmagent/internal/plan"
	"kmagent/internal/state"
)

// baselineOf is the extent of a file.
func baselineOf(s *desired.State) plan.Baseline {
	b := plan.Baseline{Revision: s.Digest, Clusters: map[string]plan.Extent{}}
	for _, c := range s.Clusters {
		b.Clusters[c.Name] = plan.ExtentOf(c.Objects)
	}
	return b
}

// judge holds every write while the file has lost much of what the last one had and nobody has
// said that it is meant.
func (c *common) judge(s *desired.State) agent.Orders {
	old, err := state.ReadBaseline(c.stateDir)
	if err != nil {
		return agent.Orders{Hold: plan.State, Reason: (&agent.MemoryError{Err: err}).Error()}
	}
	what, shrunk := old.Shrunk(baselineOf(s), c.clusters)
	if !shrunk {
		return agent.Orders{}
	}
	standing, err := state.ReadOrders(c.stateDir)
	if err != nil {
		return agent.Orders{Hold: plan.State, Reason: (&agent.MemoryError{Err: err}).Error()}
	}
	if slices.ContainsFunc(standing.Acks, func(ack string) bool { return strings.HasPrefix(s.Digest, ack) }) {
		return agent.Orders{}
	}
	return agent.Orders{Hold: plan.Shrink, Reason: fmt.Sprintf("the file has lost more than half of what the last one had: %s. If that is meant: kmagent ack %.12s", what, s.Digest)}
}

// inUse remembers the extent of a file that is in use from now on.
func (c *common) inUse(store *state.Store, s *desired.State) error {
	old, err := state.ReadBaseline(c.stateDir)
	if err != nil {
		return err
	}
	next := old.With(baselineOf(s), c.clusters)
	if next.Equal(old) {
		return nil
	}
	return store.Baseline(next)
}
