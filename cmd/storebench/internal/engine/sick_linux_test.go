package engine_test

import (
	"fmt"
	"os/exec"
	"slices"
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

func TestSyncAlwaysFailsOnSlowSyncs(t *testing.T) {
	dir := programtest.Target(t)
	programtest.Ask(t, func(doc string) programtest.Outcome {
		return underStrace(t, 30*time.Millisecond, "check", dir, "--profile", "sync-always",
			"--only", "raw-sync,block-write", "--skip", "*-sequential,*-parallel,*-max", "--budget", "20s", "-o", "text", "-o", "json="+doc)
	}, func(a programtest.Answer) []string {
		return slices.Concat(a.Exits(3),
			a.Finds("raw-sync.fdatasync{pattern=append} max", "raw-sync", results.Pass), // under 2 s
			a.Finds("raw-sync.fdatasync{step=raw-sync} p99", "raw-sync", results.Fail),
			a.Finds("block-write.store{mode=open} p99", "block-write", results.Fail))
	})
	programtest.Empty(t, dir)
}

// TestDefaultModeWarnsOnSlowSyncs has a small storm: strace stops every sync on one
// thread, and is what is slow in a large one on a busy machine.
func TestDefaultModeWarnsOnSlowSyncs(t *testing.T) {
	dir := programtest.Target(t)
	programtest.Ask(t, func(doc string) programtest.Outcome {
		return underStrace(t, 30*time.Millisecond, "check", dir, "--only", "raw-sync,block-write,block-sync,election-storm",
			"--skip", "*-sequential,*-parallel,*-max", "--set", "term-vote.groups=100", "--budget", "45s", "-o", "text", "-o", "json="+doc)
	}, func(a programtest.Answer) []string {
		wrong := slices.Concat(a.Exits(0),
			a.Finds("raw-sync.fdatasync{step=raw-sync} p99", "raw-sync", results.Warn),
			a.Finds("term-vote.election", "election-storm", results.Pass))
		if status := a.Run.Verdict.Status; status != results.Warn {
			wrong = append(wrong, fmt.Sprintf("verdict %s, want warn", status))
		}
		return wrong
	})
	programtest.Empty(t, dir)
}

func TestStormFailsAtFewSlots(t *testing.T) {
	dir := programtest.Target(t)
	programtest.Ask(t, func(doc string) programtest.Outcome {
		return underStrace(t, 20*time.Millisecond, "check", dir, "--only", "election-storm", "--max-concurrent-io", "6,4096",
			"--budget", "30s", "-o", "text", "-o", "json="+doc)
	}, func(a programtest.Answer) []string {
		const few = "election-storm max-concurrent-io=6"
		wrong := slices.Concat(a.Exits(3), a.Finds("term-vote.election", few, results.Fail),
			a.Finds("term-vote.election", "election-storm max-concurrent-io=4096", results.Pass, results.Inconclusive))
		if f := a.Run.Finding(t, "term-vote.election", few); f.Cause == nil || f.Cause.Name != cause.Slots {
			wrong = append(wrong, fmt.Sprintf("cause %v, want slots", f.Cause))
		}
		return wrong
	})
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
	programtest.RequireCode(t, o, 3)
	programtest.Empty(t, dir)
}

func TestStallFails(t *testing.T) {
	volume := slowtest.Block(t, slowvolume.BlockConfig{FS: "ext4", Size: 1 << 30, Dir: t.TempDir(), Faults: slowtest.Faults(t, "stall 5s every 8s")})
	programtest.Ask(t, func(doc string) programtest.Outcome {
		return programtest.Run(t, "check", volume.Path(), "--only", "raw-sync,term-vote", "--skip", "election-storm*,raw-sync-*",
			"--limit", "term-vote.write max < 2s", "-o", "text", "-o", "json="+doc) // whichever step the stalls meet
	}, func(a programtest.Answer) []string {
		wrong, stalled := a.Exits(3), false
		for _, f := range a.Run.Verdict.Findings {
			if f.Status == results.Fail {
				stalled = stalled || strings.Contains(f.Reason, "stalled")
				if f.Cause == nil || f.Cause.Name != cause.Device {
					wrong = append(wrong, fmt.Sprintf("cause of %s: %v, want device", f.Name, f.Cause))
				}
			}
		}
		if !stalled {
			wrong = append(wrong, "no failure tells when it stalled")
		}
		return wrong
	})
	programtest.Empty(t, volume.Path())
}
