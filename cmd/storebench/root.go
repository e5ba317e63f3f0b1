package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"storebench/cmd/storebench/internal/engine"
	"storebench/profiles"
)

// newRoot builds the command line.
func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "storebench",
		Short: "Can this volume sustain JetStream's Raft workloads, and if not, what is to blame?",
		Long: `storebench drives nats-server's own disk code against a volume and says whether
it can sustain JetStream's Raft workloads, how far it is from the edge, and if
it cannot, what is to blame.`,
		Example: `  storebench check /var/lib/nats
  storebench check /mnt/new --profile quick -o json=run.json
  storebench sweep /mnt/new --probe raw-sync --vary concurrency=1,4,16,64
  storebench report run.json`,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.NoArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usagef("%w (see: %s --help)", err, cmd.CommandPath())
	})
	root.AddCommand(newCheck(), newSweep(), newReport(), newCompare(), newK8s(), newCollect(), newLogs(), newInspect(), newProbes(), newProfiles(), newClean(), newSimulate(), newVersion(), newWorker(), newRaftServer())
	usageOfArgs(root)
	return root
}

// usageOfArgs makes every command's complaint about its arguments a usage
// error that says where the right ones are.
func usageOfArgs(cmd *cobra.Command) {
	if check := cmd.Args; check != nil {
		cmd.Args = func(cmd *cobra.Command, args []string) error {
			if err := check(cmd, args); err != nil {
				return usagef("%w%s (see: %s --help)", err, meantCommand(cmd, args), cmd.CommandPath())
			}
			return nil
		}
	}
	for _, sub := range cmd.Commands() {
		usageOfArgs(sub)
	}
}

// meantCommand names the subcommand that a mistyped one is nearest to.
func meantCommand(cmd *cobra.Command, args []string) string {
	var names []string
	for _, sub := range cmd.Commands() {
		if sub.IsAvailableCommand() {
			names = append(names, sub.Name())
		}
	}
	if len(args) == 0 || len(names) == 0 {
		return ""
	}
	if near := profiles.Nearest(args[0], names); near != "" {
		return fmt.Sprintf(" (did you mean %q?)", near)
	}
	return ""
}

// newWorker is the hidden command that the engine starts for all that touches
// a volume.
func newWorker() *cobra.Command {
	return &cobra.Command{
		Use:    engine.WorkerCommand,
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE:   func(*cobra.Command, []string) error { return engine.Serve(os.Stdin, os.Stdout) },
	}
}
