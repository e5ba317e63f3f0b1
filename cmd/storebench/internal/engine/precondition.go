package engine

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"time"

	"storebench/internal/measure"
	"storebench/internal/volume"
)

// preconditionRate is the bytes a second below which a volume is given up while
// its scratch area is written: slower ones could not be measured afterwards.
const preconditionRate = 2e6

// touchPiece is how many bytes of a scratch area are written and synced at a time. The
// worker tells of each, so that a volume that is slow is known from one that hangs.
const touchPiece = 8 << 20

// precondition writes once what the rounds may take of each volume, so that they
// meet blocks that were touched before. The run's deadline moves by as long as
// that takes.
func (e *engine) precondition(ctx context.Context) {
	for _, g := range e.grounds {
		if g.kind == groundMemory {
			continue
		}
		if err := e.preconditionOne(ctx, g); err != nil {
			e.haltAt("", 0, g.mark(err))
			return
		}
	}
}

func (e *engine) preconditionOne(ctx context.Context, g *ground) error {
	bytes := g.need.Bytes
	e.tell(Progress{Note: fmt.Sprintf("preconditioning %s: writing %s", g.Facts.Path, size(bytes))})
	begin, sampler := time.Now(), measure.StartContext(nil)
	err := e.touch(ctx, touchTask{Scratch: g.scratch, Bytes: bytes, Seed: e.rand.Uint64()})
	took := time.Since(begin)
	err = excused(err, sampler.Stop().CPULost())
	e.deadline = e.deadline.Add(took)
	if slices.Contains(g.Facts.MountOptions, "discard") {
		e.note("%s discards what is removed (mount option discard), so preconditioned blocks may be new again", g)
	}
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil:
		return fmt.Errorf("preconditioning: %w", err)
	}
	e.note("the scratch area on %s (%s) was written once before measuring, in %v", g, size(bytes), took.Round(100*time.Millisecond))
	return nil
}

// touch lets a worker write a scratch area. It has as long as the rate allows, and no
// longer than a round has without a word of it.
func (e *engine) touch(ctx context.Context, t touchTask) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	quiet := time.AfterFunc(silence, func() { stop(fmt.Errorf("%w for %v", errNoAnswer, silence)) })
	defer quiet.Stop()
	wait := silence + time.Duration(float64(t.Bytes)/preconditionRate*float64(time.Second))
	return call(ctx, "precondition", task{Touch: &t}, wait, func(event) { quiet.Reset(silence) })
}

// touch writes a file of random bytes, which neither compression nor
// deduplication makes smaller, syncs and removes it.
func (w *worker) touch(ctx context.Context, t touchTask) error {
	scratch, err := volume.Join(ctx, t.Scratch)
	if err != nil {
		return err
	}
	defer scratch.Release()
	name := filepath.Join(t.Scratch, "precondition")
	f, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("write the scratch area: %w", err)
	}
	err = w.writeRandom(ctx, f, t)
	if err = errors.Join(err, f.Close(), os.Remove(name)); err != nil {
		return fmt.Errorf("write the scratch area: %w", err)
	}
	if dir, err := os.Open(t.Scratch); err == nil {
		_ = dir.Sync() // gives the blocks back at once, where it can
		_ = dir.Close()
	}
	return nil
}

func (w *worker) writeRandom(ctx context.Context, f *os.File, t touchTask) error {
	var seed [32]byte
	binary.LittleEndian.PutUint64(seed[:], t.Seed)
	source, piece := rand.NewChaCha8(seed), make([]byte, min(t.Bytes, touchPiece))
	for left := t.Bytes; left > 0; left -= int64(len(piece)) {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		_, _ = source.Read(piece) // never fails
		if _, err := f.Write(piece[:min(left, int64(len(piece)))]); err != nil {
			return err
		}
		if err := f.Sync(); err != nil {
			return err
		}
		w.send(event{}) // a sign of life
	}
	return nil
}
