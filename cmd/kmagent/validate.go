package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

func validateCommand(c *common) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "validate",
		Short: "Check the file, offline",
		Long: `Check the file without asking any cluster. Every fault is printed at once, in the
order of the file, as file:line:col: path: what is wrong and what to do. A fault that breaks
a rule names it; kmagent explain says more. What is only doubtful is printed as a warning,
and the file is valid all the same.`,
		Example: "  kmagent validate -f desired.yaml",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			state, err := c.load()
			if err != nil {
				return err
			}
			for _, w := range state.Warnings {
				fmt.Fprintln(c.err, w)
			}
			objects := 0
			for _, k := range state.Clusters {
				objects += len(k.Objects)
			}
			fmt.Fprintf(c.out, "%s is valid: %d clusters, %d objects\n", c.file, len(state.Clusters), objects)
			return nil
		},
	}
	c.testSeconds(cmd)
	return cmd
}
