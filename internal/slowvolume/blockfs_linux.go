package slowvolume

import (
	"context"
	"errors"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// diskFile is the name of the only file of a block volume's FUSE file system.
const diskFile = "disk"

// maxRequest is the size of the largest FUSE request in bytes, the kernel's
// own limit.
const maxRequest = 1 << 20

// diskRoot is the directory that holds the disk.
type diskRoot struct {
	fs.Inode
	node *diskNode
}

// OnAdd puts the disk into the directory.
func (r *diskRoot) OnAdd(ctx context.Context) {
	attr := fs.StableAttr{Mode: syscall.S_IFREG}
	r.AddChild(diskFile, r.NewPersistentInode(ctx, r.node, attr), false)
}

// diskNode is a disk as a file. It serves a loop device, whose requests lie
// inside of the disk.
type diskNode struct {
	fs.Inode
	gate *gate
	disk *disk
	size int64
}

var (
	_ fs.NodeGetattrer = (*diskNode)(nil)
	_ fs.NodeOpener    = (*diskNode)(nil)
	_ fs.NodeReader    = (*diskNode)(nil)
	_ fs.NodeWriter    = (*diskNode)(nil)
	_ fs.NodeFsyncer   = (*diskNode)(nil)
	_ fs.NodeAllocater = (*diskNode)(nil)
)

// Getattr tells the size of the disk.
func (n *diskNode) Getattr(_ context.Context, _ fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	out.Mode, out.Size, out.Nlink = syscall.S_IFREG|0o600, uint64(n.size), 1
	return 0
}

// Open keeps the page cache out: the loop device has one above, and a second
// one would hide reads and reorder writes.
func (n *diskNode) Open(context.Context, uint32) (fs.FileHandle, uint32, syscall.Errno) {
	return nil, fuse.FOPEN_DIRECT_IO | fuse.FOPEN_PARALLEL_DIRECT_WRITES, 0
}

// Read answers a read of the device. Its context, as everywhere here, is not
// looked at: Go's own signals interrupt FUSE requests.
func (n *diskNode) Read(_ context.Context, _ fs.FileHandle, dest []byte, off int64) (fuse.ReadResult, syscall.Errno) {
	length := max(0, min(int64(len(dest)), n.size-off))
	if err := n.gate.pass(operation{op: opRead, bytes: length}); err != nil {
		return nil, errnoOf(err)
	}
	n.disk.readAt(dest[:length], off)
	return fuse.ReadResultData(dest[:length]), 0
}

// Write answers a write of the device.
func (n *diskNode) Write(_ context.Context, _ fs.FileHandle, data []byte, off int64) (uint32, syscall.Errno) {
	if off+int64(len(data)) > n.size {
		return 0, syscall.ENOSPC
	}
	if err := n.gate.pass(operation{op: opWrite, bytes: int64(len(data))}); err != nil {
		return 0, errnoOf(err)
	}
	n.disk.writeAt(data, off)
	return uint32(len(data)), 0
}

// Fsync answers a flush of the device.
func (n *diskNode) Fsync(context.Context, fs.FileHandle, uint32) syscall.Errno {
	err := n.gate.pass(operation{op: opFlush})
	if err == nil {
		n.disk.commit()
	}
	return errnoOf(err)
}

// Allocate is refused, so that the kernel writes zeros itself and does not
// discard.
func (n *diskNode) Allocate(context.Context, fs.FileHandle, uint64, uint64, uint32) syscall.Errno {
	return syscall.EOPNOTSUPP
}

// errnoOf turns what gate.pass returned into an answer.
func errnoOf(err error) syscall.Errno {
	var errno syscall.Errno
	switch {
	case err == nil || errors.Is(err, errSkip):
		return 0
	case errors.As(err, &errno):
		return errno
	}
	return syscall.EIO
}

func serveDisk(dir string, size int64, g *gate, d *disk) (*fuse.Server, error) {
	forever := time.Hour // nothing changes but contents
	opts := mountOptions()
	opts.AttrTimeout, opts.EntryTimeout = &forever, &forever
	opts.ExtraCapabilities = fuse.CAP_ASYNC_DIO
	return fs.Mount(dir, &diskRoot{node: &diskNode{gate: g, disk: d, size: size}}, opts)
}

// mountOptions are what both kinds of volume have in common.
func mountOptions() *fs.Options {
	return &fs.Options{MountOptions: fuse.MountOptions{
		DirectMountStrict: true, // as root, without fusermount
		FsName:            "slowvolume",
		Name:              "slowvolume",
		AllowOther:        true,
		MaxWrite:          maxRequest,
		MaxBackground:     128, // the queue depth of a loop device
		DisableXAttrs:     true,
		// A file handed through to the kernel would go round the faults.
		DisabledCapabilities: fuse.CAP_PASSTHROUGH,
	}}
}
