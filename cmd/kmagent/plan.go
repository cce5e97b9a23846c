package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"
	"golang.org/x/term"

	"kmagent/internal/agent"
	"kmagent/internal/apply"
	"kmagent/internal/desired"
	"kmagent/internal/ontap"
	"kmagent/internal/plan"
	"kmagent/internal/resolve"
)

func planCommand(c *common) *cobra.Command {
	var output string
	var save saver
	cmd := &cobra.Command{
		Use:   "plan",
		Short: "Show what would change; sends only GET",
		Long: `Read the clusters and show what would make them as the file says. Nothing is
changed, on no cluster and in no state. It may run beside the service.

--out keeps the plan for somebody to approve; apply carries it out, if it still is what
is needed. It is bound to this file, to the clusters, to every object as it is now and
to the secrets, and authenticated with the key in --state-dir: only the installation
that made it takes it. No secret is in it.

Exit 0: nothing to do. 2: changes pending. 4: something is held by a guard or refused.`,
		Example: "  kmagent plan -f desired.yaml\n  kmagent plan -f desired.yaml -o markdown --cluster prod-a\n  kmagent plan -f desired.yaml --out plan.json --valid-for 4h",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			render, err := renderer(output, c.out)
			if err != nil {
				return err
			}
			if err := save.prepare(c.stateDir); err != nil {
				return err
			}
			state, err := c.load()
			if err != nil {
				return err
			}
			passes, closeAll := c.look(cmd.Context(), state, c.judge(state), c.wiring(len(state.Clusters)).reading(c.stateDir))
			defer closeAll()
			if err := render(plansOf(passes)); err != nil {
				return &exit{exitError, fmt.Errorf("write the plan: %w", err)}
			}
			if err := save.keep(c, output, state.Digest, passes); err != nil {
				return err
			}
			if code := planCode(passes); code != exitOK {
				return &exit{code, nil}
			}
			return nil
		},
	}
	c.testSeconds(cmd)
	c.boundRekeys(cmd)
	cmd.Flags().StringVarP(&output, "output", "o", "text", "text, json or markdown")
	cmd.Flags().StringVar(&save.path, "out", "", "keep the plan in this file, for apply")
	cmd.Flags().DurationVar(&save.validFor, "valid-for", time.Hour, "how long the plan that --out keeps may be carried out, at most 24h")
	return cmd
}

// renderer returns what writes plans in the form asked for.
func renderer(form string, w io.Writer) (func([]plan.Plan) error, error) {
	switch form {
	case "text":
		return func(p []plan.Plan) error { return plan.Text(w, p, colour(w)) }, nil
	case "json":
		return func(p []plan.Plan) error { return plan.JSON(w, p) }, nil
	case "markdown", "md":
		return func(p []plan.Plan) error { return plan.Markdown(w, p) }, nil
	default:
		return nil, &exit{exitUsage, fmt.Errorf("--output %q is not one of text, json, markdown", form)}
	}
}

// colour says whether w is a terminal that wants colour.
func colour(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && os.Getenv("NO_COLOR") == "" && term.IsTerminal(int(f.Fd()))
}

// A looked is a cluster after a look, with the loop that can act on it.
type looked struct {
	loop *agent.Loop
	agent.Pass
}

// atOnce is how many clusters a one-shot command works on at the same time.
const atOnce = 32

// look looks at every cluster of a state, several at a time. Each pass, with its error if
// it has one, stands at its cluster's place.
func (c *common) look(ctx context.Context, state *desired.State, orders agent.Orders, open func(desired.Cluster) (agent.Edges, error)) ([]looked, func()) {
	out := make([]looked, len(state.Clusters))
	rekeys := c.rekeysOf(state)
	var group errgroup.Group
	group.SetLimit(atOnce)
	for i, spec := range state.Clusters {
		group.Go(func() error {
			out[i].Pass = agent.Pass{Cluster: spec.Name}
			edges, err := open(spec)
			if err != nil {
				out[i].Err = err
				out[i].Plan = plan.Plan{Cluster: spec.Name, Err: err}
				return nil
			}
			out[i].loop = &agent.Loop{Spec: spec, Edges: edges, Health: -1, Seconds: c.seconds, Rekeys: rekeys}
			out[i].Pass = out[i].loop.Look(ctx, orders)
			return nil
		})
	}
	group.Wait() // the errors are in the passes
	queue(out, func(*looked) bool { return true })
	return out, func() {
		for _, l := range out {
			if l.loop != nil && l.loop.Edges.Close != nil {
				l.loop.Edges.Close()
			}
		}
	}
}

// lookAgain looks anew at those clusters, several at a time.
func lookAgain(ctx context.Context, passes []looked, orders agent.Orders, which func(*looked) bool) {
	var group errgroup.Group
	group.SetLimit(atOnce)
	for i := range passes {
		p := &passes[i]
		if !which(p) {
			continue
		}
		group.Go(func() error {
			p.Pass = p.loop.Look(ctx, orders)
			return nil
		})
	}
	group.Wait() // the errors are in the passes
	queue(passes, which)
}

// queue has the rekeys of clusters wait for each other, in the order of the file.
func queue(passes []looked, which func(*looked) bool) {
	for i := range passes {
		if p := &passes[i]; p.loop != nil && which(p) {
			p.loop.Queue(&p.Pass)
		}
	}
}

func plansOf(passes []looked) []plan.Plan {
	out := make([]plan.Plan, len(passes))
	for i := range passes {
		out[i] = passes[i].Plan
	}
	return out
}

func planCode(passes []looked) int {
	var codes []int
	for i := range passes {
		p := &passes[i]
		codes = append(codes, codeOf(p.Err), waitCode(&p.Plan))
		if p.Plan.Counts().Pending() {
			codes = append(codes, exitPending)
		}
	}
	return worst(codes...)
}

// waitCode is the exit code of what is held or refused in a plan.
func waitCode(p *plan.Plan) int {
	code := exitOK
	for i := range p.Steps {
		switch s := &p.Steps[i]; {
		case s.Status == plan.Ready:
		case s.Guard == plan.Secret:
			return exitAccess
		default:
			code = exitHeld
		}
	}
	return code
}

// codeOf is the exit code of what went wrong with a cluster.
func codeOf(err error) int {
	if err == nil {
		return exitOK
	}
	if e, ok := errors.AsType[*exit](err); ok {
		return e.code
	}
	if _, ok := errors.AsType[*agent.MemoryError](err); ok {
		return exitState
	}
	if _, ok := errors.AsType[*apply.JournalError](err); ok {
		return exitState
	}
	if _, ok := errors.AsType[*resolve.Error](err); ok || errors.Is(err, ontap.ErrAuth) {
		return exitAccess
	}
	if e, ok := errors.AsType[*ontap.TransportError](err); ok && e.Reason.TLS() {
		return exitAccess
	}
	if errors.Is(err, plan.ErrPassed) {
		return exitHeld
	}
	if errors.Is(err, plan.ErrStale) || errors.Is(err, plan.ErrChanged) {
		return exitStale
	}
	return exitFailed
}
