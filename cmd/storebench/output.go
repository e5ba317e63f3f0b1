package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/spf13/cobra"

	"storebench/cmd/storebench/internal/engine"
	"storebench/results"
	"storebench/results/render"
)

// saveWait bounds the writing of one file, which may lie on a dead volume.
const saveWait = 2 * time.Second

// outputs is the one way out: -o FORMAT[=FILE], repeatable.
type outputs struct {
	names          []string // of the formats that can tell what there is to tell
	specs          []string
	quiet, verbose bool
	parsed         []output
}

// output is one format and where it goes.
type output struct {
	format render.Format
	place
}

// teller writes what there is to tell in a format.
type teller func(f render.Format, w io.Writer, colour bool) error

// addTo adds the flags of a command that tells something in formats of these
// names.
func (o *outputs) addTo(cmd *cobra.Command, names []string) {
	o.names = names
	flags := cmd.Flags()
	flags.StringArrayVarP(&o.specs, "output", "o", nil,
		fmt.Sprintf("write FORMAT[=FILE], repeatable: %s; without FILE to stdout; a FILE that ends in .zst is compressed", strings.Join(names, ", ")))
}

// addDetail adds the flags that say how much a person wants to read.
func (o *outputs) addDetail(cmd *cobra.Command) {
	cmd.Flags().BoolVarP(&o.quiet, "quiet", "q", false, "tell in text only the verdict and what does not hold, and show no progress")
	cmd.Flags().BoolVarP(&o.verbose, "verbose", "v", false, "tell in text every round, and what every limit means")
}

// check finds every mistake before anything is measured. Plain text goes to
// stdout unless something else does.
func (o *outputs) check(ctx context.Context) error {
	if o.quiet && o.verbose {
		return usagef("--quiet and --verbose are opposites: give one")
	}
	o.parsed = nil
	taken := map[string]bool{}
	for _, spec := range o.specs {
		out, err := o.parse(ctx, spec)
		if err != nil {
			return err
		}
		if taken[out.file] {
			return usagef("-o %s: two outputs go to %s", spec, out.place)
		}
		taken[out.file] = true
		o.parsed = append(o.parsed, out)
	}
	if !taken[""] {
		text, err := render.Find("text")
		if err != nil {
			return err
		}
		o.parsed = append([]output{{format: text}}, o.parsed...)
	}
	return nil
}

func (o *outputs) parse(ctx context.Context, spec string) (output, error) {
	name, file, toFile := strings.Cut(spec, "=")
	format, err := render.Find(name)
	switch {
	case !slices.Contains(o.names, name) && err != nil:
		return output{}, asUsage(err)
	case !slices.Contains(o.names, name):
		return output{}, usagef("-o %s: the format %s cannot tell this; %s can", spec, name, strings.Join(o.names, ", "))
	case err != nil: // one that no run has
		format = render.Format{Name: name}
	}
	if toFile && file == "" {
		return output{}, usagef("-o %s: a file name is missing after the equals sign", spec)
	}
	to, err := findPlace(ctx, file)
	return output{format, to}, err
}

// saves says whether the run document itself goes to a file of the user's. What
// went into a pipe or a device is not there to be judged again.
func (o *outputs) saves() bool {
	for _, out := range o.parsed {
		if out.format.Name == "json" && out.file != "" && out.open == nil {
			return true
		}
	}
	return false
}

// report tells a report in as much detail as the user wants.
func (o *outputs) report(r render.Report) teller {
	switch {
	case o.quiet:
		r.Detail = render.Brief
	case o.verbose:
		r.Detail = render.Full
	}
	return func(f render.Format, w io.Writer, colour bool) error {
		r.Colour = colour
		return f.Render(w, r)
	}
}

// write tells it in every format: what goes to stdout first, because a file may
// lie on the dead volume.
func (o *outputs) write(ctx context.Context, stdout io.Writer, tell teller) error {
	var failed error
	for _, out := range o.parsed {
		if out.file == "" {
			failed = errors.Join(failed, tell(out.format, stdout, showsColour(stdout)))
		}
	}
	for _, out := range o.parsed {
		if out.file != "" {
			failed = errors.Join(failed, out.writeFile(ctx, tell))
		}
	}
	return failed
}

func (out output) writeFile(ctx context.Context, tell teller) error {
	var data bytes.Buffer
	if err := tell(out.format, &data, false); err != nil {
		return err
	}
	packed, err := results.Compress(out.file, data.Bytes())
	if err != nil {
		return err
	}
	if out.open != nil {
		return writeOpen(out.open, packed)
	}
	return engine.Save(context.WithoutCancel(ctx), out.file, packed, saveWait)
}

// writeOpen writes where the descriptor stands. Whether a file of the shell's begins
// anew is the shell's choice, by > or >>, as with stdout.
func writeOpen(f *os.File, data []byte) error {
	_, err := f.Write(data)
	return errors.Join(err, f.Close())
}

// showsColour says whether somebody looks at a terminal that shows colours and
// wants them (https://no-color.org).
func showsColour(w io.Writer) bool {
	f, isFile := w.(*os.File)
	if !isFile || os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb" || !text.ANSICodesSupported {
		return false
	}
	return isTerminal(f)
}

// isTerminal says whether a person may be behind a file. /dev/null is one, too,
// which does no harm.
func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
