package load

import (
	"context"
	"math"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"storebench/internal/measure"
)

// run is one call of Run. Times are counted from its start. What every operation
// reads comes first and lies side by side, for the caches.
type run struct {
	clock   Clock
	op      func(worker int, n int64) error
	observe func(worker int, from, end time.Duration)
	start   time.Duration // on the clock
	warmup  time.Duration
	end     time.Duration // of measuring
	tooLate time.Duration // from when on nothing is begun any more
	closed  bool
	endless bool        // closed, and without a limit
	stopped atomic.Bool // begin nothing any more

	cfg     Config
	workers []*worker

	response, service, late *measure.Recorder

	cutAt    atomic.Int64 // when ctx ended; MaxInt64 until then
	running  atomic.Int64 // workers that have not returned
	finished chan struct{}
	next     atomic.Int64 // the next operation, unless endless
}

// maxShards bounds the memory of a run: a shard takes half a megabyte. Where there are
// more workers, some share one.
const maxShards = 64

// A worker's state is when it began the operation that is under way (plus 1,
// so that it is above 0), or one of these.
const (
	owned     = 0  // the worker is between operations and may write its fields
	exited    = -1 // the worker has returned
	abandoned = -2 // Run took the fields over while an operation was under way
)

// worker is one goroutine's part. Its fields but state are written by the
// goroutine while the state is owned, and read by Run after it found exited or
// has put abandoned in the place of an operation; so a worker left behind in a
// hung operation takes nothing with it and disturbs nothing when it comes back.
type worker struct {
	*run
	id    int
	state atomic.Int64

	// Of the operation under way: when it was due, when its response time
	// begins, and when it was begun.
	due, from, began time.Duration

	woke time.Duration // when it last began after waiting for an operation to be due
	turn int64         // how many operations it has taken, if endless

	response, service, late *measure.Shard
	shared                  *sync.Mutex // of these, where other workers write to them; else nil

	done, failed int64
	inARow       int // failures
	firstError   error
	errorAt      time.Duration
	lastEnd      time.Duration // of a measured operation
	served       bool          // left because measuring was over
}

func newRun(cfg Config, op func(worker int, n int64) error) *run {
	r := &run{
		clock: cfg.Clock, op: op, observe: cfg.Observe, warmup: cfg.Warmup, end: cfg.Warmup + cfg.Duration, tooLate: math.MaxInt64,
		cfg: cfg, finished: make(chan struct{}),
	}
	if cfg.Grace > 0 {
		r.tooLate = r.end + cfg.Grace
	}
	var pacer Closed
	pacer, r.closed = cfg.Pacer.(Closed)
	r.endless = r.closed && pacer.Limit <= 0
	r.cutAt.Store(math.MaxInt64)
	r.running.Store(int64(cfg.Workers))
	shards := min(cfg.Workers, maxShards)
	r.response = measure.NewRecorder(shards, cfg.Duration)
	if !r.closed {
		r.service = measure.NewRecorder(shards, cfg.Duration)
		r.late = measure.NewRecorder(shards, cfg.Duration)
	}
	locks := make([]sync.Mutex, shards)
	for i := range cfg.Workers {
		shard := i % shards
		w := &worker{run: r, id: i, response: r.response.Shard(shard)}
		if r.service != nil {
			w.service, w.late = r.service.Shard(shard), r.late.Shard(shard)
		}
		if cfg.Workers > shards {
			w.shared = &locks[shard]
		}
		r.workers = append(r.workers, w)
	}
	r.start = r.clock.Now()
	return r
}

func (r *run) now() time.Duration { return r.clock.Now() - r.start }

// cut stops the run since ctx has ended.
func (r *run) cut() {
	r.cutAt.CompareAndSwap(math.MaxInt64, int64(r.now()))
	r.stopped.Store(true)
}

func (w *worker) work(ctx context.Context) {
	defer w.leave()
	for now := w.now(); !w.stopped.Load(); {
		n := w.take()
		start, ok := w.begin(ctx, n, now)
		if !ok {
			return
		}
		err := w.op(w.id, n)
		now = w.now()
		if !w.state.CompareAndSwap(int64(start)+1, owned) {
			return
		}
		w.record(start, now, err)
		if w.inARow >= maxFailures {
			return
		}
	}
}

// take returns the number of the worker's next operation. Where none is due at
// a time of its own and none is the last, the workers need not share a counter.
func (w *worker) take() int64 {
	if !w.endless {
		return w.next.Add(1) - 1
	}
	w.turn++
	return (w.turn-1)*int64(w.cfg.Workers) + int64(w.id)
}

func (w *worker) leave() {
	w.state.CompareAndSwap(owned, exited)
	if w.running.Add(-1) == 0 {
		close(w.finished)
	}
}

// begin waits until operation n is due and marks it as under way. It returns
// when that was, and false when nothing is to be begun any more.
func (w *worker) begin(ctx context.Context, n int64, now time.Duration) (time.Duration, bool) {
	due := now
	if !w.endless {
		at, ok := w.cfg.Pacer.Due(n)
		if !ok {
			return 0, false
		}
		if !w.closed {
			due = at
		}
	}
	switch {
	case due >= w.end:
		w.served = true
		return 0, false
	case due > now:
		w.clock.SleepUntil(ctx, w.start+due)
		now = w.now()
		if w.stopped.Load() || now < due {
			return 0, false
		}
		w.woke = now
	case now >= w.tooLate: // it is missed
		w.served = true
		return 0, false
	}
	// An idle worker that was woken late was kept by nothing but the machine, and
	// so were the operations that became due meanwhile: that is Late.
	w.due, w.from, w.began = due, max(due, w.woke), now
	w.state.Store(int64(now) + 1)
	return now, true
}

// measured says whether the operation under way, which has ended at end or was
// given up then, counts. In closed loop one that the warm-up ends in the middle
// of does: no other tells of a stall that began before the measuring. In open
// loop those that become due behind it tell, each from when it was due.
func (w *worker) measured(end time.Duration) bool {
	return w.due >= w.warmup || w.closed && end > w.warmup
}

// record counts an operation that has ended.
func (w *worker) record(start, end time.Duration, err error) {
	measured := w.measured(end)
	if measured {
		w.lastEnd = end
	}
	if err != nil {
		w.fail(end, measured, err)
		return
	}
	w.inARow = 0
	if !measured {
		return
	}
	w.done++
	since := end - w.warmup
	w.keep(since, end-start)
	if w.observe != nil {
		w.observe(w.id, w.from-w.warmup, since)
	}
}

// keep puts what the operation took, which ended so long after the warm-up, into the
// worker's shards.
func (w *worker) keep(since, service time.Duration) {
	if w.shared != nil {
		w.shared.Lock()
		defer w.shared.Unlock()
	}
	w.response.Record(since, since+w.warmup-w.from)
	if w.service != nil {
		w.service.Record(since, service)
		w.late.Record(since, w.from-w.due)
	}
}

func (w *worker) fail(end time.Duration, measured bool, err error) {
	w.inARow++
	if measured {
		w.failed++
	}
	if w.firstError == nil {
		w.firstError, w.errorAt = err, end
	}
}

// wait returns when all workers have, or when the grace has passed, or a while
// after ctx ended.
func (r *run) wait(ctx context.Context) {
	var overdue <-chan struct{}
	if r.cfg.Grace > 0 {
		done, stop := r.at(ctx, r.tooLate)
		defer stop()
		overdue = done
	}
	select {
	case <-r.finished:
		return
	case <-overdue:
		if ctx.Err() == nil {
			return
		}
	case <-ctx.Done():
	}
	patience := settle
	if r.cfg.Grace > 0 {
		patience = min(patience, r.cfg.Grace)
	}
	settled, stop := r.at(context.WithoutCancel(ctx), r.now()+patience)
	defer stop()
	select {
	case <-r.finished:
	case <-settled:
	}
}

// at returns a channel that is closed at t or when ctx ends. stop releases it.
func (r *run) at(ctx context.Context, t time.Duration) (reached <-chan struct{}, stop func()) {
	ctx, stop = context.WithCancel(ctx)
	c := make(chan struct{})
	go func() {
		defer close(c)
		r.clock.SleepUntil(ctx, r.start+t)
	}()
	return c, stop
}

// abandon takes over from workers that are in an operation still. One that is
// between two will see that the run has stopped, and leave.
func (r *run) abandon() {
	r.stopped.Store(true)
	for _, w := range r.workers {
		for !w.settled() {
			runtime.Gosched()
		}
	}
}

// settled reports whether Run may read the worker's fields from now on.
func (w *worker) settled() bool {
	state := w.state.Load()
	return state < owned || state > owned && w.state.CompareAndSwap(state, abandoned)
}
