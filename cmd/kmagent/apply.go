package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"
	"golang.org/x/term"

	"kmagent/internal/agent"
	"kmagent/internal/desired"
	"kmagent/internal/ontap"
	"kmagent/internal/plan"
	"kmagent/internal/resource"
	"kmagent/internal/state"
)

func applyCommand(c *common) *cobra.Command {
	var yes, resend bool
	var wait time.Duration
	cmd := &cobra.Command{
		Use:   "apply [PLANFILE]",
		Short: "Make the clusters as the file says",
		Long: `Plan, show the plan, ask, and carry it out. Servers are added before others are
removed, and a removal waits until what remains is available on every node: such a
change takes several passes, and --wait makes them.

With PLANFILE, which plan --out wrote, nobody is asked: it plans anew and goes on only
if every cluster of the plan needs exactly what was saved, of the same file, for the
same objects and with the same secrets. If anything differs, nothing is sent to any.

What is sent was seen at most a minute ago. What takes longer is looked at again, and
goes on if it is the same still.

Exit 0: done. 4: something is held or refused; what was ready has been applied.
6: the plan is too old, was altered, or is not what is needed any more.`,
		Example: "  kmagent apply -f desired.yaml\n  kmagent apply -f desired.yaml --yes --wait 5m\n  kmagent apply -f desired.yaml plan.json",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if wait < 0 {
				return &exit{exitUsage, errors.New("--wait is not negative")}
			}
			a := &applier{common: c, yes: yes, orders: agent.Orders{Resend: resend}, wait: wait}
			if len(args) == 1 {
				return a.runSaved(cmd.Context(), args[0])
			}
			state, err := c.load()
			if err != nil {
				return err
			}
			return a.run(cmd.Context(), state)
		},
	}
	c.testSeconds(cmd)
	c.boundRekeys(cmd)
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	cmd.Flags().BoolVar(&resend, "resend-secrets", false, "send secrets that seem to be in place, too")
	cmd.Flags().DurationVar(&wait, "wait", 0, "make passes until nothing is left to do or held, for at most this long")
	return cmd
}

type applier struct {
	*common
	yes    bool
	orders agent.Orders
	wait   time.Duration
	saved  *plan.Saved // what is to be carried out, and nothing else; nil: what is due
	mu     sync.Mutex  // of the error stream: clusters tell their progress side by side
}

// betweenPasses is how long --wait rests: what was added needs a moment to be reachable.
const betweenPasses = time.Second

func (a *applier) run(ctx context.Context, want *desired.State) error {
	store := &stateStore{dir: a.stateDir}
	taken, err := store.get()
	if err != nil {
		return err
	}
	defer store.close()
	w := a.wiring(len(want.Clusters))
	w.audit = newAuditor(a.stateDir, "operator", func() string { return want.Digest })
	defer w.audit.close()
	taken.HighWater = w.audit.highWater
	if hold := a.judge(want); hold.Hold != plan.NoGuard {
		a.orders.Hold, a.orders.Reason = hold.Hold, hold.Reason
	}
	passes, closeAll := a.look(ctx, want, a.orders, w.writing(store, a.progress))
	defer closeAll()
	if a.saved != nil {
		if err := a.compare(passes, a.saved.Clusters, "the plan is not what is needed any more"); err != nil {
			return err
		}
	}
	if err := plan.Text(a.out, plansOf(passes), colour(a.out)); err != nil {
		return &exit{exitError, fmt.Errorf("write the plan: %w", err)}
	}
	if err := a.agree(ctx, passes); err != nil {
		return err
	}
	if a.orders.Hold == plan.NoGuard {
		if err := a.inUse(taken, want); err != nil {
			return &exit{exitState, err}
		}
	}
	deadline := time.Now().Add(a.wait)
	var codes []int
	orders := a.orders
	for first := true; ; first = false {
		codes = a.pass(ctx, passes, orders)
		a.report(passes, first)
		if !waiting(passes) || time.Now().Add(betweenPasses).After(deadline) || ctx.Err() != nil {
			break
		}
		select {
		case <-ctx.Done():
		case <-time.After(betweenPasses):
		}
		orders = agent.Orders{Hold: a.orders.Hold, Reason: a.orders.Reason}
		lookAgain(ctx, passes, orders, func(p *looked) bool { return p.loop != nil })
	}
	if code := worst(codes...); code != exitOK {
		return &exit{code, nil}
	}
	return nil
}

// pass acts on every cluster that was looked at with these orders, several at a time, and
// returns the codes.
func (a *applier) pass(ctx context.Context, passes []looked, orders agent.Orders) []int {
	codes := make([]int, len(passes))
	var group errgroup.Group
	group.SetLimit(atOnce)
	for i := range passes {
		p := &passes[i]
		if p.Err != nil {
			codes[i] = codeOf(p.Err)
			continue
		}
		group.Go(func() error {
			p.loop.Act(ctx, &p.Pass)
			p.loop.Resume(ctx, &p.Pass, orders)
			codes[i] = reportCode(&p.Pass)
			return nil
		})
	}
	group.Wait() // the errors are in the passes
	return codes
}

// reportCode is the exit code of one cluster's pass.
func reportCode(p *agent.Pass) int {
	codes := []int{codeOf(p.Err), waitCode(&p.Plan)}
	if p.Report != nil {
		if p.Report.Count(plan.Running)+p.Report.Later() > 0 {
			codes = append(codes, exitHeld) // its end is awaited, as that of a guard
		}
		for _, r := range p.Report.Results {
			codes = append(codes, codeOf(r.Err))
		}
	}
	return worst(codes...)
}

// waiting says whether another pass may do more: something was sent, or is held by what may
// pass.
func waiting(passes []looked) bool {
	return slices.ContainsFunc(passes, func(p looked) bool {
		return p.loop != nil && (p.Err != nil || p.Report != nil || slices.ContainsFunc(p.Plan.Steps, mayPass))
	})
}

// mayPass says whether a step is held by what does not depend on the file or the flags.
func mayPass(s plan.Step) bool {
	if s.Status != plan.Held {
		return false
	}
	switch s.Guard {
	case plan.Mode, plan.Source, plan.State, plan.Flap, plan.Shrink, plan.Paused:
		return false
	}
	return true
}

// report tells what came of a pass. Why there was no plan stands in the plan already, which
// was shown before the first one.
func (a *applier) report(passes []looked, first bool) {
	for i := range passes {
		p := &passes[i].Pass
		switch {
		case p.Err != nil && first && p.Plan.Err != nil:
		case p.Err != nil:
			fmt.Fprintf(a.err, "%s: %s\n", p.Cluster, plan.Safe(p.Err.Error()))
		case p.Report != nil:
			a.reportSteps(p)
		}
	}
}

func (a *applier) reportSteps(p *agent.Pass) {
	counts := p.Plan.Counts()
	line := fmt.Sprintf("%s: %d applied, %d failed, %d not attempted", p.Cluster,
		p.Report.Count(plan.Applied), p.Report.Count(plan.Failed), p.Report.Count(plan.NotAttempted)-counts.Held-counts.Refused)
	if n := p.Report.Count(plan.Unknown); n > 0 {
		line += fmt.Sprintf(", %d unknown", n)
	}
	if n := p.Report.Count(plan.Running); n > 0 {
		line += fmt.Sprintf(", %d under way", n)
	}
	if n := p.Report.Count(plan.Kept); n > 0 {
		line += fmt.Sprintf(", %d kept", n)
	}
	if counts.Held+counts.Refused > 0 {
		line += fmt.Sprintf("; %d held, %d refused", counts.Held, counts.Refused)
	}
	fmt.Fprintln(a.out, line)
	for _, r := range p.Report.Results {
		if r.Step.Status == plan.Ready && r.Outcome == plan.NotAttempted && r.Err != nil {
			fmt.Fprintf(a.err, "  not attempted: %s %s: %s\n", r.Step.Op, r.Step.Addr, plan.Safe(r.Err.Error()))
		}
	}
}

// progress tells each step as it ends.
func (a *applier) progress(r plan.Result) {
	a.mu.Lock()
	defer a.mu.Unlock()
	fmt.Fprintf(a.err, "  %s: %s %s (%s)\n", r.Outcome, r.Step.Op, r.Step.Addr, r.Took.Round(time.Millisecond))
	if r.Why != "" {
		fmt.Fprintf(a.err, "      %s\n", r.Why)
	}
	if r.Err == nil {
		return
	}
	text, remedy := remedied(r.Err)
	fmt.Fprintf(a.err, "      %s\n", plan.Safe(text))
	if remedy != "" {
		fmt.Fprintf(a.err, "      %s\n", remedy)
	}
}

// remedied parts what went wrong from what to do about it. Each gets a line: what is shown of
// one is bounded, and the ids in a path must not push out what somebody needs at night.
func remedied(err error) (text, remedy string) {
	code := ""
	if e, ok := errors.AsType[*ontap.Error](err); ok {
		code = e.Code
	} else if e, ok := errors.AsType[*ontap.JobError](err); ok {
		code = e.Code
	}
	text = err.Error()
	if r := resource.Remedy(code); r != "" && strings.HasSuffix(text, ": "+r) {
		return strings.TrimSuffix(text, ": "+r), r
	}
	return text, ""
}

// thinking is how long somebody may take to say yes before the clusters are looked at again.
const thinking = 10 * time.Second

// agree asks, unless it was told not to or there is nothing to send. Whoever took long to answer
// has agreed to what was shown: if that is not what is due any more, nothing is sent.
func (a *applier) agree(ctx context.Context, passes []looked) error {
	ready := 0
	for i := range passes {
		ready += passes[i].Plan.Counts().Ready()
	}
	if a.yes || a.saved != nil || ready == 0 {
		return nil
	}
	if err := a.confirm(ready); err != nil {
		return err
	}
	if !a.tooLong(passes) {
		return nil
	}
	var shown []plan.Outline
	for i := range passes {
		if p := &passes[i]; p.Err == nil {
			shown = append(shown, plan.OutlineOf(&p.Plan))
		}
	}
	lookAgain(ctx, passes, a.orders, func(p *looked) bool { return p.Err == nil }) // of the others nothing was shown
	return a.compare(passes, shown, "the plan has changed since it was shown")
}

// maxDifferences bounds how many are told.
const maxDifferences = 20

// compare says, a line each, in what the clusters need something else than was agreed to.
// Nothing may be sent to any cluster then.
func (a *applier) compare(passes []looked, agreed []plan.Outline, what string) error {
	var lines []string
	var codes []int
	for _, o := range agreed {
		i := slices.IndexFunc(passes, func(p looked) bool { return p.Cluster == o.Cluster })
		if i < 0 {
			lines, codes = append(lines, plan.Safe(o.Cluster)+": it is not in the file"), append(codes, exitStale)
			continue
		}
		p := &passes[i]
		if p.Err != nil {
			code := codeOf(p.Err)
			if _, ok := errors.AsType[*agent.IdentityError](p.Err); ok {
				code = exitStale
			}
			lines, codes = append(lines, p.Cluster+": "+plan.Safe(p.Err.Error())), append(codes, code)
			continue
		}
		if d := o.Differences(&p.Plan); len(d) > 0 {
			lines, codes = append(lines, d...), append(codes, exitStale)
		}
	}
	if len(lines) == 0 {
		return nil
	}
	for i, line := range lines {
		if i == maxDifferences {
			fmt.Fprintf(a.err, "  and %d more\n", len(lines)-i)
			break
		}
		fmt.Fprintf(a.err, "  %s\n", line)
	}
	return &exit{worst(codes...), fmt.Errorf("%s; nothing was sent", what)}
}

// tooLong says whether any of the looks is too old to be agreed to.
func (a *applier) tooLong(passes []looked) bool {
	now := time.Now()
	return slices.ContainsFunc(passes, func(p looked) bool {
		takes := slices.ContainsFunc(p.Plan.Steps, func(s plan.Step) bool { return s.TakesSlot() })
		return p.Err == nil && (plan.Age(now, p.Plan.Observed) > thinking || takes)
	})
}

// confirm asks.
func (a *applier) confirm(ready int) error {
	if f, ok := a.in.(*os.File); !ok || !term.IsTerminal(int(f.Fd())) {
		return &exit{exitUsage, errors.New("nobody can be asked: standard input is not a terminal; use --yes")}
	}
	fmt.Fprintf(a.err, "\nSend %d changes? Only yes is taken for yes: ", ready)
	answer, err := bufio.NewReader(a.in).ReadString('\n')
	if err != nil || strings.TrimSpace(answer) != "yes" {
		return &exit{exitError, errors.New("not confirmed; nothing was sent")}
	}
	return nil
}

// openState takes the state directory for writing.
func openState(dir string) (*state.Store, error) {
	store, err := state.Open(dir)
	if err == nil {
		return store, nil
	}
	if _, locked := errors.AsType[*state.LockedError](err); locked {
		return nil, &exit{exitLocked, err}
	}
	return nil, &exit{exitState, err}
}
