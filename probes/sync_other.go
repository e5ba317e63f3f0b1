//go:build !linux

package probes

import "os"

// datasync makes a file durable. fdatasync is Linux only; what stands in for
// it here (F_FULLFSYNC on macOS, FlushFileBuffers on Windows) syncs metadata
// too.
func datasync(f *os.File) error { return f.Sync() }

// settle does nothing: syncfs is Linux only, so a round may pay for a part of
// its own preparation here.
func settle(string) error { return nil }
