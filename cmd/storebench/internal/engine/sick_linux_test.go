package engine_test

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"storebench/cmd/storebench/internal/programtest"
	"storebench/internal/cause"
	"storebench/internal/slowvolume"
	"storebench/internal/slowvolume/slowtest"
	"storebench/results"
)

// underStrace runs the program with every fsync and fdatasync delayed, which
// needs neither root nor a special volume.
func underStrace(t *testing.T, delay time.Duration, args ...string) programtest.Outcome {
	t.Helper()
	strace, err := exec.LookPath("strace")
	slowtest.Need(t, "strace", err)
	cmd := programtest.Command(t, strace, append([]string{
		"-f", "-qq", "-o", "/dev/null", "--seccomp-bpf", "-e", "trace=fsync,fdatasync",
		"-e", fmt.Sprintf("inject=fsync,fdatasync:delay_exit=%d", delay.Microseconds()), programtest.Path,
	}, args...)...)
	// Go preempts by signals, and each would stop its thread for strace.
	cmd.Env = append(cmd.Env, "GODEBUG=asyncpreemptoff=1")
	return programtest.Finish(t, cmd)
}

// requireStatus fails the test with the whole report when a finding is not as
// it must be.
func requireStatus(t *testing.T, o programtest.Outcome, f results.Finding, want results.Status) {
	t.Helper()
	if f.Status != want {
		t.Errorf("%s at %s is %s (%s), want %s\n%s", f.Name, f.Step, f.Status, f.Reason, want, o.Stdout)
	}
}

// requireCode fails the test with the whole report on another exit code.
func requireCode(t *testing.T, o programtest.Outcome, want int) {
	t.Helper()
	if o.Code != want {
		t.Errorf("exit code %d, want %d\n%s\n%s", o.Code, want, o.Stdout, o.Stderr)
	}
}

// conclusive runs a check whose exit code must be want. On a machine whose
// processors are taken from it the honest answer may be inconclusive: then it
// is asked again, as the report advises, and a second such answer ends the test,
// if the run itself shows that the machine was to blame.
func conclusive(t *testing.T, want int, check func(doc string) programtest.Outcome) (programtest.Outcome, programtest.Judged) {
	t.Helper()
	var last programtest.Outcome
	for range 2 {
		doc := filepath.Join(t.TempDir(), "run.json")
		o := check(doc)
		run := programtest.Document(t, doc)
		if o.Code != 4 {
			requireCode(t, o, want)
			return o, run
		}
		if lost := run.Lost(); lost < 0.02 {
			t.Fatalf("inconclusive on a machine that kept only %.1f %% of its processors from the run\n%s", 100*lost, o.Stdout)
		}
		last = o
	}
	t.Skipf("inconclusive twice: this machine keeps its processors from the run\n%s", last.Stdout)
	return programtest.Outcome{}, programtest.Judged{}
}

func TestSyncAlwaysFailsOnSlowSyncs(t *testing.T) {
	dir := programtest.Target(t)
	o, run := conclusive(t, 3, func(doc string) programtest.Outcome {
		return underStrace(t, 30*time.Millisecond, "check", dir, "--profile", "sync-always",
			"--skip", "*-sequential,*-parallel,election-*,block-sync", "--budget", "40s", "-o", "text", "-o", "json="+doc)
	})
	requireStatus(t, o, run.Finding(t, "raw-sync.fdatasync{pattern=append} max", "raw-sync"), results.Pass) // under 2 s
	requireStatus(t, o, run.Finding(t, "raw-sync.fdatasync{step=raw-sync} p99", "raw-sync"), results.Fail)
	requireStatus(t, o, run.Finding(t, "block-write.store{mode=open} p99", "block-write"), results.Fail)
	programtest.Empty(t, dir)
}

func TestDefaultModeWarnsOnSlowSyncs(t *testing.T) {
	dir := programtest.Target(t)
	o, run := conclusive(t, 0, func(doc string) programtest.Outcome {
		return underStrace(t, 30*time.Millisecond, "check", dir, "--only", "raw-sync,block-write,block-sync,election-storm",
			"--skip", "*-sequential,*-parallel,*-max", "--budget", "75s", "-o", "text", "-o", "json="+doc)
	})
	if run.Verdict.Status != results.Warn {
		t.Errorf("verdict %s, want warn\n%s", run.Verdict.Status, o.Stdout)
	}
	requireStatus(t, o, run.Finding(t, "raw-sync.fdatasync{step=raw-sync} p99", "raw-sync"), results.Warn)
	requireStatus(t, o, run.Finding(t, "term-vote.storm", "election-storm"), results.Pass)
	programtest.Empty(t, dir)
}

func TestStormFailsAtFewSlots(t *testing.T) {
	dir := programtest.Target(t)
	o, run := conclusive(t, 3, func(doc string) programtest.Outcome {
		return underStrace(t, 20*time.Millisecond, "check", dir, "--only", "election-storm", "--max-concurrent-io", "6,4096",
			"--budget", "30s", "-o", "text", "-o", "json="+doc)
	})
	few := run.Finding(t, "term-vote.storm", "election-storm max-concurrent-io=6")
	requireStatus(t, o, few, results.Fail)
	if few.Cause == nil || few.Cause.Name != cause.Slots {
		t.Errorf("cause %v, want slots\n%s", few.Cause, o.Stdout)
	}
	if many := run.Finding(t, "term-vote.storm", "election-storm max-concurrent-io=4096"); many.Status != results.Inconclusive {
		requireStatus(t, o, many, results.Pass)
	}
	programtest.Empty(t, dir)
}

func TestMemoryIsNoVolume(t *testing.T) {
	dir := t.TempDir()
	tmpfs, err := slowvolume.NewTmpfs(t.Context(), dir, 512<<20)
	slowtest.Need(t, "loop", err) // mounting needs root, as a loop device does
	t.Cleanup(func() {
		if err := tmpfs.Close(); err != nil {
			t.Error(err)
		}
	})
	o := programtest.Run(t, "check", dir, "--profile", "quick", "--only", "raw-sync")
	requireCode(t, o, 3)
	programtest.Empty(t, dir)
}

func TestStallFails(t *testing.T) {
	volume := slowtest.Block(t, slowvolume.BlockConfig{FS: "ext4", Size: 1 << 30, Dir: t.TempDir(), Faults: slowtest.Faults(t, "stall 5s every 8s")})
	o, run := conclusive(t, 3, func(doc string) programtest.Outcome {
		return programtest.Run(t, "check", volume.Path(), "--only", "raw-sync,term-vote", "--skip", "election-storm*", "-o", "text", "-o", "json="+doc)
	})
	stalled := false
	for _, f := range run.Verdict.Findings {
		if f.Status == results.Fail {
			stalled = stalled || strings.Contains(f.Reason, "stalled")
			if f.Cause == nil || f.Cause.Name != cause.Device {
				t.Errorf("cause %v, want device\n%s", f.Cause, o.Stdout)
			}
		}
	}
	if !stalled {
		t.Errorf("no failure tells when it stalled\n%s", o.Stdout)
	}
	programtest.Empty(t, volume.Path())
}
