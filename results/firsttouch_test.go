package results

import (
	"testing"
	"time"

	"storebench/internal/measure"
)

func TestFirstTouch(t *testing.T) {
	round := func(d time.Duration) measure.Round { return latencies(ops{100, d}) }
	rounds := func(all ...time.Duration) (rs []measure.Round) {
		for _, d := range all {
			rs = append(rs, round(d))
		}
		return rs
	}
	tests := []struct {
		name   string
		rounds []measure.Round
		want   bool
	}{
		{"slow at first", rounds(20*ms, 2*ms, 2100*time.Microsecond, 1900*time.Microsecond, 2*ms), true},
		{"the same throughout", rounds(2*ms, 2*ms, 2100*time.Microsecond, 1900*time.Microsecond, 2*ms), false},
		{"fast at first", rounds(1*ms, 20*ms, 21*ms, 19*ms, 20*ms), false},
		{"slower at first, and so are others", rounds(20*ms, 2*ms, 15*ms, 3*ms, 9*ms), false},
		{"a little slower than rounds that hardly differ", rounds(2400*time.Microsecond, 2*ms, 2*ms, 2*ms, 2*ms), false},
		{"too few later rounds to have a noise", rounds(20*ms, 2*ms, 2*ms), false},
		{"a round without operations", append(rounds(20*ms, 2*ms, 2*ms, 2*ms), latencies()), false},
		{"values", values(20, 2, 2, 2, 2), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			run := runOf(t, tt.rounds, "disk.write max < 1h")
			got := Judge(run).FirstTouch
			if (len(got) == 1) != tt.want || len(got) > 1 {
				t.Fatalf("%+v, want one: %v", got, tt.want)
			}
			if !tt.want {
				return
			}
			if f := got[0]; f.Step != "disk" || f.Metric != "write" || f.First < .0195 || f.First > .0205 || f.Later < .0019 || f.Later > .0021 || f.Most <= f.Later || f.Most >= f.First {
				t.Errorf("%+v", f)
			}
		})
	}
}
