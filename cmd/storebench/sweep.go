package main

import (
	"math/rand/v2"
	"runtime"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"storebench/cmd/storebench/internal/engine"
	"storebench/internal/natsfs"
	"storebench/profiles"
	"storebench/results/render"
)

// sweepFlags are the flags of sweep as they were typed.
type sweepFlags struct {
	probe, metric, profile string
	vary, set, labels      []string
	duration, budget       time.Duration
	rounds                 int
	reserve                string
	seed                   uint64
	raft                   raftFlags
	out                    outputs
}

func newSweep() *cobra.Command {
	f := &sweepFlags{}
	cmd := &cobra.Command{
		Use:   "sweep DIR",
		Short: "Run one probe over a matrix of parameters: where it saturates, and how many slots it needs",
		Long: `Run one probe over a matrix of one or two parameters and show the p99 and the
throughput of each cell, the knee (where more of a parameter stops to pay), and,
when max-concurrent-io is varied, the smallest value within 5 % of the best as a
line for nats.conf, each with its evidence.

The cells are visited in rounds, each round in another random order, so that a
drift of the volume is not taken for a trend. A probe that can go as fast as it
goes (mode closed) does, unless its mode or rate is set or varied. What no flag
says, the workload of the profile does. See: storebench probes show PROBE.

A sweep asks for no limit and qualifies no volume. Exit codes: 0 every cell was
measured, 1 the tool failed, 2 usage, 3 the volume gave no answer or an I/O
error, or does not persist, 4 a cell has no data, 130 interrupted.`,
		Example: `  storebench sweep /mnt/new --probe raw-sync --vary concurrency=1,4,16,64
  storebench sweep /mnt/new --probe block-write --vary concurrency=4,16,64,256 --vary max-concurrent-io=4,6,16,64,4096
  storebench sweep /mnt/new --probe term-vote --set mode=storm --vary groups=100,500,2000 --vary max-concurrent-io=4,16,64,4096 --budget 5m
  storebench sweep /mnt/new --probe block-write --vary rate=500,1000,2000,4000 --set cipher=aes -o text -o json=sweep.json`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := natsfs.CheckVersion(); err != nil {
				return err
			}
			req, err := f.request(args[0])
			if err != nil {
				return err
			}
			if err := f.raft.apply(cmd, &req.Options); err != nil {
				return err
			}
			return runAndReport(cmd, *req, &f.out, false)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.probe, "probe", "", "what to run in each cell: "+probeNames())
	flags.StringArrayVar(&f.vary, "vary", nil, "a parameter of the probe with its values, PARAMETER=VALUE,VALUE,... (once or twice)")
	flags.StringArrayVar(&f.set, "set", nil, "fix a parameter of the probe, PARAMETER=VALUE (repeatable)")
	flags.StringVar(&f.metric, "metric", "", "the latency that cells are compared by (default: the probe's first one)")
	flags.StringVar(&f.profile, "profile", profiles.Default, "whose workload the other parameters come from: "+strings.Join(profiles.Names(), ", ")+", or a file")
	flags.DurationVar(&f.duration, "duration", 0, "how long a cell is measured in each round (default: what the budget leaves, at most 2s)")
	flags.IntVar(&f.rounds, "rounds", 5, "how often each cell is measured; the noise is what differs between rounds")
	flags.DurationVar(&f.budget, "budget", 3*time.Minute, "how long the sweep may take at most; a matrix that cannot fit is refused")
	flags.StringVar(&f.reserve, "reserve", "5%", "room on the volume that is never touched: a size or a share")
	f.raft.addTo(cmd)
	flags.StringArrayVar(&f.labels, "label", nil, "label of the run, KEY=VALUE (repeatable)")
	flags.Uint64Var(&f.seed, "seed", 0, "seed of all randomness (default: a new one, shown in the report)")
	f.out.addTo(cmd, render.Names())
	f.out.addDetail(cmd)
	return cmd
}

// request turns flags into what the engine runs.
func (f *sweepFlags) request(dir string) (*engine.Request, error) {
	if dir == "" {
		return nil, usagef("name the directory to sweep, such as: storebench sweep /var/lib/nats --probe raw-sync --vary concurrency=1,16")
	}
	if f.probe == "" {
		return nil, usagef("--probe is missing: name one of %s", probeNames())
	}
	if f.budget < 3*time.Second {
		return nil, usagef("--budget %v: it takes at least 3s", f.budget)
	}
	profile, err := profiles.Load(f.profile)
	if err != nil {
		return nil, asUsage(err)
	}
	req := &engine.Request{Dir: dir, Tool: tool(), Host: engine.Host(), Seed: f.seed}
	req.Profile, req.Budget, req.CPUs = profile, f.budget, runtime.NumCPU()
	if req.Seed == 0 {
		req.Seed = rand.Uint64()
	}
	if req.Reserve, err = parseReserve(f.reserve); err != nil {
		return nil, err
	}
	if req.Labels, err = parseLabels(f.labels); err != nil {
		return nil, err
	}
	req.Sweep = &engine.Sweep{Probe: f.probe, Metric: f.metric, Duration: f.duration, Rounds: f.rounds}
	if req.Sweep.Vary, err = assignments("vary", "concurrency=1,16,64", f.vary); err != nil {
		return nil, err
	}
	req.Sweep.Set, err = assignments("set", "cipher=aes", f.set)
	return req, err
}

// assignments reads PARAMETER=VALUE, with or without the probe's name before it.
func assignments(flag, example string, texts []string) ([]engine.Override, error) {
	var all []engine.Override
	for _, text := range texts {
		name, value, ok := strings.Cut(text, "=")
		probe, parameter, dotted := strings.Cut(name, ".")
		if !dotted {
			probe, parameter = "", name
		}
		if !ok || parameter == "" || value == "" {
			return nil, usagef("--%s %q: write PARAMETER=VALUE, such as --%s %s", flag, text, flag, example)
		}
		all = append(all, engine.Override{Probe: probe, Parameter: parameter, Value: value})
	}
	return all, nil
}
