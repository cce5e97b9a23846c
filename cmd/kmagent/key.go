package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"kmagent/internal/agent"
	"kmagent/internal/diff"
	"kmagent/internal/ontap"
	"kmagent/internal/plan"
	"kmagent/internal/resource"
)

func keyCommand(c *common) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "key",
		Short: "Restore keys to nodes, or move them to another key manager",
		Long: `What no file implies: to give keys to nodes that lack them, and to move the keys of an SVM
to another key manager. Each is one request to one cluster of the file, shown before it is
sent, and an operation like those of apply: on disk before it leaves, and followed to its
end. The state must be free: stop the service for the while.

Exit 0: done. 4: held or refused, nothing was sent; or the job goes on.`,
	}
	cmd.AddCommand(keyRestore(c), keyMigrate(c))
	return cmd
}

// An asker carries out what somebody asks for on one cluster, as apply carries out what the
// file says.
type asker struct {
	applier
	wait time.Duration

	mu   sync.Mutex
	told time.Time // when it was last told that a job is awaited
	from time.Time // since when it is
}

func (k *asker) flags(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&k.yes, "yes", false, "do not ask")
	cmd.Flags().DurationVar(&k.wait, "wait", time.Hour, "how long to wait for the end of the job; it goes on without")
}

func keyRestore(c *common) *cobra.Command {
	k := &asker{applier: applier{common: c}}
	var ask diff.Restoring
	cmd := &cobra.Command{
		Use:   "restore",
		Short: "Give keys to nodes that lack them",
		Long: `Have the key manager in use at the cluster's scope, or at that of --svm, give its keys to the
nodes that lack them: all of them or, of an external key manager (ONTAP 9.13), those that
the flags name. The nodes that lack keys are shown first. Volumes whose keys a node lacks
stay offline there. It may be repeated: what is there already is left as it is.

The keys of an onboard key manager go to new nodes by synchronize, which kmagent sends by itself.`,
		Example: "  kmagent key restore --cluster prod-a --svm vs_db\n  kmagent key restore --cluster prod-a --node node2 --key-server ks1.example.net",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := named(cmd, "svm", "key-id", "key-tag", "key-server", "node"); err != nil {
				return err
			}
			ask.SVM = strings.TrimPrefix(ask.SVM, resource.ClusterWord)
			return k.run(cmd.Context(), func(in diff.Input) (plan.Plan, error) {
				p, err := diff.Restore(in, ask)
				if err != nil {
					return p, &exit{exitUsage, err}
				}
				return p, nil
			})
		},
	}
	cmd.Flags().StringVar(&ask.SVM, "svm", "", "the SVM whose key manager it is; the cluster's own without")
	cmd.Flags().StringVar(&ask.Key, "key-id", "", "only the key of that id")
	cmd.Flags().StringVar(&ask.Tag, "key-tag", "", "only keys with that tag")
	cmd.Flags().StringVar(&ask.Server, "key-server", "", "only from that primary key server")
	cmd.Flags().StringVar(&ask.Node, "node", "", "only to the node of that name")
	k.flags(cmd)
	return cmd
}

func keyMigrate(c *common) *cobra.Command {
	k := &asker{applier: applier{common: c}}
	var svm, to string
	cmd := &cobra.Command{
		Use:   "migrate",
		Short: "Move the keys of an SVM to another key manager",
		Long: `Move the keys of an SVM from the cluster's key manager to the SVM's own (--to svm), or back
(--to cluster). Both must be in use. ONTAP takes the keys from where they were once they are
copied. So nothing is sent unless every node is up and has all its keys, both key stores
are active and reached, and no operation is open in either scope.

It is never sent a second time by itself. If its answer is lost and the cluster does not
show its job any more, look, and say what became of it: kmagent operations resolve. Do not
delete the key manager that the keys came from before every node has them.`,
		Example: "  kmagent key migrate --cluster prod-a --svm vs_hr --to svm\n  kmagent key migrate --cluster prod-a --svm vs_hr --to cluster",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if to != "svm" && to != "cluster" {
				return &exit{exitUsage, fmt.Errorf("--to %q is not one of svm, cluster", to)}
			}
			if svm == "" || svm == resource.ClusterWord {
				return &exit{exitUsage, errors.New("--svm names the SVM whose keys are to be moved")}
			}
			return k.run(cmd.Context(), func(in diff.Input) (plan.Plan, error) { return diff.Migrate(in, svm, to == "svm"), nil })
		},
	}
	cmd.Flags().StringVar(&svm, "svm", "", "the SVM whose keys are to be moved")
	cmd.Flags().StringVar(&to, "to", "", "svm: to the SVM's own key manager; cluster: to the cluster's")
	k.flags(cmd)
	return cmd
}

// named refuses flags that are given and empty: a variable that is not set must not mean all.
func named(cmd *cobra.Command, flags ...string) error {
	for _, name := range flags {
		if f := cmd.Flags().Lookup(name); f.Changed && f.Value.String() == "" {
			return &exit{exitUsage, fmt.Errorf("--%s is empty; leave it out for any", name)}
		}
	}
	return nil
}

func (k *asker) run(ctx context.Context, decide func(diff.Input) (plan.Plan, error)) error {
	if len(k.clusters) != 1 {
		return &exit{exitUsage, errors.New("exactly one --cluster is needed")}
	}
	if k.wait < 0 {
		return &exit{exitUsage, errors.New("--wait is not negative")}
	}
	want, err := k.load()
	if err != nil {
		return err
	}
	store := &stateStore{dir: k.stateDir}
	taken, err := store.get()
	if err != nil {
		return freed(err)
	}
	defer store.close()
	w := k.wiring(1)
	w.jobWait, w.exchange = max(k.wait, time.Millisecond), k.await
	w.audit = newAuditor(k.stateDir, "operator", func() string { return want.Digest })
	defer w.audit.close()
	taken.HighWater = w.audit.highWater
	edges, err := w.writing(store, k.progress)(want.Clusters[0])
	if err != nil {
		return err
	}
	defer edges.Close()
	loop := &agent.Loop{Spec: want.Clusters[0], Edges: edges, Health: -1, Decide: decide, Seconds: k.seconds}
	passes := []looked{{loop, loop.Look(ctx, agent.Orders{})}}
	if e, ok := errors.AsType[*exit](passes[0].Err); ok {
		return e
	}
	if err := plan.Text(k.out, plansOf(passes), colour(k.out)); err != nil {
		return &exit{exitError, fmt.Errorf("write the plan: %w", err)}
	}
	if err := k.agree(ctx, passes); err != nil {
		return err
	}
	codes := k.pass(ctx, passes, agent.Orders{})
	k.report(passes, true)
	if code := worst(codes...); code != exitOK {
		return &exit{code, nil}
	}
	return nil
}

// freed says what to do about a state that another instance holds.
func freed(err error) error {
	if e, ok := errors.AsType[*exit](err); ok && e.code == exitLocked {
		return &exit{exitLocked, fmt.Errorf("%w; stop the service for this (systemctl stop kmagent), and start it again afterwards", e.err)}
	}
	return err
}

// tellEvery is how often it is told that a job is still awaited.
const tellEvery = 10 * time.Second

// await tells that a job is awaited, each time that it was asked for and not too often.
func (k *asker) await(_ string, x ontap.Exchange) {
	_, job, ok := strings.Cut(x.Path, "cluster/jobs/")
	if !ok {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	now := time.Now()
	if k.from.IsZero() {
		k.from = now
	}
	if now.Sub(k.told) < tellEvery {
		return
	}
	k.told = now
	fmt.Fprintf(k.err, "  waiting for job %s (%s)\n", plan.Safe(job), now.Sub(k.from).Round(time.Second))
}
