package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"storebench/internal/volume"
	"storebench/probes"
	"storebench/results"
)

// groundKind is what a ground is to the run.
type groundKind int

const (
	groundVolume groundKind = iota // the volume that is judged
	groundTarget                   // a further one, under another server of a Raft group
	groundMemory                   // under the servers of a Raft group that have no volume
)

// ground is a directory below which the run writes, in a scratch directory of its
// own with a keeper. What is known of it, its workers found out.
type ground struct {
	inspection
	kind    groundKind
	asked   string      // the directory as the user named it; empty where one is looked for
	need    probes.Need // of the whole run
	reserve int64       // bytes that stay free
	spare   int64       // inodes that stay free
	keeper  *process    // nil until it holds the lock
	scratch string
}

// groundsOf are what the steps of a plan write to.
func groundsOf(req Request, p *plan) []*ground {
	all := []*ground{{kind: groundVolume, asked: req.Dir, need: p.need}}
	for _, dir := range req.Targets {
		all = append(all, &ground{kind: groundTarget, asked: dir, need: p.target})
	}
	if servers := int64(p.inMemory(req.Options)); servers > 0 {
		need := probes.Need{Bytes: servers * p.peer.Bytes, Files: servers * p.peer.Files}
		all = append(all, &ground{kind: groundMemory, asked: req.MemoryDir, need: need})
	}
	return all
}

// String names the ground for a person.
func (g *ground) String() string {
	path := g.Facts.Path
	if path == "" {
		path = g.asked
	}
	switch {
	case g.kind == groundVolume:
		return "the volume"
	case g.kind == groundTarget:
		return "the target " + path
	case path == "":
		return "the memory directory"
	}
	return "the memory directory " + path
}

// unanswered explains an error that was met while doing something on the ground.
// Memory that gives no answer says nothing of the volumes.
func (g *ground) unanswered(doing string, err error) error {
	switch {
	case !errors.Is(err, errNoAnswer):
		return err
	case g.kind == groundMemory:
		return fmt.Errorf("%s %s: %w: name another one with --memory-dir", doing, g, err)
	}
	return g.mark(stalledError{fmt.Errorf("%s %s: %w", doing, g, err)})
}

// mark tells an error of a further volume from one of the volume that is judged.
func (g *ground) mark(err error) error {
	if g.kind != groundTarget {
		return err
	}
	return targetError{err, g.Facts.Path}
}

// main is the volume that is judged.
func (e *engine) main() *ground { return e.grounds[0] }

// look finds out what the grounds are.
func (e *engine) look(ctx context.Context) error {
	for _, g := range e.grounds {
		if err := e.inspect(ctx, g); err != nil {
			return g.unanswered("the first look at", err)
		}
	}
	return nil
}

// inspect looks at a ground. It runs where the user stands, so that a relative
// directory means what the user meant; only the worker resolves it.
func (e *engine) inspect(ctx context.Context, g *ground) error {
	look := inspectTask{Dir: g.asked, Memory: g.kind == groundMemory}
	err := call(ctx, "inspect", task{Inspect: &look}, e.within(silence), func(ev event) {
		if ev.Inspection != nil {
			g.inspection = *ev.Inspection
		}
	})
	err = asUserError(err)
	if g.kind == groundMemory && errors.Is(err, ErrUsage) {
		err = fmt.Errorf("%s: %w (--memory-dir names another)", g, err)
	}
	e.describe()
	return err
}

// describe writes what is known of the grounds into the run.
func (e *engine) describe() {
	e.run.Volume = e.main().Facts
	if !slices.ContainsFunc(e.plan.steps, (*plannedStep).raft) {
		return
	}
	raft := &results.Raft{Server: e.req.Server.Version}
	if e.req.Server.Program == "" {
		raft.Server, raft.Linked = e.req.Tool.NATSServer, true
	}
	for _, g := range e.grounds[1:] {
		switch {
		case g.Facts.Path == "": // nothing is known of it yet
		case g.kind == groundTarget:
			raft.Targets = append(raft.Targets, g.Facts)
		default:
			raft.Peers = &g.Facts
		}
	}
	e.run.Raft = raft
}

// lock starts the keepers, and waits until each holds its scratch directory.
func (e *engine) lock(ctx context.Context) error {
	for _, g := range e.grounds {
		if err := e.hold(ctx, g); err != nil {
			return g.unanswered("making the scratch directory on", err)
		}
	}
	return nil
}

func (e *engine) hold(ctx context.Context, g *ground) error {
	keeper, err := start("keeper", task{Keep: e.keepTask(g)})
	if err != nil {
		return err
	}
	first, err := e.firstWord(ctx, keeper)
	if err == nil {
		g.keeper, g.scratch = keeper, first.Scratch
		if first.Lockless {
			e.note("%s has no directory locks: two runs at once would not see each other, and a leftover is not removed by itself", g)
		}
		return nil
	}
	keeper.stop(100 * time.Millisecond)
	if !errors.Is(err, errNoAnswer) {
		// It may have made the directory without our having read so.
		own := clearTask{Scratch: filepath.Join(g.Facts.Path, "storebench-"+e.run.ID), Own: true}
		_ = e.clear(context.WithoutCancel(ctx), own, lateClosing) // most often there is none
	}
	return err
}

func (e *engine) keepTask(g *ground) *keepTask {
	keep := &keepTask{
		Dir: g.Facts.Path, Interval: watchInterval, Canary: e.canaried(g), Beside: g.kind == groundMemory,
		Marker: volume.Marker{Version: e.req.Tool.Version, RunID: e.run.ID, Started: e.run.Started, PID: os.Getpid()},
	}
	if keep.Canary {
		keep.Interval = canaryInterval
	}
	return keep
}

// canaried says whether a ground gets a canary: live data may lie beside it.
func (e *engine) canaried(g *ground) bool {
	return e.req.BesideLiveData && g.kind != groundMemory
}

// firstWord waits for the keeper's word that it holds the lock.
func (e *engine) firstWord(ctx context.Context, keeper *process) (*kept, error) {
	timeout := time.NewTimer(e.within(silence))
	defer timeout.Stop()
	select {
	case ev, ok := <-keeper.events:
		switch {
		case !ok:
			return nil, keeper.crashed()
		case ev.Err != nil:
			return nil, asUserError(ev.Err)
		case ev.Kept != nil:
			return ev.Kept, nil
		}
		return nil, errors.New("the keeper's first word is not that it holds the lock")
	case <-timeout.C:
		return nil, fmt.Errorf("keeper: %w", errNoAnswer)
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// close ends the keepers and removes the scratch directories, all at once: one
// that does not answer must not take the others' time. A volume that gave no
// answer gets only what is left of the budget for that; one that is merely slow
// may take a little longer than the budget rather than keep our files.
func (e *engine) close() {
	wait := silence
	if errors.Is(e.halted, errNoAnswer) && !errors.Is(e.halted, errStarved) {
		wait = max(lateClosing, min(silence, time.Until(e.deadline)))
	}
	var ends errgroup.Group
	kept := make([]error, len(e.grounds))
	for i, g := range e.grounds {
		if g.keeper == nil {
			continue
		}
		ends.Go(func() error {
			g.keeper.stop(lateGrace)
			kept[i] = e.clear(context.Background(), clearTask{Scratch: g.scratch, Own: true}, wait)
			return nil
		})
	}
	_ = ends.Wait() // none returns an error
	for i, err := range kept {
		if err != nil {
			g := e.grounds[i]
			e.note("the scratch directory %s could not be removed (%v); remove it with: storebench clean %s", g.scratch, err, g.Facts.Path)
		}
	}
}
