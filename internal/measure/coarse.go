package measure

import "math/bits"

// The coarse histogram of a slice is log-linear, 8 buckets an octave: it tells
// latencies 6 to 12 % apart. Below 16 ns a bucket is one nanosecond.
const (
	coarseBits    = 3 // 8 buckets an octave
	coarseBuckets = 320
)

// coarseIndex returns the bucket of a latency of 0 to maxLatency nanoseconds.
func coarseIndex(nanos int64) int {
	shift := max(bits.Len64(uint64(nanos))-(coarseBits+1), 0)
	return shift<<coarseBits + int(nanos>>shift)
}

// coarseFloor returns the lowest latency of a bucket in nanoseconds.
func coarseFloor(index int) int64 {
	shift := max(index>>coarseBits-1, 0)
	return int64(index-shift<<coarseBits) << shift
}
