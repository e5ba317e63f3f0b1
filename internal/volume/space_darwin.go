package volume

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// FreeSpace asks how much room the volume of dir has left. It is one system
// call, cheap enough to repeat during a run.
func FreeSpace(dir string) (Free, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return Free{}, fmt.Errorf("ask %s for its free space: %w", dir, err)
	}
	return Free{
		Bytes:       times(st.Bavail, uint64(st.Bsize)),
		Inodes:      times(st.Ffree, 1),
		InodesKnown: st.Files > 0,
	}, nil
}

func (f *Facts) addSpace(path string) error {
	var st unix.Statfs_t
	if err := unix.Statfs(path, &st); err != nil {
		return fmt.Errorf("ask %s for its free space: %w", path, err)
	}
	f.MountPoint = unix.ByteSliceToString(st.Mntonname[:])
	f.FileSystem = unix.ByteSliceToString(st.Fstypename[:])
	f.SizeBytes = times(st.Blocks, uint64(st.Bsize))
	f.FreeBytes = times(st.Bfree, uint64(st.Bsize))
	f.AvailableBytes = times(st.Bavail, uint64(st.Bsize))
	f.BlockSizeBytes = int64(st.Bsize)
	f.Inodes = times(st.Files, 1)
	f.InodesFree = times(st.Ffree, 1)
	f.ReadOnly = st.Flags&unix.MNT_RDONLY != 0
	return nil
}
