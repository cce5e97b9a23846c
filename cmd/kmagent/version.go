package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"kmagent/internal/resource"
)

// release is set by the build, from the tag alone.
var release = "dev"

func versionCommand(c *common) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Version, commit, Go, and the ONTAP releases that are supported",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			fmt.Fprintf(c.out, "kmagent %s\ncommit  %s\ngo      %s %s/%s\nONTAP   %s and newer\n",
				release, revision(), runtime.Version(), runtime.GOOS, runtime.GOARCH, resource.Oldest)
			return nil
		},
	}
}

// revision is the commit that the program was built from, as far as the build knows it.
func revision() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return s.Value
		}
	}
	return "unknown"
}
