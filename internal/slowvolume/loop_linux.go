package slowvolume

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

const loopControl = "/dev/loop-control"

// attachTries bounds how often another program may snatch a free loop device
// away between asking for its number and taking it.
const attachTries = 100

// attach puts a free loop device over the file. The device goes by itself when
// it is closed and nothing is mounted from it; the caller closes it.
func attach(ctx context.Context, path string) (*os.File, error) {
	control, err := os.OpenFile(loopControl, os.O_RDWR, 0)
	if err != nil {
		return nil, fmt.Errorf("loop devices: %w", err)
	}
	defer control.Close()
	backing, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, fmt.Errorf("file below the loop device: %w", err)
	}
	defer backing.Close()
	for range attachTries {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		device, err := attachFree(control, backing)
		if !errors.Is(err, unix.EBUSY) {
			return device, err
		}
	}
	return nil, errors.New("no free loop device: others take each before we can")
}

func attachFree(control, backing *os.File) (*os.File, error) {
	n, err := unix.IoctlRetInt(int(control.Fd()), unix.LOOP_CTL_GET_FREE)
	if err != nil {
		return nil, fmt.Errorf("free loop device: %w", err)
	}
	device, err := os.OpenFile(fmt.Sprintf("/dev/loop%d", n), os.O_RDWR, 0)
	if err != nil {
		return nil, fmt.Errorf("loop device: %w", err)
	}
	config := unix.LoopConfig{
		Fd:   uint32(backing.Fd()),
		Info: unix.LoopInfo64{Flags: unix.LO_FLAGS_AUTOCLEAR | unix.LO_FLAGS_DIRECT_IO},
	}
	copy(config.Info.File_name[:len(config.Info.File_name)-1], backing.Name())
	if err := unix.IoctlLoopConfigure(int(device.Fd()), &config); err != nil {
		_ = device.Close()
		return nil, fmt.Errorf("configure %s: %w", device.Name(), err)
	}
	return device, nil
}

// waitDetached waits until the loop device no longer lies over the file.
func waitDetached(loop, disk string) error {
	path := filepath.Join("/sys/block", loop, "loop/backing_file")
	detached := func() bool {
		name, err := os.ReadFile(path)
		// The kernel adds a remark when the file was unlinked or unmounted.
		return err != nil || !strings.HasPrefix(string(name), disk)
	}
	if waitFor(busyLimit, detached) {
		return nil
	}
	return fmt.Errorf("loop device %s is still in use: close what is open on it", loop)
}
