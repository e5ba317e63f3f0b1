package measure

import "time"

// Recorder collects the latencies of a round from several workers, each of
// which writes to a Shard of its own.
type Recorder struct {
	shards []*Shard
}

// NewRecorder returns a recorder with the given number of shards for a round
// that is expected to last about expected. A longer round is recorded all the
// same, in wider slices. A shard takes about 0.5 MB.
func NewRecorder(shards int, expected time.Duration) *Recorder {
	r := &Recorder{shards: make([]*Shard, max(shards, 1))}
	for i := range r.shards {
		r.shards[i] = newShard(expected)
	}
	return r
}

// Shard returns the shard of worker i, 0 to shards-1.
func (r *Recorder) Shard(i int) *Shard { return r.shards[i] }

// Distribution returns what all shards have recorded. No shard may be written
// to meanwhile.
func (r *Recorder) Distribution() *Distribution {
	all := &Distribution{}
	for _, s := range r.shards {
		// A recorder cannot live long enough to overflow 63 bits.
		_ = all.Merge(s.distribution())
	}
	return all
}

// Shard records the latencies of one worker. It needs no lock and allocates
// nothing, and must not be used by two goroutines at once.
type Shard struct {
	// What every operation touches lies side by side, for the caches.
	min, max, sum int64
	width         int64 // of a slice, nanoseconds
	currentStart  int64
	current       int // the slice of the last operation
	clamped       int64

	bins   [fineBuckets]uint32
	slices [maxSlices]denseSlice

	stalls       [MaxStalls]stall
	stalled      int // how many of stalls are used
	shortestKept int // index of the shortest of them
}

// denseSlice counts in 32 bits, as the bins do: 4 billion operations of one
// worker would take it longer than a round can last.
type denseSlice struct {
	max     int64
	buckets [coarseBuckets]uint32
}

type stall struct{ at, took int64 } // nanoseconds

func newShard(expected time.Duration) *Shard {
	s := &Shard{min: maxLatency, width: sliceWidth}
	// Slices that are wide enough from the start need not be merged while
	// operations are being timed.
	for s.width*maxSlices < int64(expected) && s.width < int64(1)<<52 {
		s.width *= 2
	}
	return s
}

// Record counts an operation that took d and ended at end, counted from the
// start of the round. A latency below 0 or above an hour is clamped and counted
// as such. When end lies beyond all slices, neighbours are merged, which takes
// some 0.1 ms at each doubling of the round's length.
func (s *Shard) Record(end, d time.Duration) {
	took := int64(d)
	if took < 0 || took > maxLatency {
		took = min(max(took, 0), maxLatency)
		s.clamped++
	}
	s.bins[fineIndex(took)]++
	s.sum += took
	s.min = min(s.min, took)
	s.max = max(s.max, took)
	slice := s.slice(max(int64(end), 0))
	slice.buckets[coarseIndex(took)]++
	slice.max = max(slice.max, took)
	if took >= int64(StallSeconds*1e9) {
		s.stall(max(int64(end), 0), took)
	}
}

// slice returns the slice of a moment. Operations mostly end in the slice of
// the one before, so that no division is needed.
func (s *Shard) slice(end int64) *denseSlice {
	if since := end - s.currentStart; since < 0 || since >= s.width {
		for end/s.width >= maxSlices {
			s.fold()
		}
		s.current = int(end / s.width)
		s.currentStart = int64(s.current) * s.width
	}
	return &s.slices[s.current]
}

// fold merges neighbouring slices and doubles the width.
func (s *Shard) fold() {
	for i := range s.slices {
		from := s.slices[i] // a copy: slice 0 folds into itself
		s.slices[i] = denseSlice{}
		into := &s.slices[i/2]
		into.max = max(into.max, from.max)
		for b, n := range from.buckets {
			into.buckets[b] += n
		}
	}
	s.width *= 2
}

// stall keeps an operation if it is among the longest.
func (s *Shard) stall(at, took int64) {
	if s.stalled < len(s.stalls) {
		s.stalls[s.stalled] = stall{at, took}
		s.stalled++
	} else if took > s.stalls[s.shortestKept].took {
		s.stalls[s.shortestKept] = stall{at, took}
	} else {
		return
	}
	for i := range s.stalled {
		if s.stalls[i].took < s.stalls[s.shortestKept].took {
			s.shortestKept = i
		}
	}
}

func (s *Shard) distribution() *Distribution {
	d := &Distribution{Clamped: s.clamped}
	if s.min > s.max {
		return d // nothing was recorded
	}
	d.hist = newPacked()
	for bin, n := range s.bins {
		if n > 0 {
			_ = d.hist.RecordValues(fineFloor(bin), int64(n)) // in range, so it cannot fail
		}
	}
	d.min, d.max, d.sum = s.min, s.max, s.sum
	d.width = s.width
	for i := range s.slices {
		if sparse := s.slices[i].sparse(i); sparse.count > 0 {
			d.slices = append(d.slices, sparse)
		}
	}
	for _, st := range s.stalls[:s.stalled] {
		d.AddStall(seconds(st.at), seconds(st.took))
	}
	return d
}

func (s *denseSlice) sparse(index int) slice {
	sparse := slice{index: index, max: s.max}
	for b, n := range s.buckets {
		if n > 0 {
			sparse.buckets = append(sparse.buckets, bucket{b, int64(n)})
			sparse.count += int64(n)
		}
	}
	return sparse
}
