package main

import (
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"storebench/internal/natsfs"
	"storebench/results"
)

// version is the release; the linker may set it.
var version = "0.1.0-dev"

// tool says which program this is.
func tool() results.Tool {
	v := version
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				v += "+" + s.Value[:min(12, len(s.Value))]
			}
		}
	}
	return results.Tool{Name: "storebench", Version: v, NATSServer: natsfs.TestedVersion, Go: runtime.Version()}
}

func newVersion() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Show the versions of storebench and of the nats-server code that it drives",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			t := tool()
			if asJSON {
				return json.NewEncoder(cmd.OutOrStdout()).Encode(t)
			}
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "storebench %s (nats-server %s, %s)\n", t.Version, t.NATSServer, t.Go)
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "as JSON")
	return cmd
}
