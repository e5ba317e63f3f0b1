package engine_test

import (
	"path/filepath"
	"slices"
	"testing"
	"time"

	"storebench/cmd/storebench/internal/programtest"
	"storebench/internal/slowvolume"
	"storebench/internal/slowvolume/slowtest"
	"storebench/results"
)

// sweepBudget holds 25 cells in 3 rounds on a slow volume.
const sweepBudget = 48 * time.Second

// sweep runs a matrix of 5 × 5 cells on a volume with a fault; it must end within
// its budget with data of every cell.
func sweep(t *testing.T, fault string, args ...string) (programtest.Answer, *results.Matrix) {
	t.Helper()
	volume := slowtest.Block(t, slowvolume.BlockConfig{FS: "ext4", Size: 1 << 30, Dir: t.TempDir(), Faults: slowtest.Faults(t, fault)})
	doc := filepath.Join(t.TempDir(), "sweep.json")
	o := programtest.Run(t, append([]string{
		"sweep", volume.Path(), "--rounds", "3", "--duration", "200ms", "--budget", sweepBudget.String(), "-o", "text", "-o", "json=" + doc,
	}, args...)...)
	programtest.RequireCode(t, o, 0)
	if o.Took > sweepBudget+time.Second { // and the start of the program
		t.Errorf("it took %v of %v", o.Took, sweepBudget)
	}
	run := programtest.Document(t, doc)
	matrix := results.Evaluate(&run.Run)
	if len(matrix.Cells) != 25 {
		t.Errorf("%d cells, want 25\n%s", len(matrix.Cells), o.Stdout)
	}
	programtest.Empty(t, volume.Path())
	return programtest.Answer{Outcome: o, Run: run}, matrix
}

// hidden fails the test for what a sweep must show; on a machine that kept processors
// from the run noise may honestly hide it, and the test is undecided.
func hidden(t *testing.T, a programtest.Answer, what string) {
	t.Helper()
	if a.Loud() {
		t.Skipf("%s, while this machine kept %.0f %% of its processors from the run", what, 100*a.Run.Lost())
	}
	t.Error(what)
}

// TestSweepFindsAKnee: beside one writer the file system joins the flushes of many,
// so that throughput grows with them, up to the 100 operations a second that the
// volume does.
func TestSweepFindsAKnee(t *testing.T) {
	o, matrix := sweep(t, "iops 100", "--probe", "raw-sync", "--set", "max-bytes=1MiB",
		"--vary", "concurrency=1,4,16,64,128", "--vary", "size=512B,1KiB,2KiB,4KiB,8KiB")
	found := 0
	for _, k := range matrix.Knees {
		if k.Parameter != "concurrency" {
			continue
		}
		switch {
		case k.State == results.KneeBeyond:
			t.Errorf("no knee at %v: %s", k.At, k.Reason)
		case k.State == results.KneeFound:
			found++
			if !slices.Contains([]string{"4", "16", "64"}, k.Value) {
				t.Errorf("the knee at %v is %s (%s)", k.At, k.Value, k.Reason)
			}
		}
	}
	if found == 0 { // a cell has some 20 operations a round, and noise may hide it along most lines
		hidden(t, o, "no knee along any of 5 lines")
	}
	if t.Failed() {
		t.Log(o.Stdout)
	}
}

// TestSweepFindsNoKneeWithoutALimit: where each flush takes 20 ms and any number
// of them may be under way, an election scales as far as there are slots.
func TestSweepFindsNoKneeWithoutALimit(t *testing.T) {
	o, matrix := sweep(t, "flush 20ms", "--probe", "term-vote", "--set", "mode=storm",
		"--vary", "groups=2,4,8,16,32", "--vary", "max-concurrent-io=4,6,16,64,4096")
	for _, k := range matrix.Knees {
		slots, alongGroups := k.At["max-concurrent-io"]
		if !alongGroups {
			continue
		}
		switch slots {
		case "64", "4096": // more than there are groups
			if k.State == results.KneeFound {
				t.Errorf("a knee at %s groups with %s slots: %s", k.Value, slots, k.Reason)
			}
		case "4":
			// On a busy machine it may be honestly unclear.
			if k.State == results.KneeBeyond || k.State == results.KneeFound && !slices.Contains([]string{"2", "4", "8"}, k.Value) {
				t.Errorf("with 4 slots the knee is %s %s: %s", k.State, k.Value, k.Reason)
			}
		}
	}
	// On a busy machine one of the two may be honestly unclear.
	if !slices.ContainsFunc(matrix.Knees, func(k results.Knee) bool {
		return slices.Contains([]string{"64", "4096"}, k.At["max-concurrent-io"]) && k.State == results.KneeBeyond
	}) {
		hidden(t, o, "it is not said that throughput scales with more slots than groups")
	}
	enough := matrix.Slots
	if enough.At["groups"] != "32" || enough.Enough != 64 && enough.Enough != 4096 && enough.Enough != 0 || slices.Contains(enough.Open, 16) {
		t.Errorf("32 groups need 32 slots, and %+v was found", enough)
	}
	if t.Failed() {
		t.Log(o.Stdout)
	}
}
