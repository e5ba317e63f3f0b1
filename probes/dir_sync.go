package probes

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"storebench/internal/load"
	"storebench/internal/measure"
)

// DirSync renames files and syncs their directory, without any NATS code: the
// last half of how nats-server writes a term and vote, a snapshot or a key
// (writeAtomically in filestore.go). Beside the sync of a file it shows whether
// the volume makes names as durable as contents.
type DirSync struct {
	Concurrency int `param:"concurrency" min:"1" max:"1024" help:"writers, each with a directory of its own"`
}

var _ = register(func() Probe { return &DirSync{Concurrency: 1} })

// Info describes the probe.
func (p *DirSync) Info() Info {
	info := Info{
		Name:    "dir-sync",
		Topic:   "device",
		Summary: "rename a file and sync its directory, without any NATS code",
		Why:     "A term, a vote and a snapshot become durable by a rename; on a volume whose directory sync does nothing, a power cut brings the old ones back, and a server votes twice in a term.",
		Metrics: []Metric{{Name: "rename", Unit: measure.Seconds, Help: "the rename and the fsync of the directory together"}},
		Need:    Need{Bytes: 2 * 4096 * int64(p.Concurrency), Files: 2 * int64(p.Concurrency)},
		Extra:   grace,
	}
	if p.Concurrency == 1 {
		info.Metrics[0].Kind = measure.DirSync
	}
	return info
}

// renamer is one writer's directory, with one file that goes by two names in
// turn. Nobody else touches it during a round.
type renamer struct {
	dir      *os.File
	from, to string
}

// tavBytes is the size of a term and vote as nats-server writes it: the term in 8
// bytes and the name of the peer in 8 (writeTermVote in raft.go).
const tavBytes = 16

// syncsDirs says whether this operating system can sync a directory. nats-server
// does not ask Windows to (canFsyncDirectories).
const syncsDirs = runtime.GOOS != "windows"

// Run measures one round.
func (p *DirSync) Run(ctx context.Context, env *Env) (_ []measure.Measurement, err error) {
	renamers := make([]*renamer, p.Concurrency)
	for i := range renamers {
		if renamers[i], err = newRenamer(filepath.Join(env.Dir, fmt.Sprintf("writer-%d", i))); err != nil {
			return nil, err
		}
	}
	start, sampler := time.Now(), measure.StartContext(env.Devices)
	out, runErr := load.Run(ctx, load.Config{
		Workers: p.Concurrency, Duration: env.Duration, Warmup: env.Warmup, Grace: grace,
	}, func(worker int, _ int64) error { return renamers[worker].rename() })
	around := sampler.Stop()
	ended := ending(out)
	if !errors.Is(ended, ErrCut) {
		for _, r := range renamers {
			err = errors.Join(err, r.dir.Close())
		}
	}
	renames := timed("rename", start.Add(env.Warmup), out.Elapsed, around, out.Response)
	if !syncsDirs {
		renames.Warnings = []string{"the rename alone: this operating system cannot sync a directory"}
	}
	return []measure.Measurement{renames}, cutOr(runErr, ended, err)
}

func newRenamer(path string) (*renamer, error) {
	if err := os.Mkdir(path, 0o700); err != nil {
		return nil, err
	}
	r := &renamer{from: filepath.Join(path, "tav.idx"), to: filepath.Join(path, "tav.idx.tmp")}
	if err := os.WriteFile(r.from, make([]byte, tavBytes), 0o600); err != nil {
		return nil, err
	}
	var err error
	r.dir, err = os.Open(path)
	return r, err
}

func (r *renamer) rename() error {
	if err := os.Rename(r.from, r.to); err != nil {
		return err
	}
	r.from, r.to = r.to, r.from
	if !syncsDirs {
		return nil
	}
	return r.dir.Sync()
}
