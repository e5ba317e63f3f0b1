package load

import (
	"context"
	"errors"
	"fmt"
	"time"

	"storebench/internal/measure"
)

const (
	// maxFailures in a row end a worker: on a dead disk every operation fails
	// at once, and trying on would only burn a processor.
	maxFailures = 100
	// settle is how long operations under way may take to end after ctx did.
	settle = time.Second
)

// Config is how operations are run.
type Config struct {
	Workers  int           // goroutines, at least 1
	Pacer    Pacer         // nil is Closed{}
	Duration time.Duration // how long to measure, after the warm-up
	// Warmup is how long operations are run before measuring. An operation
	// belongs to where it was due; but in closed loop one that is under way when
	// the warm-up ends is measured, from when it was begun, and in either loop one
	// that was due in the warm-up and never ends is unfinished.
	Warmup time.Duration
	// Grace is how long, after Duration has passed, operations that were due in
	// it may still be begun and may take to end. What is not begun by then is
	// missed, what has not ended is unfinished. 0 waits until ctx ends.
	Grace time.Duration
	Clock Clock // nil is NewClock()
	// Observe, unless nil, is called after each measured operation that
	// succeeded, by its worker: from and end are when its response time began
	// and ended, counted from the start of measuring; in closed loop from may be
	// below 0. It must not block and, to
	// keep the harness cheap, not allocate. It is not called after Run has
	// returned.
	Observe func(worker int, from, end time.Duration)
}

// Outcome is what came of a run. Operations that belong to the warm-up
// (Config.Warmup) are in no figure of it but FirstError.
type Outcome struct {
	Done       int64 // succeeded
	Failed     int64 // returned an error
	Missed     int64 // were due while measuring and could not be begun by the end of the grace
	Unfinished int64 // were given up while under way
	// Elapsed is from the start of measuring until the last operation ended or
	// was given up, and at least Duration if the run was not cut short. Done
	// divided by it is the rate.
	Elapsed time.Duration
	// Response is how long operations took from when they were due, the time in
	// which every worker was busy with earlier ones included; it holds the
	// failed, missed and unfinished ones as counts. Times of slices and stalls
	// are counted from the start of measuring.
	Response *measure.Distribution
	// Late is by how much operations were late because a worker that waited for
	// one to be due was woken late. That is this machine's doing and nobody
	// else's, so it is told apart and is no part of Response. It is nil in closed
	// loop.
	Late *measure.Distribution
	// Service is how long they took from when they were begun. It is nil in
	// closed loop, where both are the same.
	Service *measure.Distribution
	// FirstError is of the operation that failed first, warm-up included.
	FirstError error
}

// Run calls op from cfg.Workers goroutines, each time an operation is due, and
// records how long it took. op gets the worker's number and the operation's.
// In open loop the next free worker takes the next operation that is due, and
// however long it had to wait for one to be free, the response time counts from
// when it was due.
//
// An op cannot be interrupted: one that is still under way after the grace, or
// a second after ctx ended, is counted as unfinished and its goroutine left
// behind; what it then touches must outlive Run. A worker ends after 100
// failures in a row. Run returns an error when the configuration makes no sense
// and when ctx ended before the run did; in the latter case the outcome holds
// what was measured until then.
func Run(ctx context.Context, cfg Config, op func(worker int, n int64) error) (Outcome, error) {
	if cfg.Pacer == nil {
		cfg.Pacer = Closed{}
	}
	if cfg.Clock == nil {
		cfg.Clock = NewClock()
	}
	if err := cfg.validate(); err != nil {
		return Outcome{}, err
	}
	r := newRun(cfg, op)
	defer context.AfterFunc(ctx, r.cut)()
	for _, w := range r.workers {
		go w.work(ctx)
	}
	r.wait(ctx)
	if ctx.Err() != nil {
		r.cut() // AfterFunc's goroutine may not have come to it yet
	}
	r.abandon()
	out := r.outcome()
	if err := context.Cause(ctx); err != nil && r.cutAt.Load() < int64(r.end) {
		return out, fmt.Errorf("load stopped after %v: %w", out.Elapsed.Round(time.Millisecond), err)
	}
	return out, nil
}

func (cfg *Config) validate() error {
	if cfg.Workers < 1 {
		return fmt.Errorf("load needs at least 1 worker, not %d", cfg.Workers)
	}
	if cfg.Duration <= 0 || cfg.Warmup < 0 || cfg.Grace < 0 {
		return fmt.Errorf("load needs a duration above 0 and no negative times: duration %v, warm-up %v, grace %v",
			cfg.Duration, cfg.Warmup, cfg.Grace)
	}
	if _, ok := cfg.Pacer.Due(0); !ok {
		return errors.New("load has no operation that is ever due: give a rate above 0")
	}
	return nil
}
