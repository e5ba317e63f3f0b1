package load

import (
	"context"
	"errors"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// timerLate is how late Go's timers may wake: its poller counts whole
	// milliseconds. Waits longer than this begin with a timer, which hears ctx
	// and holds no thread.
	timerLate = 2 * time.Millisecond
	// kernelLate is how late clock_nanosleep may wake; what is left is spun.
	kernelLate = 20 * time.Microsecond
	// worthSleeping is below what a system call is not worth its wait.
	worthSleeping = 60 * time.Microsecond
)

// preciseClock sleeps in the kernel, for Go's timers are too coarse for rates
// of a thousand operations a second.
type preciseClock struct {
	timerClock
	origin int64 // CLOCK_MONOTONIC at start, nanoseconds
}

func newPreciseClock() Clock {
	c := &preciseClock{timerClock: timerClock{start: time.Now()}}
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		return &c.timerClock
	}
	c.origin = now.Nano()
	return c
}

func (c *preciseClock) SleepUntil(ctx context.Context, t time.Duration) {
	for ctx.Err() == nil {
		switch wait := t - c.Now(); {
		case wait <= 0:
			return
		case wait > timerLate:
			sleep(ctx, wait-timerLate)
		case wait > worthSleeping:
			if !c.nanosleep(t - kernelLate) {
				sleep(ctx, wait)
			}
		default:
			spinUntil(c, t)
		}
	}
}

// nanosleep waits in the kernel until t; it may return early on a signal. It
// reports whether the kernel can.
func (c *preciseClock) nanosleep(t time.Duration) bool {
	// By default the kernel may wake a thread 50 µs late to save power. The
	// setting is the thread's; another one may run the goroutine next time.
	_ = unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0)
	at := unix.NsecToTimespec(c.origin + int64(t))
	err := unix.ClockNanosleep(unix.CLOCK_MONOTONIC, unix.TIMER_ABSTIME, &at, nil)
	return err == nil || errors.Is(err, unix.EINTR)
}

// spinUntil gives the processor to other goroutines until t. It is for waits
// that are too short to sleep.
func spinUntil(c Clock, t time.Duration) {
	for c.Now() < t {
		runtime.Gosched()
	}
}
