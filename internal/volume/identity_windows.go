package volume

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/windows"
)

// Identify asks for the identity of a directory.
func Identify(dir string) (Identity, error) {
	f, err := os.Open(dir)
	if err != nil {
		return Identity{}, fmt.Errorf("identify %s: %w", dir, err)
	}
	var info windows.ByHandleFileInformation
	err = windows.GetFileInformationByHandle(windows.Handle(f.Fd()), &info)
	if err = errors.Join(err, f.Close()); err != nil {
		return Identity{}, fmt.Errorf("identify %s: %w", dir, err)
	}
	return Identity{Device: uint64(info.VolumeSerialNumber), File: uint64(info.FileIndexHigh)<<32 | uint64(info.FileIndexLow)}, nil
}
