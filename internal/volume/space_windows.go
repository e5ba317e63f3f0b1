package volume

import (
	"fmt"

	"golang.org/x/sys/windows"
)

// FreeSpace asks how much room the volume of dir has left. NTFS has no fixed
// number of files, so Inodes is unknown.
func FreeSpace(dir string) (Free, error) {
	available, _, _, err := diskSpace(dir)
	return Free{Bytes: times(available, 1)}, err
}

func (f *Facts) addSpace(path string) error {
	available, total, free, err := diskSpace(path)
	f.AvailableBytes = times(available, 1)
	f.SizeBytes = times(total, 1)
	f.FreeBytes = times(free, 1)
	return err
}

func diskSpace(dir string) (available, total, free uint64, err error) {
	name, err := windows.UTF16PtrFromString(dir)
	if err == nil {
		err = windows.GetDiskFreeSpaceEx(name, &available, &total, &free)
	}
	if err != nil {
		return 0, 0, 0, fmt.Errorf("ask %s for its free space: %w", dir, err)
	}
	return available, total, free, nil
}
