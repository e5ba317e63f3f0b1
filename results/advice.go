package results

import (
	"storebench/internal/cause"
	"storebench/internal/measure"
)

// advice is what an operator can do about each cause.
var advice = map[cause.Name]string{
	cause.Slots:      "give the server more I/O slots: max_concurrent_io, or a nats-server from 2.12.14 or 2.14.4 on, whose default is 4,096; or put fewer Raft groups on this volume",
	cause.Device:     "take a volume whose device flushes faster (more provisioned IOPS, a local disk, a cache that survives a power cut), or put fewer streams and Raft groups on it",
	cause.Throttle:   "raise what holds the requests back: the io.max of the cgroup, the IOPS limit of the pod, the virtual machine or the storage class",
	cause.CPU:        "run it again on a quiet machine, or with a higher CPU limit",
	cause.Memory:     "run it again on a machine with free memory, or with a higher memory limit",
	cause.FileSystem: "put the store directory on a file system that the kernel itself serves from a block device, such as ext4 or xfs",
	cause.Network:    "put the store directory on a local or block volume; the latency of a network file system is its network's and its server's",
	cause.Unknown:    "run it again with a longer --budget, and look at the rounds with --verbose",
}

// Advice is what an operator can do about the finding. It is empty where the
// finding holds.
func (f Finding) Advice() string {
	switch {
	case f.Status == Pass:
		return ""
	case f.Name == persistenceRule:
		return "take a volume that keeps what it acknowledged, or mount it without the option that turns that off"
	case f.Name == incidentRules[Stalled].name:
		return "find out why it stopped answering before anything else: the kernel's log of this machine (dmesg), and the state of the storage behind the volume"
	case f.Cause != nil && f.Cause.Name == cause.Device && f.Unit == measure.BytesPerSecond:
		return "take a volume with more bandwidth (more provisioned MB/s, a local disk), or publish fewer bytes a second to it"
	case f.Cause != nil:
		return advice[f.Cause.Name]
	case f.Undecided:
		return "run it again with a longer --budget on a quiet machine"
	}
	return "run it again; if it ends like this once more, the reason above says what stands in the way"
}
