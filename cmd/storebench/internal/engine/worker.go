package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"storebench/internal/volume"
	"storebench/probes"
)

// Serve is a worker: it reads one task from stdin, does it, and writes events
// to stdout. It stops when stdin ends, which it does with the engine.
func Serve(stdin io.Reader, stdout io.Writer) error {
	in := json.NewDecoder(stdin)
	var t task
	if err := in.Decode(&t); err != nil {
		return fmt.Errorf("read the task (this command is for storebench itself): %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		_, _ = io.Copy(io.Discard, stdin)
		cancel()
	}()
	w := &worker{out: json.NewEncoder(stdout)}
	if err := w.do(ctx, t); err != nil {
		w.send(event{Err: &workerError{Text: err.Error(), Kind: kindOf(err)}})
		return nil // the engine has the error
	}
	w.send(event{Done: true})
	return nil
}

// worker writes events, one line each.
type worker struct {
	mu  sync.Mutex
	out *json.Encoder
}

func (w *worker) send(ev event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	_ = w.out.Encode(ev) // with the engine gone there is nobody to tell
}

func (w *worker) do(ctx context.Context, t task) error {
	switch {
	case t.Inspect != nil:
		return w.inspect(ctx, *t.Inspect)
	case t.Keep != nil:
		return w.keep(ctx, *t.Keep)
	case t.Round != nil:
		return w.round(ctx, *t.Round)
	case t.Clear != nil:
		ctx, cancel := context.WithTimeout(ctx, t.Clear.Wait)
		defer cancel()
		return clear(ctx, *t.Clear)
	case t.Save != nil:
		return save(*t.Save)
	case t.Leftovers != nil:
		if err := volume.CheckTarget(t.Leftovers.Dir); err != nil {
			return err
		}
		found, err := volume.Leftovers(ctx, t.Leftovers.Dir)
		w.send(event{Leftovers: &leftovers{Found: found}})
		return err
	}
	return errors.New("the task names nothing to do")
}

// inspect looks at the target; only the writability check writes, and removes
// what it wrote.
func (w *worker) inspect(ctx context.Context, t inspectTask) error {
	if err := volume.CheckTarget(t.Dir); err != nil {
		return err
	}
	facts, err := volume.Inspect(t.Dir)
	if err != nil {
		return err
	}
	leftovers, err := volume.Leftovers(ctx, facts.Path)
	if err != nil {
		return err
	}
	guard, err := volume.LiveStores(ctx, facts.Path)
	if err != nil {
		return err
	}
	w.send(event{Inspection: &inspection{Facts: facts, Leftovers: leftovers, Guard: guard}})
	return nil
}

// round runs a probe in a directory of its own and removes it.
func (w *worker) round(ctx context.Context, t roundTask) (err error) {
	scratch, err := volume.Join(ctx, t.Scratch)
	if err != nil {
		return err
	}
	defer scratch.Release()
	dir := filepath.Join(t.Scratch, t.Name)
	if err := os.Mkdir(dir, 0o700); err != nil {
		return fmt.Errorf("make the round's directory: %w", err)
	}
	probe, err := probes.New(t.Probe)
	if err != nil {
		return err
	}
	for name, value := range t.Set {
		if err := probes.Set(probe, name, value); err != nil {
			return err
		}
	}
	measured, err := probe.Run(ctx, &probes.Env{
		Dir: dir, Duration: t.Duration, Warmup: t.Warmup, Device: t.Device,
		Rand: rand.New(rand.NewPCG(t.Seed, 0)), Progress: progressOf(w.send),
	})
	// What was measured is told before the directory is removed: a volume that
	// hangs in the removal must not take the figures with it.
	cut := errors.Is(err, probes.ErrCut)
	w.send(event{Measurements: measured, Cut: cut})
	if cut {
		return nil // writes are in flight; the directory goes with the scratch directory
	}
	return errors.Join(err, os.RemoveAll(dir))
}

// clear removes a leftover of another run, or the run's own directory, for
// which this worker stands where locks prove nothing.
func clear(ctx context.Context, t clearTask) error {
	if !t.Own {
		return volume.Clear(ctx, t.Scratch)
	}
	scratch, err := volume.Join(ctx, t.Scratch)
	if err != nil {
		return err
	}
	return scratch.Remove(ctx)
}

// save writes a regular file whole or not at all: beside the old one, then a
// rename, so that a full disk or a kill leaves the old one. A device or a pipe
// is written to as it is.
func save(t saveTask) error {
	path := t.Path
	if resolved, err := filepath.EvalSymlinks(path); err == nil {
		path = resolved
	}
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return writeInto(path, t.Data)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("make the directory for %s: %w", path, err)
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".storebench-*")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	_, err = f.Write(t.Data)
	err = errors.Join(err, f.Chmod(0o644), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("write %s: %w", path, err), os.Remove(f.Name()))
	}
	return nil
}

func writeInto(path string, data []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

// progressOf makes a probe's progress an event, thinned to whole percents.
func progressOf(send func(event)) func(float64) {
	last := 0.0
	return func(share float64) {
		if share-last >= 0.01 {
			last = share
			send(event{Progress: share})
		}
	}
}

// kindOf says who is to blame for an error.
func kindOf(err error) errorKind {
	switch {
	case errors.Is(err, volume.ErrLocked):
		return kindLocked
	case errors.Is(err, volume.ErrUnusable):
		return kindUsage
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return kindSpace
	}
	for _, fault := range []error{syscall.EIO, syscall.EROFS, syscall.ESTALE, syscall.ENODEV, syscall.ENXIO, syscall.ETIMEDOUT} {
		if errors.Is(err, fault) {
			return kindVolume
		}
	}
	return kindTool
}

// canaryBytes is the size of the canary's write: etcd's recipe, as raw-sync.
const canaryBytes = 2300

// keep creates the scratch directory, holds its lock and watches the volume.
func (w *worker) keep(ctx context.Context, t keepTask) error {
	scratch, err := volume.CreateScratch(ctx, t.Dir, t.Marker)
	if err != nil {
		return err
	}
	defer scratch.Release()
	w.send(event{Kept: &kept{Scratch: scratch.Path, Lockless: scratch.Lockless}})
	tick := time.NewTicker(t.Interval)
	defer tick.Stop()
	for {
		free, err := volume.FreeSpace(scratch.Path)
		if err != nil {
			return err
		}
		ev := event{Space: &free}
		if t.Canary {
			if ev.Canary, err = canary(scratch.Path); err != nil {
				return err
			}
		}
		w.send(ev)
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// canary returns how long one small append and fsync take, in seconds.
func canary(scratch string) (float64, error) {
	f, err := os.OpenFile(filepath.Join(scratch, "canary"), os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return 0, fmt.Errorf("canary: %w", err)
	}
	_, err = f.Write(make([]byte, canaryBytes))
	begin := time.Now()
	err = errors.Join(err, f.Sync())
	took := time.Since(begin).Seconds()
	if err = errors.Join(err, f.Close()); err != nil {
		return 0, fmt.Errorf("canary: %w", err)
	}
	return took, nil
}
