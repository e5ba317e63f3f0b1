package engine

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"syscall"
	"testing"

	"storebench/internal/volume"
	"storebench/probes"
)

func TestKindOf(t *testing.T) {
	file := func(err error) error { return &fs.PathError{Op: "write", Path: "1.blk", Err: err} }
	link := func(err error) error { return &os.LinkError{Op: "rename", Old: "a", New: "b", Err: err} }
	connection := func(err error) error {
		return &net.OpError{Op: "read", Net: "tcp", Err: os.NewSyscallError("read", err)}
	}
	tests := []struct {
		name string
		err  error
		want errorKind
	}{
		{"refused", fmt.Errorf("target: %w", volume.ErrUnusable), kindUsage},
		{"full", file(syscall.ENOSPC), kindSpace},
		{"an I/O error", file(syscall.EIO), kindVolume},
		{"an I/O error without a file", fmt.Errorf("sync: %w", syscall.EIO), kindVolume},
		{"a FUSE server that died", fmt.Errorf("write: %w", file(syscall.ENOTCONN)), kindVolume},
		{"one that died in the operation", errors.Join(errors.New("removal"), file(syscall.ECONNABORTED)), kindVolume},
		{"one that died in a rename", link(syscall.ENOTCONN), kindVolume},
		{"a client's connection", fmt.Errorf("publish: %w", connection(syscall.ENOTCONN)), kindTool},
		{"a client's connection that was cut", connection(syscall.ECONNABORTED), kindTool},
		{"a connection beside a missing file", errors.Join(file(fs.ErrNotExist), connection(syscall.ENOTCONN)), kindTool},
		{"a server that only the volume crashes", fmt.Errorf("%w: exit status 2", probes.ErrVolume), kindVolume},
		{"anything else", errors.New("no"), kindTool},
	}
	for _, test := range tests {
		if got := kindOf(test.err); got != test.want {
			t.Errorf("%s: %v is of kind %q, want %q", test.name, test.err, got, test.want)
		}
	}
}
