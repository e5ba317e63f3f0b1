package results

import (
	"strings"
	"testing"
	"time"

	"storebench/internal/cause"
	"storebench/internal/measure"
)

// disturbedRound is 2 s of 500 quick operations a second. In the slices from on to before
// until the machine withheld 30 ms each, and there one operation in five took late. One
// in so many of all others took slow; 0 is none.
func disturbedRound(from, until int, late, slow time.Duration, oneIn int) measure.Round {
	recorder := measure.NewRecorder(1, 2*time.Second)
	w := &measure.Withheld{Start: started, Width: .1, Seen: []string{"steal", "sentinel"}}
	for index := range 20 {
		disturbed := index >= from && index < until
		if disturbed {
			w.Slices = append(w.Slices, measure.WithheldSlice{Index: index, Late: .03})
		}
		for i := range 50 {
			took := ms
			if disturbed && i%5 == 0 {
				took = late
			} else if oneIn > 0 && i%oneIn == 0 {
				took = slow
			}
			recorder.Shard(0).Record(time.Duration(index)*100*ms+time.Duration(2*i)*ms, took)
		}
	}
	return measure.Round{Start: started, Elapsed: 2, Distribution: recorder.Distribution(), Context: measure.Context{
		CPU: &measure.CPU{Busy: 1}, Pressure: &measure.Pressure{CPU: .15}, Withheld: w,
	}}
}

// starved is the round on a machine that kept a fifth of its processors from it.
func starved(r measure.Round) measure.Round {
	r.Context.Pressure = &measure.Pressure{CPU: .2}
	return r
}

// TestJudgeDisturbed: what the machine disturbed is set aside, so that neither a volume
// that is quick otherwise is blamed for it, nor one that is slow otherwise excused by it.
func TestJudgeDisturbed(t *testing.T) {
	for _, tt := range []struct {
		name      string
		round     measure.Round
		want      Status
		undecided bool
		reason    string // a part of it
	}{
		{"slow while it was disturbed", disturbedRound(5, 10, 20*ms, 0, 0), Pass, false,
			"met; 900 of 3,000 operations are not counted: this process had no CPU for 0.54 s in 18 slices of 100 ms, and with them p99 is 20 ms"},
		{"slow at other times, too", disturbedRound(5, 10, 20*ms, 20*ms, 10), Fail, false, "over the limit"},
		{"slow throughout, on a machine that disturbs throughout", disturbedRound(0, 20, 100*ms, 100*ms, 1), Fail, false, "over the limit"},
		{"disturbed throughout", disturbedRound(0, 20, 20*ms, 0, 0), Inconclusive, true, "this machine's CPU is to blame"},
		{"slow for longer than was withheld", disturbedRound(5, 10, 200*ms, 0, 0), Fail, false, "over the limit"},
		{"slow for longer, but much was lost and nothing else was seen", starved(disturbedRound(5, 10, 200*ms, 0, 0)), Inconclusive, true, "this machine's CPU is to blame"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := Judge(runOf(t, []measure.Round{tt.round, tt.round, tt.round}, "disk.write p99 < 10ms")).Findings[0]
			if f.Status != tt.want || f.Undecided != tt.undecided || !strings.Contains(f.Reason, tt.reason) {
				t.Errorf("%s (undecided %v): %s; want %s, %v, %q", f.Status, f.Undecided, f.Reason, tt.want, tt.undecided, tt.reason)
			}
			if f.Status == Fail && f.Cause.Name == cause.CPU {
				t.Errorf("cause %v", f.Cause)
			}
		})
	}
}

// TestUnseenWithheld: a run that does not know when the machine withheld its processors
// says so.
func TestUnseenWithheld(t *testing.T) {
	for _, withheld := range []*measure.Withheld{nil, {Start: started, Width: .1, Seen: []string{"steal"}}} {
		r := latencies(ops{1000, ms})
		r.Context.Withheld = withheld
		told := strings.Contains(strings.Join(Unseen(runOf(t, []measure.Round{r}, "disk.write p99 < 10ms")), "\n"), "when this process had no CPU")
		if told != (withheld == nil) {
			t.Errorf("observed %v, and it is told: %v", withheld != nil, told)
		}
	}
}
