package volume

import (
	"errors"
	"os"
	"slices"

	"golang.org/x/sys/unix"
)

// bootID is another one after every start of every machine.
func bootID() string { return readLine("/proc/sys/kernel/random/boot_id") }

// pidNamespace names the set of processes among which a number is unique.
func pidNamespace() string {
	name, err := os.Readlink("/proc/self/ns/pid")
	if err != nil {
		return ""
	}
	return name
}

// processLives reports whether a process of this number exists. A number that
// has been given to another process counts as alive: the safe mistake.
func processLives(pid int) bool {
	if pid <= 0 {
		return true
	}
	return !errors.Is(unix.Kill(pid, 0), unix.ESRCH)
}

// sharedTypes are file systems that other machines may have mounted as well,
// whose locks on a directory are not seen there. A FUSE server may be anything.
// Numbers of magic(5) that the sys package lacks: Lustre, GPFS.
var sharedTypes = []int64{
	unix.NFS_SUPER_MAGIC, unix.SMB_SUPER_MAGIC, unix.SMB2_SUPER_MAGIC, unix.CIFS_SUPER_MAGIC,
	unix.V9FS_MAGIC, unix.CEPH_SUPER_MAGIC, unix.AFS_FS_MAGIC, unix.AFS_SUPER_MAGIC,
	unix.CODA_SUPER_MAGIC, unix.FUSE_SUPER_MAGIC, 0x0bd00bd0, 0x47504653,
}

// sharedVolume reports whether processes of other machines may use the volume
// of f without its locks showing it.
func sharedVolume(f *os.File) bool {
	var st unix.Statfs_t
	err := withFD(f, func(fd int) error { return unix.Fstatfs(fd, &st) })
	return err != nil || slices.Contains(sharedTypes, int64(st.Type)&0xffffffff)
}

// sameMount reports whether two open directories are on the same mount, bind
// mounts of one file system told apart where the kernel can (Linux 5.8).
func sameMount(a, b *os.File) (bool, error) {
	var first, second placed
	if err := withFD(a, first.read); err != nil {
		return false, err
	}
	if err := withFD(b, second.read); err != nil {
		return false, err
	}
	// A btrfs subvolume has a device number of its own without being mounted;
	// where mounts have numbers these decide.
	if first.numbered && second.numbered {
		return first.mount == second.mount, nil
	}
	return first.device == second.device, nil
}

// placed is where an open file is.
type placed struct {
	device   uint64
	mount    uint64
	numbered bool
}

func (p *placed) read(fd int) error {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	p.device = uint64(st.Dev)
	p.mount, p.numbered = mountID(fd, "")
	return nil
}
