//go:build !linux && !darwin && !freebsd && !netbsd && !openbsd && !dragonfly

package volume

import (
	"fmt"
	"os"
)

// nonblock has no meaning here: an open waits for nobody.
const nonblock = 0

// tryLock: this operating system has no locks on directories.
func tryLock(f *os.File, _ lockMode) error {
	return fmt.Errorf("lock %s: %w", f.Name(), errNoLocks)
}

// syncDir: directories cannot be synced on this operating system.
func syncDir(string) error { return nil }
