package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"

	"github.com/spf13/cobra"

	"storebench/cmd/storebench/internal/engine"
	"storebench/results"
)

func newCollect() *cobra.Command {
	var dir string
	cmd := &cobra.Command{
		Use:   "collect [LOG...]",
		Short: "Take run documents out of container logs",
		Long: `Take the run documents out of logs that storebench check -o log has left, such as
those of the jobs of storebench k8s manifests. Without LOG it reads stdin. Each
run is saved under its own name in the directory, and named with its verdict.

Exit codes: 0, 1 a document is damaged or cannot be saved, 2 there is none.`,
		Example: `  mkdir -p runs
  kubectl logs --tail=-1 --prefix -l app.kubernetes.io/name=storebench | storebench collect --dir runs
  storebench collect --dir runs gp3.log premium.log
  storebench compare runs/*gp3* -- runs/*premium*`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if info, err := os.Stat(dir); err != nil || !info.IsDir() {
				return usagef("--dir %s: no such directory; make it first", dir)
			}
			found, err := collectFrom(cmd.InOrStdin(), args)
			if err != nil {
				return err
			}
			if len(found) == 0 {
				return usagef("there is no run in what was read: storebench check -o log writes one, and kubectl logs needs --tail=-1 with a selector")
			}
			return saveCollected(cmd, dir, found)
		},
	}
	cmd.Flags().StringVar(&dir, "dir", ".", "where the runs are saved")
	return cmd
}

func collectFrom(stdin io.Reader, paths []string) ([]results.Collected, error) {
	if len(paths) == 0 {
		return results.FromLog("stdin", stdin)
	}
	var all []results.Collected
	for _, path := range paths {
		found, err := collectFile(path)
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	return all, nil
}

func collectFile(path string) ([]results.Collected, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, usagef("open the log: %w", err)
	}
	defer f.Close()
	return results.FromLog(path, f)
}

// saveCollected saves what can be read, and fails when something could not.
func saveCollected(cmd *cobra.Command, dir string, found []results.Collected) error {
	var failed error
	for _, c := range found {
		path, err := "", c.Err
		if err == nil {
			path, err = saveRun(cmd, dir, c.Run)
		}
		if err != nil {
			failed = errors.Join(failed, err)
			continue
		}
		fmt.Fprintf(cmd.OutOrStdout(), "%s  %s\n", path, results.Judge(c.Run).Status)
	}
	return failed
}

// safeName is what a run may be called for a file to be named after it. The
// document is from elsewhere.
var safeName = regexp.MustCompile(`^[A-Za-z0-9][-A-Za-z0-9_.]{0,127}$`)

// saveRun saves a run under its storage class, if it has that label, and its ID.
func saveRun(cmd *cobra.Command, dir string, run *results.Run) (string, error) {
	if !safeName.MatchString(run.ID) {
		return "", fmt.Errorf("run %q has a name that no file should have: it was changed", run.ID)
	}
	name := run.ID
	if class := run.Labels["storage-class"]; safeName.MatchString(class) {
		name = class + "-" + name
	}
	path := filepath.Join(dir, name+".json.zst")
	data, err := results.Encode(run)
	if err != nil {
		return "", err
	}
	packed, err := results.Compress(path, data)
	if err != nil {
		return "", err
	}
	return path, engine.Save(cmd.Context(), path, packed, saveWait)
}
