package measure

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// What a Distribution can hold. Latencies are kept in nanoseconds, from 0 to
// maxLatency, with 3 significant figures.
const (
	maxLatency        = int64(time.Hour)
	significantDigits = 3
	// sliceWidth is how long a slice lasts before slices are first merged.
	sliceWidth = int64(100 * time.Millisecond)
	// maxSlices bounds the memory of a round, however long it lasts.
	maxSlices = 256
	// StallSeconds is from when on an operation is kept as a Stall: short of
	// the 2 s at which nats-server warns, so that a reader sees it coming.
	StallSeconds = 0.5
	// MaxStalls is how many stalls a Distribution keeps: the longest ones.
	MaxStalls = 32
)

// Distribution is how long operations took, and when. The zero value is empty
// and ready to use. It is not safe for concurrent use.
//
// Besides the latencies of the whole round it keeps slices of 100 ms or a
// power-of-two multiple of that, each with a coarse histogram, so that one can
// tell slow operations that come in a bunch from ones that are spread.
type Distribution struct {
	Failed     int64 // ended with an error; their time is not among the latencies
	Missed     int64 // were due and could not be sent
	Unfinished int64 // still under way when the round was given up
	Clamped    int64 // out of range: recorded at the end of the range
	// Stalls are the longest operations of at least StallSeconds, longest
	// first. Unfinished operations are among them.
	Stalls []Stall
	// GivenUp is how long the unfinished operations had been under way, shortest first.
	// Where the counts add up to less than Unfinished, of the rest nothing is known.
	GivenUp []GivenUp

	hist     *hdrhistogram.PackedHistogram // nil while empty
	min, max int64                         // exact, nanoseconds
	sum      int64                         // exact, nanoseconds
	width    int64                         // of a slice, nanoseconds; 0 while empty
	slices   []slice                       // ascending by index, none empty
}

// Stall is one operation that took very long.
type Stall struct {
	At      float64 `json:"at_seconds"` // when it ended, since the start of the round
	Seconds float64 `json:"seconds"`
}

// Slice is a part of a round.
type Slice struct {
	Start float64 // seconds since the start of the round
	Width float64 // seconds
	Count int64   // operations that ended in it
	// Median is what half of them did not exceed, in seconds, to within 12 %
	// below: the lower edge of its bucket.
	Median float64
	Max    float64 // seconds, exact
}

type slice struct {
	index      int // it starts at index × width
	count, max int64
	buckets    []bucket // ascending by index, none empty
}

// bucket is one of a slice's coarse histogram.
type bucket struct {
	index int
	count int64
}

// Count returns the number of operations with a latency. Failed, missed and
// unfinished operations are not among them.
func (d *Distribution) Count() int64 {
	if d.hist == nil {
		return 0
	}
	return d.hist.TotalCount()
}

// Lost returns the number of operations that have no latency because they
// failed, could not be sent, or did not finish.
func (d *Distribution) Lost() int64 { return d.Failed + d.Missed + d.Unfinished }

// Quantile returns the latency in seconds that the share q (0 to 1) of the
// operations did not exceed, to 3 significant figures, rounded up. It is NaN
// when there are none.
func (d *Distribution) Quantile(q float64) float64 {
	switch {
	case d.Count() == 0 || math.IsNaN(q):
		return math.NaN()
	case q <= 0:
		return d.Min()
	case q >= 1:
		return d.Max()
	}
	v := d.hist.ValueAtPercentile(q * 100)
	return seconds(min(max(v, d.min), d.max))
}

// Mean returns the exact mean in seconds, NaN when there are no operations.
func (d *Distribution) Mean() float64 {
	if d.Count() == 0 {
		return math.NaN()
	}
	return float64(d.sum) / float64(d.Count()) / 1e9
}

// Min returns the exact shortest latency in seconds, NaN when there is none.
func (d *Distribution) Min() float64 {
	if d.Count() == 0 {
		return math.NaN()
	}
	return seconds(d.min)
}

// Max returns the exact longest latency in seconds, NaN when there is none.
func (d *Distribution) Max() float64 {
	if d.Count() == 0 {
		return math.NaN()
	}
	return seconds(d.max)
}

// Beyond returns how many operations took longer than bound seconds. Latencies
// within 0.1 % of the bound are told apart only as far as 3 significant figures
// allow: those that share the bound's bin are not counted.
func (d *Distribution) Beyond(bound float64) int64 {
	nanos := math.Round(bound * 1e9)
	switch {
	case d.Count() == 0 || nanos >= float64(d.max):
		return 0
	case math.IsNaN(nanos) || nanos < float64(d.min):
		return d.Count()
	}
	limit, beyond := int64(nanos), int64(0)
	for value, count := range d.hist.ForEachBucket {
		if value > limit {
			beyond += count
		}
	}
	return beyond
}

// Rate returns operations a second over elapsed seconds, NaN when no time
// went by.
func (d *Distribution) Rate(elapsed float64) float64 {
	if !(elapsed > 0) {
		return math.NaN()
	}
	return float64(d.Count()) / elapsed
}

// Slices returns the slices in which operations ended, in order of time.
func (d *Distribution) Slices() []Slice {
	all := make([]Slice, 0, len(d.slices))
	for _, s := range d.slices {
		all = append(all, Slice{
			Start:  seconds(int64(s.index) * d.width),
			Width:  seconds(d.width),
			Count:  s.count,
			Median: seconds(s.median()),
			Max:    seconds(s.max),
		})
	}
	return all
}

// AddStall keeps an operation that ended (or was given up) at and took took,
// when it is among the MaxStalls longest of at least StallSeconds.
func (d *Distribution) AddStall(at, took float64) {
	if took >= StallSeconds {
		d.Stalls = longestStalls(append(d.Stalls, Stall{At: at, Seconds: took}))
	}
}

// Merge adds the operations of other, which stays as it is. Slices are joined
// by their time since the start of the round: after merging different rounds
// the quantiles are those of all, and the slices mean little. It fails, and
// leaves d as it was, when a count would overflow.
func (d *Distribution) Merge(other *Distribution) error {
	if other == nil {
		return nil
	}
	if err := d.canAdd(other); err != nil {
		return err
	}
	d.mergeHistogram(other)
	d.mergeSlices(other)
	d.Failed += other.Failed
	d.Missed += other.Missed
	d.Unfinished += other.Unfinished
	d.Clamped += other.Clamped
	d.Stalls = longestStalls(append(slices.Clone(d.Stalls), other.Stalls...))
	d.GivenUp = joinGivenUp(slices.Concat(d.GivenUp, other.GivenUp))
	return nil
}

// Equal reports whether both hold the same operations.
func (d *Distribution) Equal(other *Distribution) bool {
	if d == nil || other == nil {
		return d == other
	}
	return d.counters() == other.counters() &&
		slices.Equal(d.Stalls, other.Stalls) &&
		slices.Equal(d.GivenUp, other.GivenUp) &&
		slices.Equal(d.bins(), other.bins()) &&
		slices.EqualFunc(d.slices, other.slices, slice.equal)
}

// counters is all of d that can be compared with ==.
func (d *Distribution) counters() [8]int64 {
	return [8]int64{d.Failed, d.Missed, d.Unfinished, d.Clamped, d.min, d.max, d.sum, d.width}
}

// bins returns the occupied bins of the histogram as value (the lowest
// nanosecond of the bin), count, value, count and so on, ascending.
func (d *Distribution) bins() []int64 {
	if d.hist == nil {
		return nil
	}
	flat := make([]int64, 0, 2*d.hist.Populated())
	for value, count := range d.hist.ForEachBucket {
		flat = append(flat, value, count)
	}
	return flat
}

var errOverflow = errors.New("too many operations to count")

func (d *Distribution) canAdd(other *Distribution) error {
	for _, pair := range [][2]int64{
		{d.Count(), other.Count()},
		{d.sum, other.sum},
		{d.Failed, other.Failed},
		{d.Missed, other.Missed},
		{d.Unfinished, other.Unfinished},
		{d.Clamped, other.Clamped},
	} {
		if pair[0] > math.MaxInt64-pair[1] {
			return fmt.Errorf("merge two distributions: %w", errOverflow)
		}
	}
	return nil
}

func (d *Distribution) mergeHistogram(other *Distribution) {
	if other.Count() == 0 {
		return
	}
	if d.hist == nil {
		d.hist = newPacked()
		d.min = other.min
	}
	d.hist.Merge(other.hist) // canAdd saw to it that nothing is dropped
	d.min = min(d.min, other.min)
	d.max = max(d.max, other.max)
	d.sum += other.sum
}

func (d *Distribution) mergeSlices(other *Distribution) {
	if len(other.slices) == 0 {
		return
	}
	width := max(d.width, other.width)
	mine := widen(d.slices, d.width, width)
	theirs := widen(other.slices, other.width, width)
	all := slices.Concat(mine, theirs)
	slices.SortStableFunc(all, func(a, b slice) int { return a.index - b.index })
	d.slices, d.width = joinEqual(all), width
}

// widen returns slices of the given width in place of slices of another, whose
// multiple it is. It does not change its argument.
func widen(all []slice, from, to int64) []slice {
	if from == to || len(all) == 0 {
		return all
	}
	wide := slices.Clone(all)
	for i := range wide {
		wide[i].index = int(int64(wide[i].index) * from / to)
	}
	return joinEqual(wide)
}

// joinEqual joins neighbours with the same index. It may reuse the outer slice
// of its argument, never the buckets.
func joinEqual(all []slice) []slice {
	joined := all[:0]
	for _, s := range all {
		last := len(joined) - 1
		if last < 0 || joined[last].index != s.index {
			joined = append(joined, s)
			continue
		}
		joined[last].count += s.count
		joined[last].max = max(joined[last].max, s.max)
		joined[last].buckets = joinBuckets(joined[last].buckets, s.buckets)
	}
	return joined
}

func joinBuckets(a, b []bucket) []bucket {
	joined := make([]bucket, 0, len(a)+len(b))
	for len(a) > 0 && len(b) > 0 {
		switch {
		case a[0].index < b[0].index:
			joined, a = append(joined, a[0]), a[1:]
		case a[0].index > b[0].index:
			joined, b = append(joined, b[0]), b[1:]
		default:
			joined = append(joined, bucket{a[0].index, a[0].count + b[0].count})
			a, b = a[1:], b[1:]
		}
	}
	return append(append(joined, a...), b...)
}

// beyond returns how many operations of the slice lie in the bucket edge or
// above.
func (s slice) beyond(edge int) int64 {
	var n int64
	for _, b := range s.buckets {
		if b.index >= edge {
			n += b.count
		}
	}
	return n
}

// median returns the lower edge of the bucket that half of the operations lie
// in or below, in nanoseconds.
func (s slice) median() int64 {
	var n int64
	for _, b := range s.buckets {
		if n += b.count; 2*n >= s.count {
			return coarseFloor(b.index)
		}
	}
	return 0
}

func (s slice) equal(other slice) bool {
	return s.index == other.index && s.count == other.count && s.max == other.max &&
		slices.Equal(s.buckets, other.buckets)
}

// longestStalls sorts stalls in place, longest first, and cuts them at
// MaxStalls. Equal ones stand in order of time, so that the result does not
// depend on the order of merging.
func longestStalls(all []Stall) []Stall {
	slices.SortFunc(all, func(a, b Stall) int {
		switch {
		case a.Seconds > b.Seconds, a.Seconds == b.Seconds && a.At < b.At:
			return -1
		case a == b:
			return 0
		}
		return 1
	})
	if len(all) > MaxStalls {
		all = all[:MaxStalls]
	}
	return all
}

func newPacked() *hdrhistogram.PackedHistogram {
	return hdrhistogram.NewPacked(1, maxLatency, significantDigits)
}

func seconds(nanos int64) float64 { return float64(nanos) / 1e9 }
