// Package measure records how long operations took and says how sure one can
// be of it. It knows nothing of disks, probes or verdicts.
//
// Everything is in base units (seconds, bytes, operations); only the page that
// a person reads rounds and scales.
package measure

import "time"

// Unit is the base unit of a metric.
type Unit string

// The units that metrics use.
const (
	Seconds        Unit = "seconds"
	Bytes          Unit = "bytes"
	BytesPerSecond Unit = "bytes_per_second"
	PerSecond      Unit = "per_second"
	Count          Unit = "count"
)

// Kind is what the figures of a metric are. A judge need not know a metric by its name.
type Kind string

// The kinds.
const (
	Latency Kind = "" // of operations that begin one after the other; or a plain figure
	// Whole: all operations begin together, so that the longest is the result and no
	// outlier.
	Whole     Kind = "whole"
	Event     Kind = "event"     // a count of what should not happen
	Integrity Kind = "integrity" // a count of what was acknowledged and is not there
	// Harness: how late the program itself was. It is no figure of the volume.
	Harness Kind = "harness"
	// FileSync and DirSync: the sync of one file, and a rename with the sync of its
	// directory, one after the other with nothing beside them.
	FileSync Kind = "file-sync"
	DirSync  Kind = "dir-sync"
	// Mark: operations whose times are marked beside the others', which they make slow.
	Mark Kind = "mark"
)

// Loop says how the operations of a step follow each other.
type Loop string

// The loops.
const (
	AtRate Loop = ""       // at a rate of their own, or all together
	Closed Loop = "closed" // without pause: as many as there can be
	Once   Loop = "once"   // the step's work is done in one go, once a turn
)

// Measurement is one metric of one step, with a Round for each turn of the
// step. It is known by Step, Metric and Labels: two runs are compared by these.
type Measurement struct {
	Step   string `json:"step"`
	Probe  string `json:"probe"`
	Metric string `json:"metric"`
	Unit   Unit   `json:"unit"`
	Kind   Kind   `json:"kind,omitempty"`
	// Until is the parameter of the step after which its operations are given up;
	// empty where none says when.
	Until string `json:"given_up_after,omitempty"`
	// Labels are the parameters of the step that the profile or the user set,
	// and what the probe itself tells apart, all in text form.
	Labels map[string]string `json:"labels,omitempty"`
	Rounds []Round           `json:"rounds"`
	// Warnings are caveats that a reader of the figures must know.
	Warnings []string `json:"warnings,omitempty"`
}

// Round is what one turn of a step found. Exactly one of Distribution, Value
// and Series is set.
type Round struct {
	Start        time.Time     `json:"start"`
	Elapsed      float64       `json:"elapsed_seconds"` // how long it measured, from Start
	Context      Context       `json:"context"`
	Distribution *Distribution `json:"distribution,omitempty"`
	Value        *float64      `json:"value,omitempty"`
	// Progress is the share of its work (0 to 1) that a round had done when it was
	// cut; 0 where the round was not cut, or it is not known.
	Progress float64 `json:"progress,omitempty"`
	Series   *Series `json:"series,omitempty"`
}

// Series is a value over time, such as the lag of a group.
type Series struct {
	Interval float64   `json:"interval_seconds"` // between two values, such as 0.05
	Values   []float64 `json:"values"`           // in the unit of the measurement
}

// Context is what else happened on the machine during a round. A nil part was
// not observable here (another operating system, a container, no device).
type Context struct {
	Slots    *SlotWaits `json:"slots,omitempty"`
	Device   *Device    `json:"device,omitempty"`
	Pressure *Pressure  `json:"pressure,omitempty"`
	CPU      *CPU       `json:"cpu,omitempty"`
	GC       *GC        `json:"gc,omitempty"`
	Cache    *Cache     `json:"page_cache,omitempty"`
	// Withheld is when the round's threads had no CPU.
	Withheld *Withheld `json:"withheld,omitempty"`
	// Log is what nats-servers in processes of their own logged of storage, or of
	// what slow storage does, in this round, the gravest first; at most MaxLog lines.
	Log []string `json:"server_log,omitempty"`
}

// MaxLog is how many lines of a log a round keeps.
const MaxLog = 20

// Cache is how much of the files that a round was to read from the device was in
// the page cache when it began. It is there only where the cache had to be cold.
type Cache struct {
	Resident int64 `json:"resident_pages"`
	Pages    int64 `json:"pages"`
	// Unknown says why it could not be emptied, or nobody can tell whether it was.
	Unknown string `json:"unknown,omitempty"`
}

// Cold says whether the files were known to be out of the page cache, or need
// not have been.
func (c *Cache) Cold() bool { return c == nil || c.Unknown == "" && c.Resident == 0 }

// SlotWaits is how operations waited for one of nats-server's I/O slots
// (max_concurrent_io), from its own counters (Varz.DiskIOWaitStats). A wait
// still under way when the round ended is in Waiters alone.
type SlotWaits struct {
	Slots   int     `json:"slots"` // max_concurrent_io, such as 4,096
	Waiters int64   `json:"waiters"`
	Waits   uint64  `json:"waits"`            // waits that ended
	Seconds float64 `json:"wait_seconds"`     // of all of them together
	Max     float64 `json:"max_wait_seconds"` // the longest since the slots were made; 0 where none ended in the round
}

// Device is what the block device below the volume did, from /proc/diskstats. Of
// several volumes it is the one with the most to do.
type Device struct {
	Name         string  `json:"name"`
	Busy         float64 `json:"busy_ratio"` // share of the round (0 to 1) with a request under way
	Reads        uint64  `json:"reads"`      // requests that ended, of all who use the device
	Writes       uint64  `json:"writes"`
	Flushes      uint64  `json:"flushes"`
	ReadBytes    uint64  `json:"read_bytes"`
	WrittenBytes uint64  `json:"written_bytes"`
	// Mean seconds of one request; 0 when there was none.
	ReadSeconds  float64 `json:"read_seconds"`
	WriteSeconds float64 `json:"write_seconds"`
	FlushSeconds float64 `json:"flush_seconds"`
	// Hidden says that another volume's device is not seen, or counted no request.
	Hidden bool `json:"hidden,omitempty"`
}

// Pressure is the share of the round (0 to 1) in which some task waited for the
// resource (PSI, /proc/pressure), and for I/O in which all did. On a machine with
// nothing else to do CPU and Memory are near 0; IO is not, since the round writes.
type Pressure struct {
	CPU    float64 `json:"cpu_some_ratio"`
	Memory float64 `json:"memory_some_ratio"`
	IO     float64 `json:"io_some_ratio"`
	IOFull float64 `json:"io_full_ratio"`
}

// CPU is how the processors were used by everybody during the round.
type CPU struct {
	Busy  float64 `json:"busy_ratio"`  // share of all processors not idle, iowait counted as idle
	Steal float64 `json:"steal_ratio"` // share taken by the hypervisor
	Own   float64 `json:"own_ratio"`   // share used by this process
	// Throttled is the share of the round in which the cgroup's CPU quota held
	// its tasks back.
	Throttled float64 `json:"throttled_ratio"`
}

// GC is what Go's garbage collector did in the worker.
type GC struct {
	Cycles   uint32  `json:"cycles"`
	Pause    float64 `json:"pause_seconds"`
	MaxPause float64 `json:"max_pause_seconds"`
}

// crowded is the share of busy processors from which on tasks that wait for
// one wait for somebody else's work.
const crowded = 0.9

// CPULost is the share of the round (0 to 1) in which this machine kept
// processors from us: taken by the hypervisor, held back by a quota, or, when
// all were busy, used by others while tasks waited (PSI). Operations are late by
// it whatever the volume does.
func (c Context) CPULost() float64 {
	if c.CPU == nil {
		return 0
	}
	lost := c.CPU.Steal + c.CPU.Throttled
	if c.Pressure != nil && c.CPU.Busy >= crowded {
		lost = max(lost, c.Pressure.CPU*(1-min(1, c.CPU.Own/c.CPU.Busy)))
	}
	return min(1, lost)
}
