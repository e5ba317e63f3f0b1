//go:build !linux

package volume

import (
	"fmt"
	"os"
)

// Resident works on Linux only; the error is ErrNotSupported.
func Resident(f *os.File) (resident, total int64, err error) {
	return 0, 0, fmt.Errorf("count the cached pages of %s: %w", f.Name(), ErrNotSupported)
}

// ForgetCache works on Linux only; the error is ErrNotSupported.
func ForgetCache(f *os.File) error {
	return fmt.Errorf("drop %s from the page cache: %w", f.Name(), ErrNotSupported)
}
