//go:build !linux && !darwin && !windows

package volume

import (
	"fmt"
	"runtime"
)

// FreeSpace is not known on this operating system.
func FreeSpace(dir string) (Free, error) {
	return Free{}, fmt.Errorf("ask %s for its free space on %s: %w", dir, runtime.GOOS, ErrNotSupported)
}

func (f *Facts) addSpace(string) error {
	f.Notes = append(f.Notes, "free space is not looked at on "+runtime.GOOS)
	return nil
}
