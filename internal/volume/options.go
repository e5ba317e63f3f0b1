package volume

import (
	"regexp"
	"slices"
	"strings"
)

// plainOptions are the mount options without a value that say something about
// speed or durability. All others are dropped: a mount's options hold user
// names, passwords, addresses and paths.
var plainOptions = names(`
	rw ro sync async dirsync
	noatime relatime nodiratime strictatime lazytime
	barrier nobarrier volatile
	discard nodiscard delalloc nodelalloc
	auto_da_alloc noauto_da_alloc dioread_nolock dioread_lock
	journal_checksum journal_async_commit
	dax ssd nossd ssd_spread nodatacow nodatasum autodefrag flushoncommit
	wsync inode32 inode64 largeio
	hard soft direct_io writeback_cache
`)

// valuedOptions are those with a value.
var valuedOptions = names(`
	data barrier commit discard stripe dax
	logbufs logbsize sunit swidth allocsize
	compress compress-force fsync fsync_mode
	size cache vers proto rsize wsize
	max_batch_time min_batch_time journal_ioprio
`)

// safeValue is what the value of a listed option may look like: a word or a
// number, never a path or an address with a user.
var safeValue = regexp.MustCompile(`^[A-Za-z0-9_.:-]{1,32}$`)

func names(list string) map[string]bool {
	set := make(map[string]bool)
	for _, name := range strings.Fields(list) {
		set[name] = true
	}
	return set
}

// listedOptions keeps of comma-separated mount options those on the list, each
// once, in the order given.
func listedOptions(groups ...string) []string {
	var kept []string
	for _, group := range groups {
		for option := range strings.SplitSeq(group, ",") {
			if listed(option) && !slices.Contains(kept, option) {
				kept = append(kept, option)
			}
		}
	}
	// A read-only mount of a writable file system has both; it is read-only.
	if slices.Contains(kept, "ro") {
		kept = slices.DeleteFunc(kept, func(o string) bool { return o == "rw" })
	}
	return kept
}

func listed(option string) bool {
	name, value, valued := strings.Cut(option, "=")
	if !valued {
		return plainOptions[name]
	}
	return valuedOptions[name] && safeValue.MatchString(value)
}

// noBarrier names the option that lets the file system skip flushing the
// device's cache at an fsync, or returns "".
// Sources: the kernel's Documentation/filesystems for ext4, f2fs and overlayfs;
// xfs(5) before Linux 4.19; btrfs(5).
func noBarrier(fsType string, options []string) string {
	var off []string
	switch fsType {
	case "ext3", "ext4", "reiserfs":
		off = []string{"nobarrier", "barrier=0", "barrier=none"}
	case "xfs", "btrfs":
		off = []string{"nobarrier"}
	case "f2fs":
		off = []string{"nobarrier", "fsync_mode=nobarrier"}
	case "overlay":
		off = []string{"volatile", "fsync=volatile"}
	}
	for _, option := range options {
		if slices.Contains(off, option) {
			return option
		}
	}
	return ""
}
