package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

const (
	idleClusters = 10
	settling     = 5 * time.Second // until a daemon has nothing to do any more
	watchLong    = 65 * time.Second
	watchShort   = 20 * time.Second
)

// An idle is the daemon beside the floor's, with ten clusters as they should be. They are
// watched while everything else is measured: what they use is counted by the kernel.
type idle struct {
	b          *bench
	sim        *sim
	ours, bare *watched
}

// A watched is a process whose use of the processor is measured.
type watched struct {
	*process
	began time.Time
	used  time.Duration // before
}

// startIdle starts the daemons and returns when they rest.
func (b *bench) startIdle(ctx context.Context) (_ *idle, err error) {
	i := &idle{b: b}
	defer func() {
		if err != nil {
			i.stop()
		}
	}()
	if i.sim, err = b.simulate(ctx, idleClusters, fleetSVMs, 0); err != nil {
		return nil, err
	}
	file := filepath.Join(b.dir, "idle.yaml")
	if err := os.WriteFile(file, document(i.sim, [2]int{0, idleClusters}, [2]int{0, fleetSVMs}, 0), 0o600); err != nil {
		return nil, err
	}
	args := []string{"-user", user, "-hash", "-every", "1m", i.sim.CAFile}
	for _, c := range i.sim.Clusters {
		args = append(args, c.Endpoint)
	}
	bare, err := start(b.command(ctx, "bare", args...))
	if err != nil {
		return nil, err
	}
	i.bare = &watched{process: bare}
	ours, err := start(b.command(ctx, "kmagent", "run", "-f", file, "--state-dir", filepath.Join(b.dir, "idle-state"), "--web.listen-address", "127.0.0.1:0"))
	if err != nil {
		return nil, err
	}
	i.ours = &watched{process: ours}
	if err := pause(ctx, settling); err != nil {
		return nil, err
	}
	for _, w := range []*watched{i.bare, i.ours} {
		w.began = time.Now()
		if w.used, err = cpu(w.Process.Pid); err != nil {
			return nil, err
		}
	}
	return i, nil
}

func (i *idle) stop() {
	for _, w := range []*watched{i.ours, i.bare} {
		if w != nil {
			w.process.stop()
		}
	}
	if i.sim != nil {
		i.sim.stop()
	}
}

// measure measures P9, over a minute at least, so that every cluster has its pass.
func (i *idle) measure(ctx context.Context) error {
	least := watchLong
	if i.b.short {
		least = watchShort
	}
	if err := pause(ctx, least-time.Since(i.ours.began)); err != nil {
		return err
	}
	for _, w := range []*watched{i.bare, i.ours} {
		if w.ended() {
			return fmt.Errorf("%s has ended", w.Path)
		}
	}
	seconds := time.Since(i.ours.began).Seconds()
	ours, oursMiB, err := i.ours.share()
	if err != nil {
		return err
	}
	bare, bareMiB, err := i.bare.share()
	if err != nil {
		return err
	}
	i.b.add(
		row{goal: "P9", work: fmt.Sprintf("idle daemon, %d clusters, over %.0f s: RSS", idleClusters, seconds), unit: "MiB", floor: bareMiB, ours: oursMiB, max: 32},
		row{goal: "P9", work: "  of one core", unit: "%", floor: bare, ours: ours, max: 0.1},
	)
	return nil
}

// share returns what of one core a process has had, in per cent, and its resident memory.
func (w *watched) share() (percent, mib float64, err error) {
	used, err := cpu(w.Process.Pid)
	if err != nil {
		return 0, 0, err
	}
	mib, _, err = rss(w.Process.Pid)
	return 100 * float64(used-w.used) / float64(time.Since(w.began)), mib, err
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
