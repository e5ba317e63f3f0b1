package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"storebench/cmd/storebench/internal/engine"
	"storebench/results"
	"storebench/results/render"
)

// saveWait bounds the writing of one file, which may lie on a dead volume.
const saveWait = 2 * time.Second

// outputs is the one way out: -o FORMAT[=FILE], repeatable.
type outputs struct {
	specs  []string
	parsed []output
}

// output is one format and where it goes.
type output struct {
	format render.Format
	place
}

func (o *outputs) addTo(cmd *cobra.Command) {
	cmd.Flags().StringArrayVarP(&o.specs, "output", "o", nil,
		fmt.Sprintf("write FORMAT[=FILE], repeatable: %s; without FILE to stdout; a FILE that ends in .zst is compressed", strings.Join(render.Names(), ", ")))
}

// check finds every mistake before anything is measured. Plain text goes to
// stdout unless something else does.
func (o *outputs) check() error {
	o.parsed = nil
	taken := map[string]bool{}
	for _, spec := range o.specs {
		out, err := parseOutput(spec)
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

func parseOutput(spec string) (output, error) {
	name, file, toFile := strings.Cut(spec, "=")
	format, err := render.Find(name)
	if err != nil {
		return output{}, asUsage(err)
	}
	if toFile && file == "" {
		return output{}, usagef("-o %s: a file name is missing after the equals sign", spec)
	}
	to, err := findPlace(file)
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

// write renders the report: what goes to stdout first, because a file may lie
// on the dead volume.
func (o *outputs) write(ctx context.Context, stdout io.Writer, r render.Report) error {
	var failed error
	for _, out := range o.parsed {
		if out.file == "" {
			failed = errors.Join(failed, out.format.Render(stdout, r))
		}
	}
	for _, out := range o.parsed {
		if out.file != "" {
			failed = errors.Join(failed, out.writeFile(ctx, r))
		}
	}
	return failed
}

func (out output) writeFile(ctx context.Context, r render.Report) error {
	var data bytes.Buffer
	if err := out.format.Render(&data, r); err != nil {
		return err
	}
	packed, err := results.Compress(out.file, data.Bytes())
	if err != nil {
		return err
	}
	if out.open != nil {
		_, err := out.open.Write(packed)
		return errors.Join(err, out.open.Close())
	}
	return engine.Save(context.WithoutCancel(ctx), out.file, packed, saveWait)
}
