package natscluster

import "github.com/prometheus/procfs"

// PeakMemory is the largest resident memory of the server so far in bytes, 0 if
// unknown.
func (n *Node) PeakMemory() int64 {
	proc, err := procfs.NewProc(n.PID())
	if err != nil {
		return 0
	}
	status, err := proc.NewStatus()
	if err != nil {
		return 0
	}
	return int64(status.VmHWM)
}

// WrittenBytes is how much the server has had written to its file system so far, in
// bytes: pages that it made dirty, as /proc/PID/io counts them. It is 0 if unknown, and on
// a file system in memory.
func (n *Node) WrittenBytes() int64 {
	proc, err := procfs.NewProc(n.PID())
	if err != nil {
		return 0
	}
	io, err := proc.IO()
	if err != nil {
		return 0
	}
	return int64(io.WriteBytes)
}
