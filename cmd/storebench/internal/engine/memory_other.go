//go:build !linux

package engine

// peakMemory is known on Linux only.
func peakMemory() int64 { return 0 }

// freeMemory is known on Linux only.
func freeMemory() int64 { return 0 }
