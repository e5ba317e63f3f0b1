package slowvolume

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// File is a mounted file volume. Its methods may run concurrently.
type File struct{ volume }

// NewFile mounts the backing directory with faults. Without an error the
// caller must Close it; should the program die first, the volume is taken
// down all the same.
func NewFile(ctx context.Context, config FileConfig) (*File, error) {
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	if _, err := texts(config.Faults, fileKind); err != nil {
		return nil, err
	}
	backing, err := filepath.Abs(config.Backing)
	if err != nil {
		return nil, err
	}
	if info, err := os.Stat(backing); err != nil || !info.IsDir() {
		return nil, errors.Join(fmt.Errorf("backing %q is not a directory", config.Backing), err)
	}
	dir, remove, err := mountPoint(config.Dir)
	if err != nil {
		return nil, err
	}
	f := &File{volume{kind: fileKind, dir: dir, seed: config.Seed}}
	if err := f.start(); err != nil {
		return nil, errors.Join(err, removeEmpty(remove))
	}
	if err := f.setUp(config, backing, remove); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

func (f *File) setUp(config FileConfig, backing, remove string) error {
	if remove != "" {
		if err := f.keeper.tell(func(p *plan) { p.Remove = []string{remove} }); err != nil {
			return err
		}
	}
	m := mountCall{Kind: fileKind, Dir: f.dir, Backing: backing, Uncached: config.Uncached}
	if err := f.mountFUSE(m); err != nil {
		return err
	}
	return f.SetFaults(config.Faults...)
}
