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
