package volume

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"
)

// lockRetry is how long to wait before asking again for a lock that somebody
// else holds.
const lockRetry = 20 * time.Millisecond

// errNoLocks: the file system knows no locks on directories.
var errNoLocks = errors.New("the file system has no locks on directories")

// lockMode is shared or exclusive.
type lockMode bool

const (
	shared    lockMode = false
	exclusive lockMode = true
)

// waitLock takes a lock on an open directory, asking again until ctx ends; then
// the error wraps ErrLocked. It asks at least once. The lock goes with the last
// descriptor of that opening.
func waitLock(ctx context.Context, f *os.File, mode lockMode) error {
	for {
		err := tryLock(f, mode)
		if !errors.Is(err, ErrLocked) {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w (waited until: %w)", err, ctx.Err())
		case <-time.After(lockRetry):
		}
	}
}
