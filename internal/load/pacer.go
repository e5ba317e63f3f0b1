// Package load decides when each operation is due and runs operations at those
// times, in closed loop (each worker as fast as it can) or in open loop (at a
// rate that does not wait for slow operations).
package load

import (
	"math"
	"sort"
	"time"
)

// Pacer says when operation n (0, 1, 2 …) is due, counted from the start of the
// run, warm-up included. It may be called from many goroutines, and its times
// neither change nor go back. ok is false when there is no operation n, and then
// there is none after it. While a run is under way its end may be set: what is
// due already stays so, but an operation that was due later may cease to exist.
type Pacer interface {
	Due(n int64) (at time.Duration, ok bool)
}

// Closed is closed loop: an operation is due as soon as a worker is free.
type Closed struct {
	// Limit is how many operations there are, warm-up included; 0 is no limit.
	Limit int64
}

// Due returns 0: always due.
func (c Closed) Due(n int64) (time.Duration, bool) {
	return 0, c.Limit <= 0 || n < c.Limit
}

// Open is open loop at an even rate.
type Open struct {
	Rate float64 // operations a second
}

// Due returns n divided by the rate.
func (o Open) Due(n int64) (time.Duration, bool) {
	return after(float64(n) / o.Rate)
}

// after returns a due time, ok unless it is beyond any run.
func after(seconds float64) (time.Duration, bool) {
	if !(seconds >= 0 && seconds < math.MaxInt64/1e9) { // NaN too: 0/0
		return 0, false
	}
	return time.Duration(seconds * 1e9), true
}

// dueBefore returns how many operations are due before a moment.
func dueBefore(p Pacer, t time.Duration) int64 {
	isDue := func(n int64) bool {
		at, ok := p.Due(n)
		return ok && at < t
	}
	high := int64(1)
	for isDue(high) && high < math.MaxInt64/4 {
		high *= 2
	}
	return int64(sort.Search(int(high), func(n int) bool { return !isDue(int64(n)) }))
}
