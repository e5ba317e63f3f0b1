package slowvolume

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"syscall"
	"time"
)

// operation is what a fault looks at.
type operation struct {
	op    op
	bytes int64
}

// effect is what a fault does to one operation.
type effect struct {
	delay time.Duration
	errno syscall.Errno // answered when the delay is over
	skip  bool          // acknowledged, not done
}

// injector is a fault at work. It decides and does not wait, so that it can be
// tested without a clock; the caller holds a lock over it.
type injector interface {
	// inject decides on one operation that begins at now, counted from when
	// the fault was armed.
	inject(o operation, now time.Duration) effect
}

// injectorFunc is an injector without a state, or with it in a closure.
type injectorFunc func(operation, time.Duration) effect

func (f injectorFunc) inject(o operation, now time.Duration) effect { return f(o, now) }

// chain asks injectors one after the other, each at the time when the one
// before lets the operation go.
type chain []injector

func (c chain) inject(o operation, now time.Duration) effect {
	var sum effect
	for _, i := range c {
		e := i.inject(o, now+sum.delay)
		sum.delay += e.delay
		sum.skip = sum.skip || e.skip
		if sum.errno == 0 {
			sum.errno = e.errno
		}
	}
	sum.delay = min(sum.delay, MaxDelay)
	return sum
}

func armAll(faults []Fault, seed uint64) chain {
	c := make(chain, 0, len(faults))
	for n, f := range faults {
		c = append(c, f.spec.arm(rand.New(rand.NewPCG(seed, uint64(n)))))
	}
	return c
}

// delay makes an operation take longer, by a fixed time or, with a sigma, by a
// lognormal one of which by is the median.
type delay struct {
	on    op
	by    time.Duration
	sigma float64
}

func (d delay) suits(k kind) bool { return d.on.suits(k) }

func (d delay) String() string {
	if d.sigma == 0 {
		return fmt.Sprintf("%s %v", d.on, d.by)
	}
	return fmt.Sprintf("%s lognormal %v %s", d.on, d.by, strconv.FormatFloat(d.sigma, 'g', -1, 64))
}

func (d delay) arm(rng *rand.Rand) injector {
	return injectorFunc(func(o operation, _ time.Duration) effect {
		switch {
		case !d.on.covers(o.op):
			return effect{}
		case d.sigma == 0:
			return effect{delay: d.by}
		}
		drawn := float64(d.by) * math.Exp(d.sigma*rng.NormFloat64())
		return effect{delay: time.Duration(min(drawn, float64(MaxDelay)))}
	})
}

// stall holds every operation back for the last part of each period. A period
// begins healthy so that a volume can be set up before the first stall.
type stall struct{ length, period time.Duration }

func (stall) suits(kind) bool { return true }

func (s stall) String() string { return fmt.Sprintf("stall %v every %v", s.length, s.period) }

func (s stall) arm(*rand.Rand) injector {
	return injectorFunc(func(_ operation, now time.Duration) effect {
		in := now % s.period
		if in < s.period-s.length {
			return effect{}
		}
		return effect{delay: s.period - in}
	})
}

// quota lets so many reads and writes, or bytes of them, through in a second.
// Credit is what may be used beforehand; it refills at the same rate, as that
// of cloud volumes does (EBS gp2). Flushes are free, as they are there.
type quota struct {
	bytes        bool
	rate, credit int64
}

func (quota) suits(kind) bool { return true }

func (q quota) String() string {
	text, credit := fmt.Sprintf("iops %d", q.rate), strconv.FormatInt(q.credit, 10)
	if q.bytes {
		text, credit = fmt.Sprintf("bandwidth %v/s", size(q.rate)), size(q.credit).String()
	}
	if q.credit == 0 {
		return text
	}
	return text + " after " + credit
}

func (q quota) arm(*rand.Rand) injector {
	rate, most := float64(q.rate), float64(q.credit)
	level, last := most, time.Duration(0)
	return injectorFunc(func(o operation, now time.Duration) effect {
		if o.op != opRead && o.op != opWrite {
			return effect{}
		}
		cost := 1.0
		if q.bytes {
			cost = float64(o.bytes)
		}
		if now > last { // a fault before this one may let operations go out of order
			level, last = min(most, level+rate*(now-last).Seconds()), now
		}
		level -= cost
		if level >= 0 {
			return effect{}
		}
		wait := min(-level/rate*float64(time.Second), float64(MaxDelay))
		return effect{delay: time.Duration(wait)}
	})
}

// failure answers with an error: to the from-th operation, or from there on.
type failure struct {
	name    string
	on      op
	from    int64
	onwards bool
}

func (f failure) suits(k kind) bool { return f.on.suits(k) }

func (f failure) String() string {
	text := fmt.Sprintf("error %s on %s", f.name, f.on)
	switch {
	case !f.onwards:
		return fmt.Sprintf("%s %d", text, f.from)
	case f.from == 1:
		return text
	}
	return fmt.Sprintf("%s %d+", text, f.from)
}

func (f failure) arm(*rand.Rand) injector {
	errno, seen := errnos[f.name], int64(0)
	return injectorFunc(func(o operation, _ time.Duration) effect {
		if !f.on.covers(o.op) {
			return effect{}
		}
		seen++
		if seen == f.from || f.onwards && seen > f.from {
			return effect{errno: errno}
		}
		return effect{}
	})
}

// hang holds every operation that begins in one span of time until its end.
type hang struct{ after, length time.Duration }

func (hang) suits(kind) bool { return true }

func (h hang) String() string {
	if h.length == HangLimit {
		return fmt.Sprintf("hang after %v", h.after)
	}
	return fmt.Sprintf("hang after %v for %v", h.after, h.length)
}

func (h hang) arm(*rand.Rand) injector {
	return injectorFunc(func(_ operation, now time.Duration) effect {
		if end := h.after + h.length; now >= h.after && now < end {
			return effect{delay: end - now}
		}
		return effect{}
	})
}

// skip acknowledges an operation that was not done: a flush (a lying cache) or
// the fsync of a directory.
type skip struct{ on op }

func (s skip) suits(k kind) bool { return (s.on == opFlush) == (k == blockKind) }

func (s skip) String() string {
	if s.on == opFlush {
		return "lie"
	}
	return string(s.on) + " nothing"
}

func (s skip) arm(*rand.Rand) injector {
	return injectorFunc(func(o operation, _ time.Duration) effect { return effect{skip: o.op == s.on} })
}

// full refuses writes once so many bytes were written. Deleting files does not
// make room again.
type full struct{ after size }

func (full) suits(k kind) bool { return k == fileKind }

func (f full) String() string { return fmt.Sprintf("full after %v", f.after) }

func (f full) arm(*rand.Rand) injector {
	left := int64(f.after)
	return injectorFunc(func(o operation, _ time.Duration) effect {
		if o.op != opWrite {
			return effect{}
		}
		if o.bytes > left {
			left = 0
			return effect{errno: syscall.ENOSPC}
		}
		left -= o.bytes
		return effect{}
	})
}

// readOnly refuses every change, as a file system does that has found an
// error and no longer trusts itself.
type readOnly struct{ after time.Duration }

func (readOnly) suits(k kind) bool { return k == fileKind }

func (r readOnly) String() string {
	if r.after == 0 {
		return "readonly"
	}
	return fmt.Sprintf("readonly after %v", r.after)
}

func (r readOnly) arm(*rand.Rand) injector {
	return injectorFunc(func(o operation, now time.Duration) effect {
		switch o.op {
		case opWrite, opCreate, opRename, opUnlink, opChange:
			if now >= r.after {
				return effect{errno: syscall.EROFS}
			}
		}
		return effect{}
	})
}
