//go:build unix

package slowtest

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// TakeTurn waits until no other package's tests keep the turn, or none that must be
// alone, and keeps the turn until this process ends. go test runs packages side by
// side, and tests that load volumes and processors would see each other. The lock is
// on the directory for temporary files, so that none is left behind.
func TakeTurn(turn Turn) error {
	how := unix.LOCK_EX
	if turn == Beside {
		how = unix.LOCK_SH
	}
	dir := os.TempDir()
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	for err == nil {
		// The descriptor stays open: the lock ends with it.
		if err = unix.Flock(fd, how); err != unix.EINTR {
			break
		}
		err = nil
	}
	if err != nil {
		return fmt.Errorf("lock %s: %w", dir, err)
	}
	return nil
}
