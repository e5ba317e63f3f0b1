package engine

import "github.com/prometheus/procfs"

// peakMemory is the largest resident memory of this process so far in bytes
// (VmHWM). The rusage that a parent gets would start at the parent's own peak,
// since a process keeps it over exec.
func peakMemory() int64 {
	self, err := procfs.Self()
	if err != nil {
		return 0
	}
	status, err := self.NewStatus()
	if err != nil {
		return 0
	}
	return int64(status.VmHWM)
}
