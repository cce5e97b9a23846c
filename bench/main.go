// Command bench measures kmagent against the floor: what the same work costs a bare client
// that reads the same collections and decides nothing. Figures of two runs, let alone of two
// machines, cannot be compared; the ratios in one run can. It builds what it measures, runs
// everything on 127.0.0.1 against the simulator, and removes what it made.
//
//	go run ./bench          some three minutes
//	go run ./bench -short   less than one
//
// A figure that misses its target is no failure: the exit code is 0 unless something did
// not run.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"
)

// limit is how long a run takes at most.
const limit = 10 * time.Minute

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if len(os.Args) > 1 && os.Args[1] == sweepArg {
		os.Exit(code(sweep(ctx, os.Stdin, os.Stdout)))
	}
	os.Exit(code(run(ctx, os.Args[1:], os.Stdout, os.Stderr)))
}

func code(err error) int {
	if err == nil || errors.Is(err, flag.ErrHelp) {
		return 0
	}
	fmt.Fprintln(os.Stderr, "bench:", err)
	return 1
}

// A bench is one run.
type bench struct {
	dir   string // what is built and written
	short bool
	rows  []row
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	b := &bench{}
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.BoolVar(&b.short, "short", false, "fewer rounds and smaller fleets, in less than a minute")
	if err := f.Parse(args); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	var err error
	if b.dir, err = os.MkdirTemp("", "kmagent-bench-"); err != nil {
		return err
	}
	defer os.RemoveAll(b.dir)
	began := time.Now()
	failed := b.all(ctx, stderr) // what was measured before is shown all the same
	if err := printTable(stdout, b.rows); err != nil {
		return err
	}
	fmt.Fprintf(stdout, "\n%d cores, load %s, %s, %s/%s, %.0f s. Medians, client and simulator on one machine; compare ratios only.\n",
		runtime.NumCPU(), load(), runtime.Version(), runtime.GOOS, runtime.GOARCH, time.Since(began).Seconds())
	return failed
}

// all measures goal after goal. The idle daemon sleeps beside the others.
func (b *bench) all(ctx context.Context, progress io.Writer) error {
	fmt.Fprintln(progress, "build")
	if err := b.build(ctx); err != nil {
		return err
	}
	idle, err := b.startIdle(ctx)
	if err != nil {
		return fmt.Errorf("P9: %w", err)
	}
	defer idle.stop()
	for _, goal := range []struct {
		name    string
		measure func(context.Context) error
	}{
		{"P1, P3, P4: passes over one cluster", b.passes},
		{"P2: writes", b.writes},
		{"P5: cold plan", b.cold},
		{"P6: latency", b.latency},
		{"P7: diff.Compute", b.decide},
		{"P8: fleet", b.fleet},
		{"P9: idle", idle.measure},
	} {
		fmt.Fprintln(progress, goal.name)
		if err := goal.measure(ctx); err != nil {
			return fmt.Errorf("%s: %w", goal.name, err)
		}
	}
	return nil
}

func (b *bench) add(rows ...row) { b.rows = append(b.rows, rows...) }

// rounds is how often something is repeated.
func (b *bench) rounds(n int) int {
	if b.short {
		return max(3, n/4)
	}
	return n
}
