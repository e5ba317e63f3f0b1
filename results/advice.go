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

// ruleAdvice is what an operator can do about what no limit asks, whatever its cause.
var ruleAdvice = map[string]string{
	persistenceRule:                 "take a volume that keeps what it acknowledged, or mount it without the option that turns that off",
	doubtRule:                       tryPersistence,
	paceRule:                        "plan with the figures after the change, and check again with a --budget that is longer than the burst credits last",
	incidentRules[Stalled].name:     "find out why it stopped answering before anything else: the kernel's log of this machine (dmesg), and the state of the storage behind the volume",
	incidentRules[VolumeError].name: "find out what went wrong before anything else: the kernel's log of this machine (dmesg) tells I/O errors, and whether the file system turned read-only",
	incidentRules[Full].name:        "free space on the volume, or take a larger one, and run it again",
	incidentRules[Hurting].name:     "run it on a volume of the same kind without live data, or in a quiet hour",
	incidentRules[Interrupted].name: "run it again and let it end",
}

// Advice is what an operator can do about the finding. It is empty where the limit is met.
func (f Finding) Advice() string {
	rule, known := ruleAdvice[f.Name]
	switch {
	case f.Status == Pass:
		return ""
	case known:
		return rule
	case f.Cause != nil && f.Cause.Name == cause.Device && f.Unit == measure.BytesPerSecond:
		return "take a volume with more bandwidth (more provisioned MB/s, a local disk), or publish fewer bytes a second to it"
	case f.Cause != nil:
		return advice[f.Cause.Name]
	case f.Undecided:
		return "run it again with a longer --budget on a quiet machine"
	}
	return "run it again; if it stays inconclusive, remove what the reason names"
}

// Explains says whether this finding tells why another is as it is: a volume that stopped
// answering, or gave errors, is late as well, and must not be told to be quicker.
func (f Finding) Explains(other Finding) bool {
	gone := f.Name == incidentRules[Stalled].name || f.Name == incidentRules[VolumeError].name
	return gone && other.Limit != nil && f.Cause != nil && other.Cause != nil && f.Cause.Name == other.Cause.Name
}
