package slowvolume

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"
)

// Plain is a mounted volume without faults of its own.
type Plain struct {
	dir       string
	keeper    *keeping
	closeOnce sync.Once
	closeErr  error
}

// Path returns where the volume is mounted.
func (p *Plain) Path() string { return p.dir }

// Close unmounts the volume. Calling it again returns the same.
func (p *Plain) Close() error {
	p.closeOnce.Do(func() { p.closeErr = p.keeper.close() })
	return p.closeErr
}

// NewTmpfs mounts a file system of so many bytes in memory at dir, a directory
// that exists, or at one that it makes when dir is empty. It keeps nothing.
func NewTmpfs(ctx context.Context, dir string, bytes int64) (*Plain, error) {
	return newPlain(ctx, dir, "tmpfs", "size="+strconv.FormatInt(bytes, 10))
}

// NewOverlayVolatile mounts an overlay at dir, as NewTmpfs does, over new
// directories in base, which are the caller's to remove. Its fsync does
// nothing, by the option volatile.
func NewOverlayVolatile(ctx context.Context, dir, base string) (*Plain, error) {
	parts := map[string]string{}
	for _, name := range []string{"lower", "upper", "work"} {
		parts[name] = filepath.Join(base, name)
		if err := os.Mkdir(parts[name], 0o755); err != nil {
			return nil, fmt.Errorf("directory of the overlay: %w", err)
		}
	}
	options := fmt.Sprintf("lowerdir=%s,upperdir=%s,workdir=%s,volatile", parts["lower"], parts["upper"], parts["work"])
	return newPlain(ctx, dir, "overlay", options)
}

func newPlain(ctx context.Context, dir, fs, options string) (*Plain, error) {
	if os.Geteuid() != 0 {
		return nil, errors.New("mounting a volume needs root")
	}
	dir, remove, err := mountPoint(dir)
	if err != nil {
		return nil, err
	}
	keeper, err := startKeeper()
	if err != nil {
		return nil, errors.Join(err, removeEmpty(remove))
	}
	p := &Plain{dir: dir, keeper: keeper}
	err = keeper.tell(func(pl *plan) {
		pl.Mount = dir
		if remove != "" {
			pl.Remove = []string{remove}
		}
	})
	if err == nil {
		err = run(ctx, "mount", "-t", fs, "-o", options, "slowvolume", dir)
	}
	if err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}
