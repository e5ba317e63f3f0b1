package main

import (
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"storebench/cmd/storebench/internal/engine"
	"storebench/internal/natscluster"
	"storebench/internal/natsfs"
)

// raftFlags say what the Raft groups of a run are made of, as typed.
type raftFlags struct{ natsServer, memoryDir string }

func (f *raftFlags) addTo(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.natsServer, "nats-server", "", "make Raft groups of this nats-server program, 2.10 or newer (default: the one linked in)")
	flags.StringVar(&f.memoryDir, "memory-dir", "", "where the servers of a Raft group stand that have no volume (default: /dev/shm, where there is one)")
}

// apply puts the flags into the options of a run. It asks the program for its
// version.
func (f *raftFlags) apply(cmd *cobra.Command, o *engine.Options) error {
	if err := checkNamed(cmd, "nats-server", "memory-dir"); err != nil {
		return err
	}
	o.MemoryDir = f.memoryDir
	if f.natsServer == "" {
		return nil
	}
	path, err := filepath.Abs(f.natsServer)
	if err != nil {
		return usagef("--nats-server %s: %w", f.natsServer, err)
	}
	version, err := natscluster.ProgramVersion(cmd.Context(), path)
	if cmd.Context().Err() != nil {
		return codeError(exitInterrupted)
	}
	if err != nil {
		return usagef("--nats-server: %w", err)
	}
	o.Server = engine.Server{Program: path, Version: version, Chooses: !natsfs.PrefersLeader(version), NoRaftz: !natsfs.HasRaftz(version)}
	if !natsfs.TakesSlots(version) {
		o.Server.Slots, _, err = natsfs.SlotsOf(version, o.CPUs)
	}
	return asUsage(err)
}

// checkNamed refuses flags that were given as nothing, as an unset variable of a
// script gives them.
func checkNamed(cmd *cobra.Command, names ...string) error {
	for _, name := range names {
		flag := cmd.Flags().Lookup(name)
		given := []string{flag.Value.String()}
		if list, is := flag.Value.(interface{ GetSlice() []string }); is {
			given = list.GetSlice()
		}
		for _, value := range given {
			if flag.Changed && strings.TrimSpace(value) == "" {
				return usagef("--%s is given as %q: name one, or leave the flag out", name, value)
			}
		}
	}
	return nil
}
