package main

import (
	"os"

	"github.com/spf13/cobra"

	"storebench/results"
	"storebench/results/render"
)

func newReport() *cobra.Command {
	var out outputs
	var limits []string
	var failOn string
	cmd := &cobra.Command{
		Use:   "report [RUN]",
		Short: "Render and judge a saved run again, anywhere",
		Long: `Render and judge a saved run again. Nothing is measured and no volume is needed:
everything comes from the run document. Without RUN it takes the newest of the
saved runs.`,
		Example: `  storebench report run.json
  storebench report run.json.zst -o json=again.json
  storebench report run.json --limit "block-write{mode=open} p99.9 < 50ms"`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkFailOn(failOn); err != nil {
				return err
			}
			path, err := savedRun(args)
			if err != nil {
				return err
			}
			run, err := readRun(path)
			if err != nil {
				return err
			}
			if run.Profile.Limits, err = withLimits(run.Profile.Limits, limits); err != nil {
				return err
			}
			if err := out.check(cmd.Context()); err != nil {
				return err
			}
			unwritten := out.write(cmd.Context(), cmd.OutOrStdout(), out.report(render.NewReport(run)))
			return ending(unwritten, verdictCode(run, results.Judge(run), failOn == "warn"))
		},
	}
	out.addTo(cmd, render.Names())
	out.addDetail(cmd)
	addJudging(cmd, &limits, &failOn)
	return cmd
}

func readRun(path string) (*results.Run, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, usagef("open the run document: %w", err)
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.IsDir() {
		return nil, usagef("%s is a directory; name a run document", path)
	}
	run, err := results.Read(path, f)
	if err != nil {
		return nil, asUsage(err)
	}
	return run, nil
}

// addJudging adds the flags that decide how a run is judged.
func addJudging(cmd *cobra.Command, limits *[]string, failOn *string) {
	cmd.Flags().StringArrayVar(limits, "limit", nil, `judge by this limit too, or instead of the profile's on the same statistic (repeatable), e.g. "block-write{mode=open} p99 < 5ms"`)
	cmd.Flags().StringVar(failOn, "fail-on", "fail", "what makes the exit code 3: fail, or warn")
}

func checkFailOn(value string) error {
	if value != "fail" && value != "warn" {
		return usagef("--fail-on %q: it takes fail or warn", value)
	}
	return nil
}
