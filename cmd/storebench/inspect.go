package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"storebench/cmd/storebench/internal/doctor"
	"storebench/internal/measure"
	"storebench/internal/storedir"
	"storebench/internal/volume"
	"storebench/results"
	"storebench/results/render"
)

// inspectFlags are the flags of inspect.
type inspectFlags struct {
	storedir.Options
	top, slots int
	run        string
	maxRead    string
	failOn     string
}

func newInspect() *cobra.Command {
	var out outputs
	var flags inspectFlags
	cmd := &cobra.Command{
		Use:   "inspect STOREDIR",
		Short: "Tell what a JetStream store is made of and what it will cost",
		Long: `Read a JetStream store directory of nats-server 2.10 to 2.15, of a live or a stopped
server: streams, consumers, Raft groups, leftovers; what a restart, a sync or an
election will cost; and what should be changed. STOREDIR is the store_dir of nats.conf
or the directory jetstream in it. Nothing is opened for writing, no link is followed, no
key is asked for. Run it as the user of nats-server.

Of an encrypted stream, files, sizes and ages are told, but not messages and subjects;
its configuration is that of the last snapshot of the meta group, where there is one.
Blocks are not read without --deep, which reads all of them and so loads the volume.

Exit codes: 0 nothing failing, 3 a failing finding (with --fail-on warn also a warning),
1 something could not be read (the rest is reported) or the tool failed, 2 usage, or
STOREDIR is no store.`,
		Example: `  storebench inspect /var/lib/nats
  storebench inspect /var/lib/nats/jetstream --account ORDERS --top 5
  storebench inspect /var/lib/nats --stream ORDERS --deep --max-read 20MB/s
  storebench inspect /var/lib/nats --max-concurrent-io 16 --run run.json -o json=store.json`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			on, err := flags.check(args[0])
			if err != nil {
				return err
			}
			if err := out.check(cmd.Context()); err != nil {
				return err
			}
			store, err := readStore(cmd.Context(), args[0], flags.Options)
			if err != nil {
				return err
			}
			i := doctor.Inspect(store, on)
			i.Top = flags.top
			unwritten := out.write(cmd.Context(), cmd.OutOrStdout(), func(f render.Format, w io.Writer, _ bool) error {
				return doctor.WriteInspection(w, f.Name, i)
			})
			return ending(unwritten, inspectionCode(i, flags.failOn == "warn"))
		},
	}
	out.addTo(cmd, []string{"text", "json", "markdown", "csv"})
	f := cmd.Flags()
	f.StringVar(&flags.Account, "account", "", "only accounts whose names fit, such as ORDERS or 'A*'")
	f.StringVar(&flags.Stream, "stream", "", "only streams whose names fit")
	f.BoolVar(&flags.Deep, "deep", false, "read every block that is not encrypted and check each record's checksum")
	f.StringVar(&flags.maxRead, "max-read", "50MB/s", "how fast --deep reads; 0 for no limit")
	f.IntVar(&flags.top, "top", 20, "rows of each table in text; 0 for all")
	f.IntVar(&flags.slots, "max-concurrent-io", 0, "the server's I/O slots, by which elections are judged; 0 for not known")
	f.StringVar(&flags.run, "run", "", "a saved run of this volume that has the probe recovery: costs are told in seconds too")
	f.StringVar(&flags.failOn, "fail-on", "fail", "what makes the exit code 3: fail, or warn")
	return cmd
}

// check finds every mistake before the store is read, and returns what is known of its
// volume.
func (f *inspectFlags) check(dir string) (doctor.Volume, error) {
	on := doctor.Volume{Slots: f.slots}
	if err := checkFailOn(f.failOn); err != nil {
		return on, err
	}
	for flag, pattern := range map[string]string{"--account": f.Account, "--stream": f.Stream} {
		if _, err := path.Match(pattern, ""); err != nil {
			return on, usagef("%s %q: %w", flag, pattern, err)
		}
	}
	var rate measure.Size
	if err := rate.UnmarshalText([]byte(strings.TrimSuffix(f.maxRead, "/s"))); err != nil {
		return on, usagef("--max-read %q: %w", f.maxRead, err)
	}
	f.MaxRead = int64(rate)
	if f.top < 0 || f.slots < 0 {
		return on, usagef("--top and --max-concurrent-io take numbers that are not negative")
	}
	if f.run != "" {
		run, err := readRun(f.run)
		if err != nil {
			return on, err
		}
		if on.RecoveryRate = recoveryRate(run); on.RecoveryRate == 0 {
			return on, usagef("--run %s: the run has no throughput of the probe recovery (the profiles raft, strict and full measure it)", f.run)
		}
	}
	if free, err := volume.FreeSpace(dir); err == nil {
		on.Free = &free
	}
	return on, nil
}

// recoveryRate is the median throughput of a run's recoveries in bytes/s, 0 when it has
// none.
func recoveryRate(run *results.Run) float64 {
	var rates []float64
	for _, m := range run.Measurements {
		if m.Probe != "recovery" || m.Metric != "throughput" || m.Unit != measure.BytesPerSecond {
			continue
		}
		for _, r := range m.Rounds {
			if r.Value != nil && *r.Value > 0 {
				rates = append(rates, *r.Value)
			}
		}
	}
	if len(rates) == 0 {
		return 0
	}
	slices.Sort(rates)
	return rates[len(rates)/2]
}

func readStore(ctx context.Context, dir string, opts storedir.Options) (*storedir.Store, error) {
	found, err := storedir.Find(dir)
	if err != nil {
		return nil, asUsage(err)
	}
	if isTerminal(os.Stderr) {
		opts.Progress = func(files, bytes int64) {
			fmt.Fprintf(os.Stderr, "\r%d files, %d MiB seen", files, bytes>>20)
		}
		defer fmt.Fprint(os.Stderr, "\r\x1b[K")
	}
	store, err := storedir.Read(ctx, found, opts)
	if errors.Is(err, context.Canceled) {
		return nil, codeError(exitInterrupted)
	}
	if err == nil && len(store.Streams) == 0 && (opts.Account != "" || opts.Stream != "") {
		return nil, usagef("%s has no stream that fits --account %q and --stream %q", found, opts.Account, opts.Stream)
	}
	return store, err
}

// inspectionCode is the exit code of an inspection.
func inspectionCode(i *doctor.Inspection, failOnWarn bool) error {
	switch {
	case i.Status == results.Fail, i.Status == results.Warn && failOnWarn:
		return codeError(exitFail)
	case i.Store.Unread.Count > 0:
		return codeError(exitTool)
	}
	return nil
}
