package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"time"

	"github.com/spf13/cobra"

	"storebench/cmd/storebench/internal/doctor"
	"storebench/internal/measure"
	"storebench/internal/storedir"
	"storebench/internal/volume"
	"storebench/results"
	"storebench/results/render"
)

// inspectFlags say what of a store is looked at, as typed.
type inspectFlags struct {
	account, stream, run, failOn, maxRead string
	deep                                  bool
	top                                   int
}

func newInspect() *cobra.Command {
	var out outputs
	var f inspectFlags
	cmd := &cobra.Command{
		Use:   "inspect STOREDIR",
		Short: "Say what a JetStream store is made of, and what it will cost",
		Long: `Read a nats-server's store directory, live or stopped, and say what it is made of,
what in it costs or breaks something, and what a restart, a sync, an election storm and
a catch-up will cost. It opens no file for writing, follows no link, needs no key, and
sends nothing to a server. STOREDIR is the server's store_dir, or the directory jetstream
in it. Stores of nats-server 2.10 to 2.15 are known.

What an encrypted store tells without its key: blocks, sizes, ages, and whether its state
files are whole; no messages and no subjects.

--deep reads every block and checks every record, at most --max-read bytes a second, so
that damage is found before nats-server meets it.

Exit codes: 0 nothing that fails, 3 something is broken or about to be (with --fail-on
warn also what costs more than it should), 1 a part could not be read, 2 usage, or no
store.`,
		Example: `  storebench inspect /var/lib/nats
  storebench inspect /var/lib/nats --stream 'ORDERS*' --top 0
  storebench inspect /var/lib/nats --run run.json.zst -o text -o json=store.json
  storebench inspect /var/lib/nats --deep --max-read 20MB
  storebench inspect /var/lib/nats -o csv > streams.csv`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkFailOn(f.failOn); err != nil {
				return err
			}
			options, err := f.options(cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			if err := out.check(cmd.Context()); err != nil {
				return err
			}
			found, err := f.inspect(cmd.Context(), args[0], options)
			if err != nil {
				return err
			}
			unwritten := out.write(cmd.Context(), cmd.OutOrStdout(), func(format render.Format, w io.Writer, _ bool) error {
				return doctor.WriteInspection(w, format.Name, found, f.top)
			})
			return ending(unwritten, inspectionCode(found, f.failOn == "warn"))
		},
	}
	out.addTo(cmd, []string{"text", "json", "markdown", "csv"})
	flags := cmd.Flags()
	flags.StringVar(&f.account, "account", "", "only accounts whose names fit, such as '$G' or 'team-*'")
	flags.StringVar(&f.stream, "stream", "", "only streams whose names fit")
	flags.IntVar(&f.top, "top", 20, "how many rows a table has at most, the largest first; 0 for all")
	flags.StringVar(&f.run, "run", "", "a saved run of this volume, for estimates in seconds")
	flags.BoolVar(&f.deep, "deep", false, "read every block and check every record")
	flags.StringVar(&f.maxRead, "max-read", "50MB", "how much --deep reads a second; 0 for no bound")
	flags.StringVar(&f.failOn, "fail-on", "fail", "what makes the exit code 3: fail, or warn")
	return cmd
}

// options checks the flags, and shows progress on a terminal.
func (f *inspectFlags) options(progress io.Writer) (o storedir.Options, err error) {
	if f.top < 0 {
		return o, usagef("--top %d: it must be 0 (all) or more", f.top)
	}
	var rate measure.Size
	if err := rate.UnmarshalText([]byte(f.maxRead)); f.maxRead != "0" && err != nil {
		return o, usagef("--max-read: %w", err)
	}
	o.Deep, o.MaxRead = f.deep, int64(rate)
	for _, filter := range []struct {
		flag, pattern string
		to            *func(string) bool
	}{{"--account", f.account, &o.Account}, {"--stream", f.stream, &o.Stream}} {
		if filter.pattern == "" {
			continue
		}
		if _, err := path.Match(filter.pattern, ""); err != nil {
			return o, usagef("%s %q: %w", filter.flag, filter.pattern, err)
		}
		*filter.to = func(name string) bool {
			fits, _ := path.Match(filter.pattern, name)
			return fits || name == filter.pattern
		}
	}
	if file, is := progress.(*os.File); is && isTerminal(file) {
		o.Progress = func(files, bytes int64) {
			fmt.Fprintf(progress, "%s files, %s\n", measure.Grouped(files), measure.Size(bytes).Human())
		}
	}
	return o, nil
}

// inspect reads a store and judges it.
func (f *inspectFlags) inspect(ctx context.Context, dir string, o storedir.Options) (*doctor.Inspection, error) {
	var run *results.Run
	if f.run != "" {
		var err error
		if run, err = readRun(f.run); err != nil {
			return nil, err
		}
	}
	at, err := storedir.Find(dir)
	if err != nil {
		return nil, usageError{err}
	}
	store, err := storedir.Read(ctx, at, o)
	switch {
	case errors.Is(err, context.Canceled):
		return nil, codeError(exitInterrupted)
	case err != nil:
		return nil, err
	}
	facts, err := volume.Inspect(at)
	if err != nil {
		facts = volume.Facts{Path: at}
	}
	return doctor.Inspect(store, facts, run, time.Now()), nil
}

// inspectionCode is the exit code of an inspection: what could not be read makes it 1, unless
// something that was read fails.
func inspectionCode(i *doctor.Inspection, failOnWarn bool) error {
	switch {
	case i.Status == results.Fail, i.Status == results.Warn && failOnWarn:
		return codeError(exitFail)
	case i.Unreadable():
		return codeError(exitTool)
	}
	return nil
}
