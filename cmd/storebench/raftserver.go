package main

import (
	"os"

	"github.com/spf13/cobra"

	"storebench/internal/natscluster"
	"storebench/internal/natsfs"
)

// newRaftServer is the hidden command that is one server of a Raft probe's group.
func newRaftServer() *cobra.Command {
	return &cobra.Command{
		Use:    natscluster.Command,
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return natscluster.Serve(os.Stdin, os.Stdout, natsfs.ServeNode)
		},
	}
}
