package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"kmagent/internal/agent"
	"kmagent/internal/desired"
	"kmagent/internal/diff"
	"kmagent/internal/plan"
	"kmagent/internal/resource"
	"kmagent/internal/state"
)

func rekeyCommand(c *common) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "rekey",
		Short: "What is rekeyed on a schedule, and rekeys by hand",
		Long: `The service takes each slot of a schedule in the file at most once. list shows what is
scheduled and what became of it; run takes an action now, under the same guards and in the
same journal; resolve says what became of one that nobody else can tell.`,
	}
	resolve := resolveOperation(c)
	resolve.Example = strings.ReplaceAll(resolve.Example, "operations resolve", "rekey resolve")
	cmd.AddCommand(rekeyList(c), rekeyRun(c), resolve)
	return cmd
}

// A rekeyJSON is version 1 of the form that scripts read: fields are added, never changed.
type rekeyJSON struct {
	Object      string     `json:"object"`
	Action      string     `json:"action"`
	Schedule    string     `json:"schedule"`
	Timezone    string     `json:"timezone"`
	State       string     `json:"state"` // waits, due, running, unknown or clock
	Next        *nextJSON  `json:"next,omitempty"`
	LastSlot    string     `json:"last_slot,omitempty"` // the newest on record, whatever became of it
	LastEnd     *time.Time `json:"last_end,omitempty"`
	LastOutcome string     `json:"last_outcome,omitempty"`
	LastWhy     string     `json:"last_why,omitempty"` // of one that failed
	LastSuccess *time.Time `json:"last_success,omitempty"`
	Verified    *time.Time `json:"last_verified,omitempty"` // when every node was seen to have what it made
	Flaw        string     `json:"unverified,omitempty"`    // what was found instead
	Fired       int        `json:"fired"`
	Missed      int        `json:"missed"`
	Skipped     int        `json:"skipped"`
	Operation   string     `json:"operation,omitempty"` // the open one

	unverified bool
}

type nextJSON struct {
	Local string    `json:"local"`
	Zone  string    `json:"zone"`
	Begin time.Time `json:"begin"` // with the object's jitter
	End   time.Time `json:"end"`
}

func rekeyList(c *common) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "list",
		Short: "What is scheduled: when it was last done, and when it comes next",
		Long: `List what the file schedules: object, action, when it last succeeded, when it comes next in
the time of its zone, and how it stands. It reads the file and the state, and asks no
cluster; plan shows what would hold an action that is due.

What has succeeded is not verified until a look has found every node with what was made.

States: waits for its slot; due; running; unknown, see kmagent rekey resolve; clock, which
is before what is on record.`,
		Example: "  kmagent rekey list -f desired.yaml\n  kmagent rekey list -f desired.yaml -o json",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if output != "text" && output != "json" {
				return &exit{exitUsage, fmt.Errorf("--output %q is not one of text, json", output)}
			}
			want, err := c.load()
			if err != nil {
				return err
			}
			list, err := c.rekeys(want)
			if err != nil {
				return err
			}
			if output == "json" {
				enc := json.NewEncoder(c.out)
				enc.SetIndent("", "  ")
				return enc.Encode(struct {
					Version int         `json:"version"`
					Rekeys  []rekeyJSON `json:"rekeys"`
				}{1, list})
			}
			return c.tellRekeys(list)
		},
	}
	c.testSeconds(cmd)
	cmd.Flags().StringVarP(&output, "output", "o", "text", "text or json")
	return cmd
}

func (c *common) rekeys(want *desired.State) ([]rekeyJSON, error) {
	out := []rekeyJSON{}
	for _, k := range want.Clusters {
		led, err := state.Read(c.stateDir, k.Name)
		if err != nil {
			return nil, &exit{exitState, err}
		}
		for _, t := range diff.Turns(diff.Input{Cluster: k.Name, Want: k.Objects, Ledger: led, Seconds: c.seconds, Instance: instance(c.stateDir), Now: time.Now()}) {
			out = append(out, rekeyOf(&t, &led))
		}
	}
	return out, nil
}

func rekeyOf(t *plan.Turn, led *plan.Ledger) rekeyJSON {
	r := rekeyJSON{Object: t.Addr.String(), Action: t.Action, Schedule: t.Timing.Schedule, Timezone: t.Timing.Timezone, State: "waits",
		LastEnd: orNil(t.Slots.Ended), LastOutcome: t.Slots.Outcome, LastWhy: t.Slots.Why, LastSuccess: orNil(t.Slots.Succeeded), Verified: orNil(t.Slots.Verified), Flaw: t.Slots.Flaw,
		Fired: t.Slots.Fired, Missed: t.Slots.Missed, Skipped: t.Slots.Skipped, unverified: t.Slots.Unverified(t.Action)}
	if last := t.Slots.State.Last; !last.IsZero() {
		r.LastSlot = last.ID()
	}
	if !t.Next.IsZero() {
		r.Next = &nextJSON{t.Next.Local, t.Next.Zone, t.Next.Begin.UTC(), t.Next.End.UTC()}
	}
	switch {
	case t.Back:
		r.State = "clock"
	case t.Due:
		r.State = "due"
	}
	if o := led.UnderWay(t.Addr, t.Action); o != nil {
		r.Operation, r.State = o.Name(), "running"
		if o.Standing() == "unknown" {
			r.State = "unknown"
		}
	}
	return r
}

func orNil(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

func (c *common) tellRekeys(list []rekeyJSON) error {
	if len(list) == 0 {
		fmt.Fprintln(c.out, "nothing in the file has a schedule")
		return nil
	}
	w := tabwriter.NewWriter(c.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "OBJECT\tACTION\tLAST SUCCESS\tNEXT\tSTATE")
	for _, r := range list {
		last, next, how := "never seen", "none", r.State
		if r.LastSuccess != nil {
			last = r.LastSuccess.Format(time.RFC3339)
		}
		if r.Next != nil {
			next = r.Next.Local + " " + r.Next.Zone
		}
		if r.Operation != "" {
			how += " (" + r.Operation + ")"
		}
		if r.State == "waits" && r.LastOutcome != "" {
			how += ", last " + r.LastOutcome
		}
		if r.State == "waits" && r.LastWhy != "" {
			how += " (" + plan.Safe(r.LastWhy) + ")"
		}
		if r.unverified {
			how += ", not verified" + cmp.Or(strings.TrimSuffix(": "+plan.Safe(r.Flaw), ": "), " yet")
		}
		if r.Missed > 0 {
			how += fmt.Sprintf(", %d missed", r.Missed)
		}
		if r.Skipped > 0 {
			how += fmt.Sprintf(", %d skipped", r.Skipped)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", plan.Safe(r.Object), r.Action, last, next, how)
	}
	return w.Flush()
}

// A rekeyer takes one action of one object now.
type rekeyer struct {
	asker
	object, action, reason string
}

func rekeyRun(c *common) *cobra.Command {
	k := &rekeyer{asker: asker{applier: applier{common: c}}}
	cmd := &cobra.Command{
		Use:   "run OBJECT ACTION",
		Short: "Take an action now that a schedule would take",
		Long: `Take one action of one object of the file now: what a schedule would take at its slot, under
the same guards, once. The plan is shown before anything is sent. If the service runs, it
is ordered to do it and followed; else it is done here. Either way it is in the journal
and counts for min_interval. It does not wait for the waves of a slot; for the rekeys that run it
does, while --wait lasts.

ACTION is rekey_internal or rekey_external of a cloud key manager (no rekey_external of Barbican),
rotate_passphrase or key_backup of the onboard one, rotate of an authentication key.
OBJECT is an address as plan has it. Exit 0: done. 4: held or refused, nothing was sent; or
not ended within --wait, then see kmagent rekey list.`,
		Example: "  kmagent rekey run prod-a/azure_key_vault/vs_hr rekey_internal -f desired.yaml --reason 'quarterly audit'",
		Args:    cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			k.object, k.action = args[0], args[1]
			return k.take(cmd.Context())
		},
	}
	c.testSeconds(cmd)
	c.boundRekeys(cmd)
	cmd.Flags().StringVar(&k.reason, "reason", "asked for by hand", "why, for those who come after")
	k.flags(cmd)
	return cmd
}

// take finds the object, and lets whoever holds the state do it.
func (k *rekeyer) take(ctx context.Context) error {
	want, err := k.load()
	if err != nil {
		return err
	}
	addr, err := k.find(want)
	if err != nil {
		return err
	}
	k.clusters = []string{addr.Cluster}
	decide := func(in diff.Input) (plan.Plan, error) {
		p, err := diff.Rekey(in, addr, k.action)
		if err != nil {
			return p, &exit{exitUsage, err}
		}
		return p, nil
	}
	err = k.run(ctx, decide)
	if e, ok := errors.AsType[*exit](err); ok && e.code == exitLocked {
		return k.order(ctx, want, addr, decide) // nothing was asked or sent: the state comes first
	}
	return err
}

// find returns the address of the object in the file, whose kind has the action.
func (k *rekeyer) find(want *desired.State) (resource.Addr, error) {
	var near []string
	for _, c := range want.Clusters {
		for _, o := range c.Objects {
			takes := takenByHand(o.Kind)
			switch {
			case o.Addr.String() == k.object && slices.Contains(takes, k.action):
				return o.Addr, nil
			case o.Addr.String() == k.object:
				return resource.Addr{}, &exit{exitUsage, fmt.Errorf("%s has no action %q; it has %s", k.object, k.action, cmp.Or(strings.Join(takes, ", "), "none that can be taken by hand"))}
			case len(takes) > 0:
				near = append(near, o.Addr.String())
			}
		}
	}
	return resource.Addr{}, &exit{exitUsage, fmt.Errorf("the file has no %s; what can be rekeyed in it: %s", plan.Safe(k.object), cmp.Or(strings.Join(near, ", "), "nothing"))}
}

// takenByHand lists the actions of a kind that may be scheduled, and taken by hand.
func takenByHand(k *resource.Kind) []string {
	var out []string
	for _, f := range k.Fields {
		if f.Type == resource.Timed {
			out = append(out, f.Runs)
		}
	}
	return out
}

// order has the service do it: it shows first what the service will find, gives the order, and
// follows the operation. An order that was not taken up in time is taken back.
func (k *rekeyer) order(ctx context.Context, want *desired.State, addr resource.Addr, decide func(diff.Input) (plan.Plan, error)) error {
	i := slices.IndexFunc(want.Clusters, func(c desired.Cluster) bool { return c.Name == addr.Cluster })
	edges, err := k.wiring(1).reading(k.stateDir)(want.Clusters[i])
	if err != nil {
		return err
	}
	if edges.Close != nil {
		defer edges.Close()
	}
	loop := &agent.Loop{Spec: want.Clusters[i], Edges: edges, Health: -1, Decide: decide, Seconds: k.seconds, Rekeys: k.rekeysOf(want)}
	passes := []looked{{loop, loop.Look(ctx, agent.Orders{})}}
	loop.Queue(&passes[0].Pass)
	if e, ok := errors.AsType[*exit](passes[0].Err); ok {
		return e
	}
	if err := plan.Text(k.out, plansOf(passes), colour(k.out)); err != nil {
		return &exit{exitError, fmt.Errorf("write the plan: %w", err)}
	}
	switch {
	case passes[0].Err == nil && waitsForTurn(&passes[0].Plan):
		fmt.Fprintln(k.out, "the service takes it when its turn comes, within --wait")
		if !k.yes {
			if err := k.confirm(1); err != nil {
				return err
			}
		}
	case passes[0].Err != nil || passes[0].Plan.Counts().Ready() == 0:
		return &exit{planCode(passes), nil}
	default:
		if err := k.agree(ctx, passes); err != nil {
			return err
		}
	}
	g, err := given(k.reason, min(max(k.wait, time.Minute), longestOrder))
	if err != nil {
		return err
	}
	id, err := k.common.orders().Ask(plan.Ask{Given: g, Object: k.object, Action: k.action})
	if err := k.ordered(id, err, "the service takes %s of %s", k.action, k.object); err != nil {
		return err
	}
	return k.follow(ctx, addr, id, g.At)
}

// waitsForTurn says whether nothing holds a plan but that others are under way.
func waitsForTurn(p *plan.Plan) bool {
	return len(p.Steps) > 0 && !slices.ContainsFunc(p.Steps, func(s plan.Step) bool { return s.Status != plan.Held || s.Guard != plan.Window })
}

// follow waits for the end of what was ordered.
func (k *rekeyer) follow(ctx context.Context, addr resource.Addr, id string, since time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, k.wait)
	defer cancel()
	tick := time.NewTicker(250 * time.Millisecond)
	defer tick.Stop()
	for {
		led, err := state.Read(k.stateDir, addr.Cluster)
		if err != nil {
			return &exit{exitState, err}
		}
		s, taken := led.Objects[addr].Slots[k.action], k.taken(id)
		if taken && led.UnderWay(addr, k.action) == nil && !s.State.LastStart.Before(since) && !s.Ended.Before(s.State.LastStart) {
			fmt.Fprintf(k.out, "%s of %s: %s\n", k.action, k.object, s.Outcome)
			if s.Outcome != plan.Applied.String() {
				return &exit{exitFailed, nil}
			}
			return nil
		}
		select {
		case <-ctx.Done():
			return k.giveUp(id, taken)
		case <-tick.C:
		}
	}
}

// taken says whether an order is used up.
func (k *rekeyer) taken(id string) bool {
	s, err := state.ReadOrders(k.stateDir)
	return err == nil && slices.ContainsFunc(s.Asks, func(a plan.Ask) bool { return a.ID == id && a.Used })
}

func (k *rekeyer) giveUp(id string, taken bool) error {
	if taken {
		fmt.Fprintln(k.err, "it goes on, and no end is known yet: kmagent rekey list shows it")
		return &exit{exitHeld, nil}
	}
	if err := k.common.orders().Revoke(id); err != nil {
		return &exit{exitState, err}
	}
	if k.taken(id) {
		return k.giveUp(id, true) // in the meantime
	}
	fmt.Fprintf(k.err, "the service has not taken it up, and %s is taken back: kmagent status says what holds it\n", id)
	return &exit{exitHeld, nil}
}
