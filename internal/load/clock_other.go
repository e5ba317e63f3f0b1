//go:build !linux

package load

// newPreciseClock: only Linux's clock_nanosleep is used so far; Go's timers
// wake up to a millisecond late.
func newPreciseClock() Clock { return NewTimerClock() }
