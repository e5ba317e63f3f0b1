//go:build unix

package slowtest

import (
	"os"

	"golang.org/x/sys/unix"
)

// TakeTurn waits until no other package's tests keep the turn, and keeps the turn
// until this process ends. go test runs packages side by side, and tests that load
// volumes and processors would see each other. The lock is on the directory for
// temporary files, so that none is left behind.
func TakeTurn() error {
	dir, err := os.Open(os.TempDir())
	if err != nil {
		return err
	}
	for {
		// The descriptor stays open: the lock ends with it.
		if err = unix.Flock(int(dir.Fd()), unix.LOCK_EX); err != unix.EINTR {
			turn = dir
			return err
		}
	}
}

// turn keeps the descriptor from being collected.
var turn *os.File
