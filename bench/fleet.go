package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http/httptrace"
	"os"
	"os/exec"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"kmagent/bench/floor"
	"kmagent/internal/state"
)

const (
	sweepArg     = "sweep" // makes a process of this program a fleet's client
	fleetConns   = 2       // connections to a cluster of a fleet
	fleetSVMs    = 20
	fleetWorkers = 128
)

// A fleetTask is what the client of a fleet is told.
type fleetTask struct {
	Clusters *sim
	Ours     bool
	StateDir string
	Rounds   int
}

// A fleetResult is what it answers.
type fleetResult struct {
	First, Kept, Closed float64 // milliseconds of a sweep, connections kept and closed before it
	Conns               float64 // connections to a cluster that the first sweep made
	Resumed             float64 // per cent of the connections that were made anew
	PeakMiB             float64
}

// fleet measures P8, each client in a process of its own, beside the simulator's.
func (b *bench) fleet(ctx context.Context) error {
	clusters := 500
	if b.short {
		clusters = 100
	}
	s, err := b.simulate(ctx, clusters, fleetSVMs, 20*time.Millisecond)
	if err != nil {
		return err
	}
	defer s.stop()
	least, err := b.sweeps(ctx, s, false)
	if err != nil {
		return fmt.Errorf("floor: %w", err)
	}
	ours, err := b.sweeps(ctx, s, true)
	if err != nil {
		return fmt.Errorf("kmagent: %w", err)
	}
	what := fmt.Sprintf("sweep, %d x %d, 20 ms, %d workers", clusters, fleetSVMs, fleetWorkers)
	b.add(
		row{goal: "P8", work: what + ": connections kept", unit: "ms", floor: least.Kept, ours: ours.Kept, ratioMax: 1.5},
		row{goal: "P8", work: "  closed between sweeps", unit: "ms", floor: least.Closed, ours: ours.Closed, ratioMax: 1.5},
		row{goal: "P8", work: "  TLS sessions resumed", unit: "%", floor: least.Resumed, ours: ours.Resumed, min: 95},
		row{goal: "P8", work: "  peak RSS of the client", unit: "MiB", floor: least.PeakMiB, ours: ours.PeakMiB, max: 128},
		row{goal: "P6", work: "  connections per cluster", floor: least.Conns, ours: ours.Conns, max: 2},
		row{goal: "", work: "  first sweep", unit: "ms", floor: least.First, ours: ours.First},
	)
	return nil
}

func (b *bench) sweeps(ctx context.Context, s *sim, ours bool) (fleetResult, error) {
	var res fleetResult
	dir, err := os.MkdirTemp(b.dir, "fleet-")
	if err != nil {
		return res, err
	}
	task, err := json.Marshal(fleetTask{s, ours, dir, b.rounds(8)})
	if err != nil {
		return res, err
	}
	self, err := os.Executable()
	if err != nil {
		return res, err
	}
	cmd := exec.CommandContext(ctx, self, sweepArg)
	cmd.Stdin, cmd.Stderr = bytes.NewReader(task), os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return res, err
	}
	return res, json.Unmarshal(out, &res)
}

// A member is the client of one cluster of a fleet.
type member struct {
	pass      func(context.Context) error
	closeIdle func()
}

// sweep is the process that reads a fleet.
func sweep(ctx context.Context, in io.Reader, out io.Writer) error {
	var task fleetTask
	if err := json.NewDecoder(in).Decode(&task); err != nil {
		return err
	}
	members, err := task.members()
	if err != nil {
		return err
	}
	var res fleetResult
	var made, resumed atomic.Int64
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(i httptrace.GotConnInfo) {
		if c, ok := i.Conn.(*tls.Conn); ok && !i.Reused {
			made.Add(1)
			if c.ConnectionState().DidResume {
				resumed.Add(1)
			}
		}
	}})
	once := func() error { return sweepOnce(ctx, members) }
	first, err := each(1, nothing, once)
	if err != nil {
		return err
	}
	res.First, res.Conns = first[0], float64(made.Load())/float64(len(members))
	// The next two read for the first time what the first one did not.
	if _, err := each(2, nothing, once); err != nil {
		return err
	}
	kept, err := each(task.Rounds, nothing, once)
	if err != nil {
		return err
	}
	made.Store(0)
	resumed.Store(0)
	closed, err := each(task.Rounds, func() error {
		for _, m := range members {
			m.closeIdle()
		}
		return nil
	}, once)
	if err != nil {
		return err
	}
	res.Kept, res.Closed = kept[0], closed[0]
	res.Resumed = 100 * float64(resumed.Load()) / float64(max(made.Load(), 1))
	if _, res.PeakMiB, err = rss(os.Getpid()); err != nil {
		return err
	}
	return json.NewEncoder(out).Encode(res)
}

func sweepOnce(ctx context.Context, members []member) error {
	var group errgroup.Group
	group.SetLimit(fleetWorkers)
	for _, m := range members {
		group.Go(func() error { return m.pass(ctx) })
	}
	return group.Wait()
}

func (t fleetTask) members() ([]member, error) {
	store, err := state.Open(t.StateDir) // the process's end closes it
	if err != nil {
		return nil, err
	}
	members := make([]member, len(t.Clusters.Clusters))
	for i := range members {
		spec, err := specify(t.Clusters, i, fleetSVMs, 0)
		if err != nil {
			return nil, err
		}
		if !t.Ours {
			c, err := floor.New(floorOf(spec, 1, true))
			if err != nil {
				return nil, err
			}
			members[i] = member{c.Full, c.CloseIdle}
			continue
		}
		s, err := newSubject(store, spec, fleetConns, never)
		if err != nil {
			return nil, err
		}
		members[i] = member{s.pass, s.client.CloseIdle}
	}
	return members, nil
}
