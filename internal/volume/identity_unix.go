//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package volume

import (
	"fmt"
	"os"
	"syscall"
)

// Identify asks for the identity of a directory.
func Identify(dir string) (Identity, error) {
	info, err := os.Stat(dir)
	if err != nil {
		return Identity{}, fmt.Errorf("identify %s: %w", dir, err)
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return Identity{}, nil
	}
	return Identity{Device: uint64(st.Dev), File: uint64(st.Ino)}, nil
}
