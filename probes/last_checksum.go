package probes

import (
	"context"
	"fmt"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"time"

	"storebench/internal/measure"
	"storebench/internal/natsfs"
)

// LastChecksum reads the checksum of the last message of blocks, many at once,
// from the disk and from the page cache.
type LastChecksum struct {
	BlockSize   measure.Size `param:"block-size" min:"65536" max:"8388608" help:"size of a block; a server takes 8 MB or 4 MB, for an encrypted stream without any limit 2 MB, for its Raft logs 4 MB"`
	Concurrency int          `param:"concurrency" min:"1" max:"1024" help:"stores that are read at once, each with one full block"`
	Cipher      string       `param:"cipher" choices:"none,chacha,aes" help:"encryption at rest: an encrypted block is read whole for its 8 bytes of checksum"`
	Slots       int          `param:"max-concurrent-io" min:"4" max:"8192" help:"I/O slots of the server"`
}

var _ = register(func() Probe {
	return &LastChecksum{BlockSize: 2 << 20, Concurrency: 4, Cipher: "chacha", Slots: natsfs.DefaultSlots}
})

// Info describes the probe.
func (p *LastChecksum) Info() Info {
	stored := int64(p.Concurrency) * int64(p.BlockSize)
	return Info{
		Name:    "last-checksum",
		Topic:   "restart",
		Summary: "read the last checksum of blocks at once, with the page cache empty and full",
		Why:     "When a server comes back, each stream and Raft log reads the checksum of its last message. Of an encrypted block nats-server reads and decrypts all to get these 8 bytes, holding an I/O slot; with thousands of groups and few slots they queue up.",
		Metrics: []Metric{
			{Name: "disk", Unit: measure.Seconds, Help: "what the disk adds to a read: its time with the page cache empty, less the time of the same read right after it, which has the same decryption"},
			{Name: "cold", Unit: measure.Seconds, Help: "a read with the page cache empty, from when all were begun"},
			{Name: "warm", Unit: measure.Seconds, Help: "the same read again, from the page cache"},
			{Name: "drain", Unit: measure.Seconds, Help: "from the begin of all reads with the page cache empty until the last one has ended, on average"},
		},
		Need:  Need{Bytes: stored + int64(p.Concurrency)*(16*4096) + 1<<20, Files: int64(p.Concurrency)*16 + 64},
		Extra: 2*grace + closeWait + preparation(stored),
	}
}

// Run measures one round: waves of reads until its time is over, one at least.
func (p *LastChecksum) Run(ctx context.Context, env *Env) (_ []measure.Measurement, err error) {
	s, err := p.open(ctx, env)
	if err != nil {
		return nil, err
	}
	w := newWaves(s.stores, filepath.Join(env.Dir, "stores"), env)
	end := time.Now().Add(env.Warmup)
	for err == nil && time.Now().Before(end) {
		err = w.pair(ctx, false)
	}
	before, sampler := s.server.SlotWaits(), measure.StartContext(env.Devices)
	w.start = time.Now()
	for err == nil && (w.pairs == 0 || time.Since(w.start) < env.Duration) {
		err = w.pair(ctx, true)
	}
	around := sampler.Stop()
	around.Slots = slotWaits(s.server.SlotWaits().Sub(before))
	return s.warn(w.measured(around)), cutOr(err, s.close(ctx))
}

// open makes the stores, each with one full block, closes them, and opens them
// again: only of a store that was not written to may the checksum be read.
func (p *LastChecksum) open(ctx context.Context, env *Env) (*streams, error) {
	server, err := natsfs.Open(ctx, natsfs.Options{StoreDir: env.Dir, Slots: p.Slots})
	if err != nil {
		return nil, withCause(ctx, env.Dir, fmt.Errorf("start the embedded nats-server: %w", err))
	}
	s := &streams{server: server, dir: env.Dir, quiet: len(server.Warnings())}
	if err := p.build(ctx, env, s); err != nil {
		return nil, cutOr(withCause(ctx, env.Dir, err), s.close(ctx))
	}
	return s, nil
}

func (p *LastChecksum) build(ctx context.Context, env *Env, s *streams) error {
	const messageSize = 32 << 10
	message, key := payload(env.Rand, messageSize), natsfs.NewKey()
	config := func(i int) (dir string, cfg natsfs.StoreConfig) {
		return filepath.Join(env.Dir, "stores", streamName(i)), natsfs.StoreConfig{
			Name: streamName(i), BlockSize: uint64(p.BlockSize), Cipher: natsfs.Cipher(p.Cipher), Key: key,
		}
	}
	for i := range p.Concurrency {
		dir, cfg := config(i)
		if err := fillStore(ctx, s.server, dir, cfg, int64(p.BlockSize), message); err != nil {
			return fmt.Errorf("make store %d: %w", i, err)
		}
	}
	for i := range p.Concurrency {
		dir, cfg := config(i)
		store, err := s.server.OpenStore(dir, cfg)
		if err != nil {
			return fmt.Errorf("open store %d again: %w", i, err)
		}
		s.stores = append(s.stores, store)
	}
	return settle(env.Dir)
}

// waves are reads of all stores at once, again and again.
type waves struct {
	stores []*natsfs.Store
	dir    string // of their files

	start            time.Time
	pairs            int
	lost             int64         // reads that had not ended when their wave was given up
	given            time.Duration // after this time
	drains           time.Duration
	cache            *measure.Cache
	cold, warm, disk *measure.Recorder
}

func newWaves(stores []*natsfs.Store, dir string, env *Env) *waves {
	recorder := func() *measure.Recorder { return measure.NewRecorder(1, env.Duration) }
	return &waves{stores: stores, dir: dir, cold: recorder(), warm: recorder(), disk: recorder()}
}

// pair is a wave with the page cache empty and one right after it.
func (w *waves) pair(ctx context.Context, measured bool) error {
	runtime.GC() // nats-server leaves the memory of a whole block behind each read
	left, err := forget(w.dir)
	if err != nil {
		return err
	}
	cold, err := w.read(ctx)
	if err != nil {
		return err
	}
	warm, err := w.read(ctx)
	if err != nil || !measured {
		return err
	}
	w.pairs, w.cache = w.pairs+1, addCache(w.cache, left)
	at, drain := time.Since(w.start), time.Duration(0)
	for i := range cold {
		drain = max(drain, cold[i])
		w.cold.Shard(0).Record(at, cold[i])
		w.warm.Shard(0).Record(at, warm[i])
		w.disk.Shard(0).Record(at, max(0, cold[i]-warm[i]))
	}
	w.drains += drain
	return nil
}

// read reads the checksum of every store at once, and returns how long each took
// from the begin of all. It gives up after the grace.
func (w *waves) read(ctx context.Context) ([]time.Duration, error) {
	took := make([]atomic.Int64, len(w.stores))
	begin, failed, done := make(chan struct{}), make(chan error, len(w.stores)), make(chan struct{}, len(w.stores))
	var start time.Time
	for i, store := range w.stores {
		go func() {
			<-begin
			if _, err := store.LastChecksum(); err != nil {
				failed <- err
			}
			took[i].Store(int64(time.Since(start)))
			done <- struct{}{}
		}()
	}
	start = time.Now()
	close(begin)
	cut := time.NewTimer(grace)
	defer cut.Stop()
	for ended := range w.stores {
		select {
		case <-done:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-cut.C:
			w.lost, w.given = int64(len(w.stores)-ended), time.Since(start)
			return nil, ErrCut
		}
	}
	durations := make([]time.Duration, len(took))
	for i := range took {
		durations[i] = time.Duration(took[i].Load())
	}
	select {
	case err := <-failed:
		return nil, err
	default:
		return durations, nil
	}
}

// measured makes the measurements of a round. The drain is absent when no wave
// ended.
func (w *waves) measured(around measure.Context) []measure.Measurement {
	if w.start.IsZero() {
		return nil // it ended in the warm-up
	}
	elapsed := time.Since(w.start)
	warmed := around
	around.Cache = w.cache
	var measured []measure.Measurement
	for _, m := range []struct {
		metric   string
		recorder *measure.Recorder
		context  measure.Context
	}{{"disk", w.disk, around}, {"cold", w.cold, around}, {"warm", w.warm, warmed}} {
		d := m.recorder.Distribution()
		d.GiveUp(elapsed.Seconds(), w.given.Seconds(), w.lost)
		measured = append(measured, timed(m.metric, w.start, elapsed, m.context, d))
	}
	if w.pairs > 0 {
		measured = append(measured, single("drain", measure.Seconds, w.start, elapsed, around, (w.drains/time.Duration(w.pairs)).Seconds()))
	}
	return measured
}
