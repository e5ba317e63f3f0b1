package engine

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"

	"storebench/internal/volume"
	"storebench/probes"
)

// site is the directory of a round in a scratch directory, whose lock its worker
// holds.
type site struct {
	scratch *volume.Scratch
	dir     string
}

// sites are those of one round.
type sites []site

// prepare makes a round's directories. What it made before an error is in the
// list.
func (all *sites) prepare(ctx context.Context, t roundTask) (*probes.Env, error) {
	env := &probes.Env{Duration: t.Duration, Warmup: t.Warmup, Devices: t.Devices, Rand: rand.New(rand.NewPCG(t.Seed, 0))}
	var err error
	if env.Dir, err = all.enter(ctx, t.Scratch, t.Name); err != nil {
		return nil, err
	}
	if t.Raft != nil {
		if env.Raft, err = all.prepareRaft(ctx, *t.Raft, t.Name); err != nil {
			return nil, err
		}
	}
	env.Hold = all.locks()
	return env, nil
}

func (all *sites) prepareRaft(ctx context.Context, t raftTask, name string) (env probes.RaftEnv, err error) {
	env.Program, env.Version = t.Program, t.Version
	if t.Memory != "" {
		if env.Memory, err = all.enter(ctx, t.Memory, name); err != nil {
			return env, err
		}
	}
	for _, scratch := range t.Targets {
		dir, err := all.enter(ctx, scratch, name)
		if err != nil {
			return env, err
		}
		env.Targets = append(env.Targets, dir)
	}
	return env, nil
}

// enter takes the lock of a scratch directory and makes the round's directory in
// it.
func (all *sites) enter(ctx context.Context, scratch, name string) (dir string, err error) {
	joined, err := volume.Join(ctx, scratch)
	if err != nil {
		return "", err
	}
	dir = filepath.Join(scratch, name)
	*all = append(*all, site{joined, dir})
	if err := os.Mkdir(dir, 0o700); err != nil {
		return "", fmt.Errorf("make the round's directory: %w", err)
	}
	return dir, nil
}

// locks are the descriptors by which the scratch directories are locked.
func (all sites) locks() []*os.File {
	var locks []*os.File
	for _, s := range all {
		locks = append(locks, s.scratch.File())
	}
	return locks
}

// remove removes the directories, the volume's last: it is the one that may hang.
func (all sites) remove() error {
	var failed error
	for i := len(all) - 1; i >= 0; i-- {
		failed = errors.Join(failed, os.RemoveAll(all[i].dir))
	}
	return failed
}

func (all *sites) release() {
	for _, s := range *all {
		_ = s.scratch.Release() // the worker's end releases it as well
	}
}
