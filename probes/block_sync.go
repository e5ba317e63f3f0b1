package probes

import (
	"context"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"storebench/internal/load"
	"storebench/internal/measure"
)

// BlockSync does what nats-server's periodic sync does to its own writers: it
// makes blocks dirty and syncs them while messages go on arriving.
type BlockSync struct {
	Rate  float64      `param:"rate" min:"0.1" max:"10000000" help:"messages a second over all streams while the sync runs"`
	Dirty measure.Size `param:"dirty" min:"0" help:"bytes of each stream that are dirty when its sync begins; the kernel writes out by itself what is older than 30 s, so 30 s of the rate in production; none with sync always, where every message is synced as it is stored"`
	Syncs int          `param:"syncs" min:"1" max:"64" help:"streams that are synced in a round, one after the other"`
	streamParams
}

var _ = register(func() Probe { return &BlockSync{Rate: 1000, Dirty: 5 << 20, Syncs: 2, streamParams: defaultStreams()} })

// syncGrace is how long after the round's time its syncs may go on, with the
// writers. A sync that takes longer is cut.
const syncGrace = grace

// Info describes the probe.
func (p *BlockSync) Info() Info {
	return Info{
		Name:    "block-sync",
		Topic:   "syncs and state files",
		Summary: "run the periodic sync of dirty blocks while writers go on",
		Why:     "nats-server syncs its blocks every 2 minutes, each under that block's lock and the state file under the store's: the next message waits, and with it the stream, its Raft group and the connection that brought it.",
		Metrics: []Metric{
			{Name: "stall", Unit: measure.Seconds, Help: "the longest response of a message that met a sync, one value a sync"},
			{Name: "sync", Unit: measure.Seconds, Help: "a whole sync of one stream", Kind: measure.Mark},
			{Name: "store_outside_sync", Unit: measure.Seconds, Help: "messages that met no sync, from when they were due until stored"},
			{Name: "store_during", Unit: measure.Seconds, Help: "messages that met a sync, from when they were due until stored"},
		},
		Need:  p.need(),
		Extra: syncGrace + closeWait,
		// What is made dirty first is bulk: no rate caps it.
		Gentle: p.Dirty == 0 && p.Rate <= gentleRate,
		Gently: map[string]string{"dirty": "0"},
	}
}

// adjust drops what cannot be dirty.
func (p *BlockSync) adjust() {
	p.streamParams.adjust()
	p.Dirty = p.dirty()
}

// dirty is what the fill leaves dirty: with sync always nothing is, and the fill
// would be an fsync a message.
func (p *BlockSync) dirty() measure.Size {
	if p.Sync == "always" {
		return 0
	}
	return p.Dirty
}

// syncedStream is one stream with the window of its sync.
type syncedStream struct {
	begin, end      atomic.Int64 // of the sync, by the round's clock; 0: not yet
	during, between *measure.Recorder
}

// met says whether a message that was due and ended then met the sync: it was
// waiting or being stored at some time of it.
func (s *syncedStream) met(due, end time.Duration) bool {
	begin := time.Duration(s.begin.Load())
	if begin == 0 || end < begin {
		return false
	}
	until := time.Duration(s.end.Load())
	return until == 0 || due <= until
}

// untilDone is open loop whose end is set while it runs: once the syncs are
// done, never before that moment, so that all that was due in a sync stays due.
type untilDone struct {
	load.Open
	end *atomic.Int64 // by the load's time; MaxInt64 until it is set
}

// Due returns when message n is due, and that there is none after the end.
func (u untilDone) Due(n int64) (time.Duration, bool) {
	at, ok := u.Open.Due(n)
	return at, ok && int64(at) <= u.end.Load()
}

// Run measures one round.
func (p *BlockSync) Run(ctx context.Context, env *Env) ([]measure.Measurement, error) {
	s, err := p.open(ctx, env)
	if err != nil {
		return nil, err
	}
	if err := p.fill(s, len(s.stores)); err != nil {
		return nil, cutOr(err, s.close(ctx))
	}
	measured, err := p.newRound(s, env).run(ctx, env)
	return s.warn(measured), cutOr(err, s.close(ctx))
}

func (p *BlockSync) newRound(s *streams, env *Env) *syncRound {
	r := &syncRound{probe: p, streams: s, clock: load.NewClock(), tracked: make([]*syncedStream, p.Streams)}
	r.end.Store(math.MaxInt64)
	for i := range r.tracked {
		n := p.writers(i)
		r.tracked[i] = &syncedStream{during: measure.NewRecorder(n, env.Duration), between: measure.NewRecorder(n, env.Duration)}
	}
	return r
}

// fill makes the first n streams dirty and lets them write their state files,
// which the sync then syncs as well. It is a message at least: a store without
// any has no state to write.
func (p *BlockSync) fill(s *streams, n int) error {
	messages := max(1, int64(p.dirty())/max(1, int64(p.MessageSize)))
	for i, store := range s.stores[:n] {
		for range messages {
			if err := s.store(i); err != nil {
				return fmt.Errorf("fill stream %d: %w", i, err)
			}
		}
		if err := store.ForceWriteFullState(); err != nil {
			return fmt.Errorf("write the state of stream %d: %w", i, err)
		}
	}
	return nil
}

// syncRound is one round under way.
type syncRound struct {
	probe   *BlockSync
	streams *streams
	clock   load.Clock
	tracked []*syncedStream
	end     atomic.Int64 // of the messages, from the start of the load; MaxInt64 while syncs go on
	// beside is what else is done to a stream while it is synced, until ended is
	// closed; nil for nothing.
	beside func(stream int, ended <-chan struct{})

	mu    sync.Mutex
	syncs []measure.Stall // when each sync ended and how long it took
	err   error
}

func (r *syncRound) run(ctx context.Context, env *Env) ([]measure.Measurement, error) {
	start, sampler := time.Now(), measure.StartContext(env.Devices)
	origin := r.clock.Now() + env.Warmup
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		r.syncAll(ctx, origin, env.Duration)
		r.end.Store(int64(env.Warmup + max(env.Duration, r.clock.Now()-origin)))
	}()
	outcomes, runErr := r.streams.run(ctx, func(i int) load.Config { return r.config(env, i) })
	select {
	case <-finished:
	default: // a sync is still under way after the writers were given up
	}
	around := sampler.Stop()
	around.Slots = r.streams.slotWaits()
	all, err := merge(outcomes)
	if err != nil {
		return nil, err
	}
	measured := r.measured(start.Add(env.Warmup), origin, around, outcomes)
	r.mu.Lock()
	syncErr := r.err
	r.mu.Unlock()
	if syncErr == nil && r.end.Load() == math.MaxInt64 {
		syncErr = ErrCut
	}
	return measured, cutOr(runErr, syncErr, ending(all))
}

// config is the load of one stream: at the rate for the round's time, and on
// until the syncs are done.
func (r *syncRound) config(env *Env, i int) load.Config {
	tracked := r.tracked[i]
	return load.Config{
		Workers: r.probe.writers(i), Duration: env.Duration + syncGrace, Warmup: env.Warmup, Grace: time.Second,
		Pacer: untilDone{Open: load.Open{Rate: r.probe.Rate / float64(r.probe.Streams)}, end: &r.end},
		Observe: func(worker int, due, end time.Duration) {
			now := r.clock.Now()
			recorder := tracked.between
			if tracked.met(now-(end-due), now) {
				recorder = tracked.during
			}
			recorder.Shard(worker).Record(end, end-due)
		},
	}
}

// syncAll syncs some of the streams, evenly spread over the round.
func (r *syncRound) syncAll(ctx context.Context, origin, duration time.Duration) {
	n := min(r.probe.Syncs, len(r.tracked))
	for i := range n {
		r.clock.SleepUntil(ctx, origin+duration*time.Duration(2*i+1)/time.Duration(2*n))
		if ctx.Err() != nil {
			return
		}
		begin := r.clock.Now()
		r.tracked[i].begin.Store(int64(begin))
		finish := r.accompany(i)
		err := r.streams.stores[i].SyncBlocks()
		end := r.clock.Now()
		r.tracked[i].end.Store(int64(end))
		r.mu.Lock()
		r.syncs = append(r.syncs, measure.Stall{At: (end - origin).Seconds(), Seconds: (end - begin).Seconds()})
		if err != nil && r.err == nil {
			r.err = fmt.Errorf("sync stream %d: %w", i, err)
		}
		r.mu.Unlock()
		finish()
	}
}

// accompany begins what is done beside the sync of a stream. The function that
// it returns says that the sync has ended, and waits for what is still under way.
func (r *syncRound) accompany(stream int) (finish func()) {
	if r.beside == nil {
		return func() {}
	}
	var beside sync.WaitGroup
	ended := make(chan struct{})
	beside.Go(func() { r.beside(stream, ended) })
	return func() {
		close(ended)
		beside.Wait()
	}
}

// measured makes the measurements of a round. The writers have ended; a sync
// may be still under way.
func (r *syncRound) measured(start time.Time, origin time.Duration, around measure.Context, outcomes []load.Outcome) []measure.Measurement {
	elapsed := r.clock.Now() - origin
	stall, syncs := measure.NewRecorder(1, elapsed), measure.NewRecorder(1, elapsed)
	during, between := &measure.Distribution{}, &measure.Distribution{}
	var stuck []measure.Stall // of writers that met a sync and never came back, until they were given up
	for i, t := range r.tracked {
		met := t.during.Distribution()
		_ = during.Merge(met) // cannot overflow: a round's counts are small
		_ = between.Merge(t.between.Distribution())
		o := outcomes[i]
		lost := between
		if t.begin.Load() > 0 {
			lost = during
			longest := 0.0 // it was over before the next message was due
			if met.Count() > 0 {
				longest = met.Max()
			}
			switch {
			case o.Unfinished > 0:
				stuck = append(stuck, givenUp(o))
			case t.end.Load() > 0 || longest >= measure.StallSeconds:
				at := time.Duration(t.begin.Load()) - origin
				stall.Shard(0).Record(at, time.Duration(longest*float64(time.Second)))
			default: // a sync that was cut may have had its stall before it still: nothing is known
			}
		}
		lost.AddLost(o.Response)
	}
	r.mu.Lock()
	for _, s := range r.syncs {
		syncs.Shard(0).Record(time.Duration(s.At*float64(time.Second)), time.Duration(s.Seconds*float64(time.Second)))
	}
	ended := int64(len(r.syncs))
	r.mu.Unlock()
	stalls, whole := stall.Distribution(), syncs.Distribution()
	for _, s := range stuck {
		stalls.GiveUp(s.At, s.Seconds, 1)
	}
	r.giveUp(whole, origin, elapsed, ended)
	return []measure.Measurement{
		timed("stall", start, elapsed, around, stalls), timed("sync", start, elapsed, around, whole),
		timed("store_outside_sync", start, elapsed, around, between), timed("store_during", start, elapsed, around, during),
	}
}

// givenUp is the longest operation of a load that was given up: they were at its end,
// after all others. It is zero where none is known to have been long.
func givenUp(o load.Outcome) (last measure.Stall) {
	for _, s := range o.Response.Stalls { // the longest come first
		if s.At > last.At {
			last = s
		}
	}
	return last
}

// giveUp counts the syncs that were begun and are not among the ended ones. They run one
// after the other, so it is the last one that was begun.
func (r *syncRound) giveUp(whole *measure.Distribution, origin, elapsed time.Duration, ended int64) {
	began, last := int64(0), int64(0)
	for _, t := range r.tracked {
		if begin := t.begin.Load(); begin > 0 {
			began, last = began+1, max(last, begin)
		}
	}
	whole.GiveUp(elapsed.Seconds(), (origin + elapsed - time.Duration(last)).Seconds(), began-ended)
}
