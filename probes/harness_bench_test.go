package probes

import (
	"context"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"time"

	"storebench/internal/load"
	"storebench/internal/volume"
)

const (
	// harnessOps is how many messages one bare turn stores: enough to roll two
	// blocks of 8 MB, so that every turn has its share of rolls.
	harnessOps = 16_000
	// harnessTurns is the least number of pairs of turns, however short
	// -benchtime is.
	harnessTurns = 201
)

// BenchmarkHarnessCost tells what the harness adds to an operation. It stores
// messages of 1 KiB with one writer in one stream in memory, by a bare loop and
// through load.Run with its recorder, in turn, so that both see the same load of
// the machine. It reports the medians of both and the median of the differences
// between the two turns of a pair, of which the aim is 100 ns at most.
func BenchmarkHarnessCost(b *testing.B) {
	s := harnessStream(b)
	if _, err := bareTurn(s); err != nil { // the first blocks and the pools
		b.Fatal(err)
	}
	var bare, harness, cost []float64
	turn := func() {
		plain, err := bareTurn(s)
		if err != nil {
			b.Fatal(err)
		}
		measured, err := harnessTurn(s, time.Duration(plain*harnessOps))
		if err != nil {
			b.Fatal(err)
		}
		bare, harness, cost = append(bare, plain), append(harness, measured), append(cost, measured-plain)
	}
	for b.Loop() {
		turn()
	}
	for len(bare) < harnessTurns {
		turn()
	}
	b.ReportMetric(0, "ns/op") // of a pair of turns, which says nothing
	b.ReportMetric(middle(bare), "bare-ns/msg")
	b.ReportMetric(middle(harness), "harness-ns/msg")
	b.ReportMetric(middle(cost), "cost-ns/msg")
}

// harnessStream opens one stream in memory, as block-write opens it on a volume.
func harnessStream(b *testing.B) *streams {
	b.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "storebench-harness-*")
	if err != nil {
		b.Skipf("needs a tmpfs at /dev/shm: %v", err)
	}
	b.Cleanup(func() { _ = os.RemoveAll(dir) })
	if facts, err := volume.Inspect(dir); err != nil || facts.FileSystem != "tmpfs" {
		b.Skipf("needs a tmpfs at /dev/shm, which is %q (%v)", facts.FileSystem, err)
	}
	params := defaultStreams()
	params.Streams, params.Concurrency = 1, 1
	s, err := params.open(b.Context(), &Env{Dir: dir, Rand: rand.New(rand.NewPCG(1, 2))})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := s.close(context.Background()); err != nil {
			b.Error(err)
		}
	})
	return s
}

// bareTurn returns the nanoseconds that a message takes in a plain loop.
func bareTurn(s *streams) (float64, error) {
	begin := time.Now()
	for range harnessOps {
		if err := s.stores[0].StoreMsg(s.subjects[0], nil, s.payload); err != nil {
			return 0, err
		}
	}
	return float64(time.Since(begin)) / harnessOps, nil
}

// harnessTurn returns the nanoseconds that a message takes through the path of
// block-write, in closed loop for about as long as a bare turn.
func harnessTurn(s *streams, duration time.Duration) (float64, error) {
	outcomes, err := s.run(context.Background(), func(int) load.Config {
		return load.Config{Workers: 1, Pacer: load.Closed{}, Duration: duration, Grace: grace}
	})
	if err != nil {
		return 0, err
	}
	out := outcomes[0]
	return float64(out.Elapsed) / float64(out.Done), out.FirstError
}

func middle(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}
