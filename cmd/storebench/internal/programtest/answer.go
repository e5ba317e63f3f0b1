package programtest

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"storebench/results"
)

// Answer is what a check said of a volume.
type Answer struct {
	Outcome
	Run Judged
}

// Loud is the share of the processors that a machine may keep from a run before
// an answer that is not as it must be says nothing.
const Loud = 0.02

// Ask runs a check and has wrong list what is not as it must be, which fails the
// test with the whole report. On a machine that kept processors from the run that
// may be its doing: there the check is asked once more, and a second such answer
// leaves the test undecided. No machine makes a volume pass that must fail.
func Ask(t *testing.T, check func(doc string) Outcome, wrong func(Answer) []string) Answer {
	t.Helper()
	for try := 1; ; try++ {
		doc := filepath.Join(t.TempDir(), "run.json")
		a := Answer{Outcome: check(doc)}
		if _, err := os.Stat(doc); err != nil {
			t.Fatalf("exit code %d and no document\n%s\n%s", a.Code, a.Stdout, a.Stderr)
		}
		a.Run = Document(t, doc)
		found := wrong(a)
		if len(found) == 0 {
			return a
		}
		report := fmt.Sprintf("%s\n%s\n%s", strings.Join(found, "\n"), a.Stdout, a.Stderr)
		switch lost := a.Run.Lost(); {
		case lost < Loud, a.Run.Verdict.Status == results.Pass:
			t.Fatal(report)
		case try == 2:
			t.Skipf("not as it must be twice, while this machine kept %.0f %% of its processors from the run: %s", 100*lost, report)
		}
	}
}

// Exits says what is wrong with the answer's exit code.
func (a Answer) Exits(want int) []string {
	if a.Code == want {
		return nil
	}
	return []string{fmt.Sprintf("exit code %d, want %d", a.Code, want)}
}

// Finds says what is wrong with the finding of a limit, by the beginning of its
// text, at a step: it must have one of these statuses.
func (a Answer) Finds(limit, step string, want ...results.Status) []string {
	f, ok := a.Run.finding(limit, step)
	switch {
	case !ok:
		return []string{fmt.Sprintf("no finding %q of step %q", limit, step)}
	case !slices.Contains(want, f.Status):
		return []string{fmt.Sprintf("%s at %s is %s (%s), want one of %v", f.Name, f.Step, f.Status, f.Reason, want)}
	}
	return nil
}

// RequireCode fails the test with the whole report on another exit code.
func RequireCode(t *testing.T, o Outcome, want int) {
	t.Helper()
	if o.Code != want {
		t.Errorf("exit code %d, want %d\n%s\n%s", o.Code, want, o.Stdout, o.Stderr)
	}
}
