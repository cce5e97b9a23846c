package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"kmagent/internal/rules"
)

func explainCommand(c *common) *cobra.Command {
	return &cobra.Command{
		Use:   "explain [ID]",
		Short: "Say what a rule is for, or list the rules",
		Long: `Say what the rule of that id checks, why, which ONTAP errors it prevents and what to
do about a breach of it. Without an id, list the rules. No file and no cluster is read.`,
		Example: "  kmagent explain KM031",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				listRules(c.out)
				return nil
			}
			r, ok := rules.Find(rules.ID(strings.ToUpper(args[0])))
			if !ok {
				return &exit{exitUsage, fmt.Errorf("no rule %q; kmagent explain lists them", args[0])}
			}
			fmt.Fprint(c.out, r.Text())
			return nil
		},
	}
}

// listRules writes one line for each rule.
func listRules(w io.Writer) {
	for _, r := range rules.All() {
		fmt.Fprintf(w, "%s  %-7s  %-23s  %s\n", r.ID, r.Severity, r.Where, r.Title)
	}
}
