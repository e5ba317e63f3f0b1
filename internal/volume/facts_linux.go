package volume

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Inspect finds out what is known of the volume that dir lies on. It writes
// nothing. What cannot be seen, for example from inside a container, is left
// empty and told in Notes; an error means that dir itself cannot be read.
func Inspect(dir string) (Facts, error) {
	path, err := resolve(dir)
	if err != nil {
		return Facts{}, err
	}
	facts := Facts{
		Path:        path,
		Persistence: Persistence{PersistenceUnknown, "the file system below could not be found out"},
	}
	if err := facts.addSpace(path); err != nil {
		return Facts{}, err
	}
	mounts, err := readMounts()
	if err != nil {
		facts.Notes = append(facts.Notes, err.Error())
		return facts, nil
	}
	facts.addMount(mounts)
	return facts, nil
}

func (f *Facts) addSpace(path string) error {
	var st unix.Statfs_t
	if err := unix.Statfs(path, &st); err != nil {
		return fmt.Errorf("ask %s for its free space: %w", path, err)
	}
	unit := fragment(&st)
	f.SizeBytes = times(st.Blocks, unit)
	f.FreeBytes = times(st.Bfree, unit)
	f.AvailableBytes = times(st.Bavail, unit)
	f.BlockSizeBytes = int64(st.Bsize)
	f.Inodes = times(st.Files, 1)
	f.InodesFree = times(st.Ffree, 1)
	f.ReadOnly = st.Flags&unix.ST_RDONLY != 0
	return nil
}

func (f *Facts) addMount(mounts mountTable) {
	m, err := mounts.of(f.Path)
	if err != nil {
		f.Notes = append(f.Notes, err.Error())
		return
	}
	f.MountPoint = m.Mountpoint
	f.FileSystem = m.FSType
	f.MountOptions = listedOptions(m.Options, m.VFSOptions)
	ground := mounts.ground(m, 0)
	f.Device = ground.device
	f.Below = ground.below
	f.Persistence = ground.persistence
	f.Notes = append(f.Notes, ground.notes...)
}
