package engine_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
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

// program is the built storebench: these tests run it as a user does.
var program string

func TestMain(m *testing.M) {
	slowvolume.ServeIfChild()
	os.Exit(slowtest.Run(func() int {
		program = filepath.Join(os.TempDir(), "storebench")
		build := exec.Command("go", "build", "-o", program, "storebench/cmd/storebench")
		if out, err := build.CombinedOutput(); err != nil {
			panic("go build: " + string(out))
		}
		return m.Run()
	}))
}

// outcome is what a user gets of a run of the program.
type outcome struct {
	code           int
	stdout, stderr string
	took           time.Duration
}

// storebench runs the program, with its saved runs kept out of the user's.
func storebench(t *testing.T, args ...string) outcome {
	t.Helper()
	return finish(t, command(t, program, args...))
}

// command prepares a program of any name.
func command(t *testing.T, name string, args ...string) *exec.Cmd {
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

func finish(t *testing.T, cmd *exec.Cmd) outcome {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	begin := time.Now()
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("%s: %v\n%s", cmd, err, stderr.String())
	}
	return outcome{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String(), time.Since(begin)}
}

// judged is the document that a run wrote, with the verdict in it.
type judged struct {
	results.Run
	Verdict results.Verdict `json:"verdict"`
}

// document reads a run's document.
func document(t *testing.T, path string) judged {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var doc judged
	if err := json.Unmarshal(data, &doc); err != nil {
		t.Fatal(err)
	}
	return doc
}

// finding is the first finding of a limit that begins with name, at a step.
func (d judged) finding(t *testing.T, name, step string) results.Finding {
	t.Helper()
	for _, f := range d.Verdict.Findings {
		if strings.HasPrefix(f.Name, name) && f.Step == step {
			return f
		}
	}
	t.Fatalf("no finding %q of step %q", name, step)
	return results.Finding{}
}

// lost is the mean share of the processors that the machine kept from the run.
func (d judged) lost() float64 {
	sum, n := 0.0, 0.0
	for _, m := range d.Measurements {
		for _, r := range m.Rounds {
			sum, n = sum+r.Context.CPULost(), n+1
		}
	}
	if n == 0 {
		return 1 // nothing could be measured at all
	}
	return sum / n
}

// target is an empty directory to check. Where the machine can make one it is a
// healthy volume of its own: on a file system that other tests share a run may
// meet their JetStream stores, and is refused.
func target(t *testing.T) string {
	t.Helper()
	if slowvolume.CanBlock() != nil {
		return t.TempDir()
	}
	return slowtest.Block(t, slowvolume.BlockConfig{FS: "ext4", Size: 2 << 30, Dir: t.TempDir()}).Path()
}

// empty fails the test when a run left something in dir.
func empty(t *testing.T, dir string) {
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
