package main

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"kmagent/internal/agent"
	"kmagent/internal/desired"
	"kmagent/internal/plan"
	"kmagent/internal/state"
)

// common are the flags that every command has.
type common struct {
	streams
	env func(string) (string, bool)

	file           string
	stateDir       string
	credentialsDir string
	secretsRoots   []string
	clusters       []string
	logFormat      string
	logLevel       string
	seconds        bool       // schedules may have seconds: see testSeconds
	maxRekeys      atLeastOne // at a time over all clusters: see boundRekeys
}

// An atLeastOne is the value of a flag that counts, from 1.
type atLeastOne int

func (n *atLeastOne) String() string { return strconv.Itoa(int(*n)) }
func (n *atLeastOne) Type() string   { return "int" }
func (n *atLeastOne) Set(text string) error {
	v, err := strconv.Atoi(text)
	if err != nil || v < 1 {
		return errors.New("write a number of at least 1")
	}
	*n = atLeastOne(v)
	return nil
}

// boundRekeys gives a command the flag of how many rekeys may run at a time.
func (c *common) boundRekeys(cmd *cobra.Command) {
	c.maxRekeys = defaultMaxRekeys
	cmd.Flags().Var(&c.maxRekeys, "max-rekeys", "rekeys that may run at the same time over all clusters; in one cluster the file's policy counts, too")
}

const defaultMaxRekeys = 4

// rekeysOf bounds the rekeys of the clusters of a file, by what is on record of each.
func (c *common) rekeysOf(want *desired.State) *agent.Rekeys {
	r := agent.NewRekeys(cmp.Or(int(c.maxRekeys), defaultMaxRekeys))
	r.Follow(want, c.recorded)
	return r
}

// recorded is what is on record of a cluster.
func (c *common) recorded(cluster string) (plan.Ledger, error) {
	return state.Read(c.stateDir, cluster)
}

// testSeconds gives a command the flag by which tests of the whole program have schedules that
// come every few seconds. It is no way to keep real clusters, so it is not shown.
func (c *common) testSeconds(cmd *cobra.Command) {
	const name = "test-seconds"
	cmd.Flags().BoolVar(&c.seconds, name, false, "schedules have six fields, the first of seconds, and need no min_interval")
	if err := cmd.Flags().MarkHidden(name); err != nil {
		panic(err) // it was defined above
	}
}

const long = `kmagent keeps the key managers of NetApp ONTAP clusters as one committed file says:
external key managers (KMIP) with their key servers, the onboard key manager, Azure Key
Vault, AWS KMS, Google Cloud KMS and Barbican.

  kmagent validate -f desired.yaml   check the file, offline
  kmagent plan     -f desired.yaml   what would change (sends only GET)
  kmagent apply    -f desired.yaml   change it
  kmagent run      -f desired.yaml   keep it so, as a service
  kmagent status                     what the service knows, and what needs a human

Every flag may be given as an environment variable too: --state-dir is
KMAGENT_STATE_DIR, --web.listen-address is KMAGENT_WEB_LISTEN_ADDRESS.

Exit codes: 0 done or nothing to do; 1 unexpected error, or not in sync (status);
2 changes pending (plan); 3 the file is invalid, nothing was sent; 4 something is held by
a guard or refused; 5 some clusters failed; 6 the plan is stale; 7 another instance holds
the state; 8 the state cannot be used; 9 secret, authentication or TLS problem;
64 wrong flags.`

func newRoot(s streams, env func(string) (string, bool)) *cobra.Command {
	c := &common{streams: s, env: env}
	root := &cobra.Command{
		Use:           "kmagent",
		Short:         "Keep the key managers of ONTAP clusters as a file says",
		Long:          long,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return cmd.Help()
		},
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			if err := fromEnvironment(cmd.Flags(), env); err != nil {
				return err
			}
			if cmd.Flags().Changed("cluster") && len(c.clusters) == 0 {
				return &exit{exitUsage, errors.New("--cluster is empty; leave it out for every cluster")}
			}
			return nil
		},
	}
	f := root.PersistentFlags()
	f.StringVarP(&c.file, "file", "f", "/etc/kmagent/desired.yaml", "the desired-state file")
	f.StringVar(&c.stateDir, "state-dir", "/var/lib/kmagent", "directory of what has to be remembered")
	f.StringVar(&c.credentialsDir, "credentials-dir", "", "directory of cred: secrets (default $CREDENTIALS_DIRECTORY)")
	f.StringSliceVar(&c.secretsRoots, "secrets-root", []string{"/etc/kmagent/secrets"}, "directory below which file: secrets are read; repeatable")
	f.StringSliceVar(&c.clusters, "cluster", nil, "only the cluster of that name; repeatable")
	f.StringVar(&c.logFormat, "log-format", "text", "text or json")
	f.StringVar(&c.logLevel, "log-level", "info", "debug, info, warn or error")
	root.AddCommand(validateCommand(c), planCommand(c), applyCommand(c), runCommand(c), dumpCommand(c), schemaCommand(c), explainCommand(c), versionCommand(c),
		keyCommand(c), rekeyCommand(c), operationsCommand(c), pauseCommand(c), resumeCommand(c), overrideCommand(c), ackCommand(c), auditCommand(c), stateCommand(c), statusCommand(c))
	return root
}

// fromEnvironment sets the flags that the command line left alone.
func fromEnvironment(flags *pflag.FlagSet, env func(string) (string, bool)) error {
	var err error
	flags.VisitAll(func(f *pflag.Flag) {
		v, ok := env(variable(f.Name))
		if err != nil || f.Changed || !ok || f.Name == "help" {
			return
		}
		if e := flags.Set(f.Name, v); e != nil {
			err = fmt.Errorf("%s: not a value of --%s", variable(f.Name), f.Name)
		}
	})
	return err
}

func variable(flag string) string {
	return "KMAGENT_" + strings.ToUpper(strings.NewReplacer("-", "_", ".", "_").Replace(flag))
}

// logger returns the log that the flags ask for.
func (c *common) logger() (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.logLevel)); err != nil {
		return nil, &exit{exitUsage, fmt.Errorf("--log-level %q is not one of debug, info, warn, error", c.logLevel)}
	}
	opts := &slog.HandlerOptions{Level: level}
	switch c.logFormat {
	case "text":
		return slog.New(slog.NewTextHandler(c.err, opts)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(c.err, opts)), nil
	default:
		return nil, &exit{exitUsage, fmt.Errorf("--log-format %q is not one of text, json", c.logFormat)}
	}
}
