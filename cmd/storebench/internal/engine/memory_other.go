//go:build !linux

package engine

import "os"

// peakMemory is known on Linux only.
func peakMemory(*os.ProcessState) int64 { return 0 }
