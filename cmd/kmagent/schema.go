package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"kmagent/internal/manual"
	"kmagent/internal/resource"
)

func schemaCommand(c *common) *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON schema of the file, for editors",
		Long: `Print the JSON schema (draft 2020-12) of the desired-state file. An editor that speaks
to yaml-language-server completes and checks a file against it whose first line is

  # yaml-language-server: $schema=desired.schema.json

with the path of the schema, absolute or from the file's own directory. What the schema
cannot see, such as two entries for one object, kmagent validate says.`,
		Example: "  kmagent schema > desired.schema.json",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if _, err := c.out.Write(manual.Schema(resource.All())); err != nil {
				return &exit{exitError, fmt.Errorf("write the schema: %w", err)}
			}
			return nil
		},
	}
}
