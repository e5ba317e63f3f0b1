package measure

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/bits"
)

// maxEncoded is the longest encoded Distribution that is read, in bytes. Every
// bin and bucket occupied by counts of ten digits stays below it.
const maxEncoded = 4 << 20

// wire is a Distribution in JSON. Latencies stand as whole nanoseconds, which
// is what they are: a fraction of a second in decimal would not come back
// exactly.
type wire struct {
	Count      int64 `json:"count"`
	Failed     int64 `json:"failed,omitempty"`
	Missed     int64 `json:"missed,omitempty"`
	Unfinished int64 `json:"unfinished,omitempty"`
	Clamped    int64 `json:"clamped,omitempty"`
	Min        int64 `json:"min_nanoseconds"`
	Max        int64 `json:"max_nanoseconds"`
	Sum        int64 `json:"sum_nanoseconds"`
	// Bins is lowest latency, count, lowest latency, count and so on.
	Bins []int64 `json:"bins_nanoseconds,omitempty"`
	// SliceWidth is how long a slice lasts.
	SliceWidth int64 `json:"slice_width_nanoseconds,omitempty"`
	// Slices hold index, longest latency, then bucket, count, bucket, count.
	Slices  [][]int64 `json:"slices,omitempty"`
	Stalls  []Stall   `json:"stalls,omitempty"`
	GivenUp []GivenUp `json:"given_up,omitempty"`
}

// MarshalJSON writes the distribution so that UnmarshalJSON gives back an equal
// one.
func (d *Distribution) MarshalJSON() ([]byte, error) {
	w := wire{
		Count: d.Count(), Failed: d.Failed, Missed: d.Missed, Unfinished: d.Unfinished, Clamped: d.Clamped,
		Min: d.min, Max: d.max, Sum: d.sum,
		Bins: d.bins(), SliceWidth: d.width, Stalls: d.Stalls, GivenUp: d.GivenUp,
	}
	for _, s := range d.slices {
		flat := []int64{int64(s.index), s.max}
		for _, b := range s.buckets {
			flat = append(flat, int64(b.index), b.count)
		}
		w.Slices = append(w.Slices, flat)
	}
	return json.Marshal(w)
}

// UnmarshalJSON reads what MarshalJSON wrote. The text is not trusted: unknown
// keys, counts that contradict each other, and anything out of range are
// refused, and d then stays as it was.
func (d *Distribution) UnmarshalJSON(text []byte) error {
	w, err := decodeWire(text)
	if err != nil {
		return fmt.Errorf("read distribution: %w", err)
	}
	decoded, err := w.distribution()
	if err != nil {
		return fmt.Errorf("read distribution: %w; the document is damaged", err)
	}
	*d = *decoded
	return nil
}

func decodeWire(text []byte) (*wire, error) {
	if len(text) > maxEncoded {
		return nil, fmt.Errorf("%d bytes is more than any distribution needs (%d)", len(text), maxEncoded)
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	var w wire
	if err := dec.Decode(&w); err != nil {
		return nil, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("text after the end")
	}
	return &w, nil
}

func (w *wire) distribution() (*Distribution, error) {
	d := &Distribution{Failed: w.Failed, Missed: w.Missed, Unfinished: w.Unfinished, Clamped: w.Clamped}
	for _, read := range []func(*Distribution) error{w.readCounters, w.readBins, w.readSlices, w.readStalls, w.readGivenUp} {
		if err := read(d); err != nil {
			return nil, err
		}
	}
	return d, nil
}

// maxCount leaves room to add up counts of many rounds.
const maxCount = int64(1) << 53

func (w *wire) readCounters(d *Distribution) error {
	for name, n := range map[string]int64{
		"count": w.Count, "failed": w.Failed, "missed": w.Missed, "unfinished": w.Unfinished, "clamped": w.Clamped,
	} {
		if n < 0 || n > maxCount {
			return fmt.Errorf("%s %d is out of range", name, n)
		}
	}
	if w.Clamped > w.Count {
		return fmt.Errorf("%d clamped of %d operations", w.Clamped, w.Count)
	}
	if w.Count == 0 {
		if w.Min != 0 || w.Max != 0 || w.Sum != 0 || w.SliceWidth != 0 {
			return errors.New("latencies of no operations")
		}
		return nil
	}
	if w.Min < 0 || w.Max < w.Min || w.Max > maxLatency {
		return fmt.Errorf("latencies from %d to %d ns are out of range", w.Min, w.Max)
	}
	if !w.sumFits() {
		return fmt.Errorf("sum %d ns does not fit count, min and max", w.Sum)
	}
	d.min, d.max, d.sum = w.Min, w.Max, w.Sum
	return nil
}

// sumFits reports whether count × min ≤ sum ≤ count × max.
func (w *wire) sumFits() bool {
	if w.Sum < 0 {
		return false
	}
	high, low := bits.Mul64(uint64(w.Count), uint64(w.Min))
	if high > 0 || low > uint64(w.Sum) {
		return false
	}
	high, low = bits.Mul64(uint64(w.Count), uint64(w.Max))
	return high > 0 || low >= uint64(w.Sum)
}

func (w *wire) readBins(d *Distribution) error {
	if len(w.Bins)%2 != 0 {
		return errors.New("a bin without a count")
	}
	if len(w.Bins) == 0 {
		if w.Count != 0 {
			return fmt.Errorf("%d operations and no bins", w.Count)
		}
		return nil
	}
	d.hist = newPacked()
	last := int64(-1)
	for i := 0; i < len(w.Bins); i += 2 {
		value, count := w.Bins[i], w.Bins[i+1]
		if value <= last || value > maxLatency || count < 1 || count > w.Count {
			return fmt.Errorf("bin %d ns with count %d is out of order or range", value, count)
		}
		if err := d.hist.RecordValues(value, count); err != nil {
			return fmt.Errorf("bin %d ns: %w", value, err)
		}
		last = value
	}
	return w.checkBins(d)
}

// checkBins makes sure that the bins are bins, and that the first holds the
// least and the last the greatest latency.
func (w *wire) checkBins(d *Distribution) error {
	if d.Count() != w.Count {
		return fmt.Errorf("bins hold %d operations, not %d", d.Count(), w.Count)
	}
	i := 0
	for value := range d.hist.ForEachBucket {
		if i >= len(w.Bins) || w.Bins[i] != value {
			return fmt.Errorf("no bin starts at %d ns", w.Bins[min(i, len(w.Bins)-1)])
		}
		i += 2
	}
	if i != len(w.Bins) {
		return errors.New("two bins that are one")
	}
	if first := w.Bins[0]; first != binOf(w.Min) {
		return fmt.Errorf("the first bin, %d ns, does not hold the shortest latency %d ns", first, w.Min)
	}
	if last := w.Bins[len(w.Bins)-2]; last != binOf(w.Max) {
		return fmt.Errorf("the last bin, %d ns, does not hold the longest latency %d ns", last, w.Max)
	}
	return nil
}

// binOf returns the lowest latency of the bin that a latency in range falls in.
func binOf(nanos int64) int64 {
	one := newPacked()
	_ = one.RecordValue(nanos)
	for value := range one.ForEachBucket {
		return value
	}
	return 0
}

func (w *wire) readSlices(d *Distribution) error {
	if len(w.Slices) > maxSlices {
		return fmt.Errorf("%d slices, at most %d are possible", len(w.Slices), maxSlices)
	}
	if w.Count > 0 && !validWidth(w.SliceWidth) {
		return fmt.Errorf("slice width %d ns is not 100 ms times a power of two", w.SliceWidth)
	}
	d.width = w.SliceWidth
	last, total := -1, int64(0)
	for _, flat := range w.Slices {
		s, err := readSlice(flat, w.Max, w.Count)
		if err != nil {
			return err
		}
		if s.index <= last {
			return fmt.Errorf("slice %d is out of order", s.index)
		}
		last, total = s.index, total+s.count
		d.slices = append(d.slices, s)
	}
	if total != w.Count {
		return fmt.Errorf("slices hold %d operations, not %d", total, w.Count)
	}
	return nil
}

func validWidth(width int64) bool {
	n := width / sliceWidth
	return width%sliceWidth == 0 && n > 0 && n&(n-1) == 0 && width <= math.MaxInt64/maxSlices
}

// readSlice reads a slice that holds at most the given count of operations of
// at most longest nanoseconds.
func readSlice(flat []int64, longest, count int64) (slice, error) {
	if len(flat) < 4 || len(flat)%2 != 0 || len(flat) > 2+2*coarseBuckets {
		return slice{}, fmt.Errorf("a slice of %d numbers", len(flat))
	}
	if flat[0] < 0 || flat[0] >= maxSlices || flat[1] < 0 || flat[1] > longest {
		return slice{}, fmt.Errorf("slice %d with longest latency %d ns is out of range", flat[0], flat[1])
	}
	s := slice{index: int(flat[0]), max: flat[1]}
	last := int64(-1)
	for i := 2; i < len(flat); i += 2 {
		index, n := flat[i], flat[i+1]
		if index <= last || index >= coarseBuckets || n < 1 || n > count-s.count {
			return slice{}, fmt.Errorf("slice %d: bucket %d with count %d is out of order or range", s.index, index, n)
		}
		last = index
		s.count += n
		s.buckets = append(s.buckets, bucket{int(index), n})
	}
	if int(last) != coarseIndex(s.max) {
		return slice{}, fmt.Errorf("slice %d: longest latency %d ns is not in its last bucket", s.index, s.max)
	}
	return s, nil
}

func (w *wire) readStalls(d *Distribution) error {
	if len(w.Stalls) > MaxStalls {
		return fmt.Errorf("%d stalls, at most %d are kept", len(w.Stalls), MaxStalls)
	}
	for i, s := range w.Stalls {
		if s.At < 0 || s.Seconds < StallSeconds || i > 0 && s.Seconds > w.Stalls[i-1].Seconds {
			return fmt.Errorf("stall of %v s at %v s is out of order or range", s.Seconds, s.At)
		}
	}
	if len(w.Stalls) > 0 { // an empty list and none are the same
		d.Stalls = longestStalls(w.Stalls)
	}
	return nil
}

func (w *wire) readGivenUp(d *Distribution) error {
	if len(w.GivenUp) > MaxGivenUp {
		return fmt.Errorf("%d times of operations that were given up, at most %d are kept", len(w.GivenUp), MaxGivenUp)
	}
	known := int64(0)
	for i, g := range w.GivenUp {
		if g.Seconds < 0 || g.Count < 1 || g.Count > w.Unfinished-known || i > 0 && g.Seconds <= w.GivenUp[i-1].Seconds {
			return fmt.Errorf("%d operations given up after %v s are out of order or range", g.Count, g.Seconds)
		}
		known += g.Count
	}
	if known > 0 {
		d.GivenUp = w.GivenUp
	}
	return nil
}
