package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"kmagent/bench/floor"
	"kmagent/internal/agent"
	"kmagent/internal/desired"
	"kmagent/internal/state"
)

const (
	oneCluster = 4         // connections to a cluster that is alone
	never      = time.Hour // until Advanced fields are read again: not in this run
)

// A scene is one simulated cluster with a wish for all of it, and a state directory.
type scene struct {
	*sim
	spec  desired.Cluster
	store *state.Store
}

func (b *bench) scene(ctx context.Context, managers, timeout int, latency time.Duration) (*scene, error) {
	s, err := b.simulate(ctx, 1, managers, latency)
	if err != nil {
		return nil, err
	}
	sc := &scene{sim: s}
	if sc.spec, err = specify(s, 0, managers, timeout); err == nil {
		sc.store, err = b.state()
	}
	if err != nil {
		s.stop()
		return nil, err
	}
	return sc, nil
}

func (b *bench) state() (*state.Store, error) {
	dir, err := os.MkdirTemp(b.dir, "state-")
	if err != nil {
		return nil, err
	}
	return state.Open(dir)
}

func (s *scene) close() {
	s.store.Close()
	s.stop()
}

// passes measures P1, P3 and P4.
func (b *bench) passes(ctx context.Context) error {
	for _, n := range []int{10, 1000, 10_000} {
		if err := b.passesOver(ctx, n); err != nil {
			return fmt.Errorf("%d SVMs: %w", n, err)
		}
	}
	return nil
}

func (b *bench) passesOver(ctx context.Context, n int) error {
	sc, err := b.scene(ctx, n, 0, 0)
	if err != nil {
		return err
	}
	defer sc.close()
	s, err := newSubject(sc.store, sc.spec, oneCluster, never)
	if err != nil {
		return err
	}
	defer s.close()
	full, err := floor.New(floorOf(sc.spec, oneCluster, false))
	if err != nil {
		return err
	}
	defer full.CloseIdle()
	hash, err := floor.New(floorOf(sc.spec, oneCluster, true))
	if err != nil {
		return err
	}
	defer hash.CloseIdle()

	if err := s.steady(ctx); err != nil {
		return err
	}
	s.forget()
	if err := s.pass(ctx); err != nil {
		return err
	}
	if err := full.Full(ctx); err != nil {
		return err
	}
	b.add(
		row{goal: "P1", work: fmt.Sprintf("steady pass, %d SVMs: collections", n), ours: float64(len(s.collections)), floor: floor.Collections, max: 8},
		row{goal: "", work: "  GETs, with pages", ours: float64(len(s.spans)), floor: float64(full.GETs())},
	)
	if n < 1000 {
		return nil
	}
	pass := func() error { return s.pass(ctx) }
	wholly := func() error { return full.Full(ctx) }
	hashed := func() error { return hash.Full(ctx) }
	managers := func() error { _, err := hash.Managers(ctx); return err }
	if err := hashed(); err != nil {
		return err
	}
	rounds := b.rounds(6 + 10_000/n)
	t, err := each(rounds, nothing, hashed, managers, pass)
	if err != nil {
		return err
	}
	b.add(
		row{goal: "P3", work: fmt.Sprintf("steady pass, %d SVMs, floor: hash", n), unit: "ms", floor: t[0], ours: t[2]},
		row{goal: "", work: "  floor: hash, km alone", unit: "ms", floor: t[1], ours: t[2]},
	)
	e, err := newEditor(ctx, sc.spec)
	if err != nil {
		return err
	}
	managers = func() error { _, err := full.Managers(ctx); return err }
	t, err = each(rounds, func() error { return e.change(ctx, n/100) }, wholly, managers, pass)
	if err != nil {
		return err
	}
	b.add(
		row{goal: "P4", work: fmt.Sprintf("pass, %d SVMs, 1 %% changed, floor: full", n), unit: "ms", floor: t[0], ours: t[2], ratioMax: 1.2},
		row{goal: "", work: "  floor: full, km alone", unit: "ms", floor: t[1], ours: t[2]},
	)
	return nil
}

// writes measures P2.
func (b *bench) writes(ctx context.Context) error {
	const n, differ, timeout = 100, 10, 25
	sc, err := b.scene(ctx, n, timeout, 0)
	if err != nil {
		return err
	}
	defer sc.close()
	s, err := newSubject(sc.store, sc.spec, oneCluster, never)
	if err != nil {
		return err
	}
	defer s.close()
	e, err := newEditor(ctx, sc.spec)
	if err != nil {
		return err
	}
	if err := e.change(ctx, differ); err != nil {
		return err
	}
	p := s.loop.Once(ctx, agent.Orders{})
	if err := p.Failure(); err != nil {
		return err
	}
	b.add(row{goal: "P2", work: fmt.Sprintf("writes, %d of %d servers differ", differ, 2*n),
		floor: differ, ours: float64(s.writes.Load()), max: differ, min: differ})
	return s.pass(ctx) // which must find nothing left to do
}

// cold measures P5: whole processes, from their start to their end.
func (b *bench) cold(ctx context.Context) error {
	const n = 1000
	sc, err := b.scene(ctx, n, 0, 0)
	if err != nil {
		return err
	}
	defer sc.close()
	file := filepath.Join(b.dir, "cold.yaml")
	if err := os.WriteFile(file, document(sc.sim, [2]int{0, 1}, [2]int{0, n}, 0), 0o600); err != nil {
		return err
	}
	process := func(program string, args ...string) func() error {
		return func() error {
			out, err := b.command(ctx, program, args...).CombinedOutput()
			if err != nil {
				return fmt.Errorf("%s: %w\n%.1000s", program, err, out)
			}
			return nil
		}
	}
	t, err := each(b.rounds(20), nothing,
		process("bare", "-user", user, "-conns", "4", sc.CAFile, sc.spec.Endpoint),
		process("bare", "-user", user, "-managers", sc.CAFile, sc.spec.Endpoint),
		process("kmagent", "plan", "-f", file, "--state-dir", filepath.Join(b.dir, "none")),
		process("kmagent", "validate", "-f", file))
	if err != nil {
		return err
	}
	b.add(
		row{goal: "P5", work: "kmagent plan, cold process, 1000 SVMs, floor: full", unit: "ms", floor: t[0], ours: t[2], ratioMax: 2},
		row{goal: "", work: "  floor: full, km alone", unit: "ms", floor: t[1], ours: t[2]},
		row{goal: "", work: "  of which start and reading the file (validate)", unit: "ms", ours: t[3]},
	)
	return nil
}

// latency measures P6, as far as one cluster goes: what kmagent plan reads, at first contact
// over new connections, and a regular pass.
func (b *bench) latency(ctx context.Context) error {
	const n = 1000
	sc, err := b.scene(ctx, n, 0, 20*time.Millisecond)
	if err != nil {
		return err
	}
	defer sc.close()
	var trips, dials []float64
	first := func() error {
		s, err := newSubject(sc.store, sc.spec, oneCluster, 0)
		if err != nil {
			return err
		}
		defer s.close()
		p := s.loop.Look(ctx, agent.Orders{})
		trips, dials = append(trips, float64(chain(s.spans))), append(dials, float64(s.dials.Load()))
		return p.Err
	}
	bare := func() error {
		c, err := floor.New(floorOf(sc.spec, oneCluster, false))
		if err != nil {
			return err
		}
		defer c.CloseIdle()
		return c.Full(ctx)
	}
	t, err := each(b.rounds(12), nothing, bare, first)
	if err != nil {
		return err
	}
	b.add(
		row{goal: "P6", work: "plan read, 1000 SVMs, 20 ms, new connections", unit: "ms", floor: t[0], ours: t[1], max: 70},
		row{goal: "P6", work: "  dependent round trips", ours: median(trips), max: 2},
		row{goal: "P6", work: "  connections", ours: median(dials), floor: oneCluster, max: 4},
	)
	return b.latencySteady(ctx, sc)
}

func (b *bench) latencySteady(ctx context.Context, sc *scene) error {
	s, err := newSubject(sc.store, sc.spec, oneCluster, never)
	if err != nil {
		return err
	}
	defer s.close()
	hash, err := floor.New(floorOf(sc.spec, oneCluster, true))
	if err != nil {
		return err
	}
	defer hash.CloseIdle()
	if err := s.steady(ctx); err != nil {
		return err
	}
	var trips []float64
	t, err := each(b.rounds(12), nothing,
		func() error { return hash.Full(ctx) },
		func() error {
			s.forget()
			err := s.pass(ctx)
			trips = append(trips, float64(chain(s.spans)))
			return err
		})
	if err != nil {
		return err
	}
	b.add(
		row{goal: "", work: "  steady pass, connections kept, floor: hash", unit: "ms", floor: t[0], ours: t[1], max: 70},
		row{goal: "P6", work: "  dependent round trips", ours: median(trips), max: 2},
	)
	return nil
}
