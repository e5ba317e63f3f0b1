package slowtest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"
)

// claim locks a run's directory until this process ends, so that other runs see
// that it is in use.
func claim(dir string) error {
	_, err := lockDir(dir)
	return err
}

// clearKilled takes down the mounts of runs that were killed, and removes their
// directories. A volume whose server is gone would stop later tests: mkfs.btrfs
// looks at all that is mounted, and gives up at one that does not answer.
func clearKilled() error {
	dirs, err := filepath.Glob(filepath.Join(os.TempDir(), runPrefix+"*"))
	errs := []error{err}
	for _, dir := range dirs {
		fd, err := lockDir(dir)
		if err != nil {
			continue // in use, somebody else's, or gone
		}
		errs = append(errs, clearDir(dir))
		errs = append(errs, unix.Close(fd))
	}
	return errors.Join(errs...)
}

func lockDir(dir string) (fd int, err error) {
	fd, err = unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	if err := unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return -1, errors.Join(err, unix.Close(fd))
	}
	return fd, nil
}

// clearDir removes dir once nothing is mounted in it any more.
func clearDir(dir string) error {
	real, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return err
	}
	mounted := func() ([]*mountinfo.Info, error) {
		return mountinfo.GetMounts(func(m *mountinfo.Info) (skip, stop bool) {
			return !strings.HasPrefix(m.Mountpoint, real+"/"), false
		})
	}
	mounts, err := mounted()
	if err != nil {
		return err
	}
	for _, m := range slices.Backward(mounts) { // the last one mounted first
		if err := unix.Unmount(m.Mountpoint, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW); err != nil {
			return fmt.Errorf("unmount %s, left by tests that were killed: %w", m.Mountpoint, err)
		}
	}
	if mounts, err = mounted(); err != nil || len(mounts) > 0 {
		return errors.Join(err, fmt.Errorf("%d mounts are left below %s", len(mounts), real))
	}
	return os.RemoveAll(real)
}
