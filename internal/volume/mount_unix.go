//go:build unix && !linux

package volume

import (
	"os"
	"syscall"
)

// sameMount reports whether two open directories are on the same device.
func sameMount(a, b *os.File) (bool, error) {
	first, err := a.Stat()
	if err != nil {
		return false, err
	}
	second, err := b.Stat()
	if err != nil {
		return false, err
	}
	x, known := first.Sys().(*syscall.Stat_t)
	y, both := second.Sys().(*syscall.Stat_t)
	return known && both && x.Dev == y.Dev, nil
}
