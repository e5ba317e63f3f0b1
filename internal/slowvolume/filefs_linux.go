package slowvolume

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// fileNode is a file or directory of a file volume. What it does not override
// goes to the backing directory without a fault.
type fileNode struct {
	*fs.LoopbackNode
	gate     *gate
	uncached bool
}

var (
	_ fs.NodeWrapChilder     = (*fileNode)(nil)
	_ fs.NodeOpener          = (*fileNode)(nil)
	_ fs.NodeCreater         = (*fileNode)(nil)
	_ fs.NodeRenamer         = (*fileNode)(nil)
	_ fs.NodeUnlinker        = (*fileNode)(nil)
	_ fs.NodeSetattrer       = (*fileNode)(nil)
	_ fs.NodeMkdirer         = (*fileNode)(nil)
	_ fs.NodeRmdirer         = (*fileNode)(nil)
	_ fs.NodeMknoder         = (*fileNode)(nil)
	_ fs.NodeSymlinker       = (*fileNode)(nil)
	_ fs.NodeLinker          = (*fileNode)(nil)
	_ fs.NodeTmpfiler        = (*fileNode)(nil)
	_ fs.NodeOpendirHandler  = (*fileNode)(nil)
	_ fs.NodeCopyFileRanger  = (*fileNode)(nil)
	_ fs.FileFsyncer         = (*fileHandle)(nil)
	_ fs.FileWriter          = (*fileHandle)(nil)
	_ fs.FileWritever        = (*fileHandle)(nil)
	_ fs.FileReader          = (*fileHandle)(nil)
	_ fs.FileAllocater       = (*fileHandle)(nil)
	_ fs.FilePassthroughFder = (*fileHandle)(nil)
	_ fs.FileFsyncdirer      = (*dirHandle)(nil)
)

// change asks the gate for an operation that alters something.
func (n *fileNode) change(o op) syscall.Errno { return errnoOf(n.gate.pass(operation{op: o})) }

// WrapChild makes the nodes below strike with the same faults.
func (n *fileNode) WrapChild(_ context.Context, ops fs.InodeEmbedder) fs.InodeEmbedder {
	if child, ok := ops.(*fs.LoopbackNode); ok {
		return &fileNode{LoopbackNode: child, gate: n.gate, uncached: n.uncached}
	}
	return ops
}

// Open opens a file of the backing directory.
func (n *fileNode) Open(ctx context.Context, flags uint32) (fs.FileHandle, uint32, syscall.Errno) {
	if errno := n.change(opOpen); errno != 0 {
		return nil, 0, errno
	}
	if flags&unix.O_ACCMODE != unix.O_RDONLY || flags&unix.O_TRUNC != 0 {
		if errno := n.change(opChange); errno != 0 {
			return nil, 0, errno
		}
	}
	h, _, errno := n.LoopbackNode.Open(ctx, flags&^unix.O_SYNC)
	return n.handle(h, flags, errno)
}

// Create makes and opens a file.
func (n *fileNode) Create(ctx context.Context, name string, flags, mode uint32, out *fuse.EntryOut) (*fs.Inode, fs.FileHandle, uint32, syscall.Errno) {
	if errno := n.change(opCreate); errno != 0 {
		return nil, nil, 0, errno
	}
	child, h, _, errno := n.LoopbackNode.Create(ctx, name, flags&^unix.O_SYNC, mode, out)
	wrapped, fuseFlags, errno := n.handle(h, flags, errno)
	return child, wrapped, fuseFlags, errno
}

// Tmpfile makes a file without a name.
func (n *fileNode) Tmpfile(ctx context.Context, flags, mode uint32, out *fuse.EntryOut) (*fs.Inode, fs.FileHandle, uint32, syscall.Errno) {
	if errno := n.change(opCreate); errno != 0 {
		return nil, nil, 0, errno
	}
	child, h, _, errno := n.LoopbackNode.Tmpfile(ctx, flags&^unix.O_SYNC, mode, out)
	wrapped, fuseFlags, errno := n.handle(h, flags, errno)
	return child, wrapped, fuseFlags, errno
}

// handle puts the faults around an open file. O_SYNC was taken off the file
// below: the kernel sends an fsync after each write of such a file, and it
// must not be paid twice. With direct I/O the kernel sends none, and the
// handle does it.
func (n *fileNode) handle(h fs.FileHandle, flags uint32, errno syscall.Errno) (fs.FileHandle, uint32, syscall.Errno) {
	if errno != 0 {
		return nil, 0, errno
	}
	file, ok := h.(*fs.LoopbackFile)
	if !ok {
		return nil, 0, syscall.EIO
	}
	wrapped := &fileHandle{LoopbackFile: file, gate: n.gate}
	if !n.uncached && flags&unix.O_DIRECT == 0 {
		return wrapped, 0, 0
	}
	wrapped.syncs = flags&unix.O_DSYNC != 0
	return wrapped, fuse.FOPEN_DIRECT_IO, 0
}

// Rename renames within the volume.
func (n *fileNode) Rename(ctx context.Context, name string, parent fs.InodeEmbedder, newName string, flags uint32) syscall.Errno {
	if errno := n.change(opRename); errno != 0 {
		return errno
	}
	return n.LoopbackNode.Rename(ctx, name, parent, newName, flags)
}

// Unlink removes a file.
func (n *fileNode) Unlink(ctx context.Context, name string) syscall.Errno {
	if errno := n.change(opUnlink); errno != 0 {
		return errno
	}
	return n.LoopbackNode.Unlink(ctx, name)
}

// Rmdir removes a directory.
func (n *fileNode) Rmdir(ctx context.Context, name string) syscall.Errno {
	if errno := n.change(opChange); errno != 0 {
		return errno
	}
	return n.LoopbackNode.Rmdir(ctx, name)
}

// Mkdir makes a directory.
func (n *fileNode) Mkdir(ctx context.Context, name string, mode uint32, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	if errno := n.change(opChange); errno != 0 {
		return nil, errno
	}
	return n.LoopbackNode.Mkdir(ctx, name, mode, out)
}

// Mknod makes a special file.
func (n *fileNode) Mknod(ctx context.Context, name string, mode, dev uint32, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	if errno := n.change(opChange); errno != 0 {
		return nil, errno
	}
	return n.LoopbackNode.Mknod(ctx, name, mode, dev, out)
}

// Symlink makes a symbolic link.
func (n *fileNode) Symlink(ctx context.Context, target, name string, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	if errno := n.change(opChange); errno != 0 {
		return nil, errno
	}
	return n.LoopbackNode.Symlink(ctx, target, name, out)
}

// Link makes a hard link.
func (n *fileNode) Link(ctx context.Context, target fs.InodeEmbedder, name string, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	if errno := n.change(opChange); errno != 0 {
		return nil, errno
	}
	return n.LoopbackNode.Link(ctx, target, name, out)
}

// Setattr changes size, mode, owner or times.
func (n *fileNode) Setattr(ctx context.Context, h fs.FileHandle, in *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
	if errno := n.change(opChange); errno != 0 {
		return errno
	}
	return n.LoopbackNode.Setattr(ctx, h, in, out)
}

// CopyFileRange is refused, so that the kernel copies by read and write, which
// the faults strike.
func (n *fileNode) CopyFileRange(context.Context, fs.FileHandle, uint64, *fs.Inode, fs.FileHandle, uint64, uint64, uint64) (uint32, syscall.Errno) {
	return 0, syscall.EOPNOTSUPP
}

// OpendirHandle opens a directory, also for its fsync.
func (n *fileNode) OpendirHandle(ctx context.Context, flags uint32) (fs.FileHandle, uint32, syscall.Errno) {
	h, fuseFlags, errno := n.LoopbackNode.OpendirHandle(ctx, flags)
	if errno != 0 {
		return nil, 0, errno
	}
	stream, ok := h.(dirStream)
	if !ok {
		return nil, 0, syscall.EIO
	}
	return &dirHandle{dirStream: stream, gate: n.gate}, fuseFlags, 0
}

// fileHandle is an open file of a file volume.
type fileHandle struct {
	*fs.LoopbackFile
	gate  *gate
	syncs bool // each write is followed by an fsync
}

// PassthroughFd gives nothing: the kernel would go round the faults.
func (h *fileHandle) PassthroughFd() (int, bool) { return -1, false }

// Read reads from the backing file.
func (h *fileHandle) Read(ctx context.Context, dest []byte, off int64) (fuse.ReadResult, syscall.Errno) {
	if err := h.gate.pass(operation{op: opRead, bytes: int64(len(dest))}); err != nil {
		return nil, errnoOf(err)
	}
	return h.LoopbackFile.Read(ctx, dest, off)
}

// Write writes to the backing file.
func (h *fileHandle) Write(ctx context.Context, data []byte, off int64) (uint32, syscall.Errno) {
	if err := h.gate.pass(operation{op: opWrite, bytes: int64(len(data))}); err != nil {
		return 0, errnoOf(err)
	}
	n, errno := h.LoopbackFile.Write(ctx, data, off)
	return h.synced(ctx, n, errno)
}

// Writev is Write of data in pieces: one operation, whatever their number.
func (h *fileHandle) Writev(ctx context.Context, pieces [][]byte, off int64) (uint32, syscall.Errno) {
	var length int64
	for _, p := range pieces {
		length += int64(len(p))
	}
	if err := h.gate.pass(operation{op: opWrite, bytes: length}); err != nil {
		return 0, errnoOf(err)
	}
	n, errno := h.LoopbackFile.Writev(ctx, pieces, off)
	return h.synced(ctx, n, errno)
}

// synced makes a write durable when the file was opened that way.
func (h *fileHandle) synced(ctx context.Context, n uint32, errno syscall.Errno) (uint32, syscall.Errno) {
	if errno == 0 && h.syncs {
		errno = h.Fsync(ctx, 0)
	}
	return n, errno
}

// Fsync answers fsync and fdatasync.
func (h *fileHandle) Fsync(ctx context.Context, flags uint32) syscall.Errno {
	if err := h.gate.pass(operation{op: opFsync}); err != nil {
		return errnoOf(err)
	}
	return h.LoopbackFile.Fsync(ctx, flags)
}

// Allocate reserves space. It is a change, and takes no part in a fault of
// bytes.
func (h *fileHandle) Allocate(ctx context.Context, off, length uint64, mode uint32) syscall.Errno {
	if errno := errnoOf(h.gate.pass(operation{op: opChange})); errno != 0 {
		return errno
	}
	return h.LoopbackFile.Allocate(ctx, off, length, mode)
}

// dirStream is what go-fuse's own open directory can do.
type dirStream interface {
	fs.FileReaddirenter
	fs.FileSeekdirer
	fs.FileReleasedirer
	fs.FileFsyncdirer
}

// dirHandle is an open directory of a file volume.
type dirHandle struct {
	dirStream
	gate *gate
}

// Fsyncdir makes renames, creates and unlinks durable, or says so.
func (h *dirHandle) Fsyncdir(ctx context.Context, flags uint32) syscall.Errno {
	err := h.gate.pass(operation{op: opFsyncDir})
	if errors.Is(err, errSkip) {
		return 0
	}
	if err != nil {
		return errnoOf(err)
	}
	return h.dirStream.Fsyncdir(ctx, flags)
}

func serveFiles(dir, backing string, uncached bool, g *gate) (*fuse.Server, error) {
	root, err := fs.NewLoopbackRoot(backing)
	if err != nil {
		return nil, fmt.Errorf("backing directory %s: %w", backing, err)
	}
	loop, ok := root.(*fs.LoopbackNode)
	if !ok {
		return nil, fmt.Errorf("loopback of %s is a %T: go-fuse has changed", backing, root)
	}
	node := &fileNode{LoopbackNode: loop, gate: g, uncached: uncached}
	loop.RootData.RootNode = node
	second := time.Second // as a network file system would
	opts := mountOptions()
	opts.AttrTimeout, opts.EntryTimeout = &second, &second
	opts.NullPermissions = true
	return fs.Mount(dir, node, opts)
}
