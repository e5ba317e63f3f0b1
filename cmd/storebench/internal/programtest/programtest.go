// Package programtest builds the program and runs it as a user does, for the
// tests of whole runs.
package programtest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"storebench/internal/slowvolume"
	"storebench/internal/slowvolume/slowtest"
	"storebench/results"
)

// Path is the built program. Main sets it.
var Path string

// Main builds the Path, runs a package's tests (m.Run) as slowtest.Run does,
// and returns the exit code. It must be the first call of TestMain.
func Main(tests func() int) int {
	slowvolume.ServeIfChild()
	return slowtest.Run(func() int {
		if slowtest.Short() {
			return tests() // Command skips them
		}
		Path = filepath.Join(os.TempDir(), "storebench")
		build := exec.Command("go", "build", "-o", Path, "storebench/cmd/storebench")
		if out, err := build.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "go build: %v\n%s", err, out)
			return 1
		}
		return tests()
	})
}

// Outcome is what a user gets of a run of the program.
type Outcome struct {
	Code           int
	Stdout, Stderr string
	Took           time.Duration
}

// Run runs the Path, with its saved runs kept out of the user's.
func Run(t *testing.T, args ...string) Outcome {
	t.Helper()
	return Finish(t, Command(t, Path, args...))
}

// Command prepares a program of any name.
func Command(t *testing.T, name string, args ...string) *exec.Cmd {
	t.Helper()
	if testing.Short() {
		t.Skip("it drives whole runs of the program")
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), "XDG_STATE_HOME="+t.TempDir())
	cmd.WaitDelay = 10 * time.Second
	return cmd
}

// Finish runs a prepared program to its end.
func Finish(t *testing.T, cmd *exec.Cmd) Outcome {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	begin := time.Now()
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("%s: %v\n%s", cmd, err, stderr.String())
	}
	return Outcome{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String(), time.Since(begin)}
}

// Judged is the document that a run wrote, with the verdict in it.
type Judged struct {
	results.Run
	Verdict results.Verdict `json:"verdict"`
}

// Document reads a run's document.
func Document(t *testing.T, path string) Judged {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var doc Judged
	if err := json.Unmarshal(data, &doc); err != nil {
		t.Fatal(err)
	}
	return doc
}

// Finding is the first finding of a limit that begins with name, at a step.
func (d Judged) Finding(t *testing.T, name, step string) results.Finding {
	t.Helper()
	f, ok := d.finding(name, step)
	if !ok {
		t.Fatalf("no finding %q of step %q", name, step)
	}
	return f
}

func (d Judged) finding(name, step string) (results.Finding, bool) {
	for _, f := range d.Verdict.Findings {
		if strings.HasPrefix(f.Name, name) && f.Step == step {
			return f, true
		}
	}
	return results.Finding{}, false
}

// Lost is the mean share of the processors that the machine kept from the run; 0 when
// it measured nothing, which is not the machine's doing.
func (d Judged) Lost() float64 {
	sum, n := 0.0, 0.0
	for _, m := range d.Measurements {
		for _, r := range m.Rounds {
			sum, n = sum+r.Context.CPULost(), n+1
		}
	}
	return sum / max(1, n)
}

// Target is an empty directory to check. Where the machine can make one it is a
// healthy volume of its own: on a file system that other tests share a run may
// meet their JetStream stores, and is refused.
func Target(t *testing.T) string {
	t.Helper()
	if slowvolume.CanBlock() != nil {
		return t.TempDir()
	}
	return slowtest.Block(t, slowvolume.BlockConfig{FS: "ext4", Size: 2 << 30, Dir: t.TempDir()}).Path()
}

// Empty fails the test when a run left something in dir.
func Empty(t *testing.T, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() != "lost+found" {
			t.Errorf("%s was left behind", e.Name())
		}
	}
}

// WaitFor polls a condition of another process, which has no other way to tell.
func WaitFor(t *testing.T, what string, within time.Duration, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(within); !holds(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %v", what, within)
		}
	}
}

// WorkingOn says whether a round is under way below dir: its directory stands
// in the scratch directory.
func WorkingOn(dir string) func() bool {
	return func() bool {
		rounds, err := filepath.Glob(filepath.Join(dir, "storebench-*", "*", "writer-0"))
		return err == nil && len(rounds) > 0
	}
}
