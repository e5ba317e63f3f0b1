package engine

import (
	"os"
	"syscall"
)

// peakMemory is the largest resident memory of an ended process in bytes; the
// kernel counts it in KiB.
func peakMemory(state *os.ProcessState) int64 {
	if usage, ok := state.SysUsage().(*syscall.Rusage); ok {
		return usage.Maxrss << 10
	}
	return 0
}
