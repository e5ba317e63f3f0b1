package main

import (
	"errors"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"storebench/results"
	"storebench/results/render"
)

func newCompare() *cobra.Command {
	var out outputs
	var failOn string
	cmd := &cobra.Command{
		Use:   "compare BASE NEW | BASE... -- NEW...",
		Short: "Say what changed between saved runs, and whether it is real",
		Long: `Compare saved runs, figure by figure: old, new, change, and whether the change is
more than chance. Rounds are the samples, so several runs a side see more. What
differs about the environment stands first.

Exit codes: 0, with --fail-on-regression also 3 (a regression) and 4 (under 5
rounds a side, too few to tell); 1 the tool failed, 2 usage, or the two sides
have nothing in common.`,
		Example: `  storebench compare last-month.json today.json
  storebench compare --fail-on-regression 20% base*.json -- new*.json
  storebench compare base.json new.json -o markdown=summary.md -o html=compare.html`,
		Args: cobra.MinimumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			threshold, err := parseThreshold(failOn)
			if err != nil {
				return err
			}
			base, changed, err := readSides(args, cmd.ArgsLenAtDash())
			if err != nil {
				return err
			}
			compared, err := results.Compare(tool(), base, changed, threshold)
			if err != nil {
				return asUsage(err)
			}
			if err := out.check(cmd.Context()); err != nil {
				return err
			}
			unwritten := out.write(cmd.Context(), cmd.OutOrStdout(), tellComparison(compared))
			return ending(unwritten, gateCode(compared))
		},
	}
	out.addTo(cmd, render.ComparisonNames())
	cmd.Flags().StringVar(&failOn, "fail-on-regression", "", "exit with 3 when a figure is worse by more than this share, such as 20%, and that is no chance")
	return cmd
}

func tellComparison(c *results.Comparison) teller {
	return func(f render.Format, w io.Writer, colour bool) error {
		return f.Compare(w, render.Comparison{Comparison: c, Colour: colour})
	}
}

// parseThreshold reads a share such as 20%. It is nil when nothing was asked.
func parseThreshold(text string) (*float64, error) {
	if text == "" {
		return nil, nil
	}
	number, isShare := strings.CutSuffix(text, "%")
	x, err := strconv.ParseFloat(number, 64)
	if err != nil || !isShare || !(x >= 0 && x < 1e6) {
		return nil, usagef("--fail-on-regression %q: it takes a share of at least 0%%, such as 20%%", text)
	}
	return new(x / 100), nil
}

// readSides reads the runs before and after the two dashes; without these there
// is one on each side.
func readSides(args []string, dash int) (base, changed []*results.Run, err error) {
	switch {
	case dash < 0 && len(args) > 2:
		return nil, nil, usagef("%d runs: put two dashes between the sides, as in: storebench compare base*.json -- new*.json", len(args))
	case dash < 0:
		dash = 1
	case dash == 0 || dash == len(args):
		return nil, nil, usagef("one side has no run: storebench compare base*.json -- new*.json")
	}
	base, errBase := readRuns(args[:dash])
	changed, errNew := readRuns(args[dash:])
	return base, changed, errors.Join(errBase, errNew)
}

// readRuns reads every document and names each that cannot be read.
func readRuns(paths []string) (runs []*results.Run, failed error) {
	for _, path := range paths {
		run, err := readRun(path)
		failed = errors.Join(failed, err)
		runs = append(runs, run)
	}
	return runs, failed
}

// gateCode is the exit code of a comparison.
func gateCode(c *results.Comparison) error {
	if c.Threshold == nil {
		return nil
	}
	switch c.Status() {
	case results.Fail:
		return codeError(exitFail)
	case results.Inconclusive:
		return codeError(exitInconclusive)
	}
	return nil
}
