package main

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"kmagent/internal/plan"
	"kmagent/internal/resource"
	"kmagent/internal/state"
)

func stateCommand(c *common) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "state",
		Short: "Look at, check or repair what has to be remembered",
		Long: `What no cluster tells is kept in the state directory: which cluster an endpoint belonged
to, what was sent when, keyed digests of the secrets that went with it, and which operations
have not come to an end. No secret is in it.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(stateShowCommand(c), stateCheckCommand(c), stateRecoverCommand(c))
	return cmd
}

// remembered lists the clusters of the state, or those of --cluster.
func (c *common) remembered() ([]string, error) {
	names, err := state.Clusters(c.stateDir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, &exit{exitState, err}
	}
	if len(c.clusters) == 0 {
		return names, nil
	}
	for _, want := range c.clusters {
		if !slices.Contains(names, want) {
			return nil, &exit{exitUsage, fmt.Errorf("nothing is remembered of cluster %q", want)}
		}
	}
	return c.clusters, nil
}

func stateShowCommand(c *common) *cobra.Command {
	return &cobra.Command{
		Use: "show", Short: "What is remembered of each cluster", Args: cobra.NoArgs,
		Long:    "Show what is remembered of each cluster; it may run beside the service. Of a secret only that one was sent, or found in place.",
		Example: "  kmagent state show --cluster prod-a",
		RunE: func(*cobra.Command, []string) error {
			names, err := c.remembered()
			if err != nil {
				return err
			}
			for _, name := range names {
				led, err := state.Read(c.stateDir, name)
				if err != nil {
					return &exit{exitState, err}
				}
				c.showLedger(name, led)
			}
			if len(names) == 0 {
				fmt.Fprintf(c.out, "nothing is remembered in %s yet\n", c.stateDir)
			}
			return nil
		},
	}
}

func (c *common) showLedger(name string, led plan.Ledger) {
	fmt.Fprintf(c.out, "%s: cluster %s, %d objects, %d open operations\n", name, led.UUID, len(led.Objects), len(led.Open))
	for _, a := range slices.SortedFunc(maps.Keys(led.Objects), resource.Addr.Compare) {
		m := led.Objects[a]
		fmt.Fprintf(c.out, "  %s", a)
		if m.Created {
			fmt.Fprint(c.out, "  made from here")
		}
		for _, field := range slices.Sorted(maps.Keys(m.Secrets)) {
			how := "sent"
			if m.Adopted[field] {
				how = "taken to be current"
			}
			fmt.Fprintf(c.out, "  %s: %s", field, how)
		}
		if m.Refused != "" {
			fmt.Fprint(c.out, "  ONTAP refused a secret of it as wrong")
		}
		if !m.Backup.At.IsZero() {
			fmt.Fprintf(c.out, "  key backup of %s: %s", m.Backup.At.Format(time.RFC3339), m.Backup.File)
		}
		if m.Owed {
			fmt.Fprint(c.out, "  a key backup is owed")
		}
		if n := len(m.Sent); n > 0 {
			fmt.Fprintf(c.out, "  %d changes, the last at %s", n, m.Sent[n-1].At.UTC().Format(time.RFC3339))
		}
		fmt.Fprintln(c.out)
	}
	for _, o := range led.Open {
		fmt.Fprintf(c.out, "  open: %s  %s of %s, since %s: %s\n", o.Name(), o.Title(), o.Addr, o.At.UTC().Format(time.RFC3339), standingOf(o))
	}
}

func stateCheckCommand(c *common) *cobra.Command {
	return &cobra.Command{
		Use: "check", Short: "Check that what is remembered is whole", Args: cobra.NoArgs,
		Long: `Check every journal, the orders, the key and the baseline; it may run beside the service.
The audit log has a check of its own: kmagent audit verify.

Exit 0: all of it is whole, or there is none yet. 8: something is damaged; each damage is
printed with its file and what to do.`,
		RunE: func(*cobra.Command, []string) error {
			names, err := c.remembered()
			if err != nil {
				return err
			}
			bad := 0
			complain := func(err error, remedy string) {
				if err != nil {
					bad++
					fmt.Fprintf(c.err, "%v; %s\n", err, remedy)
				}
			}
			for _, name := range names {
				_, err := state.Read(c.stateDir, name)
				complain(err, "put a copy back, or: kmagent state recover --cluster "+name)
			}
			_, err = state.ReadOrders(c.stateDir)
			complain(err, "move it away; pauses, overrides and acks must then be given again")
			_, err = state.ReadBaseline(c.stateDir)
			complain(err, "move it away; the next file is then taken as it is")
			_, err = state.ReadKey(c.stateDir)
			complain(err, "put a copy back: without it every secret is taken to have changed")
			if bad > 0 {
				return &exit{exitState, nil}
			}
			fmt.Fprintf(c.out, "%d journals: whole\n", len(names))
			return nil
		},
	}
}

func stateRecoverCommand(c *common) *cobra.Command {
	return &cobra.Command{
		Use: "recover", Short: "Begin the journal of a cluster anew that cannot be used", Args: cobra.NoArgs,
		Long: `Move the journal of --cluster aside, which is damaged or older than what was sent, and
begin a new one. What the old one still tells is kept where that is safe: which cluster it
is, and the operations of which no end is known, so that none of them is done twice. Its
secrets are then taken to be those of the file. The service must be stopped.`,
		Example: "  systemctl stop kmagent && kmagent state recover --cluster prod-a",
		RunE: func(*cobra.Command, []string) error {
			if len(c.clusters) != 1 {
				return &exit{exitUsage, errors.New("name the one --cluster whose journal is to begin anew")}
			}
			store, err := openState(c.stateDir)
			if err != nil {
				return err
			}
			defer store.Close()
			a := newAuditor(c.stateDir, "operator", func() string { return "" })
			defer a.close()
			store.HighWater = a.highWater
			r, err := store.Recover(c.clusters[0], time.Now())
			if errors.Is(err, state.ErrSound) {
				fmt.Fprintf(c.out, "%s: the journal is whole; nothing was done\n", c.clusters[0])
				return nil
			}
			if err != nil {
				return &exit{exitState, err}
			}
			fmt.Fprintf(c.out, "%s: %v\nmoved to %s; the new journal has %d open operations; secrets are taken to be those of the file\n", c.clusters[0], r.Cause, r.Moved, r.Open)
			return a.append(recoveredEntry(c.clusters[0], r))
		},
	}
}
