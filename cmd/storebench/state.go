package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"

	"storebench/cmd/storebench/internal/engine"
	"storebench/results"
)

// runsDir is where runs are saved that the user saves nowhere:
// $XDG_STATE_HOME/storebench/runs, by default ~/.local/state/storebench/runs.
func runsDir() (string, error) {
	if dir := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "storebench", "runs"), nil
	}
	if runtime.GOOS == "windows" {
		dir, err := os.UserCacheDir()
		return filepath.Join(dir, "storebench", "runs"), err
	}
	home, err := os.UserHomeDir()
	return filepath.Join(home, ".local", "state", "storebench", "runs"), err
}

// keep saves a run under the user's state directory and returns its path.
func keep(ctx context.Context, run *results.Run) (string, error) {
	dir, err := runsDir()
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, run.ID+".json.zst")
	data, err := results.Encode(run)
	if err != nil {
		return "", err
	}
	packed, err := results.Compress(path, data)
	if err != nil {
		return "", err
	}
	return path, engine.Save(context.WithoutCancel(ctx), path, packed, saveWait)
}

// savedRun is the run document that the user names, or the newest saved one.
func savedRun(args []string) (string, error) {
	if len(args) == 1 {
		return args[0], nil
	}
	dir, err := runsDir()
	if err != nil {
		return "", err
	}
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", err
	}
	names := []string{}
	for _, e := range entries {
		if e.Type().IsRegular() {
			names = append(names, e.Name())
		}
	}
	if len(names) == 0 {
		return "", usagef("no run is saved in %s: name a run document, or run storebench check DIR first", dir)
	}
	return filepath.Join(dir, slices.Max(names)), nil // names begin with the time
}
