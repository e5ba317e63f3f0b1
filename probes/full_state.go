package probes

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"storebench/internal/load"
	"storebench/internal/measure"
	"storebench/internal/natsfs"
)

// FullState writes the state of streams to their index.db, as nats-server does
// every 2 to 2.5 minutes: alone, or while the periodic sync and writers hold the
// locks that it needs.
type FullState struct {
	Mode      string       `param:"mode" choices:"sync,alone" help:"sync: beside a periodic sync and writers; alone: beside nothing"`
	Blocks    int          `param:"blocks" min:"1" max:"100000" help:"blocks of a stream at least; each has some dozen bytes in the state"`
	BlockSize measure.Size `param:"block-size" min:"4096" max:"8388608" help:"size of a block; a server takes 8 MB or 4 MB, for an encrypted stream without any limit 2 MB, for its Raft logs 4 MB"`
	Subjects  int          `param:"subjects" min:"0" max:"1000000" help:"subjects of a stream, each of which is in the state; 0: none, as in a Raft log"`
	Deletes   int          `param:"deletes" min:"0" max:"1000000" help:"messages that were deleted out of the middle of a stream, and are in the state"`
	Rate      float64      `param:"rate" min:"0.1" max:"10000000" help:"messages a second over all streams (mode sync)"`
	Dirty     measure.Size `param:"dirty" min:"0" max:"1073741824" help:"bytes of each stream that are dirty when its sync begins (mode sync); none with sync always"`
	Syncs     int          `param:"syncs" min:"1" max:"64" help:"streams that are synced in a round, one after the other (mode sync)"`
	streamParams
}

var _ = register(func() Probe {
	return &FullState{
		Mode: "sync", Blocks: 1, BlockSize: 4 << 20, Subjects: 100, Rate: 1000, Dirty: 8 << 20, Syncs: 2,
		streamParams: defaultStreams(),
	}
})

// Info describes the probe.
func (p *FullState) Info() Info {
	return Info{
		Name:    "full-state",
		Topic:   "syncs and state files",
		Summary: "write the streams' state files, alone or during a periodic sync with writers going on",
		Why:     "nats-server writes the state of each stream every 2 to 2.5 minutes and after every compaction, under the locks of the store and its blocks. A call that meets a sync waits with them for the disk, and whoever writes to that stream waits for the call: in an outage 73 bytes took 66 s.",
		Metrics: []Metric{
			{Name: "during", Unit: measure.Seconds, Help: "the longest call that met a sync, with writers going on; one value a sync"},
			{Name: "call", Unit: measure.Seconds, Help: "every call that met a sync"},
			{Name: "lock_wait", Unit: measure.Seconds, Help: "the share of the longest call until the store's lock was to be had, as a reader saw it that came with the call; one value a sync"},
			{Name: "sync", Unit: measure.Seconds, Help: "a whole sync of one stream with these calls beside it", Kind: measure.Mark},
			{Name: "alone", Unit: measure.Seconds, Help: "a call while nothing else is done (mode alone)"},
			{Name: "slot_wait", Unit: measure.Seconds, Help: "what a call waited for I/O slots on average, by the server's own counter (mode alone)"},
			{Name: "state_size", Unit: measure.Bytes, Help: "size of the largest state file of a stream"},
		},
		Need:  p.room(),
		Extra: syncGrace + closeWait + preparation(int64(p.Streams)*p.content()),
	}
}

// preparation is what writing so many bytes before a round may take, on a volume
// that is of any use.
func preparation(bytes int64) time.Duration {
	const bytesPerSecond = 20e6
	return time.Duration(float64(bytes) / bytesPerSecond * float64(time.Second))
}

// adjust makes streams as large as what they are to hold, and drops what cannot
// be dirty.
func (p *FullState) adjust() {
	p.streamParams.adjust()
	p.Dirty = p.periodicSync().dirty()
	p.MaxBytes = max(p.MaxBytes, measure.Size(2*p.content()))
}

// periodicSync is the sync that the calls are to meet.
func (p *FullState) periodicSync() *BlockSync {
	return &BlockSync{Rate: p.Rate, Dirty: p.Dirty, Syncs: p.Syncs, streamParams: p.streamParams}
}

// recordOverhead is more than a record has besides its payload: 30 bytes and the
// subject.
const recordOverhead = 64

// messages is how many a stream holds at least, for its subjects and deletes.
func (p *FullState) messages() int { return max(1, p.Subjects, 2*p.Deletes+1) }

// content is how many bytes a stream holds at most before the round begins.
func (p *FullState) content() int64 {
	record := int64(p.MessageSize) + recordOverhead
	blocks := int64(p.Blocks) * max(int64(p.BlockSize), record)
	return max(blocks, int64(p.messages())*record) + int64(p.Deletes)*recordOverhead + int64(p.Dirty)
}

// room is what a round takes on the volume: small blocks are many files, each
// perhaps with one for its key.
func (p *FullState) room() Need {
	q := *p
	q.adjust()
	n := q.need()
	blocks := int64(q.Streams) * (int64(q.MaxBytes)/int64(q.BlockSize) + int64(q.Blocks))
	n.Files += 2 * blocks
	n.Bytes += 2*4096*blocks + int64(q.Streams)*int64(q.messages())*recordOverhead
	return n
}

// Run measures one round.
func (p *FullState) Run(ctx context.Context, env *Env) ([]measure.Measurement, error) {
	q := *p
	q.adjust()
	s, err := q.open(ctx, env)
	if err != nil {
		return nil, err
	}
	err = q.build(ctx, s)
	if err == nil {
		err = reopen(s)
	}
	if err != nil {
		return nil, cutOr(err, s.close(ctx))
	}
	run := q.meetSyncs
	if q.Mode == "alone" {
		run = q.alone
	}
	measured, err := run(ctx, env, s)
	return s.warn(measured), cutOr(err, s.close(ctx))
}

// open makes the streams' stores with blocks of the size that is asked; a server
// would choose by itself.
func (p *FullState) open(ctx context.Context, env *Env) (*streams, error) {
	key := natsfs.NewKey()
	s, err := p.openWith(ctx, env, func(server *natsfs.Server, i int) (*natsfs.Store, error) {
		cfg := natsfs.StoreConfig{
			Name: streamName(i), MaxBytes: int64(p.MaxBytes), BlockSize: uint64(p.BlockSize), SyncAlways: p.Sync == "always",
			Cipher: natsfs.Cipher(p.Cipher), Compression: natsfs.Compression(p.Compression), Key: key,
		}
		if p.Subjects > 0 {
			cfg.Subjects = []string{streamSubject(i) + ".*"}
		}
		return server.OpenStore(filepath.Join(env.Dir, "stores", streamName(i)), cfg)
	})
	if err != nil {
		return nil, err
	}
	for i := range s.subjects {
		s.subjects[i] = p.subject(i, 0) // what is written later has one of the fill's
	}
	return s, nil
}

// subject is that of the n-th message of a stream.
func (p *FullState) subject(stream, n int) string {
	if p.Subjects == 0 {
		return ""
	}
	return fmt.Sprintf("%s.%d", streamSubject(stream), n%p.Subjects)
}

// build gives each stream its blocks, subjects and interior deletes.
func (p *FullState) build(ctx context.Context, s *streams) error {
	for i, store := range s.stores {
		stored := 0
		for ; stored < p.messages() || store.State().Blocks < p.Blocks; stored++ {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			if err := store.StoreMsg(p.subject(i, stored), nil, s.payload); err != nil {
				return fmt.Errorf("fill stream %d: %w", i, err)
			}
		}
		for d := range p.Deletes { // spread evenly, and neither the first nor the last
			if _, err := store.RemoveMsg(2 + uint64(d*(stored-2)/p.Deletes)); err != nil {
				return err
			}
		}
	}
	return nil
}

// reopen opens the stores again once they are written out, so that the round's
// syncs have no blocks of the preparation to sync.
func reopen(s *streams) error {
	for _, store := range s.stores {
		if err := store.Close(); err != nil {
			return err
		}
	}
	if err := settle(s.dir); err != nil {
		return err
	}
	for i, store := range s.stores {
		again, err := s.server.OpenStore(store.Dir(), store.Config())
		if err != nil {
			s.stores = s.stores[:i] // the others are closed
			return err
		}
		s.stores[i] = again
	}
	return nil
}

// meetSyncs is a round of periodic syncs with calls beside them.
func (p *FullState) meetSyncs(ctx context.Context, env *Env, s *streams) ([]measure.Measurement, error) {
	periodic := p.periodicSync()
	if err := periodic.fill(s, min(p.Syncs, len(s.stores))); err != nil {
		return nil, err
	}
	round := periodic.newRound(s, env)
	met := &meetings{streams: s, clock: round.clock, origin: round.clock.Now() + env.Warmup, under: map[int]time.Duration{}}
	round.beside = met.during
	synced, err := round.run(ctx, env)
	if len(synced) == 0 {
		return nil, err
	}
	measured := met.measured(synced[0].Rounds[0])
	for _, m := range synced {
		if m.Metric == "sync" {
			measured = append(measured, m)
		}
	}
	if !errors.Is(err, ErrCut) {
		measured = append(measured, stateSize(s, synced[0].Rounds[0]))
	}
	return measured, cutOr(err, met.failure())
}

// statePause is how long after a call that met a sync the next one begins, so
// that the calls by themselves do not keep the store's lock.
const statePause = 5 * time.Millisecond

// stateCall is one call: when it ended, by the round's time, how long it took,
// and how long a reader that came with it waited for the store's lock.
type stateCall struct{ at, took, lock time.Duration }

// meetings are the calls of a round that met its syncs.
type meetings struct {
	streams *streams
	clock   load.Clock
	origin  time.Duration

	mu    sync.Mutex
	begun int64
	calls []stateCall
	worst []stateCall           // the longest of each sync
	under map[int]time.Duration // when the call of a stream that is under way began
	err   error
}

// during calls again and again until the sync has ended.
func (m *meetings) during(stream int, ended <-chan struct{}) {
	m.note(func() { m.begun++ })
	var worst stateCall
	for {
		m.note(func() { m.under[stream] = m.clock.Now() })
		c, err := m.call(m.streams.stores[stream])
		if c.took >= worst.took {
			worst = c
		}
		m.note(func() {
			m.calls, m.err = append(m.calls, c), errors.Join(m.err, err)
			delete(m.under, stream)
		})
		pause := time.NewTimer(statePause)
		select {
		case <-pause.C:
		case <-ended:
			pause.Stop()
			m.note(func() { m.worst = append(m.worst, worst) })
			return
		}
	}
}

func (m *meetings) note(what func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	what()
}

// call writes the state once. The reader that comes with it takes the lock that
// the call takes first; what it does not see are the locks of the blocks, the
// making of the state, the file's write, and the store's lock at the end.
func (m *meetings) call(store *natsfs.Store) (stateCall, error) {
	locked := make(chan time.Duration, 1)
	begin := m.clock.Now()
	go func() {
		store.AwaitReaders()
		locked <- m.clock.Now() - begin
	}()
	err := store.WriteFullState()
	end := m.clock.Now()
	return stateCall{at: end - m.origin, took: end - begin, lock: min(<-locked, end-begin)}, err
}

func (m *meetings) failure() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.err
}

// measured makes the measurements of a round like the given one. A call may be
// still under way.
func (m *meetings) measured(r measure.Round) []measure.Measurement {
	m.mu.Lock()
	defer m.mu.Unlock()
	elapsed := time.Duration(r.Elapsed * float64(time.Second))
	during, call, lock := measure.NewRecorder(1, elapsed), measure.NewRecorder(1, elapsed), measure.NewRecorder(1, elapsed)
	for _, c := range m.calls {
		call.Shard(0).Record(c.at, c.took)
	}
	for _, c := range m.worst {
		during.Shard(0).Record(c.at, c.took)
		lock.Shard(0).Record(c.at, c.lock)
	}
	longest, every := during.Distribution(), call.Distribution()
	now := m.clock.Now()
	for _, began := range m.under {
		longest.GiveUp((now - m.origin).Seconds(), (now - began).Seconds(), 1)
		every.GiveUp((now - m.origin).Seconds(), (now - began).Seconds(), 1)
	}
	longest.Unfinished = m.begun - int64(len(m.worst)) // of those between two calls no time is known
	every.Unfinished = longest.Unfinished
	return []measure.Measurement{
		timed("during", r.Start, elapsed, r.Context, longest), timed("call", r.Start, elapsed, r.Context, every),
		timed("lock_wait", r.Start, elapsed, r.Context, lock.Distribution()),
	}
}

// alone is a round of calls that meet nothing: one caller a stream, each of
// which stores a message before its call, for a clean state is not written.
func (p *FullState) alone(ctx context.Context, env *Env, s *streams) ([]measure.Measurement, error) {
	calls := measure.NewRecorder(len(s.stores), env.Duration)
	took := make([]time.Duration, len(s.stores))
	start, sampler := time.Now(), measure.StartContext(env.Devices)
	out, runErr := load.Run(ctx, load.Config{
		Workers: len(s.stores), Pacer: load.Closed{}, Duration: env.Duration, Warmup: env.Warmup, Grace: grace,
		Observe: func(stream int, _, end time.Duration) { calls.Shard(stream).Record(end, took[stream]) },
	}, func(stream int, _ int64) error {
		if err := s.store(stream); err != nil {
			return err
		}
		begin := time.Now()
		err := s.stores[stream].WriteFullState()
		took[stream] = time.Since(begin)
		return err
	})
	around := sampler.Stop()
	around.Slots = s.slotWaits()
	start = start.Add(env.Warmup)
	d := calls.Distribution()
	d.AddLost(out.Response)
	measured := []measure.Measurement{timed("alone", start, out.Elapsed, around, d)}
	ended := ending(out)
	if n := d.Count(); n > 0 && !errors.Is(ended, ErrCut) {
		measured = append(measured, single("slot_wait", measure.Seconds, start, out.Elapsed, around, around.Slots.Seconds/float64(n)),
			stateSize(s, measured[0].Rounds[0]))
	}
	return measured, cutOr(runErr, ended)
}

// stateSize is the size of the largest state file after a round like the given
// one.
func stateSize(s *streams, r measure.Round) measure.Measurement {
	size := int64(0)
	for _, store := range s.stores {
		if info, err := os.Stat(filepath.Join(store.Dir(), "msgs", "index.db")); err == nil {
			size = max(size, info.Size())
		}
	}
	return single("state_size", measure.Bytes, r.Start, time.Duration(r.Elapsed*float64(time.Second)), r.Context, float64(size))
}
