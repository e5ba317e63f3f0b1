package main

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"storebench/cmd/storebench/internal/engine"
	"storebench/internal/measure"
	"storebench/internal/natsfs"
	"storebench/profiles"
	"storebench/results"
	"storebench/results/render"
)

// checkFlags are the flags of check as they were typed.
type checkFlags struct {
	profile, natsConfig, serverVersion string
	only, skip, set, labels, limits    []string
	targets                            []string
	place                              string
	concurrency, slots                 string
	cipher, compression, sync          string
	budget                             time.Duration
	reserve, failOn                    string
	besideLiveData, precondition       bool
	failFast                           bool
	seed                               uint64
	raft                               raftFlags
	out                                outputs
}

func newCheck() *cobra.Command {
	f := &checkFlags{}
	cmd := &cobra.Command{
		Use:   "check DIR",
		Short: "Measure a volume with nats-server's own disk code and give a verdict",
		Long: `Measure the volume below DIR with nats-server's own disk code and say whether it
sustains what a profile asks: a report on stdout, progress on stderr, the
verdict in the exit code.

DIR should be, or lie beside, the store directory that nats-server will use.
Everything is written to one scratch directory inside DIR, one inside each --target,
and one in memory (/dev/shm or --memory-dir) where a Raft group has servers there.
All are removed.

Where a step runs a Raft group of three servers, DIR is under the one that --place
says, and the other two stand in memory. Each --target puts a further volume under
one of them; without DIR, and without a store_dir in a --nats-config, the first
--target is DIR.

Exit codes: 0 pass (warnings included), 1 the tool failed or the volume may not be
measured, 2 usage, 3 fail, 4 inconclusive, 130 interrupted.`,
		Example: `  storebench check /var/lib/nats
  storebench check /mnt/new --profile quick
  storebench check /mnt/new --fail-fast -o junit=storage.xml
  storebench check /mnt/new --server-version 2.12.4
  storebench check --nats-config /etc/nats/nats.conf --beside-live-data
  storebench check /mnt/new --nats-server /usr/local/bin/nats-server --place leader,follower
  storebench check /mnt/a --target /mnt/b --target /mnt/c
  storebench check /mnt/new --max-concurrent-io 6,4096 --set term-vote.groups=1000
  storebench check /mnt/new --skip 'raw-*' --limit "block-write{mode=open} p99 < 5ms"
  storebench check /mnt/new -o text -o json=run.json.zst --label class=gp3`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return f.run(cmd, args) },
	}
	flags := cmd.Flags()
	flags.StringVar(&f.profile, "profile", "raft", "what is asked of the volume: "+strings.Join(profiles.Names(), ", ")+", or a file")
	flags.StringSliceVar(&f.only, "only", nil, "run only the steps whose name or probe matches a glob (repeatable)")
	flags.StringSliceVar(&f.skip, "skip", nil, "leave out the steps whose name or probe matches a glob (repeatable); the verdict is partial then")
	flags.StringVar(&f.concurrency, "concurrency", "", "writers at once, in every probe that has writers; a list makes variants")
	flags.StringVar(&f.slots, "max-concurrent-io", "", "judge at these I/O slots of nats-server, 4 to 8192; a list makes variants")
	flags.StringVar(&f.serverVersion, "server-version", "", "judge at the default slots of this nats-server, 2.10 to 2.15")
	flags.StringVar(&f.natsConfig, "nats-config", "", "take slots, sync mode, cipher and (without DIR) the store directory from this nats.conf")
	flags.StringArrayVar(&f.targets, "target", nil, "directory on a further volume, for another server of a Raft group (repeatable; three volumes in all)")
	flags.StringVar(&f.place, "place", "", "which server of a Raft group the volume is under: leader, follower or all; a list makes variants")
	f.raft.addTo(cmd)
	flags.StringVar(&f.cipher, "cipher", "", "encryption at rest: none, chacha or aes")
	flags.StringVar(&f.compression, "compression", "", "stream compression: none or s2")
	flags.StringVar(&f.sync, "sync", "", "sync_interval of the server: default or always")
	flags.StringArrayVar(&f.set, "set", nil, "set any parameter of any probe, PROBE.PARAMETER=VALUE[,VALUE]; see: storebench probes show PROBE")
	flags.DurationVar(&f.budget, "budget", 0, "how long the run may take at most; rounds grow and shrink with it (default: the profile's)")
	flags.BoolVar(&f.failFast, "fail-fast", false, "end at the first failure that no further round can take back: a maximum over its limit, no answer, an I/O error, a volume that does not persist")
	flags.StringVar(&f.reserve, "reserve", "5%", "room on the volume that is never touched: a size or a share")
	flags.BoolVar(&f.besideLiveData, "beside-live-data", false, "run beside a live JetStream store: a rate-capped set of steps that stops when it hurts")
	flags.BoolVar(&f.precondition, "precondition", false, "write the scratch area once before measuring, for volumes that are slow where a block is touched first; takes its own time")
	flags.StringArrayVar(&f.labels, "label", nil, "label of the run, KEY=VALUE (repeatable)")
	flags.Uint64Var(&f.seed, "seed", 0, "seed of all randomness (default: a new one, shown in the report)")
	addJudging(cmd, &f.limits, &f.failOn)
	f.out.addTo(cmd, render.Names())
	f.out.addDetail(cmd)
	return cmd
}

func (f *checkFlags) run(cmd *cobra.Command, args []string) error {
	if err := natsfs.CheckVersion(); err != nil {
		return err
	}
	if err := f.checkGlobs(cmd); err != nil {
		return err
	}
	if err := checkNamed(cmd, "target", "place"); err != nil {
		return err
	}
	req, err := f.request(cmd, args)
	if err != nil {
		return err
	}
	return runAndReport(cmd, *req, &f.out, f.failOn == "warn")
}

// runAndReport runs what was asked for, writes the report and saves the run; its
// error is the exit code of the verdict.
func runAndReport(cmd *cobra.Command, req engine.Request, out *outputs, failOnWarn bool) error {
	if err := out.check(cmd.Context()); err != nil {
		return err
	}
	// A reader that goes, as head and less do, must not end a run: what it wrote on the
	// volume would stay there, and what it measured be lost.
	signal.Ignore(syscall.SIGPIPE)
	show := newProgress(os.Stderr, out.quiet)
	req.Observe = show.observe
	run, err := engine.Run(cmd.Context(), req)
	show.end()
	if err != nil {
		if cmd.Context().Err() != nil {
			return codeError(exitInterrupted)
		}
		return err
	}
	report := render.NewReport(run)
	unwritten := out.write(cmd.Context(), cmd.OutOrStdout(), out.report(report))
	if unwritten != nil || !out.saves() {
		sayWhereKept(cmd.Context(), run)
	}
	return ending(unwritten, verdictCode(run, report.Verdict, failOnWarn))
}

// checkGlobs refuses an empty glob, as an unset variable of a script gives: it
// would choose every step.
func (f *checkFlags) checkGlobs(cmd *cobra.Command) error {
	for name, globs := range map[string][]string{"only": f.only, "skip": f.skip} {
		if cmd.Flags().Changed(name) && (len(globs) == 0 || slices.Contains(globs, "")) {
			return usagef("--%s %q: name a step, a probe or a glob, such as raw-*", name, strings.Join(globs, ","))
		}
	}
	return nil
}

// sayWhereKept saves the run where the user did not or could not; that it cannot be saved
// changes nothing in the verdict.
func sayWhereKept(ctx context.Context, run *results.Run) {
	path, err := keep(ctx, run)
	if err != nil {
		fmt.Fprintf(os.Stderr, "storebench: the run is not saved: %v\n", err)
		return
	}
	fmt.Fprintf(os.Stderr, "saved; render it again with: storebench report %s\n", path)
}

// request turns flags into what the engine runs.
func (f *checkFlags) request(cmd *cobra.Command, args []string) (*engine.Request, error) {
	if err := checkFailOn(f.failOn); err != nil {
		return nil, err
	}
	if f.budget < 0 || f.budget > 0 && f.budget < 3*time.Second {
		return nil, usagef("--budget %v: it takes at least 3s", f.budget)
	}
	profile, err := profiles.Load(f.profile)
	if err != nil {
		return nil, asUsage(err)
	}
	req := &engine.Request{Tool: tool(), Host: engine.Host(), Seed: f.seed}
	req.Profile, req.Only, req.Skip, req.Budget = profile, f.only, f.skip, f.budget
	req.FailFast = f.failFast
	req.BesideLiveData, req.Precondition, req.CPUs = f.besideLiveData, f.precondition, runtime.NumCPU()
	if f.precondition && f.besideLiveData {
		return nil, usagef("--precondition writes as fast as it goes, which hurts live data: leave it out beside it")
	}
	if req.Seed == 0 {
		req.Seed = rand.Uint64()
	}
	if req.Reserve, err = parseReserve(f.reserve); err != nil {
		return nil, err
	}
	if req.Labels, err = parseLabels(f.labels); err != nil {
		return nil, err
	}
	config, err := f.readConfig()
	if err != nil {
		return nil, err
	}
	if config != nil {
		req.Notes = append(req.Notes, config.Notes...)
	}
	if req.Dir, req.Targets, err = f.directories(args, config); err != nil {
		return nil, err
	}
	if err := f.raft.apply(cmd, &req.Options); err != nil {
		return nil, err
	}
	if err := f.slotsOf(req, config); err != nil {
		return nil, err
	}
	if err := f.override(req, config); err != nil {
		return nil, err
	}
	limits, notes := engine.Judgeable(profile.Limits, req.Server)
	req.Notes = append(req.Notes, notes...)
	profile.Limits, err = withLimits(limits, f.limits)
	return req, err
}

func (f *checkFlags) readConfig() (*natsfs.Config, error) {
	if f.natsConfig == "" {
		return nil, nil
	}
	config, err := natsfs.ReadConfig(f.natsConfig)
	if err != nil {
		return nil, asUsage(err)
	}
	return &config, nil
}

// directories are the one to check, and those on further volumes. The first
// target is the one to check only where nothing else says which.
func (f *checkFlags) directories(args []string, config *natsfs.Config) (dir string, further []string, err error) {
	if len(args) == 0 && len(f.targets) > 0 && (config == nil || config.StoreDir == "") {
		return f.targets[0], f.targets[1:], nil
	}
	dir, err = targetDir(args, config)
	return dir, f.targets, err
}

// targetDir is the directory to check where no --target stands for it.
func targetDir(args []string, config *natsfs.Config) (string, error) {
	switch {
	case len(args) == 1 && args[0] != "":
		return args[0], nil
	case config != nil && config.StoreDir != "":
		return config.StoreDir, nil
	case config != nil:
		return "", usagef("the nats.conf names no store_dir: name the directory to check")
	}
	return "", usagef("name the directory to check, such as: storebench check /var/lib/nats")
}

// slotsOf decides whose I/O slots the run is judged at.
func (f *checkFlags) slotsOf(req *engine.Request, config *natsfs.Config) error {
	server := cmp.Or(f.serverVersion, req.Server.Version)
	switch {
	case f.slots != "" && f.serverVersion != "":
		return usagef("--max-concurrent-io and --server-version both say which slots: give one")
	case f.slots == "" && config != nil && config.Slots > 0 && server != "" && !natsfs.TakesSlots(server):
		return usagef("%s sets max_concurrent_io, which nats-server %s does not know: name the server that reads this file (2.12.14, 2.14.4, 2.15 or newer), or leave the file out", f.natsConfig, server)
	case f.slots != "":
		req.Options.Slots = strings.Split(f.slots, ",")
		req.Slots.Source = "--max-concurrent-io"
	case config != nil && config.Slots > 0:
		req.Options.Slots = []string{strconv.Itoa(config.Slots)}
		req.Slots.Source = "max_concurrent_io of " + f.natsConfig
	case f.serverVersion != "":
		slots, note, err := natsfs.SlotsOf(f.serverVersion, req.CPUs)
		if err != nil {
			return asUsage(err)
		}
		req.Options.Slots = []string{strconv.Itoa(slots)}
		req.Slots.Source = note
	case req.Server.Program != "":
		return ownSlots(req)
	case req.Profile.Workload.Slots > 0:
		req.Slots.Source = "the profile's; see --server-version"
	default:
		req.Slots.Source = "today's default; see --server-version"
	}
	return nil
}

// ownSlots judges at the default slots of the nats-server that the user named.
func ownSlots(req *engine.Request) error {
	slots, note, err := natsfs.SlotsOf(req.Server.Version, req.CPUs)
	if err != nil {
		return asUsage(err)
	}
	req.Options.Slots = []string{strconv.Itoa(slots)}
	req.Slots.Source = "the default of nats-server " + req.Server.Version + ", named with --nats-server"
	if note != "" {
		req.Slots.Source += "; " + note
	}
	return nil
}

// override puts what the flags and the nats.conf say over the profile.
func (f *checkFlags) override(req *engine.Request, config *natsfs.Config) error {
	w := &req.Profile.Workload
	if config != nil {
		w.Cipher, w.Sync = string(config.Cipher), "default"
		if config.SyncAlways {
			w.Sync = "always"
		}
	}
	for _, flag := range []struct {
		value, parameter string
		workload         *string
	}{
		{f.cipher, "cipher", &w.Cipher},
		{f.compression, "compression", &w.Compression},
		{f.sync, "sync", &w.Sync},
		{f.concurrency, "concurrency", nil},
		{f.place, "place", nil},
	} {
		if flag.value == "" {
			continue
		}
		req.Set = append(req.Set, engine.Override{Parameter: flag.parameter, Value: flag.value})
		if flag.workload != nil {
			*flag.workload = flag.value
		}
	}
	for _, set := range f.set {
		name, value, ok := strings.Cut(set, "=")
		probe, parameter, dotted := strings.Cut(name, ".")
		if !ok || !dotted || probe == "" || parameter == "" || value == "" {
			return usagef("--set %q: write PROBE.PARAMETER=VALUE, such as term-vote.groups=500", set)
		}
		req.Set = append(req.Set, engine.Override{Probe: probe, Parameter: parameter, Value: value})
	}
	return nil
}

// parseReserve reads a size or a share of the volume.
func parseReserve(text string) (engine.Reserve, error) {
	if share, isShare := strings.CutSuffix(text, "%"); isShare {
		x, err := strconv.ParseFloat(share, 64)
		if err != nil || !(x > 0 && x < 100) {
			return engine.Reserve{}, usagef("--reserve %q: a share lies between 0%% and 100%%", text)
		}
		return engine.Reserve{Share: x / 100}, nil
	}
	var size measure.Size
	if err := size.UnmarshalText([]byte(text)); err != nil || size <= 0 {
		return engine.Reserve{}, usagef("--reserve %q: it takes a size above zero such as 1GiB, or a share such as 5%%", text)
	}
	return engine.Reserve{Bytes: int64(size)}, nil
}

func parseLabels(texts []string) (map[string]string, error) {
	labels := map[string]string{}
	for _, text := range texts {
		key, value, ok := strings.Cut(text, "=")
		if !ok || key == "" {
			return nil, usagef("--label %q: write KEY=VALUE", text)
		}
		if _, twice := labels[key]; twice {
			return nil, usagef("--label %q: %s is given twice", text, key)
		}
		labels[key] = value
	}
	return labels, nil
}
