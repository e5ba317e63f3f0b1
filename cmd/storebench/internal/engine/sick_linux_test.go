package engine_test

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"storebench/internal/cause"
	"storebench/internal/slowvolume"
	"storebench/internal/slowvolume/slowtest"
	"storebench/results"
)

// underStrace runs the program with every fsync and fdatasync delayed, which
// needs neither root nor a special volume.
func underStrace(t *testing.T, delay time.Duration, args ...string) outcome {
	t.Helper()
	strace, err := exec.LookPath("strace")
	slowtest.Need(t, "strace", err)
	cmd := command(t, strace, append([]string{
		"-f", "-qq", "-o", "/dev/null", "--seccomp-bpf", "-e", "trace=fsync,fdatasync",
		"-e", fmt.Sprintf("inject=fsync,fdatasync:delay_exit=%d", delay.Microseconds()), program,
	}, args...)...)
	// Go preempts by signals, and each would stop its thread for strace.
	cmd.Env = append(cmd.Env, "GODEBUG=asyncpreemptoff=1")
	return finish(t, cmd)
}

// requireStatus fails the test with the whole report when a finding is not as
// it must be.
func requireStatus(t *testing.T, o outcome, f results.Finding, want results.Status) {
	t.Helper()
	if f.Status != want {
		t.Errorf("%s at %s is %s (%s), want %s\n%s", f.Name, f.Step, f.Status, f.Reason, want, o.stdout)
	}
}

// requireCode fails the test with the whole report on another exit code.
func requireCode(t *testing.T, o outcome, want int) {
	t.Helper()
	if o.code != want {
		t.Errorf("exit code %d, want %d\n%s\n%s", o.code, want, o.stdout, o.stderr)
	}
}

// conclusive runs a check whose exit code must be want. On a machine whose
// processors are taken from it the honest answer may be inconclusive: then it
// is asked again, as the report advises, and a second such answer ends the test,
// if the run itself shows that the machine was to blame.
func conclusive(t *testing.T, want int, check func(doc string) outcome) (outcome, judged) {
	t.Helper()
	for range 2 {
		doc := filepath.Join(t.TempDir(), "run.json")
		o := check(doc)
		run := document(t, doc)
		if o.code != 4 {
			requireCode(t, o, want)
			return o, run
		}
		if lost := run.lost(); lost < 0.02 {
			t.Fatalf("inconclusive on a machine that kept only %.1f %% of its processors from the run\n%s", 100*lost, o.stdout)
		}
	}
	t.Skip("this machine keeps its processors from the run: inconclusive twice")
	return outcome{}, judged{}
}

func TestSyncAlwaysFailsOnSlowSyncs(t *testing.T) {
	dir := target(t)
	o, run := conclusive(t, 3, func(doc string) outcome {
		return underStrace(t, 30*time.Millisecond, "check", dir, "--profile", "sync-always",
			"--skip", "*-sequential,*-parallel,election-*,block-sync", "--budget", "40s", "-o", "text", "-o", "json="+doc)
	})
	requireStatus(t, o, run.finding(t, "raw-sync.fdatasync{pattern=append} max", "raw-sync"), results.Pass) // under 2 s
	requireStatus(t, o, run.finding(t, "raw-sync.fdatasync{step=raw-sync} p99", "raw-sync"), results.Fail)
	requireStatus(t, o, run.finding(t, "block-write.store{mode=open} p99", "block-write"), results.Fail)
	empty(t, dir)
}

func TestDefaultModeWarnsOnSlowSyncs(t *testing.T) {
	dir := target(t)
	o, run := conclusive(t, 0, func(doc string) outcome {
		return underStrace(t, 30*time.Millisecond, "check", dir, "--skip", "*-sequential,*-parallel,election-storm-older", "-o", "text", "-o", "json="+doc)
	})
	if run.Verdict.Status != results.Warn {
		t.Errorf("verdict %s, want warn\n%s", run.Verdict.Status, o.stdout)
	}
	requireStatus(t, o, run.finding(t, "raw-sync.fdatasync{step=raw-sync} p99", "raw-sync"), results.Warn)
	requireStatus(t, o, run.finding(t, "term-vote.storm", "election-storm"), results.Pass)
	empty(t, dir)
}

func TestStormFailsAtFewSlots(t *testing.T) {
	dir := target(t)
	o, run := conclusive(t, 3, func(doc string) outcome {
		return underStrace(t, 20*time.Millisecond, "check", dir, "--only", "election-storm", "--max-concurrent-io", "6,4096",
			"--budget", "30s", "-o", "text", "-o", "json="+doc)
	})
	few := run.finding(t, "term-vote.storm", "election-storm max-concurrent-io=6")
	requireStatus(t, o, few, results.Fail)
	if few.Cause == nil || few.Cause.Name != cause.Slots {
		t.Errorf("cause %v, want slots\n%s", few.Cause, o.stdout)
	}
	if many := run.finding(t, "term-vote.storm", "election-storm max-concurrent-io=4096"); many.Status != results.Inconclusive {
		requireStatus(t, o, many, results.Pass)
	}
	empty(t, dir)
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
	o := storebench(t, "check", dir, "--profile", "quick", "--only", "raw-sync")
	requireCode(t, o, 3)
	empty(t, dir)
}

func TestStallFails(t *testing.T) {
	volume := slowtest.Block(t, slowvolume.BlockConfig{FS: "ext4", Size: 1 << 30, Dir: t.TempDir(), Faults: slowtest.Faults(t, "stall 5s every 8s")})
	o, run := conclusive(t, 3, func(doc string) outcome {
		return storebench(t, "check", volume.Path(), "--only", "raw-sync,term-vote", "--skip", "election-storm*", "-o", "text", "-o", "json="+doc)
	})
	stalled := false
	for _, f := range run.Verdict.Findings {
		if f.Status == results.Fail {
			stalled = stalled || strings.Contains(f.Reason, "stalled")
			if f.Cause == nil || f.Cause.Name != cause.Device {
				t.Errorf("cause %v, want device\n%s", f.Cause, o.stdout)
			}
		}
	}
	if !stalled {
		t.Errorf("no failure tells when it stalled\n%s", o.stdout)
	}
	empty(t, volume.Path())
}
