package probes

import (
	"context"
	"errors"
	"testing"
	"time"

	"storebench/internal/load"
	"storebench/internal/measure"
)

// TestLagCountsMissedTicks: the ticks that go by while a server does not answer count,
// with what publishers waited for or what is found in the end, and so do looks that fail.
func TestLagCountsMissedTicks(t *testing.T) {
	stopped, stop := context.WithCancel(t.Context())
	stop()
	failed := look{err: errors.New("no answer")}
	tests := []struct {
		name            string
		ctx             context.Context
		look            look
		missed          []float64
		waiting         float64
		lag             float64
		samples, silent int
	}{
		{"at once", t.Context(), look{lagSample: lagSample{lag: 3}}, nil, 900, 5, 101, 0},
		{"late, and much in the end", t.Context(), look{lagSample: lagSample{lag: 700}}, []float64{1, 2}, 0, 700, 103, 0},
		{"late, and much meanwhile", t.Context(), look{lagSample: lagSample{lag: 3}}, []float64{100, 200, 300}, 0, 200, 104, 0},
		{"failed", t.Context(), failed, []float64{100}, 200, 100, 100, 2},
		{"stopped", stopped, failed, []float64{100, 200}, 300, 100, 100, 2},
		{"stopped at once", stopped, failed, nil, 300, 5, 100, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := &lagWatch{}
			for range 100 {
				w.add(t.Context(), look{lagSample: lagSample{lag: 5}}, nil, 0)
			}
			w.add(test.ctx, test.look, test.missed, test.waiting)
			if len(w.samples) != test.samples || len(w.unanswered) != test.silent {
				t.Errorf("%d samples and %d without an answer, want %d and %d", len(w.samples), len(w.unanswered), test.samples, test.silent)
			}
			m := w.measurements(time.Now(), load.Outcome{}, measure.Context{})[0]
			if got := *m.Rounds[0].Value; m.Metric != "lag" || got != test.lag {
				t.Errorf("%s is %v, want a lag of %v", m.Metric, got, test.lag)
			}
			if told := len(m.Warnings) > 0; told != (test.silent > 0) {
				t.Errorf("warnings %q", m.Warnings)
			}
		})
	}
	w := &lagWatch{unanswered: []float64{900}}
	if all := w.measurements(time.Now(), load.Outcome{}, measure.Context{}); len(all) != 1 || *all[0].Rounds[0].Value != 900 {
		t.Errorf("a round without an answer: %+v, want a lag of 900 alone", all)
	}
}

// TestLengthsUnanswered: what got no answer is beyond every bound.
func TestLengthsUnanswered(t *testing.T) {
	d := lengths([]window{
		{begin: 0, end: time.Millisecond},
		{begin: time.Second, end: 6 * time.Second, unanswered: true},
	}, time.Second)
	if d.Count() != 1 || d.Unfinished != 1 || len(d.Stalls) != 1 || d.Stalls[0].Seconds != 5 {
		t.Errorf("%d done, %d unfinished, stalls %v; want one of each, and a stall of 5 s", d.Count(), d.Unfinished, d.Stalls)
	}
}
