package engine

import (
	"slices"
	"testing"
)

func TestCanaryWatch(t *testing.T) {
	const ms = 1e-3
	steady := func(seconds float64, n int) []float64 { return slices.Repeat([]float64{seconds}, n) }
	tests := []struct {
		name  string
		feed  []float64
		hurts int // index of the first fsync that is too slow, -1 for none
	}{
		{"steady", steady(2*ms, 200), -1},
		{"no fsyncs at all", steady(0, 100), -1},
		{"slow from the start is the volume's own", steady(500*ms, 100), -1},
		{"slow before there is a baseline", steady(50*ms, canaryWindow-1), -1},
		// Eleven slow ones of twenty move the median.
		{"three times as slow", slices.Concat(steady(2*ms, 2*canaryWindow), steady(6*ms, 20)), 2*canaryWindow + 9},
		{"just twice as slow", slices.Concat(steady(2*ms, 40), steady(4*ms, 60)), -1},
		{"much slower and under a millisecond more", slices.Concat(steady(0.1*ms, 40), steady(1.05*ms, 60)), -1},
		{"much slower and over a millisecond more", slices.Concat(steady(0.1*ms, 40), steady(1.2*ms, 60)), 49},
		{"single spikes", slices.Repeat(slices.Concat(steady(2*ms, 4), steady(80*ms, 1)), 40), -1},
		{"a zero between is no fsync", slices.Concat(steady(2*ms, 40), slices.Repeat([]float64{0, 6 * ms}, 20)), 40 + 2*10 - 1},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var c canaryWatch
			hurts := slices.IndexFunc(test.feed, c.slow)
			if hurts != test.hurts {
				t.Errorf("hurts at fsync %d, want %d (baseline %v, recent %v)", hurts, test.hurts, c.baseline, c.recent())
			}
		})
	}
}
