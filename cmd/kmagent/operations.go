package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"kmagent/internal/plan"
	"kmagent/internal/state"
)

func operationsCommand(c *common) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "operations",
		Short: "What set out and of which no end is known",
		Long: `List the operations that were sent and of which no end is known: under way as a job of
the cluster, or without an answer. Each pass settles those that the cluster shows the end
of. What it cannot show, such as a changed passphrase, blocks its scope until a human has
looked and says what became of it: kmagent operations resolve.`,
		Example: "  kmagent operations\n  kmagent operations -o json --cluster prod-a",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			open, err := c.openOperations()
			if err != nil {
				return err
			}
			switch output {
			case "text":
				return c.tellOperations(open)
			case "json":
				return c.encodeOperations(open)
			}
			return &exit{exitUsage, fmt.Errorf("--output %q is not one of text, json", output)}
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "text", "text or json")
	cmd.AddCommand(resolveOperation(c))
	return cmd
}

// openOperations returns the open operations of every cluster that the state knows, or of
// those of --cluster.
func (c *common) openOperations() ([]plan.Operation, error) {
	names, err := state.Clusters(c.stateDir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, &exit{exitState, err}
	}
	var out []plan.Operation
	for _, name := range names {
		if len(c.clusters) > 0 && !slices.Contains(c.clusters, name) {
			continue
		}
		led, err := state.Read(c.stateDir, name)
		if err != nil {
			return nil, &exit{exitState, err}
		}
		out = append(out, led.Open...)
	}
	return out, nil
}

func (c *common) tellOperations(open []plan.Operation) error {
	if len(open) == 0 {
		fmt.Fprintln(c.out, "every operation has come to an end that is known")
		return nil
	}
	for _, o := range open {
		fmt.Fprintf(c.out, "%s  %s of %s, since %s: %s\n", o.Name(), o.Title(), o.Addr, o.At.UTC().Format(time.RFC3339), standingOf(o))
	}
	return nil
}

// standingOf says in a few words how far an operation has come.
func standingOf(o plan.Operation) string {
	switch {
	case o.Doubt != "" && o.Job != "":
		return "unknown: " + plan.Safe(o.Doubt) + " (job " + o.Job + ")"
	case o.Doubt != "":
		return "unknown: " + plan.Safe(o.Doubt)
	case o.Job != "":
		return "job " + o.Job
	case o.Lost:
		return "unknown: no answer came"
	default:
		return "begun: an answer is awaited, or its sender was cut off"
	}
}

// An operationJSON is version 1 of the form that scripts read: fields are added, never changed.
type operationJSON struct {
	ID      string    `json:"id"`
	Op      string    `json:"op"`
	Action  string    `json:"action,omitempty"`
	Address string    `json:"address"`
	Request string    `json:"request,omitempty"`
	At      time.Time `json:"at"`
	Job     string    `json:"job,omitempty"`
	State   string    `json:"state"` // intent, accepted or unknown
	Why     string    `json:"why,omitempty"`
	Code    string    `json:"code,omitempty"` // ONTAP's, of one that was done on some nodes only
}

func (c *common) encodeOperations(open []plan.Operation) error {
	doc := struct {
		Version    int             `json:"version"`
		Operations []operationJSON `json:"operations"`
	}{1, []operationJSON{}}
	for _, o := range open {
		doc.Operations = append(doc.Operations, operationJSON{o.Name(), o.Op.String(), o.Action, o.Addr.String(), o.Request, o.At.UTC(), o.Job, o.Standing(), o.Doubt, o.Code})
	}
	enc := json.NewEncoder(c.out)
	enc.SetIndent("", "  ")
	return enc.Encode(doc)
}

func resolveOperation(c *common) *cobra.Command {
	var outcome, reason string
	cmd := &cobra.Command{
		Use:   "resolve ID",
		Short: "Say what became of an operation",
		Long: `Say what became of an operation that the cluster does not show the end of. Look first:
what is said here is believed. With succeeded, the secrets that it sent are taken to be in
place; with failed, those before it, and the plan goes on from there.`,
		Example: "  kmagent operations resolve prod-a/17 --outcome succeeded --reason 'the new passphrase works'",
		Args:    cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			word := map[string]plan.Outcome{"succeeded": plan.Applied, "failed": plan.Failed}[outcome]
			if word == plan.NotAttempted {
				return &exit{exitUsage, fmt.Errorf("--outcome %q is not one of succeeded, failed", outcome)}
			}
			open, err := c.openOperations()
			if err != nil {
				return err
			}
			i := slices.IndexFunc(open, func(o plan.Operation) bool { return o.Name() == args[0] })
			if i < 0 {
				return &exit{exitUsage, fmt.Errorf("no operation %s is open; see kmagent operations", args[0])}
			}
			if strings.TrimSpace(reason) == "" {
				reason = "seen on the cluster"
			}
			g, err := given(reason, 0)
			if err != nil {
				return err
			}
			g.At = time.Now().UTC() // to the full: what set out within the second was before
			id, err := c.orders().Resolve(plan.Resolution{Given: g, Operation: args[0], Outcome: word.String()})
			return c.ordered(id, err, "%s (%s of %s) has %s", args[0], open[i].Title(), open[i].Addr, outcome)
		},
	}
	cmd.Flags().StringVar(&outcome, "outcome", "", "succeeded or failed")
	cmd.Flags().StringVar(&reason, "reason", "", "what showed it")
	return cmd
}
