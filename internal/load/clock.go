package load

import (
	"context"
	"time"
)

// Clock tells the time since some fixed moment and waits for one.
type Clock interface {
	// Now never goes back and is not moved by changes of the wall clock.
	Now() time.Duration
	// SleepUntil returns when Now is t or later, or soon after ctx ends.
	SleepUntil(ctx context.Context, t time.Duration)
}

// NewClock returns the most precise clock of this operating system. On Linux it
// wakes within some ten microseconds; elsewhere it is NewTimerClock's.
func NewClock() Clock { return newPreciseClock() }

// NewTimerClock returns a clock that waits with Go's own timers, which wake up
// to a millisecond late. Inside a testing/synctest bubble its time is the
// bubble's.
func NewTimerClock() Clock { return &timerClock{start: time.Now()} }

type timerClock struct{ start time.Time }

func (c *timerClock) Now() time.Duration { return time.Since(c.start) }

func (c *timerClock) SleepUntil(ctx context.Context, t time.Duration) {
	for wait := t - c.Now(); wait > 0 && ctx.Err() == nil; wait = t - c.Now() {
		sleep(ctx, wait)
	}
}

// sleep waits with a timer for d or the end of ctx.
func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
