package measure

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/google/go-cmp/cmp"
)

// recorded returns the distribution of latencies that ended 1 ms apart.
func recorded(latencies ...time.Duration) *Distribution {
	r := NewRecorder(1, time.Second)
	for i, d := range latencies {
		r.Shard(0).Record(time.Duration(i)*time.Millisecond, d)
	}
	return r.Distribution()
}

// noisy returns a distribution of n latencies spread over 6 decades.
func noisy(seed uint64, n int) (*Distribution, []float64) {
	random := rand.New(rand.NewPCG(seed, 0))
	latencies, exact := make([]time.Duration, n), make([]float64, n)
	for i := range latencies {
		latencies[i] = time.Duration(math.Exp(random.Float64()*14) * 1e3)
		exact[i] = latencies[i].Seconds()
	}
	slices.Sort(exact)
	return recorded(latencies...), exact
}

func TestDistributionTellsWhatWasRecorded(t *testing.T) {
	d, exact := noisy(1, 10_000)
	sum := 0.0
	for _, v := range exact {
		sum += v
	}
	close := func(name string, got, want, tolerance float64) {
		t.Helper()
		if math.Abs(got-want) > tolerance*want {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
	close("mean", d.Mean(), sum/10_000, 1e-12)
	close("min", d.Min(), exact[0], 0)
	close("max", d.Max(), exact[9999], 0)
	close("rate", d.Rate(4), 2500, 0)
	for _, q := range []float64{0.5, 0.9, 0.99, 0.999} {
		close("quantile", d.Quantile(q), exact[int(q*10_000)-1], 0.0011)
	}
	for _, at := range []int{0, 5000, 9000, 9900, 9999} {
		close("beyond", float64(d.Beyond(exact[at]*1.002)+1), float64(10_000-at), 0.02)
	}
}

func TestBeyondIsExactAboutTheEnds(t *testing.T) {
	d := recorded(100*time.Millisecond, 100*time.Millisecond, 23*time.Millisecond)
	for bound, want := range map[float64]int64{
		0.1: 0, 0.0999: 2, 0.023: 2, 0.0229: 3, 0: 3, -1: 3, 1e300: 0, math.Inf(1): 0, math.NaN(): 3,
	} {
		if got := d.Beyond(bound); got != want {
			t.Errorf("beyond %v s are %d, want %d", bound, got, want)
		}
	}
}

func TestEmptyDistributionHasNoFigures(t *testing.T) {
	d := &Distribution{}
	for name, got := range map[string]float64{
		"quantile": d.Quantile(0.5), "mean": d.Mean(), "min": d.Min(), "max": d.Max(), "rate": d.Rate(0),
	} {
		if !math.IsNaN(got) {
			t.Errorf("%s is %v, want NaN: nothing must pass a limit", name, got)
		}
	}
	if d.Count() != 0 || d.Beyond(0) != 0 || len(d.Slices()) != 0 {
		t.Error("an empty distribution holds something")
	}
}

func TestOutOfRangeIsClampedAndCounted(t *testing.T) {
	d := recorded(-1, 0, time.Hour, time.Hour+1, math.MaxInt64)
	if d.Clamped != 3 || d.Count() != 5 || d.Min() != 0 || d.Max() != 3600 {
		t.Errorf("clamped %d of %d, from %v to %v s; want 3 of 5, 0 to 3600", d.Clamped, d.Count(), d.Min(), d.Max())
	}
}

func TestSlicesShowWhenAStallWas(t *testing.T) {
	r := NewRecorder(1, time.Second)
	for i := range 100 {
		took := time.Millisecond
		if i == 57 {
			took = 700 * time.Millisecond
		}
		r.Shard(0).Record(time.Duration(i)*10*time.Millisecond, took)
	}
	d := r.Distribution()
	all := d.Slices()
	want := Slice{Start: 0.5, Width: 0.1, Count: 10, Median: 983040e-9, Max: 0.7} // the lower edge of the bucket of 1 ms
	if len(all) != 10 || !cmp.Equal(all[5], want) {
		t.Errorf("slices %+v, want ten, the sixth %+v", all, want)
	}
	if diff := cmp.Diff([]Stall{{At: 0.57, Seconds: 0.7}}, d.Stalls); diff != "" {
		t.Error(diff)
	}
}

func TestSlicesStayBoundedHoweverLongARoundLasts(t *testing.T) {
	r := NewRecorder(2, time.Second)
	for i := range 10_000 {
		r.Shard(0).Record(time.Duration(i)*time.Second, time.Duration(i)*time.Microsecond)
	}
	r.Shard(1).Record(time.Millisecond, time.Second) // a shard whose slices stayed narrow
	d := r.Distribution()
	all := d.Slices()
	if len(all) > maxSlices || all[0].Width != 51.2 {
		t.Fatalf("%d slices of %v s", len(all), all[0].Width)
	}
	count := int64(0)
	for i, s := range all {
		count += s.Count
		if i > 0 && i < len(all)-1 && s.Max != float64(int((s.Start+s.Width)*(1-1e-12)))/1e6 {
			t.Errorf("slice at %v s has max %v s", s.Start, s.Max)
		}
	}
	if count != d.Count() || all[0].Max != 1 {
		t.Errorf("slices hold %d of %d, the first at most %v s", count, d.Count(), all[0].Max)
	}
	if wide := newShard(time.Hour); wide.width*maxSlices < int64(time.Hour) {
		t.Errorf("slices of %d ns do not hold the expected hour", wide.width)
	}
	newShard(math.MaxInt64)
}

func TestTheLongestStallsAreKept(t *testing.T) {
	r := NewRecorder(2, time.Second)
	for i := range 200 {
		r.Shard(i%2).Record(time.Duration(i)*time.Second, time.Duration((i*37)%200)*time.Second)
	}
	stalls := r.Distribution().Stalls
	if len(stalls) != MaxStalls {
		t.Fatalf("%d stalls, want %d", len(stalls), MaxStalls)
	}
	for i, s := range stalls {
		if s.Seconds != float64(199-i) {
			t.Errorf("stall %d took %v s, want %d", i, s.Seconds, 199-i)
		}
	}
}

func TestShardsMergeToTheSameAsOne(t *testing.T) {
	one, four := NewRecorder(1, time.Second), NewRecorder(4, time.Second)
	random := rand.New(rand.NewPCG(5, 5))
	for i := range 20_000 {
		end, took := time.Duration(i)*3*time.Millisecond, time.Duration(random.ExpFloat64()*2e8)
		one.Shard(0).Record(end, took)
		four.Shard(i%4).Record(end, took)
	}
	if diff := cmp.Diff(one.Distribution(), four.Distribution()); diff != "" {
		t.Error(diff)
	}
}

func TestMergeRefusesAnOverflow(t *testing.T) {
	d, before := recorded(time.Second), recorded(time.Second)
	d.Failed, before.Failed = 1, 1
	if err := d.Merge(&Distribution{Failed: math.MaxInt64}); err == nil {
		t.Error("no error")
	}
	if !d.Equal(before) {
		t.Error("a merge that failed left something")
	}
}

func TestDistributionRoundTrip(t *testing.T) {
	big, _ := noisy(7, 5000)
	big.Failed, big.Missed, big.Unfinished = 1, 2, 3
	cases := map[string]*Distribution{
		"empty": {}, "lost alone": {Missed: 5}, "noisy": big,
		"ends": recorded(0, 1, time.Hour, time.Hour+1), "stall given up": {Unfinished: 1, Stalls: []Stall{{3, 2}}},
	}
	for name, d := range cases {
		t.Run(name, func(t *testing.T) {
			text, err := json.Marshal(d)
			if err != nil {
				t.Fatal(err)
			}
			back := &Distribution{}
			if err := json.Unmarshal(text, back); err != nil {
				t.Fatal(err)
			}
			if !back.Equal(d) {
				t.Errorf("%s came back different", text)
			}
		})
	}
}

func TestDamagedDistributionsAreRefused(t *testing.T) {
	text, err := json.Marshal(recorded(5000, 6000, 600*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	cases := map[string][2]string{ // replace one by the other
		"unknown key":        {`"count"`, `"counts"`},
		"count":              {`"count":3`, `"count":4`},
		"negative":           {`"count":3`, `"count":3,"failed":-1`},
		"min in no bin":      {`"min_nanoseconds":5000`, `"min_nanoseconds":5100`},
		"max over an hour":   {`"max_nanoseconds":600000000`, `"max_nanoseconds":3600000000001`},
		"sum":                {`"sum_nanoseconds":6`, `"sum_nanoseconds":-6`},
		"bin off its start":  {`[5000,1`, `[5001,1`},
		"bin negative":       {`[5000,1`, `[5000,-1`},
		"bins uneven":        {`[5000,1`, `[5000`},
		"slice width":        {`"slice_width_nanoseconds":100000000`, `"slice_width_nanoseconds":1`},
		"slice out of range": {`[[0,`, `[[256,`},
		"stall too short":    {`"seconds":0.6`, `"seconds":0.1`},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			bad := strings.Replace(string(text), c[0], c[1], 1)
			if bad == string(text) {
				t.Fatalf("%s has no %s", text, c[0])
			}
			d := recorded(time.Second)
			if err := json.Unmarshal([]byte(bad), d); err == nil {
				t.Errorf("%s was taken", bad)
			}
			if !d.Equal(recorded(time.Second)) {
				t.Error("the receiver was changed")
			}
		})
	}
}

func FuzzDistributionJSON(f *testing.F) {
	big, _ := noisy(3, 300)
	big.AddStall(1, 2)
	for _, d := range []*Distribution{{}, big, recorded(0, time.Hour)} {
		text, err := json.Marshal(d)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		d := &Distribution{}
		if err := d.UnmarshalJSON(text); err != nil {
			return
		}
		again, err := json.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		back := &Distribution{}
		if err := json.Unmarshal(again, back); err != nil || !back.Equal(d) {
			t.Fatalf("%s does not round trip: %v", again, err)
		}
		rounds := []*Distribution{d, back}
		ShareBeyond(rounds, 0.01)
		QuantileInterval(rounds, 0.99)
	})
}

func TestBucketsAreContiguous(t *testing.T) {
	for name, b := range map[string]struct {
		buckets int
		index   func(int64) int
		floor   func(int) int64
	}{
		"coarse": {coarseBuckets, coarseIndex, coarseFloor},
		"fine":   {fineBuckets, fineIndex, fineFloor},
	} {
		if got := b.index(maxLatency); got >= b.buckets {
			t.Fatalf("%s: an hour falls in bucket %d of %d", name, got, b.buckets)
		}
		for i := range b.buckets {
			floor := b.floor(i)
			if b.index(floor) != i || i > 0 && b.index(floor-1) != i-1 {
				t.Errorf("%s: bucket %d does not begin at %d ns", name, i, floor)
			}
		}
	}
}

// A shard's bins are those of an HDR histogram with 3 significant figures, so
// nothing is lost when one is made of the other.
func TestBinsAreThoseOfAnHDRHistogram(t *testing.T) {
	hist := hdrhistogram.New(1, maxLatency, significantDigits)
	for bin := range fineBuckets {
		floor := fineFloor(bin)
		if floor > maxLatency {
			break
		}
		last := min(fineFloor(bin+1)-1, maxLatency)
		if !hist.ValuesAreEquivalent(floor, last) || last < maxLatency && hist.ValuesAreEquivalent(floor, last+1) {
			t.Fatalf("bin %d, %d to %d ns, is no bin of an HDR histogram", bin, floor, last)
		}
	}
}

func TestRecordAllocatesNothing(t *testing.T) {
	s := newShard(time.Second)
	end := time.Duration(0)
	got := testing.AllocsPerRun(10_000, func() {
		end += 50 * time.Millisecond // slices are folded on the way
		s.Record(end, end%time.Second)
	})
	if got != 0 {
		t.Errorf("%v allocations an operation", got)
	}
}

func BenchmarkRecord(b *testing.B) {
	s := newShard(time.Minute)
	end := time.Duration(0)
	b.ReportAllocs()
	for b.Loop() {
		end += 20 * time.Microsecond
		s.Record(end, end&0xfffff)
	}
}
