package volume

import (
	"math"
	"math/bits"
)

// Free is the room that a volume has left for us.
type Free struct {
	// Bytes leaves out what is reserved for root.
	Bytes int64 `json:"bytes"`
	// Inodes is how many more files fit. It means nothing unless InodesKnown:
	// btrfs, for one, has no fixed number.
	Inodes      int64 `json:"inodes"`
	InodesKnown bool  `json:"inodes_known"`
}

// times multiplies without overflow: some network file systems report more
// than 2^63 bytes.
func times(count, unit uint64) int64 {
	high, low := bits.Mul64(count, unit)
	if high != 0 || low > math.MaxInt64 {
		return math.MaxInt64
	}
	return int64(low)
}
