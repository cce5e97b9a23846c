package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"os/user"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"kmagent/internal/plan"
	"kmagent/internal/resource"
	"kmagent/internal/state"
)

// Orders last for a while and no longer.
const (
	defaultPause = 8 * time.Hour
	longestOrder = 31 * 24 * time.Hour
)

// given is what an order says of who gave it, and until when it stands.
func given(reason string, lasts time.Duration) (plan.Given, error) {
	if strings.TrimSpace(reason) == "" {
		return plan.Given{}, &exit{exitUsage, errors.New("--reason is needed: somebody will ask why")}
	}
	if lasts < 0 || lasts > longestOrder {
		return plan.Given{}, &exit{exitUsage, fmt.Errorf("--for is more than nothing and at most %s", longestOrder)}
	}
	now := time.Now().UTC().Truncate(time.Second)
	g := plan.Given{At: now, By: whoami(), Reason: plan.Safe(reason)}
	if lasts > 0 {
		g.Until = now.Add(lasts)
	}
	return g, nil
}

// whoami names who runs this: the user, behind sudo too, and the host.
func whoami() string {
	name := strconv.Itoa(os.Getuid())
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	if real := os.Getenv("SUDO_USER"); real != "" {
		name = real + " as " + name
	}
	host, err := os.Hostname()
	if err != nil {
		host = "unknown host"
	}
	return name + "@" + host
}

// ordered is the outcome of giving an order.
func (c *common) ordered(id string, err error, format string, args ...any) error {
	if err != nil {
		return &exit{exitState, err}
	}
	fmt.Fprintf(c.out, "%s: %s. The next pass of the service takes it up, or the next apply.\n", id, fmt.Sprintf(format, args...))
	return nil
}

func (c *common) orders() state.Orders { return state.Orders{Dir: c.stateDir} }

func pauseCommand(c *common) *cobra.Command {
	var svm, reason string
	var lasts time.Duration
	cmd := &cobra.Command{
		Use:   "pause",
		Short: "Rest all writes, everywhere or to one cluster or SVM, for a while",
		Long: `Rest all writes: to every cluster, to those of --cluster, or to one SVM of one. The
clusters are observed all the while, and what would change is held and reported. A pause
ends by itself; resume ends it before.`,
		Example: "  kmagent pause --reason 'vendor works on the HSMs' --for 4h\n  kmagent pause --cluster prod-a --svm vs_db --reason 'migration'",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if svm != "" && len(c.clusters) != 1 {
				return &exit{exitUsage, errors.New("--svm is of one --cluster")}
			}
			g, err := given(reason, lasts)
			if err != nil {
				return err
			}
			for _, cluster := range orNone(c.clusters) {
				id, err := c.orders().Pause(plan.Pause{Given: g, Cluster: cluster, SVM: svm})
				if err := c.ordered(id, err, "writes to %s rest until %s", place(cluster, svm), g.Until.Format(time.RFC3339)); err != nil {
					return err
				}
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&svm, "svm", "", "only this SVM of the cluster; "+resource.ClusterWord+" is the cluster's own scope")
	cmd.Flags().StringVar(&reason, "reason", "", "why, for those who come after")
	cmd.Flags().DurationVar(&lasts, "for", defaultPause, "how long")
	return cmd
}

func resumeCommand(c *common) *cobra.Command {
	var svm, reason string
	cmd := &cobra.Command{
		Use:     "resume",
		Short:   "End a pause before its time",
		Long:    "End the pauses of exactly the place that is named: every cluster, those of --cluster, or one SVM of one.",
		Example: "  kmagent resume --reason 'done'\n  kmagent resume --cluster prod-a --reason 'done'",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			g, err := given(cmp.Or(reason, "resumed"), 0)
			if err != nil {
				return err
			}
			for _, cluster := range orNone(c.clusters) {
				id, err := c.orders().Resume(g, cluster, svm)
				if err := c.ordered(id, err, "writes to %s go on", place(cluster, svm)); err != nil {
					return err
				}
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&svm, "svm", "", "only this SVM of the cluster")
	cmd.Flags().StringVar(&reason, "reason", "", "why, for those who come after")
	return cmd
}

// orNone makes one member, the empty name of every cluster, of an empty list.
func orNone(clusters []string) []string {
	if len(clusters) == 0 {
		return []string{""}
	}
	return clusters
}

func place(cluster, svm string) string {
	switch {
	case cluster == "":
		return "every cluster"
	case svm == "":
		return cluster
	default:
		return cluster + "/" + svm
	}
}

func ackCommand(c *common) *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use:   "ack REVISION",
		Short: "Take a file that lost much of what it had for meant",
		Long: `A file that has lost more than half of the objects or key servers of the one that was
last in use holds every write, until somebody says that it is meant. REVISION is the
SHA-256 of the file, or its first twelve digits or more, as the hold names it.`,
		Example: "  kmagent ack 3f2a1c0d9e8b --reason 'prod-b is decommissioned'",
		Args:    cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			revision := strings.ToLower(args[0])
			if len(revision) < 12 || strings.Trim(revision, "0123456789abcdef") != "" {
				return &exit{exitUsage, errors.New("REVISION is at least twelve digits of the file's SHA-256, as the hold names it")}
			}
			g, err := given(cmp.Or(reason, "acknowledged"), 0)
			if err != nil {
				return err
			}
			id, err := c.orders().Ack(g, revision)
			return c.ordered(id, err, "the file %s is meant as it is", revision)
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why, for those who come after")
	return cmd
}

func overrideCommand(c *common) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "override",
		Short: "Let one step pass one guard, once",
		Long: `A guard holds what could cost keys. An override lets the next step on one object pass
one guard, once, for a limited time, and is on record with who gave it and why. ONTAP's
force is never sent, whatever is overridden.`,
	}
	cmd.AddCommand(overrideAdd(c), overrideList(c), overrideRevoke(c))
	return cmd
}

func overrideAdd(c *common) *cobra.Command {
	var rule, object, reason string
	var lasts time.Duration
	cmd := &cobra.Command{
		Use:     "add",
		Short:   "Give an override",
		Example: "  kmagent override add --rule floor --object prod-a/key_server/vs_db/ks1.example.net:5696 --for 1h --reason 'ks1 is dead for good'",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if err := overridable(rule); err != nil {
				return err
			}
			if strings.Count(object, "/") < 2 {
				return &exit{exitUsage, errors.New("--object is the address of one object, as a plan has it: prod-a/key_server/vs_db/ks1:5696")}
			}
			if lasts <= 0 {
				return &exit{exitUsage, errors.New("--for is more than nothing")}
			}
			g, err := given(reason, lasts)
			if err != nil {
				return err
			}
			id, err := c.orders().Override(plan.Override{Given: g, Rule: rule, Object: object})
			return c.ordered(id, err, "one step on %s may pass the guard %s until %s", object, rule, g.Until.Format(time.RFC3339))
		},
	}
	cmd.Flags().StringVar(&rule, "rule", "", "the guard to pass, or the rule that it enforces: "+strings.Join(guardWords(), ", "))
	cmd.Flags().StringVar(&object, "object", "", "the address of the object, as a plan has it")
	cmd.Flags().StringVar(&reason, "reason", "", "why, for those who come after")
	cmd.Flags().DurationVar(&lasts, "for", time.Hour, "how long it may wait to be used")
	return cmd
}

func guardWords() []string {
	var out []string
	for _, g := range plan.Overridable() {
		out = append(out, string(g))
	}
	return out
}

// overridable checks the word for a guard, or a rule's id.
func overridable(rule string) error {
	if slices.Contains(guardWords(), rule) || strings.HasPrefix(strings.ToUpper(rule), "KM0") && len(rule) == 5 {
		return nil
	}
	return &exit{exitUsage, fmt.Errorf("--rule %q is not a guard that can be overridden; those are %s, and the rules that they enforce", rule, strings.Join(guardWords(), ", "))}
}

func overrideList(c *common) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "The overrides and pauses that stand", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			s, err := state.ReadOrders(c.stateDir)
			if err != nil {
				return &exit{exitState, err}
			}
			now, n := time.Now(), 0
			for _, o := range s.Overrides {
				if o.Used || !now.Before(o.Until) {
					continue
				}
				n++
				fmt.Fprintf(c.out, "%s  override of %s on %s until %s, by %s: %s\n", o.ID, o.Rule, o.Object, o.Until.Format(time.RFC3339), o.By, o.Reason)
			}
			for _, p := range s.Pauses {
				if !now.Before(p.Until) {
					continue
				}
				n++
				fmt.Fprintf(c.out, "%s  pause of %s until %s, by %s: %s\n", p.ID, place(p.Cluster, p.SVM), p.Until.Format(time.RFC3339), p.By, p.Reason)
			}
			if n == 0 {
				fmt.Fprintln(c.out, "no override or pause stands")
			}
			return nil
		},
	}
}

func overrideRevoke(c *common) *cobra.Command {
	return &cobra.Command{
		Use: "revoke ID", Short: "Take an override back that was not used", Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			s, err := state.ReadOrders(c.stateDir)
			if err != nil {
				return &exit{exitState, err}
			}
			if !slices.ContainsFunc(s.Overrides, func(o plan.Override) bool { return o.ID == args[0] && !o.Used }) {
				return &exit{exitUsage, fmt.Errorf("no override %s stands; see kmagent override list", args[0])}
			}
			return c.ordered(args[0], c.orders().Revoke(args[0]), "revoked")
		},
	}
}
