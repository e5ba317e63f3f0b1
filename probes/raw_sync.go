package probes

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"storebench/internal/load"
	"storebench/internal/measure"
)

// RawSync appends and syncs plain files: the floor below everything that
// nats-server does. Its append pattern is the recipe for etcd's write-ahead log
// (fio with 2,300-byte writes and fdatasync; Olivi and Spreitzer, "Using fio to
// tell whether your storage is fast enough for etcd", which etcd's documentation
// points to).
type RawSync struct {
	Size        measure.Size `param:"size" min:"1" max:"1073741824" help:"bytes of one write"`
	Concurrency int          `param:"concurrency" min:"1" max:"1024" help:"writers, each with a file of its own"`
	Pattern     string       `param:"pattern" choices:"append,sequential" help:"append: a sync after each write; sequential: large writes, a sync every 4 MiB"`
	Rate        float64      `param:"writes-per-second" min:"0" max:"1000000" help:"over all writers, in open loop; 0: as fast as it goes"`
	MaxBytes    measure.Size `param:"max-bytes" min:"1048576" help:"size of a writer's file; then it begins again"`
}

var _ = register(func() Probe {
	return &RawSync{Size: 2300, Concurrency: 1, Pattern: "append", MaxBytes: 32 << 20}
})

// syncEvery is after how many bytes the pattern sequential syncs, so that a slow
// disk is measured by its own writes and not by the page cache.
const syncEvery = 4 << 20

// Info describes the probe.
func (p *RawSync) Info() Info {
	info := Info{
		Name:    "raw-sync",
		Topic:   "device",
		Summary: "append to plain files and sync them, without any NATS code: the floor",
		Why:     "Every durable step of Raft ends in a sync: no term or vote, no snapshot, and with sync_interval always no message can be faster than this.",
		Metrics: []Metric{
			{Name: "fdatasync", Unit: measure.Seconds, Help: "the sync alone (fdatasync; fsync where there is none)"},
			{Name: "append", Unit: measure.Seconds, Help: "write and sync together"},
			{Name: "throughput", Unit: measure.BytesPerSecond, Help: "bytes written and synced a second (pattern sequential)"},
		},
		Need:   Need{Bytes: int64(p.Concurrency) * (int64(p.MaxBytes) + int64(p.Size)), Files: int64(p.Concurrency)},
		Extra:  grace,
		Gentle: p.Pattern == "append" && p.Rate > 0,
	}
	if p.Pattern == "append" && p.Concurrency == 1 {
		info.Metrics[0].Kind = measure.FileSync
	}
	if p.Pattern == "append" {
		info.Gently = map[string]string{"writes-per-second": "100"}
	}
	return info
}

// rawWriter is the state of one writer; nobody else touches it during a round.
type rawWriter struct {
	file   *os.File
	offset int64
	dirty  int64
	synced time.Duration // how long the last sync took, 0 if the write had none
	shard  *measure.Shard
}

// Run measures one round.
func (p *RawSync) Run(ctx context.Context, env *Env) (_ []measure.Measurement, err error) {
	data := payload(env.Rand, int(p.Size))
	syncs := measure.NewRecorder(p.Concurrency, env.Duration)
	writers := make([]*rawWriter, p.Concurrency)
	for i := range writers {
		file, err := os.OpenFile(filepath.Join(env.Dir, fmt.Sprintf("writer-%d", i)), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if err != nil {
			return nil, err
		}
		writers[i] = &rawWriter{file: file, shard: syncs.Shard(i)}
	}
	start, sampler := time.Now(), measure.StartContext(env.Devices)
	out, runErr := load.Run(ctx, load.Config{
		Workers: p.Concurrency, Pacer: p.pacer(), Duration: env.Duration, Warmup: env.Warmup, Grace: grace,
		Observe: func(worker int, _, end time.Duration) {
			if w := writers[worker]; w.synced > 0 {
				w.shard.Record(end, w.synced)
			}
		},
	}, func(worker int, _ int64) error { return p.write(writers[worker], data) })
	around := sampler.Stop()
	start = start.Add(env.Warmup)
	ended := ending(out)
	if !errors.Is(ended, ErrCut) {
		for _, w := range writers {
			err = errors.Join(err, w.file.Close())
		}
	}
	return p.measured(start, out, around, syncs.Distribution(), len(data)), cutOr(runErr, ended, err)
}

// measured makes the measurements of a round. What failed or did not finish
// counts for the sync as well: nobody can tell which half of it was slow.
func (p *RawSync) measured(start time.Time, out load.Outcome, around measure.Context, syncs *measure.Distribution, size int) []measure.Measurement {
	syncs.AddLost(out.Response)
	if out.Unfinished > 0 {
		syncs.Stalls = out.Response.Stalls
	}
	all := []measure.Measurement{timed("fdatasync", start, out.Elapsed, around, syncs)}
	if p.Pattern == "append" {
		return append(all, timed("append", start, out.Elapsed, around, out.Response))
	}
	bytes := float64(out.Done) * float64(size)
	return append(all, single("throughput", measure.BytesPerSecond, start, out.Elapsed, around, bytes/out.Elapsed.Seconds()))
}

func (p *RawSync) pacer() load.Pacer {
	if p.Rate > 0 {
		return load.Open{Rate: p.Rate}
	}
	return load.Closed{}
}

// write is one operation. At the end of its ration a writer's file begins
// again at length 0, so that every write goes on being an append.
func (p *RawSync) write(w *rawWriter, data []byte) error {
	if w.offset+int64(len(data)) > int64(p.MaxBytes) && w.offset > 0 {
		if err := w.file.Truncate(0); err != nil {
			return err
		}
		w.offset = 0
	}
	if _, err := w.file.WriteAt(data, w.offset); err != nil {
		return err
	}
	w.offset += int64(len(data))
	w.dirty += int64(len(data))
	w.synced = 0
	if p.Pattern == "sequential" && w.dirty < syncEvery {
		return nil
	}
	begin := time.Now()
	err := datasync(w.file)
	w.synced, w.dirty = time.Since(begin), 0
	return err
}
