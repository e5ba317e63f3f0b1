//go:build !linux

package natscluster

// PeakMemory is known on Linux only.
func (n *Node) PeakMemory() int64 { return 0 }

// WrittenBytes is known on Linux only.
func (n *Node) WrittenBytes() int64 { return 0 }
