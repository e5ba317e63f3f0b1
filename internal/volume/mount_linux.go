package volume

import (
	"errors"
	"fmt"
	"strings"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"
)

// mountTable is the process's mounts at one moment, in the kernel's order: of
// two on the same mount point the later one hides the earlier.
type mountTable []*mountinfo.Info

var errNoMount = errors.New("no mount in this process's mount table fits")

func readMounts() (mountTable, error) {
	mounts, err := mountinfo.GetMounts(nil)
	if err != nil {
		return nil, fmt.Errorf("read the mount table: %w", err)
	}
	return mounts, nil
}

// of returns the mount that path, absolute and without symbolic links, is on.
func (t mountTable) of(path string) (*mountinfo.Info, error) {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return nil, fmt.Errorf("stat %s: %w", path, err)
	}
	if m := t.byID(path); m != nil {
		return m, nil
	}
	if m := t.longest(path, unix.Major(st.Dev), unix.Minor(st.Dev)); m != nil {
		return m, nil
	}
	return nil, fmt.Errorf("find the mount of %s: %w", path, errNoMount)
}

// byID asks the kernel for the mount's number (Linux 5.8). It is the only sure
// way: a btrfs subvolume has a device number that the mount table never shows.
func (t mountTable) byID(path string) *mountinfo.Info {
	id, ok := mountID(unix.AT_FDCWD, path)
	if !ok {
		return nil
	}
	for _, m := range t {
		if uint64(m.ID) == id {
			return m
		}
	}
	return nil
}

// mountID returns the number of the mount that path, taken from dirfd, is on;
// an empty path is dirfd itself.
func mountID(dirfd int, path string) (id uint64, ok bool) {
	flags := unix.AT_STATX_SYNC_AS_STAT
	if path == "" {
		flags |= unix.AT_EMPTY_PATH
	}
	var st unix.Statx_t
	err := unix.Statx(dirfd, path, flags, unix.STATX_MNT_ID, &st)
	return st.Mnt_id, err == nil && st.Mask&unix.STATX_MNT_ID != 0
}

// longest returns the innermost mount above path whose device is that of path.
// When none has it (btrfs subvolumes on an old kernel), the innermost of a file
// system that hands out device numbers of its own.
func (t mountTable) longest(path string, major, minor uint32) *mountinfo.Info {
	var exact, other *mountinfo.Info
	for _, m := range t {
		if !below(path, m.Mountpoint) {
			continue
		}
		if uint32(m.Major) == major && uint32(m.Minor) == minor {
			exact = longer(exact, m)
		}
		if m.FSType == "btrfs" || m.FSType == "overlay" {
			other = longer(other, m)
		}
	}
	if exact != nil {
		return exact
	}
	return other
}

func longer(a, b *mountinfo.Info) *mountinfo.Info {
	if a != nil && len(a.Mountpoint) > len(b.Mountpoint) {
		return a
	}
	return b
}

// upperDir returns the directory that an overlay writes to, from the options of
// its superblock, or "".
func upperDir(options string) string {
	for option := range strings.SplitSeq(options, ",") {
		if path, ok := strings.CutPrefix(option, "upperdir="); ok {
			return unescapeOverlay(unescapeOctal(path))
		}
	}
	return ""
}

// unescapeOverlay takes the backslashes away with which whoever mounted an
// overlay protected commas and the like: the kernel shows them as they were
// given.
func unescapeOverlay(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// unescapeOctal undoes the kernel's \ooo for the characters that separate
// fields and options; mountinfo does so for names but not for options.
func unescapeOctal(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if c, ok := octal(s[i:]); ok {
			b.WriteByte(c)
			i += 3
			continue
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

func octal(s string) (byte, bool) {
	if len(s) < 4 || s[0] != '\\' {
		return 0, false
	}
	n := 0
	for _, digit := range []byte(s[1:4]) {
		if digit < '0' || digit > '7' {
			return 0, false
		}
		n = n<<3 | int(digit-'0')
	}
	return byte(n), n < 256
}
