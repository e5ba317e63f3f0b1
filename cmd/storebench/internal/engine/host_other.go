//go:build !linux

package engine

import (
	"runtime"

	"storebench/results"
)

// Host describes this machine without its name. The kernel's version and the
// memory are read on Linux only.
func Host() results.Host {
	return results.Host{OS: runtime.GOOS, Arch: runtime.GOARCH, CPUs: runtime.NumCPU()}
}
