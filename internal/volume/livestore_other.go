//go:build !linux

package volume

import (
	"fmt"
	"runtime"
)

// surroundingsOf: mount points are looked up on Linux only; the search then
// stays with the directory and its parents.
func surroundingsOf(string) (surroundings, error) {
	return surroundings{}, fmt.Errorf("look up mount points on %s: %w", runtime.GOOS, ErrNotSupported)
}

// openFiles: only Linux shows what processes have open.
func (s *search) openFiles(string) error {
	s.blind("on %s the open files of processes are not looked at", runtime.GOOS)
	return nil
}

func openBelow(string) bool { return false }
