package slowvolume

import (
	"errors"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// gate is what every operation of a server passes: it applies the faults,
// counts, and lets all that waits go when the faults change.
type gate struct {
	mu        sync.Mutex
	injectors chain
	armed     time.Time
	released  chan struct{} // closed when the waits of the faults so far are void
	paused    bool          // faults are off and keep their state
	dead      bool          // the power is cut: everything fails
	counts    Counts
}

func newGate() *gate {
	return &gate{released: make(chan struct{}), armed: time.Now(), paused: true}
}

// set replaces the faults; what waits for the old ones goes on at once.
func (g *gate) set(faults []Fault, seed uint64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.injectors, g.armed = armAll(faults, seed), time.Now()
	g.release()
}

// pause turns the faults off or on again, with the state they had.
func (g *gate) pause(on bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.paused = on
	g.release()
}

// die makes every operation fail, also those that wait, until it is called
// with false.
func (g *gate) die(dead bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.dead = dead
	g.release()
}

func (g *gate) release() {
	close(g.released)
	g.released = make(chan struct{})
}

func (g *gate) counted() Counts {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.counts
}

// errSkip says that an operation is to be acknowledged and not done.
var errSkip = errors.New("acknowledge and do nothing")

// pass waits as long as the faults say and returns nil when the operation is
// to be done, errSkip, or the errno to answer.
func (g *gate) pass(o operation) error {
	began := time.Now()
	e, released := g.decide(o, began)
	wait(began.Add(e.delay), released)
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.dead:
		g.counts.Errors++
		return syscall.EIO
	case e.errno != 0:
		g.counts.Errors++
		return e.errno
	}
	g.counts.add(o)
	if e.skip {
		return errSkip
	}
	return nil
}

func (g *gate) decide(o operation, at time.Time) (effect, <-chan struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.paused || g.dead {
		return effect{}, g.released
	}
	return g.injectors.inject(o, at.Sub(g.armed)), g.released
}

func (c *Counts) add(o operation) {
	switch o.op {
	case opRead:
		c.Reads++
		c.ReadBytes += uint64(o.bytes)
	case opWrite:
		c.Writes++
		c.WrittenBytes += uint64(o.bytes)
	case opFlush, opFsync:
		c.Flushes++
	case opFsyncDir:
		c.DirFlushes++
	}
}

// coarse is the part of a wait that is left to the kernel's precise sleep: a
// Go timer may be a millisecond late.
const coarse = 3 * time.Millisecond

// wait returns at the given time, or soon after released is closed.
func wait(until time.Time, released <-chan struct{}) {
	if d := time.Until(until); d > coarse {
		timer := time.NewTimer(d - coarse)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-released:
			return
		}
	}
	sleepUntil(until)
}

// sleepUntil sleeps in the kernel. Its end is absolute, so that a signal (Go
// preempts by signals) only makes it start again.
func sleepUntil(until time.Time) {
	d := time.Until(until)
	if d <= 0 {
		return
	}
	var now unix.Timespec
	if unix.ClockGettime(unix.CLOCK_MONOTONIC, &now) != nil {
		time.Sleep(d)
		return
	}
	end := unix.NsecToTimespec(now.Nano() + int64(d))
	for unix.ClockNanosleep(unix.CLOCK_MONOTONIC, unix.TIMER_ABSTIME, &end, nil) == unix.EINTR {
	}
}
