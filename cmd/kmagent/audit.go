package main

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"kmagent/internal/audit"
)

func auditCommand(c *common) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "audit",
		Short: "Check or show the log of what was sent to clusters, and by whom",
		Long: `The log is in the directory audit of the state directory: before a change is sent, and
when it came to its end, a line is made durable there that says who, what, where and by
which file. Each line has a sum over itself and the line before, so that none changes or
goes missing unseen. The lines are JSON; no value and no secret is in them.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(auditVerifyCommand(c), auditShowCommand(c), auditRecoverCommand(c))
	return cmd
}

func auditVerifyCommand(c *common) *cobra.Command {
	return &cobra.Command{
		Use:   "verify",
		Short: "Check that the audit log is whole",
		Long: `Check every byte of the audit log. It may run beside the service.

Exit 0: the log is whole, or there is none yet. 8: it is damaged; the first damage is
printed with its file, line and byte, and what to do.`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			r, err := audit.Verify(c.stateDir)
			switch {
			case errors.Is(err, fs.ErrNotExist):
				fmt.Fprintf(c.out, "no audit log in %s yet\n", c.stateDir)
			case err != nil:
				return &exit{exitState, fmt.Errorf("verify the audit log: %w", err)}
			case !r.OK():
				fmt.Fprintln(c.err, r.Damage)
				return &exit{exitState, nil}
			case r.Entries == 0:
				fmt.Fprintln(c.out, "0 entries: the chain is whole")
			default:
				fmt.Fprintf(c.out, "%d entries in %d segments, from %s to %s: the chain is whole\n",
					r.Entries, r.Segments, r.First.Format(time.RFC3339), r.Last.Format(time.RFC3339))
			}
			return nil
		},
	}
}

func auditShowCommand(c *common) *cobra.Command {
	s := auditShower{common: c}
	cmd := &cobra.Command{
		Use:   "show",
		Short: "Print the audit log, one line for each entry",
		Long: `Print the entries of the audit log, the oldest first. They are checked on the way: at
the first damage it ends with exit 8. With -o json the lines are those of the log itself.
It may run beside the service.`,
		Example: `  kmagent audit show --since 24h --cluster prod-a
  kmagent audit show --object prod-a/key_server -o json | jq .actor`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return s.run() },
	}
	f := cmd.Flags()
	f.StringVarP(&s.output, "output", "o", "text", "text or json")
	f.DurationVar(&s.since, "since", 0, "only what is younger, such as 24h")
	f.StringVar(&s.object, "object", "", "only objects whose address begins so")
	return cmd
}

type auditShower struct {
	*common
	output string
	since  time.Duration
	object string
}

func (s *auditShower) run() error {
	text := map[string]func(audit.Entry) string{
		"text": entryText,
		"json": func(e audit.Entry) string { return string(e.Line()) },
	}[s.output]
	if text == nil {
		return &exit{exitUsage, fmt.Errorf("--output %q is not one of text, json", s.output)}
	}
	if s.since < 0 {
		return &exit{exitUsage, errors.New("--since is not negative")}
	}
	var oldest time.Time
	if s.since > 0 {
		oldest = time.Now().Add(-s.since)
	}
	w := bufio.NewWriter(s.out)
	err := audit.Read(s.stateDir, func(e audit.Entry) error {
		if !s.wants(e, oldest) {
			return nil
		}
		_, err := fmt.Fprintln(w, text(e))
		return err
	})
	if e := w.Flush(); e != nil {
		return &exit{exitError, fmt.Errorf("write the entries: %w", e)}
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		fmt.Fprintf(s.err, "no audit log in %s yet\n", s.stateDir)
	case errors.Is(err, audit.ErrBroken):
		fmt.Fprintln(s.err, err)
		return &exit{exitState, nil}
	case err != nil:
		return &exit{exitState, fmt.Errorf("read the audit log: %w", err)}
	}
	return nil
}

func (s *auditShower) wants(e audit.Entry, oldest time.Time) bool {
	return (len(s.clusters) == 0 || slices.Contains(s.clusters, e.Cluster)) &&
		!e.Time.Before(oldest) && strings.HasPrefix(e.Object, s.object)
}

// entryText is an entry in one line: when, what, on what, by what request, how it ended, by
// whom and why. What a terminal would obey is quoted.
func entryText(e audit.Entry) string {
	words := []string{e.Time.Format(time.RFC3339), strconv.FormatUint(e.Seq, 10), e.Event, e.Action, cmp.Or(e.Object, e.Cluster), e.Method, e.Path}
	if len(e.Fields) > 0 {
		words = append(words, strings.Join(e.Fields, ","))
	}
	words = append(words, e.Outcome)
	if e.Code != "" {
		words = append(words, "code", e.Code)
	}
	words = append(words, "by", e.Actor.Kind, e.Actor.User, "uid", strconv.Itoa(e.Actor.UID))
	if e.Actor.LoginUID != nil {
		words = append(words, "login", strconv.FormatUint(uint64(*e.Actor.LoginUID), 10))
	}
	for _, p := range [][2]string{{"on", e.Actor.TTY}, {"at", e.Actor.Host}, {"plan", e.Plan}, {"op", e.Op}, {"revision", e.Revision}} {
		if p[1] != "" {
			words = append(words, p[0], p[1])
		}
	}
	var b strings.Builder
	for _, w := range words {
		if w == "" {
			continue
		}
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(plain(w, " "))
	}
	if e.Detail != "" {
		b.WriteString(": " + plain(e.Detail, ""))
	}
	return b.String()
}

// plain returns a text as it is, or quoted if it has what does not print or one of more.
func plain(s, more string) string {
	if q := strconv.Quote(s); q[1:len(q)-1] != strings.ReplaceAll(s, `"`, `\"`) || strings.ContainsAny(s, more) {
		return q
	}
	return s
}

func auditRecoverCommand(c *common) *cobra.Command {
	return &cobra.Command{
		Use:   "recover",
		Short: "Move a broken audit log aside and begin a new one",
		Long: `Move an audit log that is damaged aside, as it is, and begin a new one, whose first
entry says so and names the last entry that was good. The service must not run. Keep the
old directory: it is the evidence of what happened to it.`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return c.recoverAudit(c.out) },
	}
}

func (c *common) recoverAudit(w io.Writer) error {
	store, err := openState(c.stateDir)
	if err != nil {
		return err
	}
	defer store.Close()
	moved, err := audit.Recover(c.stateDir)
	if moved != "" {
		fmt.Fprintf(w, "the broken log is now %s\n", moved)
	}
	if err != nil {
		return &exit{exitState, err}
	}
	return nil
}
