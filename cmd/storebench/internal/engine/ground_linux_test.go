package engine

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"storebench/cmd/storebench/internal/programtest"
	"storebench/internal/slowvolume"
	"storebench/internal/slowvolume/slowtest"
)

// hung is a volume that answers nothing more until the test ends.
func hung(t *testing.T) string {
	t.Helper()
	v := slowtest.File(t, slowvolume.FileConfig{Dir: t.TempDir()})
	if err := v.Stop(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := v.Continue(); err != nil {
			t.Error(err)
		}
	})
	return v.Path()
}

// TestHungGrounds: a target that gives no answer is a stall, which is a verdict;
// a memory directory that gives none is the user's to change.
func TestHungGrounds(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		options func() Options
		stalled bool
		says    string
	}{
		{"a target", func() Options { return Options{Targets: []string{place(t), hung(t)}} }, true, "the target /"},
		{"memory", func() Options { return Options{MemoryDir: hung(t)} }, false, "--memory-dir"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			e := engineOf(t, test.options(), place(t), raftStep("raft", "leader", smallPeer))
			e.deadline = time.Now() // the budget bounds the wait
			err := openApart(t, e)
			var stalled stalledError
			if !errors.Is(err, errNoAnswer) || errors.As(err, &stalled) != test.stalled {
				t.Fatalf("error %v; want no answer, a stall: %v", err, test.stalled)
			}
			if !strings.Contains(err.Error(), test.says) || errors.Is(err, ErrUsage) {
				t.Errorf("error %q, want %q in it", err, test.says)
			}
		})
	}
}

// TestTargetHangsLater: one that hangs after the start keeps nobody from giving
// back the others.
func TestTargetHangsLater(t *testing.T) {
	t.Parallel()
	v := slowtest.File(t, slowvolume.FileConfig{Dir: t.TempDir()})
	dir, memory := place(t), place(t)
	e := opened(t, engineOf(t, Options{Targets: []string{v.Path()}, MemoryDir: memory}, dir, raftStep("raft", "leader", smallPeer)))
	if err := v.Stop(); err != nil {
		t.Fatal(err)
	}
	e.halted, e.deadline = errNoAnswer, time.Now()
	e.close()
	requireNote(t, e, "storebench clean "+v.Path())
	for _, d := range []string{dir, memory} {
		if left := entries(t, d); len(left) != 0 {
			t.Errorf("%s holds %v", d, left)
		}
	}
	if err := v.Continue(); err != nil {
		t.Fatal(err)
	}
	programtest.WaitFor(t, "clean after it came back", 20*time.Second, func() bool {
		_, err := Clean(t.Context(), v.Path())
		return err == nil
	})
}

// TestPreconditionWaits: a volume that is slow is not given up, and one that gives no
// sign of life is.
func TestPreconditionWaits(t *testing.T) {
	t.Parallel()
	t.Run("slow", func(t *testing.T) {
		t.Parallel()
		v := slowtest.File(t, slowvolume.FileConfig{Dir: t.TempDir()})
		e := opened(t, engineOf(t, Options{}, v.Path(), raftStep("raft", placeAll, smallPeer)))
		if err := v.SetFaults(slowtest.Faults(t, "fsync 3s")...); err != nil {
			t.Fatal(err)
		}
		g := e.main()
		g.need.Bytes = 4 * touchPiece
		if err := e.preconditionOne(t.Context(), g); err != nil {
			t.Error(err)
		}
		if err := v.SetFaults(); err != nil {
			t.Fatal(err)
		}
		e.close()
	})
	t.Run("hung", func(t *testing.T) {
		t.Parallel()
		v := slowtest.File(t, slowvolume.FileConfig{Dir: t.TempDir()})
		e := opened(t, engineOf(t, Options{}, v.Path(), raftStep("raft", placeAll, smallPeer)))
		ctx, stop := context.WithTimeout(t.Context(), 5*silence)
		defer stop()
		if err := v.Stop(); err != nil {
			t.Fatal(err)
		}
		g := e.main()
		g.need.Bytes = 1 << 30 // 9 minutes at the slowest rate
		if err := e.preconditionOne(ctx, g); !errors.Is(err, errNoAnswer) {
			t.Errorf("%v, want no answer", err)
		}
		e.halted, e.deadline = errNoAnswer, time.Now()
		e.close()
		if err := v.Continue(); err != nil {
			t.Fatal(err)
		}
		programtest.WaitFor(t, "clean after it came back", 20*time.Second, func() bool {
			_, err := Clean(t.Context(), v.Path())
			return err == nil
		})
	})
}
