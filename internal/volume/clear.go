package volume

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// Clear removes a scratch directory that some run left behind. It takes the
// exclusive lock first, so it waits for the last process of the run, until ctx
// ends; then the error wraps ErrLocked. Where locks prove nothing, the error
// wraps ErrLocked as well, unless the run's process is provably gone.
//
// Nothing outside is touched: links are removed and not followed, and a file
// system mounted inside stops it with ErrMountInside. The marker goes last, so
// what an interrupted Clear leaves is found again.
func Clear(ctx context.Context, path string) error {
	path, err := filepath.Abs(path)
	if err != nil {
		return fmt.Errorf("make %s absolute: %w", path, err)
	}
	d, err := openFolder(path)
	if err != nil {
		return fmt.Errorf("clear the scratch directory: %w", err)
	}
	err = clearLeftover(ctx, d)
	return errors.Join(err, d.Close())
}

func clearLeftover(ctx context.Context, d *folder) error {
	// Before the lock: nobody else's directory is locked by us.
	if _, err := d.marker(); err != nil {
		return err
	}
	err := waitLock(ctx, d.file, exclusive)
	if err != nil && !errors.Is(err, errNoLocks) {
		return fmt.Errorf("clear the scratch directory: %w", err)
	}
	m, err := d.marker() // it may be gone since
	if err != nil {
		return err
	}
	state, err := d.state(m)
	if err != nil {
		return err
	}
	if !state.Removable() {
		return fmt.Errorf("%s (%s): %w: locks prove nothing on this file system, and the run cannot be shown to have ended; remove the directory by hand when you know that it has",
			d.path, m, ErrLocked)
	}
	return d.remove(ctx)
}

// Remove removes the run's own scratch directory and gives up its lock. It
// waits for the run's other processes, as Clear does, until ctx ends. Where
// locks do not work it removes at once: the caller knows its run to be over.
// After an error the shared lock may be lost; Release all the same.
func (s *Scratch) Remove(ctx context.Context) error {
	if s.dir == nil {
		return fmt.Errorf("remove %s: its lock was given up", s.Path)
	}
	err := waitLock(ctx, s.dir.file, exclusive)
	if err == nil || errors.Is(err, errNoLocks) {
		// A lock that changes its kind is let go for a moment: look again.
		_, err = s.dir.marker()
	}
	if err == nil {
		err = s.dir.remove(ctx)
	}
	if err != nil {
		return fmt.Errorf("remove the scratch directory: %w", err)
	}
	return s.Release()
}

// remove deletes all, the marker and the directory. The caller holds the
// exclusive lock and has seen the marker.
func (d *folder) remove(ctx context.Context) error {
	if err := (sweep{top: d}).empty(ctx, d.root); err != nil {
		return err
	}
	// Who writes without a lock may have added something: then the marker stays.
	names, err := listNames(d.root)
	if err != nil {
		return err
	}
	if len(names) != 1 || names[0] != MarkerName {
		return fmt.Errorf("%s fills up again while it is cleared; end what writes there and try again", d.path)
	}
	if err := d.root.Remove(MarkerName); err != nil {
		return fmt.Errorf("remove the marker: %w", err)
	}
	// Rmdir and not Remove: it takes a directory only, and only an empty one.
	if err := syscall.Rmdir(d.path); err != nil {
		return fmt.Errorf("remove the directory: %w", &fs.PathError{Op: "rmdir", Path: d.path, Err: err})
	}
	return nil
}

// listNames lists a directory in one go: not every file system lists reliably
// what is removed from meanwhile. It opens the directory anew, because a
// descriptor that was read to its end would list nothing.
func listNames(root *os.Root) ([]string, error) {
	file, err := root.Open(".")
	if err != nil {
		return nil, err
	}
	names, err := file.Readdirnames(-1)
	if err != nil {
		err = fmt.Errorf("list %s: %w", root.Name(), err)
	}
	return names, errors.Join(err, file.Close())
}

// sweep empties a tree of directories from below.
type sweep struct{ top *folder }

// empty removes what is in the directory, but for the marker at the top.
func (w sweep) empty(ctx context.Context, root *os.Root) error {
	names, err := listNames(root)
	if err != nil {
		return err
	}
	for _, name := range names {
		if root == w.top.root && name == MarkerName {
			continue
		}
		if err := w.delete(ctx, root, name); err != nil {
			return err
		}
	}
	return nil
}

func (w sweep) delete(ctx context.Context, root *os.Root, name string) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("stopped while clearing %s: %w", w.top.path, err)
	}
	info, err := root.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.IsDir() {
		if err := w.descend(ctx, root, name); err != nil {
			return err
		}
	}
	if err := root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove %s: %w", filepath.Join(root.Name(), name), err)
	}
	return nil
}

// descend empties a directory. Should somebody put a link in its place
// meanwhile, the root keeps us inside the scratch directory.
func (w sweep) descend(ctx context.Context, root *os.Root, name string) error {
	inner, err := root.OpenRoot(name)
	if err != nil {
		return err
	}
	defer inner.Close()
	file, err := inner.Open(".")
	if err != nil {
		return err
	}
	defer file.Close()
	same, err := sameMount(w.top.file, file)
	if err != nil {
		return fmt.Errorf("look whether %s is a mount point: %w", inner.Name(), err)
	}
	if !same {
		return fmt.Errorf("%w: %s; unmount it and clear again", ErrMountInside, inner.Name())
	}
	return w.empty(ctx, inner)
}
