// Package volume is the target: the directory that an operator wants to
// qualify and the file system that it lies on. It says what is known of the
// volume (Inspect), whether it can be used (CheckTarget, FreeSpace), keeps all
// that storebench writes inside one scratch directory with a marker and a lock
// (CreateScratch, Join, Clear), looks for JetStream stores that a run would
// disturb (LiveStores), and asks after the page cache (Resident, ForgetCache).
//
// Every function here makes system calls on the volume, and on a hung volume
// such a call never returns, whatever its context says. Call them from a
// process that may be left behind.
package volume

import "errors"

// Errors that a caller tells apart with errors.Is.
var (
	// ErrUnusable: the target cannot be measured as it is, and the user can
	// change that (a missing directory, a read-only mount).
	ErrUnusable = errors.New("target not usable")
	// ErrLocked: another process holds the lock, or cannot be shown not to.
	ErrLocked = errors.New("locked")
	// ErrNotScratch: the directory does not carry storebench's marker, so
	// nothing in it is touched.
	ErrNotScratch = errors.New("not a scratch directory of storebench")
	// ErrMountInside: another file system is mounted inside a scratch
	// directory, so it is not cleared.
	ErrMountInside = errors.New("a file system is mounted inside")
	// ErrNotSupported: this operating system cannot tell.
	ErrNotSupported = errors.ErrUnsupported
)

// Facts is what is known of a volume. It holds no host name, no user and no
// mount option beyond those on a list, so that it can be handed around.
type Facts struct {
	// Path is absolute, with symbolic links resolved.
	Path string `json:"path"`
	// MountPoint is where the file system, or the part of it that is
	// bind-mounted, hangs in the tree. Empty when unknown.
	MountPoint string `json:"mount_point,omitempty"`
	// FileSystem is the type as the kernel names it, such as ext4.
	FileSystem string `json:"file_system,omitempty"`
	// MountOptions are those that change what is measured.
	MountOptions []string `json:"mount_options,omitempty"`
	ReadOnly     bool     `json:"read_only"`

	SizeBytes int64 `json:"size_bytes"`
	// FreeBytes counts root's reserve, AvailableBytes does not.
	FreeBytes      int64 `json:"free_bytes"`
	AvailableBytes int64 `json:"available_bytes"`
	BlockSizeBytes int64 `json:"block_size_bytes"`
	// Inodes is 0 when the file system has no fixed number of them (btrfs).
	Inodes     int64 `json:"inodes"`
	InodesFree int64 `json:"inodes_free"`

	// Device is the block device whose counters show the volume's work: for an
	// overlay the one below its upper directory.
	Device Device `json:"device"`
	// Below is what the volume stands on, from the top down, when that is more
	// than one device.
	Below       []Layer     `json:"below,omitempty"`
	Persistence Persistence `json:"persistence"`
	// Notes say what could not be found out, and why.
	Notes []string `json:"notes,omitempty"`
}

// Device is a block device. Empty fields are unknown.
type Device struct {
	// Name is the one in /proc/diskstats: a whole disk or a partition.
	Name string `json:"name,omitempty"`
	// Disk is the whole disk that Name is part of; the same as Name for a
	// whole disk.
	Disk string `json:"disk,omitempty"`
	// Number is major:minor.
	Number string `json:"number,omitempty"`
	// Source is the device as the mount names it. Sources that are not local
	// devices are left out: they hold host names and sometimes passwords.
	Source string `json:"source,omitempty"`
	// Rotational is what the device claims; virtual disks often claim wrongly.
	Rotational *bool `json:"rotational,omitempty"`
	// WriteCache is "write back" (a flush is sent) or "write through".
	WriteCache string `json:"write_cache,omitempty"`
	Scheduler  string `json:"scheduler,omitempty"`
}

// Layer is one step further down from the mounted file system.
type Layer struct {
	// Via says how the layer above uses this one.
	Via        string `json:"via"`
	FileSystem string `json:"file_system,omitempty"`
	Device     string `json:"device,omitempty"`
}

// Persistence says whether what was synced survives a power cut.
type Persistence struct {
	State PersistenceState `json:"state"`
	// How says how that is known.
	How string `json:"how"`
}

// PersistenceState is one of three. No state claims that data is safe: only a
// power cut can show that.
type PersistenceState string

// The states of persistence.
const (
	// PersistenceUnknown: what is below cannot be seen from here.
	PersistenceUnknown PersistenceState = "unknown"
	// PersistenceAssumed: nothing is known that speaks against it.
	PersistenceAssumed PersistenceState = "assumed"
	// NotPersistent: an acknowledged sync is known not to survive.
	NotPersistent PersistenceState = "not_persistent"
)

// worse returns the more alarming of two.
func (p Persistence) worse(q Persistence) Persistence {
	if q.rank() > p.rank() {
		return q
	}
	return p
}

func (p Persistence) rank() int {
	switch p.State {
	case NotPersistent:
		return 2
	case PersistenceAssumed:
		return 0
	default:
		return 1
	}
}
