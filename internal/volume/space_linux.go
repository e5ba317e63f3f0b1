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
		Bytes:       times(st.Bavail, fragment(&st)),
		Inodes:      times(st.Ffree, 1),
		InodesKnown: st.Files > 0,
	}, nil
}

// fragment is the unit in bytes that statfs counts in; old kernels and some
// FUSE servers give only the block size.
func fragment(st *unix.Statfs_t) uint64 {
	if st.Frsize > 0 {
		return uint64(st.Frsize)
	}
	return uint64(max(st.Bsize, 0))
}
