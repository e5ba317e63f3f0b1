//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package volume

import (
	"errors"
	"fmt"
	"os"
	"slices"

	"golang.org/x/sys/unix"
)

// nonblock keeps an open from waiting for the other end of a pipe.
const nonblock = unix.O_NONBLOCK

// lockless are the answers of file systems without locks on directories: NFS
// emulates flock by a record lock, which wants a writable descriptor.
var lockless = []error{unix.EOPNOTSUPP, unix.ENOTSUP, unix.EBADF, unix.ENOLCK, unix.ENOSYS, unix.EINVAL, unix.EISDIR}

// tryLock takes a lock without waiting: ErrLocked when somebody else has it,
// errNoLocks when there is no such thing here.
func tryLock(f *os.File, mode lockMode) error {
	how := unix.LOCK_SH
	if mode == exclusive {
		how = unix.LOCK_EX
	}
	err := flock(f, how|unix.LOCK_NB)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, unix.EWOULDBLOCK):
		return fmt.Errorf("%s: %w", f.Name(), ErrLocked)
	case slices.ContainsFunc(lockless, func(none error) bool { return errors.Is(err, none) }):
		return fmt.Errorf("lock %s: %w: %w", f.Name(), errNoLocks, err)
	default:
		return fmt.Errorf("lock %s: %w", f.Name(), err)
	}
}

func flock(f *os.File, how int) error {
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var result error
	err = conn.Control(func(fd uintptr) {
		for {
			result = unix.Flock(int(fd), how)
			if !errors.Is(result, unix.EINTR) {
				return
			}
		}
	})
	return errors.Join(err, result)
}

// syncDir makes the entries of a directory durable. File systems that cannot
// sync a directory are left alone: the marker then is as durable as they get.
func syncDir(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("open to sync: %w", err)
	}
	err = f.Sync()
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.EOPNOTSUPP) {
		err = nil
	}
	return errors.Join(err, f.Close())
}
