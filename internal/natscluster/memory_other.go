//go:build !linux

package natscluster

// PeakMemory is known on Linux only.
func (n *Node) PeakMemory() int64 { return 0 }
