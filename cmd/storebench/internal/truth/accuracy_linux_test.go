package truth

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"storebench/internal/measure"
	"storebench/results"
)

// scripts/accuracy.sh sets these.
var (
	accuracyFile   = flag.String("accuracy", "", "ask the truth table over and over, keep the answers in this file, and go on where it ends")
	accuracyRuns   = flag.Int("accuracy-runs", 10, "answers a row; of healthy volumes five times as many")
	accuracyBudget = flag.Duration("accuracy-budget", 57*time.Second, "--budget of a run, but of rows with one of their own; answers with another do not count")
	accuracyCorpus = flag.String("accuracy-corpus", "", "keep the document of each run in this directory, with the row's right answer")
	accuracyUntil  = flag.Duration("accuracy-until", time.Hour, "begin no run after this time")
)

// tried is one answer as the file keeps it, a line each.
type tried struct {
	Volume  string         `json:"volume"`
	Profile string         `json:"profile"`
	Budget  float64        `json:"budget_seconds"`
	When    time.Time      `json:"when"`
	Status  results.Status `json:"status"`
	Decided []string       `json:"decided_by,omitempty"` // limits and rules of the verdict's status, where that is not the row's
	Wrong   []string       `json:"wrong,omitempty"`      // what is not as the row has it
	Blamed  []string       `json:"blamed,omitempty"`     // wrong causes
	Causes  int            `json:"causes,omitempty"`     // how many were asked for
	Broken  string         `json:"broken,omitempty"`     // why there is no answer, or why it is none
	Lost    float64        `json:"cpu_lost"`             // share of the processors
	Seconds float64        `json:"seconds"`
}

// TestAccuracy asks every row until it has its number of answers. It judges
// nothing: the table that it prints does.
func TestAccuracy(t *testing.T) {
	if *accuracyFile == "" {
		t.Skip("it takes hours: scripts/accuracy.sh runs it")
	}
	answers, err := readAnswers[tried](*accuracyFile)
	if err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	for turn := range 5 * *accuracyRuns {
		for _, row := range truthTable {
			enough := turn >= *accuracyRuns && !strings.HasPrefix(row.volume, "healthy")
			if enough || time.Since(begin) > *accuracyUntil || len(of(answers, row)) > turn {
				continue
			}
			t.Run(fmt.Sprintf("%s, %s, %d", row.volume, row.profile, turn+1), func(t *testing.T) {
				budget := row.wholeBudget()
				args := []string{"--budget", budget.String()}
				if row.profile == "raft" { // what a real group says has a table of its own
					args = append(args, "--skip", "raft-*")
				}
				a, broken := row.ask(t, args)
				one := tried{
					Volume: row.volume, Profile: row.profile, Budget: budget.Seconds(), When: time.Now().UTC().Truncate(time.Second), Status: a.Run.Verdict.Status,
					Wrong: a.wrong(row), Lost: a.Run.Lost(), Seconds: a.Took.Seconds(),
				}
				if !slices.Contains(row.want, one.Status) {
					one.Decided = namesOf(a.Run.Verdict, one.Status)
				}
				if latest := budget + 5*time.Second; a.Took > latest {
					one.Wrong = append(one.Wrong, fmt.Sprintf("it took %.1f s, want at most %v", one.Seconds, latest))
				}
				if broken != "" { // what it says besides counts for nothing
					one.Broken, one.Wrong = broken, nil
				} else if row.cause != "" && !a.inconclusive(row) {
					one.Blamed, one.Causes = a.blamed(row), len(a.explained(row))
				}
				if *accuracyCorpus != "" && broken == "" {
					row.keepDocument(t, *accuracyCorpus, turn+1, a)
				}
				if err := keep(*accuracyFile, one); err != nil {
					t.Fatal(err)
				}
				answers = append(answers, one)
			})
		}
	}
	fmt.Print(accuracyTable(answers))
}

// wholeBudget is the budget of a row's whole run.
func (row truth) wholeBudget() time.Duration { return cmp.Or(row.budget, *accuracyBudget) }

// of are the answers that a row got.
func of(answers []tried, row truth) []tried {
	var all []tried
	for _, a := range answers {
		if a.Volume == row.volume && a.Profile == row.profile && a.Budget == row.wholeBudget().Seconds() {
			all = append(all, a)
		}
	}
	return all
}

// readAnswers reads what keep has written; no file is no answers.
func readAnswers[T any](path string) ([]T, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var all []T
	for lines := bufio.NewScanner(bytes.NewReader(data)); lines.Scan(); {
		var one T
		if err := json.Unmarshal(lines.Bytes(), &one); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		all = append(all, one)
	}
	return all, nil
}

// keep adds an answer to a file, as a line.
func keep(path string, one any) error {
	line, err := json.Marshal(one)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(append(line, '\n'))
	return errors.Join(err, f.Close())
}

// stayedOpen says that a volume which may pass got a warning for nothing but a limit at
// level warn that is undecided. The exit code is a pass's.
func (one tried) stayedOpen(row truth) bool {
	return one.Status == results.Warn && len(one.Decided) == 0 && slices.Contains(row.want, results.Pass)
}

// tally is how often a row was answered how.
type tally struct {
	runs                int
	right               int     // all as the row has it
	partly              int     // the verdict is, a limit or a word of the report is not
	open                int     // inconclusive, where an answer is expected, or stayedOpen
	wrong               int     // another verdict, or no answer at all
	fails, passes       falsely // of the answers that decide
	causes, rightCauses int
	seconds             float64
}

func (c *tally) add(row truth, one tried) {
	c.runs++
	c.seconds += one.Seconds
	c.causes += one.Causes
	c.rightCauses += one.Causes - len(one.Blamed)
	expected := slices.Contains(row.want, one.Status)
	switch {
	case one.Broken != "":
		c.wrong++
		return
	case len(one.Wrong) == 0:
		c.right++
	case expected:
		c.partly++
	case one.Status == results.Inconclusive, one.stayedOpen(row):
		c.open++
	default:
		c.wrong++
	}
	if one.Status == results.Inconclusive {
		return
	}
	c.fails.count(!slices.Contains(row.want, results.Fail), one.Status == results.Fail)
	c.passes.count(!slices.Contains(row.want, results.Pass), !expected && one.Status != results.Fail)
}

// falsely is how many of the answers that could have been false in one way were.
type falsely struct{ could, were int }

func (f *falsely) count(could, was bool) {
	if could {
		f.could++
		if was {
			f.were++
		}
	}
}

func (f falsely) String() string {
	return fmt.Sprintf("%d of %d (at most %.1f %% with 97.5 %% confidence)", f.were, f.could, 100*measure.BinomialInterval(float64(f.were), float64(f.could)).High)
}

// accuracyTable is the table in docs/accuracy.md.
func accuracyTable(answers []tried) string {
	var out strings.Builder
	out.WriteString("| volume | profile | expected | runs | as expected | verdict right, a limit or a word not | inconclusive | wrong verdict | wrong at most (97.5 %) | cause right | seconds a run |\n")
	out.WriteString("|---|---|---|---|---|---|---|---|---|---|---|\n")
	var all tally
	for _, row := range truthTable {
		var c tally
		for _, one := range of(answers, row) {
			c.add(row, one)
			all.add(row, one)
		}
		if c.runs > 0 {
			out.WriteString(c.line(row.volume, row.profile, expectedWords(row)))
		}
	}
	out.WriteString(all.line("all", "", ""))
	fmt.Fprintf(&out, "\nOf the answers that decide, false fails: %s; false passes: %s.\n", all.fails, all.passes)
	return out.String()
}

func expectedWords(row truth) string {
	var words []string
	for _, status := range row.want {
		words = append(words, status.String())
	}
	text := strings.Join(words, " or ")
	if row.cause != "" {
		text += ", " + string(row.cause)
	}
	return text
}

func (c tally) line(volume, profile, expected string) string {
	causes := ""
	if c.causes > 0 {
		causes = fmt.Sprintf("%d of %d", c.rightCauses, c.causes)
	}
	if c.runs == 0 {
		return ""
	}
	return fmt.Sprintf("| %s | %s | %s | %d | %d | %d | %d | %d | %.0f %% | %s | %.0f |\n", volume, profile, expected,
		c.runs, c.right, c.partly, c.open, c.wrong, 100*measure.BinomialInterval(float64(c.wrong), float64(c.runs)).High, causes, c.seconds/float64(c.runs))
}
