package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"storebench/cmd/storebench/internal/engine"
)

func newClean() *cobra.Command {
	return &cobra.Command{
		Use:   "clean DIR",
		Short: "Remove what a killed run left behind in DIR",
		Long: `Remove the scratch directories that killed runs left behind in DIR.

A run of Raft probes writes to its memory directory and its further targets as
well: clean those with a command of their own, such as storebench clean /dev/shm.

Only a directory with storebench's marker whose lock nobody holds is removed:
while a process of that run still lives, it stays.`,
		Example: "  storebench clean /var/lib/nats",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cleaned, err := engine.Clean(cmd.Context(), args[0])
			for _, c := range cleaned {
				if c.Err != nil {
					fmt.Fprintf(cmd.OutOrStdout(), "kept     %s of run %s: %v\n", c.Path, c.RunID, c.Err)
					continue
				}
				fmt.Fprintf(cmd.OutOrStdout(), "removed  %s of run %s\n", c.Path, c.RunID)
			}
			if err == nil && len(cleaned) == 0 {
				fmt.Fprintf(cmd.OutOrStdout(), "nothing was left behind in %s\n", args[0])
			}
			return err
		},
	}
}
