package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	"storebench/internal/measure"
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
	case t.Touch != nil:
		return w.touch(ctx, *t.Touch)
	case t.Clear != nil:
		ctx, cancel := context.WithTimeout(ctx, t.Clear.Wait)
		defer cancel()
		return clear(ctx, *t.Clear)
	case t.Save != nil:
		return save(*t.Save)
	case t.Output != nil:
		found, err := lookAt(t.Output.File)
		w.send(event{Output: &found})
		return err
	case t.Leftovers != nil:
		if err := volume.CheckTarget(t.Leftovers.Dir); err != nil && !full(err) {
			return err // to remove them takes no room
		}
		found, err := leftoversIn(ctx, t.Leftovers.Dir)
		w.send(event{Leftovers: &leftovers{Found: found}})
		return err
	}
	return errors.New("the task names nothing to do")
}

// inspect looks at a directory; only the writability check writes, and removes
// what it wrote.
func (w *worker) inspect(ctx context.Context, t inspectTask) error {
	found, err := look(ctx, t)
	if err != nil {
		return err
	}
	if t.Memory && found.Facts.InMemory() {
		found.FreeMemory = freeMemory()
	} else if found.Guard, err = liveStores(ctx, found.Facts.Path); err != nil {
		return err
	}
	w.send(event{Inspection: found})
	return nil
}

// look finds out what a directory is and whether it can be used. One that is full of
// leftovers can: they are removed, and it is looked at again.
func look(ctx context.Context, t inspectTask) (found *inspection, err error) {
	if t.Memory && t.Dir == "" {
		t.Dir = memoryDir()
	}
	unusable := volume.CheckTarget(t.Dir)
	if unusable != nil && !full(unusable) {
		return nil, unusable
	}
	found = &inspection{}
	if found.Facts, err = volume.Inspect(t.Dir); err != nil {
		return nil, err
	}
	if found.ID, err = volume.Identify(found.Facts.Path); err != nil {
		return nil, err
	}
	if found.Leftovers, err = leftoversIn(ctx, found.Facts.Path); err != nil {
		return nil, err
	}
	if unusable != nil && !slices.ContainsFunc(found.Leftovers, volume.Leftover.Removable) {
		return nil, unusable
	}
	return found, nil
}

// sharedMemory is where Linux has a file system in memory for everybody.
const sharedMemory = "/dev/shm"

// memoryDir is a directory in memory or, where this system has none, the one for
// temporary files.
func memoryDir() string {
	if facts, err := volume.Inspect(sharedMemory); err == nil && facts.InMemory() {
		return sharedMemory
	}
	return os.TempDir()
}

func liveStores(ctx context.Context, dir string) (volume.Guard, error) {
	ctx, stop := context.WithTimeout(ctx, searchWait)
	defer stop()
	return volume.LiveStores(ctx, dir)
}

// Bounds of what looks around on the volume: it must not be taken for a volume
// that gives no answer.
const (
	lockWait   = 2 * time.Second // for the lock on DIR, which is held only while a run starts
	searchWait = 5 * time.Second // for JetStream stores; that it ended early is told
)

func leftoversIn(ctx context.Context, dir string) ([]volume.Leftover, error) {
	ctx, stop := context.WithTimeout(ctx, lockWait)
	defer stop()
	return volume.Leftovers(ctx, dir)
}

// round runs a probe in directories of its own and removes them.
func (w *worker) round(ctx context.Context, t roundTask) error {
	defer measure.StartSentinel()()
	probe, err := probes.New(t.Probe)
	if err != nil {
		return err
	}
	for name, value := range t.Set {
		if err := probes.Set(probe, name, value); err != nil {
			return err
		}
	}
	return w.exercise(ctx, t, probe)
}

func (w *worker) exercise(ctx context.Context, t roundTask, probe probes.Probe) error {
	var entered sites
	defer entered.release()
	env, err := entered.prepare(ctx, t)
	if err != nil {
		return err
	}
	measured, err := probe.Run(ctx, env)
	// What was measured is told before the directories are removed: a volume that
	// hangs in the removal must not take the figures with it.
	cut := errors.Is(err, probes.ErrCut)
	probe.Info().Describe(measured)
	w.send(event{Measurements: measured, Cut: cut, Peak: peakMemory()})
	if cut {
		return nil // writes are in flight; the directories go with the scratch directories
	}
	return errors.Join(err, entered.remove())
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

// kindOf says who is to blame for an error.
func kindOf(err error) errorKind {
	switch {
	case errors.Is(err, volume.ErrUnusable), errors.Is(err, ErrUsage):
		return kindUsage
	case full(err):
		return kindSpace
	}
	isFault := func(fault error) bool { return errors.Is(err, fault) }
	if slices.ContainsFunc(faults, isFault) || slices.ContainsFunc(systemFaults, isFault) || deadServer(err) || errors.Is(err, probes.ErrVolume) {
		return kindVolume
	}
	return kindTool
}

// full says whether an error is that of a volume without room.
func full(err error) bool { return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) }

// faults are the errors of a disk, or of the server behind it. systemFaults are
// those that mean this on one system alone.
var faults = []error{syscall.EIO, syscall.EROFS, syscall.ESTALE, syscall.ENODEV, syscall.ENXIO, syscall.ETIMEDOUT}

// deadServer says whether an error is that of a file whose FUSE server died. The
// same of a connection is none of the volume's.
func deadServer(err error) bool {
	switch e := err.(type) {
	case *fs.PathError, *os.LinkError:
		return errors.Is(err, syscall.ENOTCONN) || errors.Is(err, syscall.ECONNABORTED)
	case interface{ Unwrap() error }:
		return deadServer(e.Unwrap())
	case interface{ Unwrap() []error }:
		return slices.ContainsFunc(e.Unwrap(), deadServer)
	}
	return false
}

// canaryBytes is the size of the canary's write: etcd's recipe, as raw-sync.
const canaryBytes = 2300

// keep creates the scratch directory, holds its lock and watches the volume.
func (w *worker) keep(ctx context.Context, t keepTask) error {
	create := volume.CreateScratch
	if t.Beside {
		create = volume.CreateScratchBeside
	}
	scratch, err := create(ctx, t.Dir, t.Marker)
	if err != nil {
		return err
	}
	defer scratch.Release()
	if ctx.Err() != nil { // nobody takes it over any more
		return scratch.Remove(context.WithoutCancel(ctx))
	}
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
