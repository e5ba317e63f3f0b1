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

// loud is the share of the processors from which on a machine may be what is wrong.
const loud = 0.02

// Again says whether a check whose answer is not as it must be is worth another
// try: a run that ended inconclusive is made again, as its report advises, and one
// that lacked processors once more.
func (a Answer) Again(try int) bool {
	if a.Loud() {
		return try < 2
	}
	return a.Run.Verdict.Status == results.Inconclusive && try < 3
}

// Loud says whether the machine kept so much of its processors from the run that an
// answer that is not as it must be may be its doing.
func (a Answer) Loud() bool { return a.Run.Lost() >= loud }

// Ask runs a check and has wrong list what is not as it must be, which fails the
// test with the whole report when no further try is worth it. On a machine that kept
// processors from the run the test is undecided then, but no machine makes a volume
// pass that must fail.
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
		passes := a.Run.Verdict.Status == results.Pass
		switch {
		case !passes && a.Again(try):
		case !passes && a.Loud():
			t.Skipf("not as it must be again and again, while this machine kept %.0f %% of its processors from the run: %s", 100*a.Run.Lost(), report)
		default:
			t.Fatal(report)
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
