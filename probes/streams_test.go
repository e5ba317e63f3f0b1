package probes

import (
	"context"
	"errors"
	"io/fs"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"storebench/internal/load"
	"storebench/internal/measure"
	"storebench/internal/natsfs"
)

func TestWritersAreSpread(t *testing.T) {
	for writers, want := range map[int][4]int{1: {1, 1, 1, 1}, 4: {1, 1, 1, 1}, 7: {2, 2, 2, 1}, 9: {3, 2, 2, 2}} {
		p := streamParams{storeParams: storeParams{Streams: 4}, Concurrency: writers}
		if got := [4]int{p.writers(0), p.writers(1), p.writers(2), p.writers(3)}; got != want {
			t.Errorf("%d writers: %v, want %v", writers, got, want)
		}
	}
}

// With sync always every message of the fill would be an fsync.
func TestSyncAlwaysHasNoFill(t *testing.T) {
	p := &BlockSync{Rate: 1, Dirty: 8 << 20, Syncs: 1, streamParams: defaultStreams()}
	p.Sync = "always"
	s := openStreams(t, p.streamParams)
	if err := p.fill(s, len(s.stores)); err != nil {
		t.Fatal(err)
	}
	for i, store := range s.stores {
		if got := store.State().Msgs; got != 1 {
			t.Errorf("stream %d holds %d messages, want the one that its state is about", i, got)
		}
	}
}

// The messages' end is set while they run: what was due by then stays due.
func TestUntilDone(t *testing.T) {
	var end atomic.Int64
	end.Store(math.MaxInt64)
	u := untilDone{Open: load.Open{Rate: 10}, end: &end}
	if at, ok := u.Due(100); !ok || at != 10*time.Second {
		t.Errorf("without an end: %v, %v", at, ok)
	}
	end.Store(int64(2 * time.Second))
	if _, ok := u.Due(20); !ok {
		t.Error("a message that was due at the end is dropped")
	}
	if _, ok := u.Due(21); ok {
		t.Error("a message is due after the end")
	}
}

func TestServerWarnings(t *testing.T) {
	p := defaultStreams()
	p.Streams, p.Concurrency = 1, 1
	s := openStreams(t, p)
	healthy := s.warn([]measure.Measurement{{Metric: "store"}})
	if got := healthy[0].Warnings; len(got) != 0 {
		t.Errorf("a healthy server warns: %q", got)
	}
	breakStore(t, s)
	broken := s.warn([]measure.Measurement{{Metric: "store"}, {Metric: "store_service"}})
	got := broken[0].Warnings
	if len(got) == 0 || len(got) > maxServerWarnings || len(broken[1].Warnings) != 0 {
		t.Fatalf("warnings %q, of the second measurement %q", got, broken[1].Warnings)
	}
	for i, line := range got {
		if !strings.HasPrefix(line, "nats-server: [") || strings.Contains(line, s.dir) {
			t.Errorf("%q", line)
		}
		for _, other := range got[:i] {
			if line == other {
				t.Errorf("twice: %q", line)
			}
		}
	}
	if len(s.warn(nil)) != 0 {
		t.Error("a round without measurements has one")
	}
}

// breakStore puts a directory where a stream's state file belongs, so that the
// sync of it fails and the server says so.
func breakStore(t *testing.T, s *streams) {
	t.Helper()
	if err := os.Mkdir(filepath.Join(s.stores[0].Dir(), "msgs", "index.db"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := s.stores[0].SyncBlocks(); err == nil {
		t.Fatal("the sync of a broken store succeeded")
	}
}

// A storm with a failed write, and one whose context ended, is no reason for a
// larger one.
func TestStormEnds(t *testing.T) {
	slots, err := natsfs.NewSlots(natsfs.DefaultSlots)
	if err != nil {
		t.Fatal(err)
	}
	parent := t.TempDir()
	dirs, err := prepareGroups(t.Context(), parent, 3)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// The storm whose context ends leaves a write in flight, which may put a
		// file where one was just removed.
		for range 1000 {
			if os.RemoveAll(parent) == nil {
				return
			}
		}
	})
	votes := (&TermVote{Role: "voter"}).votes()
	if s := runStorm(t.Context(), slots, dirs, votes, time.Minute); s.ending(t.Context()) != nil || s.finished != 3 {
		t.Errorf("a storm on a sound volume: %+v", s)
	}
	dirs[1] = filepath.Join(dirs[1], "gone")
	if s := runStorm(t.Context(), slots, dirs, votes, time.Minute); !errors.Is(s.ending(t.Context()), fs.ErrNotExist) || s.failed != 1 {
		t.Errorf("a storm with a failed write: %+v", s)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if s := runStorm(ctx, slots, dirs[:1], votes, time.Minute); !errors.Is(s.ending(ctx), context.Canceled) {
		t.Errorf("a storm whose context ended: %+v", s)
	}
	p := &TermVote{Mode: "capacity", Groups: 1, Role: "voter", Slots: natsfs.DefaultSlots, Bound: time.Minute}
	if _, err := p.capacity(ctx, &Env{Dir: t.TempDir()}); !errors.Is(err, context.Canceled) {
		t.Errorf("capacity whose context ended: %v", err)
	}
}

// openStreams opens streams in a directory of the test.
func openStreams(t *testing.T, p streamParams) *streams {
	t.Helper()
	dir, err := os.MkdirTemp("", "storebench-streams-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	s, err := p.open(t.Context(), &Env{Dir: dir, Rand: rand.New(rand.NewPCG(1, 2))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.close(context.Background()) })
	return s
}
