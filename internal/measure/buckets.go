package measure

import "math/bits"

// The histogram of a slice is coarse, 8 buckets an octave: it tells latencies 6
// to 12 % apart. That of a whole shard is fine, 1024 an octave: it has the bins of
// an HDR histogram with 3 significant figures, which is made of it at the end.
// Both are log-linear: below two octaves' first bucket one is a nanosecond wide.
const (
	coarseBits    = 3
	coarseBuckets = 320
	fineBits      = 10
	fineBuckets   = 33 << fineBits // up to maxLatency
)

// coarseIndex returns the bucket of a latency of 0 to maxLatency nanoseconds.
func coarseIndex(nanos int64) int { return logLinear(nanos, coarseBits) }

// coarseFloor returns the lowest latency of a bucket in nanoseconds.
func coarseFloor(index int) int64 { return logLinearFloor(index, coarseBits) }

func fineIndex(nanos int64) int { return logLinear(nanos, fineBits) }

func fineFloor(index int) int64 { return logLinearFloor(index, fineBits) }

func logLinear(nanos int64, perOctave int) int {
	shift := max(bits.Len64(uint64(nanos))-(perOctave+1), 0)
	return shift<<perOctave + int(nanos>>shift)
}

func logLinearFloor(index, perOctave int) int64 {
	shift := max(index>>perOctave-1, 0)
	return int64(index-shift<<perOctave) << shift
}
