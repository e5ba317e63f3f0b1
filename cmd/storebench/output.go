package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
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

// output is one format and where it goes; an empty file is stdout.
type output struct {
	format render.Format
	file   string
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
		name, file, toFile := strings.Cut(spec, "=")
		format, err := render.Find(name)
		if err != nil {
			return asUsage(err)
		}
		if toFile && file == "" {
			return usagef("-o %s: a file name is missing after the equals sign", spec)
		}
		if file == "-" {
			file = ""
		}
		if file != "" {
			if file, err = writable(file); err != nil {
				return err
			}
		}
		if taken[file] {
			return usagef("-o %s: two outputs go to %s", spec, place(file))
		}
		taken[file] = true
		o.parsed = append(o.parsed, output{format, file})
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

func place(file string) string {
	if file == "" {
		return "stdout"
	}
	return file
}

// writable returns the absolute form of a file that could be written.
func writable(file string) (string, error) {
	abs, err := filepath.Abs(file)
	if err != nil {
		return "", usagef("-o %s: %w", file, err)
	}
	if info, err := os.Stat(abs); err == nil && info.IsDir() {
		return "", usagef("-o: %s is a directory; name a file", file)
	}
	dir := filepath.Dir(abs)
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return "", usagef("-o: the directory %s of %s does not exist; make it first", dir, file)
	}
	probe, err := os.CreateTemp(dir, ".storebench-*")
	if err != nil {
		if special(abs) {
			return abs, nil
		}
		return "", usagef("-o: %s cannot be written: %w", file, err)
	}
	return abs, errors.Join(probe.Close(), os.Remove(probe.Name()))
}

// special says whether a path is a device, a pipe or the like, which is
// written to without a file beside it.
func special(path string) bool {
	info, err := os.Stat(path)
	return err == nil && !info.Mode().IsRegular()
}

// saves says whether the run document itself goes to a file of the user's.
func (o *outputs) saves() bool {
	for _, out := range o.parsed {
		if out.format.Name == "json" && out.file != "" {
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
	return engine.Save(context.WithoutCancel(ctx), out.file, packed, saveWait)
}
