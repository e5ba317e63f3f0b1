// Package slowvolume makes volumes with the faults of real volumes: slow
// flushes, stalls, throttles, burst credit that runs out, errors, a cache that
// lies about what is durable, and a power cut. They are mounted for real, so
// any program can be run on them.
//
// There are two kinds. A block volume ([NewBlock]) is a memory-backed disk,
// served by FUSE, under a loop device with a real ext4, xfs or btrfs on top:
// faults strike the device, and the file system reacts as it does in production. A
// file volume ([NewFile]) is a FUSE loopback over a directory: faults strike
// single system calls, which is exact, and what a network file system looks
// like. Besides there are unfaulted volumes that are known not to persist
// ([NewTmpfs], [NewOverlayVolatile], [Ext4NoBarrier]), a cgroup throttle and a quota of
// processors.
//
// A block volume's disk has one queue: the loop device hands on a request when the one
// before is done, so whatever takes long holds up the rest, as a flush does a read.
//
// # Processes
//
// Each volume has two helper processes, both the running program itself, so
// [ServeIfChild] must be the first call of main or TestMain:
//
//   - the server answers FUSE requests. It is a process of its own because a
//     program that serves a file system it also uses can neither be killed nor
//     cleaned up when it panics.
//   - the keeper takes the volume down: when Close asks for it, and when the
//     program dies, however it dies. It also wakes a server that was stopped
//     for longer than [HangLimit].
//
// A program that is killed while one of its threads hangs on the volume is not
// dead for the kernel before that thread is: the keeper takes the volume down
// when the hang ends.
//
// Only Linux has what this needs; elsewhere every constructor returns
// [ErrUnsupported].
package slowvolume

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"time"
)

// ErrUnsupported says that volumes with faults cannot be made on this
// operating system.
var ErrUnsupported = errors.New("volumes with faults need linux (FUSE and loop devices)")

// HangLimit is how long a volume hangs unless told otherwise. A hung volume
// blocks every host-wide sync, so no hang may last for ever.
const HangLimit = 60 * time.Second

// MaxDelay bounds what a fault may add to one operation, for the same reason
// as HangLimit.
const MaxDelay = 10 * time.Minute

// MaxSize bounds a block volume, whose written part is held in memory, twice.
const MaxSize = 1 << 40

// BlockConfig describes a block volume.
type BlockConfig struct {
	Size int64  // bytes of the disk, rounded down to 4 KiB; only what is written takes memory, twice
	FS   string // ext4 (when empty), xfs or btrfs

	MkfsOptions  []string // further arguments of mkfs
	MountOptions []string // options of mount, such as "barrier=0"

	// Faults begin when the file system is mounted; mkfs and mount do not
	// suffer from them.
	Faults []Fault

	// Dir is the mount point, a directory that exists. Empty: one is made and
	// removed again.
	Dir string

	// Seed drives the random faults (lognormal). Equal seeds and equal
	// operations give equal delays.
	Seed uint64
}

// smallest is the smallest disk in bytes that a file system can be made on.
var smallest = map[string]int64{"ext4": 1 << 20, "xfs": 300 << 20, "btrfs": 110 << 20}

// Check says what is asked for that no block volume can have. It looks at
// nothing on the machine.
func (c BlockConfig) Check() error {
	fs := cmp.Or(c.FS, "ext4")
	least, ok := smallest[fs]
	if !ok {
		return fmt.Errorf("file system %q: want ext4, xfs or btrfs", fs)
	}
	if c.Size < least || c.Size > MaxSize {
		return fmt.Errorf("disk of %v: %s wants from %v to %v", size(c.Size), fs, size(least), size(MaxSize))
	}
	_, err := texts(c.Faults, blockKind)
	return err
}

// FileConfig describes a file volume.
type FileConfig struct {
	Backing string // the directory that holds the files; it is not removed
	Dir     string // the mount point; empty: one is made and removed again
	Faults  []Fault

	// Uncached makes every read and write reach the server. Without it reads
	// are answered by the page cache and a read fault strikes only the first.
	Uncached bool

	// Seed drives the random faults, as in BlockConfig.
	Seed uint64
}

// Counts is what a volume's server answered since it was made. Operations that a fault
// made fail are in Errors alone. The bytes of a file volume's reads are those asked for.
type Counts struct {
	Reads        uint64 `json:"reads"`
	Writes       uint64 `json:"writes"`
	Flushes      uint64 `json:"flushes"`     // on a file volume fsync and fdatasync
	DirFlushes   uint64 `json:"dir_flushes"` // fsync of a directory; file volumes only
	ReadBytes    uint64 `json:"read_bytes"`
	WrittenBytes uint64 `json:"written_bytes"`
	Errors       uint64 `json:"errors"`
}

// Sub returns what was counted in c and not yet in earlier.
func (c Counts) Sub(earlier Counts) Counts {
	return Counts{
		Reads:        c.Reads - earlier.Reads,
		Writes:       c.Writes - earlier.Writes,
		Flushes:      c.Flushes - earlier.Flushes,
		DirFlushes:   c.DirFlushes - earlier.DirFlushes,
		ReadBytes:    c.ReadBytes - earlier.ReadBytes,
		WrittenBytes: c.WrittenBytes - earlier.WrittenBytes,
		Errors:       c.Errors - earlier.Errors,
	}
}

// Throttle is what a cgroup lets its processes do on one device; 0 is no
// limit.
type Throttle struct {
	ReadIOPS, WriteIOPS           int64
	ReadBytesPerS, WriteBytesPerS int64
}

// CgroupPrefix is what the names of this process's cgroups begin with.
func CgroupPrefix() string { return fmt.Sprintf("slowvolume-%d-", os.Getpid()) }

// Ext4NoBarrier is a block volume that never flushes its device: what fsync
// acknowledges is not durable. The caller sets size and directory.
func Ext4NoBarrier() BlockConfig {
	return BlockConfig{FS: "ext4", MountOptions: []string{"barrier=0"}}
}

// Ext4NoJournal is a block volume whose ext4 keeps no journal.
func Ext4NoJournal() BlockConfig {
	return BlockConfig{FS: "ext4", MkfsOptions: []string{"-O", "^has_journal"}}
}

// Ext4DataJournal is a block volume whose ext4 writes file contents through
// its journal, and so twice.
func Ext4DataJournal() BlockConfig {
	return BlockConfig{FS: "ext4", MountOptions: []string{"data=journal"}}
}
