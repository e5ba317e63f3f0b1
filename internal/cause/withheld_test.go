package cause

import (
	"strings"
	"testing"
	"time"

	"storebench/internal/measure"
)

// A longest operation is the machine's doing where it would have kept its bound with the
// time that was withheld while it was under way: not that of other seconds, and not of one
// that never ended.
func TestLongestGivenBack(t *testing.T) {
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	round := func(withheld ...measure.WithheldSlice) measure.Round {
		r := measure.NewRecorder(1, 10*time.Second)
		r.Shard(0).Record(time.Second, time.Millisecond)
		r.Shard(0).Record(5*time.Second, 150*time.Millisecond) // from 4.85 s to 5 s
		return measure.Round{
			Start: start, Elapsed: 10, Distribution: r.Distribution(),
			Context: measure.Context{
				CPU:      &measure.CPU{Steal: .1}, // by the mean it would be excused
				Withheld: &measure.Withheld{Start: start, Width: .1, Slices: withheld, Seen: []string{"steal"}},
			},
		}
	}
	during := measure.WithheldSlice{Index: 49, Steal: .06, Late: .05}
	for _, tt := range []struct {
		name   string
		round  measure.Round
		change func(*measure.Round)
		want   Name
	}{
		{"withheld while it was under way", round(during), nil, CPU},
		{"withheld at another time", round(measure.WithheldSlice{Index: 20, Steal: .1}), nil, Unknown},
		{"too little was withheld", round(measure.WithheldSlice{Index: 49, Steal: .04, Late: .04, Threads: .03}), nil, Unknown},
		{"nothing was withheld", round(), nil, Unknown},
		{"much was lost on average, and nothing else was seen", round(), func(r *measure.Round) { r.Context.CPU.Steal = .5 }, CPU},
		{"the device explains it alone", round(during), func(r *measure.Round) {
			r.Context.CPU.Steal = 0
			r.Context.Device = &measure.Device{Name: "vdb", Busy: .9, FlushSeconds: .14}
		}, Device},
		{"one more never ended", round(during), func(r *measure.Round) { r.Distribution.GiveUp(10, 3, 1) }, Unknown},
		{"one more failed", round(during), func(r *measure.Round) { r.Distribution.Failed = 1 }, Unknown},
		{"one more was given up before the bound", round(during), func(r *measure.Round) { r.Distribution.GiveUp(10, 0.05, 1) }, CPU},
		{"no operation is as long as the bound", round(during), func(r *measure.Round) {
			r.Distribution, r.Context.CPU.Steal = latencies(50*time.Millisecond), 0
		}, Unknown},
		{"one is just as long as the bound, and nothing was withheld", round(), func(r *measure.Round) {
			r.Distribution, r.Context.CPU.Steal = latencies(100*time.Millisecond), 0
		}, Unknown},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.change != nil {
				tt.change(&tt.round)
			}
			got := Find(Case{FileSystems: []string{"ext4"}, CPUs: 2, Rounds: []measure.Round{tt.round}, Seconds: .15, Kind: Longest, Bound: .1})
			if got.Name != tt.want {
				t.Errorf("%s (%v), want %s", got.Name, got.Evidence, tt.want)
			}
			if tt.want == CPU && len(tt.round.Context.Withheld.Slices) > 0 && !strings.Contains(strings.Join(got.Evidence, " "), "would have taken 90 ms") {
				t.Errorf("evidence %v, want what is left of 150 ms", got.Evidence)
			}
		})
	}
}

// TestShareGivenBack: a share is excused by what was withheld at the same moment and by
// nothing else, where that was observed, and not where the device explains it alone.
func TestShareGivenBack(t *testing.T) {
	slow := measure.Round{Elapsed: 10, Distribution: latencies(150 * time.Millisecond), Context: measure.Context{CPU: &measure.CPU{Steal: .19}}}
	aside := measure.Aside{Operations: 1, Of: 1, Slices: 1, Seconds: .1}
	busy := slow
	busy.Context = measure.Context{CPU: &measure.CPU{Steal: .2}, Device: &measure.Device{Name: "vdb", Busy: .9, FlushSeconds: .14}}
	for _, tt := range []struct {
		name  string
		round measure.Round
		quiet *Undisturbed
		want  Name
	}{
		{"without the disturbed ones it is kept", slow, &Undisturbed{Aside: aside}, CPU},
		{"without them it is broken, too", slow, &Undisturbed{Breaks: true, Aside: aside}, Unknown},
		{"none was disturbed", slow, &Undisturbed{}, Unknown},
		{"the device explains it", busy, &Undisturbed{Aside: aside}, Device},
		{"nobody observed it", slow, nil, Unknown},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := Find(Case{FileSystems: []string{"ext4"}, CPUs: 2, Rounds: []measure.Round{tt.round}, Seconds: .15, Kind: Share, Bound: .1, Undisturbed: tt.quiet})
			if got.Name != tt.want {
				t.Errorf("%s (%v), want %s", got.Name, got.Evidence, tt.want)
			}
		})
	}
}

func latencies(all ...time.Duration) *measure.Distribution {
	r := measure.NewRecorder(1, 10*time.Second)
	for _, took := range all {
		r.Shard(0).Record(5*time.Second, took)
	}
	return r.Distribution()
}
