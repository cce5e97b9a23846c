// Demo shows kmagent at work on a bare machine: simulated clusters and the service on
// loopback. It converges examples/desired.yaml, lets somebody remove a key server by hand,
// and shows how the agent notices and heals it. It leaves the service up until Ctrl-C, or
// for DEMO_SECONDS.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := demo(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

// deadline bounds every wait for something that takes a second.
const deadline = 60 * time.Second

func demo(ctx context.Context) error {
	linger, err := lingerFor(os.Getenv("DEMO_SECONDS"))
	if err != nil {
		return err
	}
	s, err := newStage("examples/desired.yaml")
	if err != nil {
		return err
	}
	defer s.close()
	for _, act := range []struct {
		title string
		play  func(context.Context) error
	}{
		{"Build kmagent and the simulator", s.build},
		{"Start a simulated ONTAP cluster for each cluster of examples/desired.yaml", s.startClusters},
		{"What would change? (kmagent plan; exit 2 means changes are pending)", s.plan},
		{"Start the service (kmagent run)", s.startAgent},
		{"The agent carries the plan out", s.converge},
		{"Somebody removes a key server by hand, behind the agent's back", s.vandalise},
		{"The agent notices and heals it", s.heal},
		{"What the cluster was sent, all in all", s.showWrites},
		{"And the plan now (exit 0: nothing to do)", s.planAgain},
	} {
		fmt.Printf("\n== %s\n\n", act.title)
		if err := act.play(ctx); err != nil {
			return err
		}
	}
	fmt.Printf("\nMetrics: %s/metrics   Desired file: %s   Change it and watch.\n", s.agentURL, s.file)
	return s.linger(ctx, linger)
}

// lingerFor reads DEMO_SECONDS; empty means until Ctrl-C.
func lingerFor(seconds string) (time.Duration, error) {
	if seconds == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(seconds)
	if err != nil || n < 1 || n > 86400 {
		return 0, errors.New("DEMO_SECONDS must be a number of seconds from 1 to 86400")
	}
	return time.Duration(n) * time.Second, nil
}
