package volume

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// CheckTarget reports why dir cannot be measured: missing, not a directory, not
// writable, read-only, full. The error wraps ErrUnusable and says what to do. It
// tries by creating a file, which is gone when CheckTarget returns.
func CheckTarget(dir string) error {
	if dir == "" {
		return fmt.Errorf("%w: no directory named; name one on the volume to measure", ErrUnusable)
	}
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w: %s does not exist; create it, or name a directory on the volume to measure: %w", ErrUnusable, dir, err)
	case err != nil:
		return fmt.Errorf("%w: look at %s: %w", ErrUnusable, dir, err)
	case !info.IsDir():
		return fmt.Errorf("%w: %s is not a directory; name a directory on the volume to measure", ErrUnusable, dir)
	}
	return explainCreate(dir, tryCreate(dir))
}

func explainCreate(dir string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, syscall.EROFS):
		return fmt.Errorf("%w: %s is on a read-only mount; mount it writable, or name another directory: %w", ErrUnusable, dir, err)
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fmt.Errorf("%w: %s has no room for one more file; free space or inodes, or raise the quota: %w", ErrUnusable, dir, err)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w: no file can be created in %s; run as its owner, or change its permissions: %w", ErrUnusable, dir, err)
	default:
		return fmt.Errorf("%w: create a file in %s: %w", ErrUnusable, dir, err)
	}
}

// createNamed creates a file in dir and removes it again.
func createNamed(dir string) error {
	f, err := os.CreateTemp(dir, ".storebench-writable-*")
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}
