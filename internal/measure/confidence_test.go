package measure

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// The rounds that are simulated: 1000 operations a second for 1.5 s.
const roundOperations = 1500

// simulate records rounds of operations a millisecond apart.
func simulate(rounds int, latency func(round, i int) time.Duration) []*Distribution {
	all := make([]*Distribution, rounds)
	for r := range all {
		s := newShard(2 * time.Second)
		for i := range roundOperations {
			s.Record(time.Duration(i)*time.Millisecond, latency(r, i))
		}
		all[r] = s.distribution()
	}
	return all
}

// body is the latency of a healthy operation: about a millisecond.
func body(random *rand.Rand) time.Duration {
	return time.Duration(math.Exp(0.3*random.NormFloat64()) * 1e6)
}

func TestEffectiveNeeded(t *testing.T) {
	for q, want := range map[float64]int{0.99: 368, 0.999: 3688, 0.5: 6, 0.01: 1, 0: 1, 1: math.MaxInt} {
		if got := EffectiveNeeded(q); got != want {
			t.Errorf("%v needs %d, want %d", q, got, want)
		}
	}
}

// The figures are those of the usual tables of Clopper and Pearson's interval.
func TestBinomialInterval(t *testing.T) {
	for _, c := range []struct {
		k, n      float64
		low, high float64
	}{
		{0, 10, 0, 0.3085}, {10, 10, 0.6915, 1}, {1, 10, 0.0025, 0.4450}, {5, 10, 0.1871, 0.8129},
		{10, 100, 0.0490, 0.1762}, {0, 368, 0, 0.00997},
	} {
		got := BinomialInterval(c.k, c.n)
		if math.Abs(got.Low-c.low) > 5e-5 || math.Abs(got.High-c.high) > 5e-5 {
			t.Errorf("%v of %v: %v, want %v to %v", c.k, c.n, got, c.low, c.high)
		}
	}
}

// A healthy machine is not a quiet one: each round has a speed of its own, the
// speed drifts within it, and now and then it pauses. None of it comes
// to the bound, and that must do for a p99.
func TestHealthyNoisyRoundsAreEnough(t *testing.T) {
	const runs = 100
	for _, rounds := range []int{3, 5} {
		random := rand.New(rand.NewPCG(uint64(rounds), 1))
		enough := 0
		for range runs {
			speed := make([]float64, rounds)
			for r := range speed {
				speed[r] = math.Exp(0.15 * random.NormFloat64())
			}
			drift, hiccup := 0.0, 0
			all := simulate(rounds, func(r, i int) time.Duration {
				drift = 0.99*drift + 0.02*random.NormFloat64()
				if hiccup--; random.Float64() < 0.0005 {
					hiccup = 20 // a pause of 20 ms, and the queue behind it
				}
				d := float64(body(random)) * speed[r] * math.Exp(drift)
				return max(time.Duration(d), time.Duration(hiccup)*time.Millisecond)
			})
			if share, effective, _ := ShareBeyond(all, 0.1); effective >= 368 && share.High <= 0.01 {
				enough++
			}
		}
		if enough < runs*95/100 {
			t.Errorf("%d rounds: only %d of %d runs are enough for a p99", rounds, enough, runs)
		}
	}
}

func TestSlowBurstLeavesFewEffectiveOperations(t *testing.T) {
	for name, c := range map[string]struct {
		slow  time.Duration
		round int // -1: half of round 2; else all of that round
	}{
		"half a round, beyond the bound": {200 * time.Millisecond, -1},
		"half a round, below the bound":  {20 * time.Millisecond, -1},
		"a whole round, near the bound":  {50 * time.Millisecond, 3},
	} {
		t.Run(name, func(t *testing.T) {
			random := rand.New(rand.NewPCG(3, 3))
			all := simulate(5, func(r, i int) time.Duration {
				if r == c.round || c.round < 0 && r == 2 && i < roundOperations/2 {
					return c.slow
				}
				return body(random)
			})
			share, effective, _ := ShareBeyond(all, 0.1)
			if effective > 100 || share.High < 0.01 || share.Low > 0.01 {
				t.Errorf("effective %v, share %v; one burst must decide nothing", effective, share)
			}
		})
	}
}

// beyondFunc says of each operation in turn whether it is slow.
type beyondFunc func() bool

// coverage returns how often the true share lies below the interval's high end
// and above its low one.
func coverage(rounds, runs int, share float64, process func(*rand.Rand) beyondFunc) (high, low float64) {
	random := rand.New(rand.NewPCG(11, uint64(rounds)))
	for range runs {
		slow := make([]beyondFunc, rounds)
		for r := range slow {
			slow[r] = process(random)
		}
		all := simulate(rounds, func(r, _ int) time.Duration {
			if slow[r]() {
				return 50 * time.Millisecond
			}
			return body(random)
		})
		i, _, _ := ShareBeyond(all, 0.02)
		if i.High >= share {
			high++
		}
		if i.Low <= share {
			low++
		}
	}
	return high / float64(runs), low / float64(runs)
}

func independent(share float64) func(*rand.Rand) beyondFunc {
	return func(random *rand.Rand) beyondFunc {
		return func() bool { return random.Float64() < share }
	}
}

// bursts is a two-state Markov chain: bursts of slow operations whose mean
// length is given.
func bursts(share, length float64) func(*rand.Rand) beyondFunc {
	return func(random *rand.Rand) beyondFunc {
		slow := random.Float64() < share
		begin := share / (1 - share) / length
		return func() bool {
			now := slow
			if slow {
				slow = random.Float64() >= 1/length
			} else {
				slow = random.Float64() < begin
			}
			return now
		}
	}
}

// shifted gives each round a share of its own about the given one.
func shifted(share, deviation float64) func(*rand.Rand) beyondFunc {
	return func(random *rand.Rand) beyondFunc {
		own := share * math.Exp(deviation*random.NormFloat64()-deviation*deviation/2)
		return independent(own)(random)
	}
}

// The interval is to hold the true share in 97.5 % of runs on each side; 97 %
// are asked for. The bursts are such that a run meets some: of bursts that no
// round met no method knows.
func TestIntervalCoversTheTrueShare(t *testing.T) {
	if testing.Short() {
		t.Skip("simulates thousands of runs")
	}
	const runs = 500
	for _, c := range []struct {
		name    string
		rounds  int
		share   float64
		process func(*rand.Rand) beyondFunc
	}{
		{"independent, 1 %", 5, 0.01, independent(0.01)},
		{"independent, 0.1 %", 5, 0.001, independent(0.001)},
		{"independent, 3 rounds", 3, 0.01, independent(0.01)},
		{"bursts of 5", 5, 0.01, bursts(0.01, 5)},
		{"bursts of 10", 5, 0.01, bursts(0.01, 10)},
		{"bursts of 30, 5 %", 5, 0.05, bursts(0.05, 30)},
		{"rounds apart by 20 %", 5, 0.01, shifted(0.01, 0.2)},
		{"rounds apart by 20 %, 3 rounds", 3, 0.01, shifted(0.01, 0.2)},
	} {
		t.Run(c.name, func(t *testing.T) {
			high, low := coverage(c.rounds, runs, c.share, c.process)
			t.Logf("high %.3f, low %.3f", high, low)
			if high < 0.97 || low < 0.97 {
				t.Errorf("the high end covers in %.3f of runs, the low one in %.3f; want 0.97", high, low)
			}
		})
	}
}

func TestLostOperationsAreBeyondEveryBound(t *testing.T) {
	random := rand.New(rand.NewPCG(4, 4))
	for name, lose := range map[string]func(*Distribution){
		"failed":   func(d *Distribution) { d.Failed = 300 },
		"missed":   func(d *Distribution) { d.Missed = 300 },
		"given up": func(d *Distribution) { d.GiveUp(2, 1, 300) },
	} {
		t.Run(name, func(t *testing.T) {
			all := simulate(5, func(int, int) time.Duration { return body(random) })
			for _, d := range all {
				lose(d)
			}
			share, _, observed := ShareBeyond(all, 1)
			if observed != 300.0/1800 || share.Low < 0.01 {
				t.Errorf("observed %v in %v, want a sixth and surely above 1 %%", observed, share)
			}
			if i := QuantileInterval(all, 0.99); !math.IsInf(i.High, 1) {
				t.Errorf("p99 is in %v, want no upper end", i)
			}
		})
	}
}

// What was given up before a bound may have kept it: the share beyond has an end for each.
func TestGivenUpBeforeTheBoundMayHaveKeptIt(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 5))
	all := simulate(5, func(int, int) time.Duration { return body(random) })
	for i, d := range all {
		if i%2 == 0 {
			d.GiveUp(2, 0.9, 300)
		} else {
			d.Unfinished += 300 // of these no time is known
		}
	}
	share, _, observed := ShareBeyond(all, 1)
	if observed != 300.0/1800 || share.Low != 0 || share.High < 300.0/1800 {
		t.Errorf("observed %v in %v, want a sixth at most and none at least", observed, share)
	}
}

func TestNoDataDecidesNothing(t *testing.T) {
	for name, rounds := range map[string][]*Distribution{"none": nil, "nil": {nil}, "empty": {{}, {}}} {
		t.Run(name, func(t *testing.T) {
			share, effective, observed := ShareBeyond(rounds, 0.1)
			if share != (Interval{0, 1}) || effective != 0 || !math.IsNaN(observed) {
				t.Errorf("got %v, %v, %v", share, effective, observed)
			}
			if i := QuantileInterval(rounds, 0.99); !math.IsInf(i.High, 1) {
				t.Errorf("quantile is in %v", i)
			}
		})
	}
}

func TestQuantileInterval(t *testing.T) {
	random := rand.New(rand.NewPCG(6, 6))
	all := simulate(5, func(int, int) time.Duration { return body(random) })
	trueP99 := 1e-3 * math.Exp(0.3*2.3263)
	i := QuantileInterval(all, 0.99)
	if i.Low > trueP99 || i.High < trueP99 || i.High-i.Low > 0.5e-3 {
		t.Errorf("p99 is in %v, want a narrow interval about %v", i, trueP99)
	}
	few := []*Distribution{recorded(time.Millisecond, 2*time.Millisecond)}
	if i := QuantileInterval(few, 0.99); i.Low > 0.0011 || !math.IsInf(i.High, 1) {
		t.Errorf("p99 of two operations is in %v", i)
	}
}

func TestMeanInterval(t *testing.T) {
	got := MeanInterval([]float64{1, 2, 3})
	want := 4.30265 / math.Sqrt(3) // t of 2 degrees of freedom, deviation 1
	if math.Abs(got.Low-2+want) > 1e-4 || math.Abs(got.High-2-want) > 1e-4 {
		t.Errorf("got %v, want 2 ± %v", got, want)
	}
	for _, values := range [][]float64{nil, {1}} {
		if got := MeanInterval(values); !math.IsInf(got.Low, -1) || !math.IsInf(got.High, 1) {
			t.Errorf("mean of %v is in %v, want anywhere", values, got)
		}
	}
}

func TestIntervalRoundTrip(t *testing.T) {
	for text, i := range map[string]Interval{
		`{"low":1,"high":2.5}`:     {1, 2.5},
		`{"low":null,"high":3}`:    {math.Inf(-1), 3},
		`{"low":null,"high":null}`: {math.Inf(-1), math.Inf(1)},
	} {
		got, err := json.Marshal(i)
		if err != nil || string(got) != text {
			t.Errorf("%v is written as %s, %v", i, got, err)
		}
		var back Interval
		if err := json.Unmarshal([]byte(text), &back); err != nil || !cmp.Equal(back, i) {
			t.Errorf("%s is read as %v, %v", text, back, err)
		}
	}
	if err := json.Unmarshal([]byte(`{"low":2,"high":1}`), &Interval{}); err == nil {
		t.Error("an interval that ends before it begins was taken")
	}
}
