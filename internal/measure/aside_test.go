package measure

import (
	"math/rand/v2"
	"testing"
	"time"
)

var asideStart = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// roundOf makes a round of operations: when each ended in seconds, and how many
// milliseconds it took.
func roundOf(w *Withheld, operations ...[2]float64) Round {
	r := NewRecorder(1, 10*time.Second)
	for _, o := range operations {
		r.Shard(0).Record(time.Duration(o[0]*1e9), time.Duration(o[1]*1e6))
	}
	return Round{Start: asideStart, Elapsed: 10, Distribution: r.Distribution(), Context: Context{Withheld: w}}
}

func TestUndisturbed(t *testing.T) {
	withheld := func(slices ...WithheldSlice) *Withheld {
		return &Withheld{Start: asideStart, Width: .1, Slices: slices, Seen: []string{"steal", "sentinel"}}
	}
	for _, tt := range []struct {
		name        string
		round       Round
		kept, aside int64
		beyond      int64 // of those that are kept, at 10 ms
	}{
		{"slow and quick ones of a disturbed slice", roundOf(withheld(WithheldSlice{Index: 20, Late: .02}), [2]float64{2.05, 1}, [2]float64{2.06, 15}, [2]float64{5, 1}, [2]float64{5, 15}), 2, 2, 1},
		{"too little was withheld", roundOf(withheld(WithheldSlice{Index: 20, Late: .004}), [2]float64{2.05, 1}, [2]float64{2.05, 15}), 2, 0, 1},
		{"less than half of a long one's time", roundOf(withheld(WithheldSlice{Index: 20, Steal: .1}), [2]float64{2.05, 1}, [2]float64{2.05, 800}), 1, 1, 1},
		{"half of a long one's time, before the slice in which it ended", roundOf(withheld(WithheldSlice{Index: 19, Quota: .1}, WithheldSlice{Index: 18, Quota: .1}), [2]float64{2.05, 1}, [2]float64{2.05, 300}), 0, 2, 0},
		{"threads that waited often for a little", roundOf(withheld(WithheldSlice{Index: 20, Threads: .09}), [2]float64{2.05, 15}), 1, 0, 1},
		{"nothing was withheld", roundOf(withheld(), [2]float64{2.05, 15}), 1, 0, 1},
		{"nothing was observed", roundOf(nil, [2]float64{2.05, 15}), 1, 0, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			kept, aside := tt.round.Undisturbed(.01)
			if kept.Count() != tt.kept || aside.Operations != tt.aside || kept.Beyond(.01) != tt.beyond {
				t.Errorf("%d kept, %d of them beyond, %+v set aside; want %d, %d and %d operations", kept.Count(), kept.Beyond(.01), aside, tt.kept, tt.beyond, tt.aside)
			}
		})
	}
	r := roundOf(withheld(WithheldSlice{Index: 20, Late: .02}), [2]float64{2.05, 1}, [2]float64{5, 15})
	r.Distribution.Failed = 3
	if kept, _ := r.Undisturbed(.01); kept.Failed != 3 {
		t.Errorf("%d failed operations are kept, want 3: no machine makes them fail", kept.Failed)
	}
}

// A machine that disturbs a third of the time must not make a volume pass whose own
// share of slow operations is beyond what a limit allows, nor one fail whose share is
// far below it.
func TestUndisturbedCoverage(t *testing.T) {
	const runs, bound, seed = 400, .01, 12
	random := rand.New(rand.NewPCG(seed, 1))
	for _, tt := range []struct {
		own                float64 // share of operations that the volume makes slow
		leastPass          float64 // of the runs
		mostPass, mostFail float64
	}{{.012, 0, .04, 1}, {.0005, .5, 1, .04}} {
		passed, failed := 0, 0
		for range runs {
			var kept []*Distribution
			for range 5 {
				d, _ := noisyRound(random, tt.own).Undisturbed(bound)
				kept = append(kept, d)
			}
			switch share, _, _ := ShareBeyond(kept, bound); {
			case share.High <= .01:
				passed++
			case share.Low > .01:
				failed++
			}
		}
		t.Logf("own share %.2f %%: %d of %d pass, %d fail", 100*tt.own, passed, runs, failed)
		if pass, fail := float64(passed)/runs, float64(failed)/runs; pass < tt.leastPass || pass > tt.mostPass || fail > tt.mostFail {
			t.Errorf("own share %.2f %%: %.3f pass, %.3f fail; %.3f to %.3f may pass and at most %.3f fail", 100*tt.own, pass, fail, tt.leastPass, tt.mostPass, tt.mostFail)
		}
	}
}

// noisyRound is 2 s of 200 operations a second of which the volume makes a share slow, on
// a machine that withholds its processors in a third of the slices and delays one in ten
// operations by that.
func noisyRound(random *rand.Rand, own float64) Round {
	w := &Withheld{Start: asideStart, Width: .1, Seen: []string{"sentinel"}}
	r := NewRecorder(1, 2*time.Second)
	for index := range 20 {
		disturbed := random.Float64() < 1./3
		if disturbed {
			w.Slices = append(w.Slices, WithheldSlice{Index: index, Late: .02 + .02*random.Float64()})
		}
		for i := range 20 {
			took := 1 + 2*random.Float64()
			if random.Float64() < own {
				took += 15
			}
			if disturbed && random.Float64() < .1 {
				took += 20 * random.Float64()
			}
			r.Shard(0).Record(time.Duration(index)*100*time.Millisecond+time.Duration(5*i)*time.Millisecond, time.Duration(took*1e6))
		}
	}
	return Round{Start: asideStart, Elapsed: 2, Distribution: r.Distribution(), Context: Context{Withheld: w}}
}
