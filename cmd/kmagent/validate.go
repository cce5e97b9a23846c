package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

func validateCommand(c *common) *cobra.Command {
	return &cobra.Command{
		Use:   "validate",
		Short: "Check the file, offline",
		Long: `Check the file without asking any cluster. Every fault is printed at once, in the
order of the file, as file:line:col: path: what is wrong and what to do.`,
		Example: "  kmagent validate -f desired.yaml",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			state, err := c.load()
			if err != nil {
				return err
			}
			objects := 0
			for _, k := range state.Clusters {
				objects += len(k.Objects)
			}
			fmt.Fprintf(c.out, "%s is valid: %d clusters, %d objects\n", c.file, len(state.Clusters), objects)
			return nil
		},
	}
}
