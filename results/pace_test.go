package results

import (
	"strings"
	"testing"
	"time"

	"storebench/internal/measure"
)

// paced is a run of one step with rounds of 1 s, 10 s apart, whose operations
// take what latency says of the seconds since the start of the run and of the
// round.
func paced(t *testing.T, rounds int, latency func(run, round float64) time.Duration) *Run {
	t.Helper()
	var all []measure.Round
	begin := time.Date(2026, 1, 2, 3, 4, 0, 0, time.UTC)
	for i := range rounds {
		recorder, start := measure.NewRecorder(1, time.Second), float64(10*i)
		at := time.Duration(0)
		for at < time.Second {
			took := latency(start+at.Seconds(), at.Seconds())
			at += took
			recorder.Shard(0).Record(at, took)
		}
		all = append(all, measure.Round{
			Start: begin.Add(time.Duration(start) * time.Second), Elapsed: at.Seconds(), Distribution: recorder.Distribution(),
		})
	}
	run := runOf(t, all, "disk.write p50 < 10s")
	run.Started = begin
	return run
}

func TestPace(t *testing.T) {
	fast, slow := 2*ms, 12*ms
	between := func(slowFrom, slowTo float64) func(run, _ float64) time.Duration {
		return func(run, _ float64) time.Duration {
			if run >= slowFrom && run < slowTo {
				return slow
			}
			return fast
		}
	}
	const for5 = 100.0
	tests := []struct {
		name    string
		latency func(run, round float64) time.Duration
		says    string // a part of the reason; empty: no finding
	}{
		{"even", between(for5, for5), ""},
		{"a credit that ends between rounds", between(15, for5), "write of disk got 6 times slower at 03:04:20 UTC, 20 s into the run"},
		{"a credit that ends in a round", between(20.5, for5), "20 s into the run"},
		{"a credit that ends in the last round is one step's alone", between(40.5, for5), ""},
		{"a stall of one round", between(20, 25), ""},
		{"slow at first", between(0, 15), ""},
		{"slower, but not by much", func(run, _ float64) time.Duration {
			if run > 15 {
				return 2 * fast
			}
			return fast
		}, ""},
		{"much slower, and still in no time", func(run, _ float64) time.Duration {
			if run > 15 {
				return 900 * time.Microsecond
			}
			return 100 * time.Microsecond
		}, ""},
		{"a credit that fills up between rounds", func(_, round float64) time.Duration {
			if round > 0.4 {
				return slow
			}
			return fast
		}, "0.4 s into each round"},
		{"a credit that fills up a little between rounds", func(run, round float64) time.Duration {
			if run > 15 && round > 0.2 {
				return slow
			}
			return fast
		}, "and stayed so"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			v := Judge(paced(t, 5, tt.latency))
			reason := ""
			for _, f := range v.Findings {
				if f.Name == "the volume keeps its pace" {
					reason = f.Reason
				}
			}
			if (reason != "") != (tt.says != "") || !strings.Contains(reason, tt.says) {
				t.Errorf("reason %q, want %q", reason, tt.says)
			}
			if want := map[bool]Status{true: Pass, false: Warn}[tt.says == ""]; v.Status != want {
				t.Errorf("verdict %s, want %s", v.Status, want)
			}
		})
	}
}

// A change of pace while the machine lacked processors is no volume's.
func TestPaceOfAStarvedMachine(t *testing.T) {
	run := paced(t, 5, func(run, _ float64) time.Duration {
		if run > 15 {
			return 12 * ms
		}
		return 2 * ms
	})
	for i := range run.Measurements[0].Rounds[2:] {
		run.Measurements[0].Rounds[2+i].Context.CPU = &measure.CPU{Steal: 0.4}
	}
	if v := Judge(run); v.Status != Pass {
		t.Errorf("verdict %s, want pass: %v", v.Status, v.Findings)
	}
}

// A rate that is given hides what the volume could do.
func TestPaceOfAGivenRate(t *testing.T) {
	run := paced(t, 5, func(run, _ float64) time.Duration {
		if run > 15 {
			return 12 * ms
		}
		return 2 * ms
	})
	run.Steps[0].Loop = measure.AtRate
	if v := Judge(run); v.Status != Pass {
		t.Errorf("verdict %s, want pass: %v", v.Status, v.Findings)
	}
}
