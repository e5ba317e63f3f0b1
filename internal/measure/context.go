package measure

import (
	"runtime/debug"
	"slices"
	"time"
)

// ContextSampler notes what happens on the machine between StartContext and
// Stop. It reads the kernel's own figures alone and makes no system call on the
// volume under test.
type ContextSampler struct {
	devices []string
	ours    []int
	left    float64 // seconds of processors that those used who are ours no more
	source  machine
	start   sample
}

// sample is the counters of one moment. A nil part could not be read.
type sample struct {
	at       time.Time
	gc       debug.GCStats
	devices  []*deviceCounters // those of ContextSampler.devices, in order
	pressure *pressureCounters
	cpu      *cpuCounters
}

type deviceCounters struct {
	reads, writes, flushes           uint64
	readSectors, writtenSectors      uint64
	busyMs, readMs, writeMs, flushMs uint64
}

// pressureCounters are microseconds stalled since boot.
type pressureCounters struct{ cpu, memory, io, ioFull uint64 }

// cpuCounters are seconds since boot or since the process began.
type cpuCounters struct {
	total, idle, steal float64 // of all processors
	processors         int
	own                float64
	throttled          float64
}

// StartContext begins a sample. devices are the block devices of the volumes under
// test as /proc/diskstats names them, empty where one is not known. The processors
// that the processes ours use count as our own, as this one's do.
func StartContext(devices []string, ours ...int) *ContextSampler {
	c := &ContextSampler{devices: devices, ours: ours, source: thisMachine()}
	c.start = c.sample()
	return c
}

// Stop returns what happened since StartContext. Parts that this machine does
// not show are nil; so is Slots, which only a server can tell.
func (c *ContextSampler) Stop() Context {
	end := c.sample()
	elapsed := end.at.Sub(c.start.at).Seconds()
	return Context{
		Device:   busiest(c.devices, c.start.devices, end.devices, elapsed),
		Pressure: pressureBetween(c.start.pressure, end.pressure, elapsed),
		CPU:      cpuBetween(c.start.cpu, end.cpu, elapsed),
		GC:       gcBetween(&c.start.gc, &end.gc),
		Withheld: withheldBetween(c.start.at, end.at),
	}
}

// Leave is told of a process of ours before it ends: what it used stays ours.
func (c *ContextSampler) Leave(pid int) {
	c.left += c.source.secondsOf([]int{pid})
	c.ours = slices.DeleteFunc(c.ours, func(one int) bool { return one == pid })
}

// Join is told of a process of ours that began since StartContext.
func (c *ContextSampler) Join(pid int) { c.ours = append(c.ours, pid) }

func (c *ContextSampler) sample() sample {
	s := sample{at: time.Now()}
	debug.ReadGCStats(&s.gc)
	c.source.read(c.devices, c.ours, &s)
	if s.cpu != nil {
		s.cpu.own += c.left
	}
	return s
}

const sectorBytes = 512 // in /proc/diskstats, whatever the device's own are

// busiest is the device with the most to do; nil where none was seen.
func busiest(names []string, a, b []*deviceCounters, elapsed float64) (most *Device) {
	hidden := false
	for i := range min(len(a), len(b)) {
		d := deviceBetween(names[i], a[i], b[i], elapsed)
		if hidden = hidden || d == nil || d.Reads+d.Writes+d.Flushes == 0; d != nil && (most == nil || d.Busy > most.Busy) {
			most = d
		}
	}
	if most != nil {
		most.Hidden = hidden && len(names) > 1
	}
	return most
}

func deviceBetween(name string, a, b *deviceCounters, elapsed float64) *Device {
	if a == nil || b == nil {
		return nil
	}
	d := &Device{
		Name:         name,
		Busy:         ratio(float64(b.busyMs)-float64(a.busyMs), elapsed*1e3),
		Reads:        since(a.reads, b.reads),
		Writes:       since(a.writes, b.writes),
		Flushes:      since(a.flushes, b.flushes),
		ReadBytes:    since(a.readSectors, b.readSectors) * sectorBytes,
		WrittenBytes: since(a.writtenSectors, b.writtenSectors) * sectorBytes,
	}
	d.ReadSeconds = perRequest(since(a.readMs, b.readMs), d.Reads)
	d.WriteSeconds = perRequest(since(a.writeMs, b.writeMs), d.Writes)
	d.FlushSeconds = perRequest(since(a.flushMs, b.flushMs), d.Flushes)
	return d
}

func pressureBetween(a, b *pressureCounters, elapsed float64) *Pressure {
	if a == nil || b == nil {
		return nil
	}
	share := func(a, b uint64) float64 { return ratio(float64(since(a, b)), elapsed*1e6) }
	return &Pressure{
		CPU:    share(a.cpu, b.cpu),
		Memory: share(a.memory, b.memory),
		IO:     share(a.io, b.io),
		IOFull: share(a.ioFull, b.ioFull),
	}
}

func cpuBetween(a, b *cpuCounters, elapsed float64) *CPU {
	if a == nil || b == nil {
		return nil
	}
	total := b.total - a.total
	return &CPU{
		Busy:      ratio(total-(b.idle-a.idle), total),
		Steal:     ratio(b.steal-a.steal, total),
		Own:       ratio(b.own-a.own, elapsed*float64(b.processors)),
		Throttled: ratio(b.throttled-a.throttled, elapsed),
	}
}

// gcBetween looks at the pauses that the runtime remembers, the last 256.
func gcBetween(a, b *debug.GCStats) *GC {
	gc := &GC{
		Cycles: uint32(b.NumGC - a.NumGC),
		Pause:  (b.PauseTotal - a.PauseTotal).Seconds(),
	}
	for i, pause := range b.Pause {
		if int64(i) >= b.NumGC-a.NumGC {
			break
		}
		gc.MaxPause = max(gc.MaxPause, pause.Seconds())
	}
	return gc
}

// since is b-a of counters that only grow, 0 if one was reset meanwhile.
func since(a, b uint64) uint64 {
	if b < a {
		return 0
	}
	return b - a
}

// ratio is part/whole within 0 and 1. The kernel's figures are not taken at one
// instant, so that a share may come out a little over 1; and a cgroup's
// throttled time adds up over its processors.
func ratio(part, whole float64) float64 {
	if !(whole > 0) {
		return 0
	}
	return min(max(part/whole, 0), 1)
}

// perRequest returns the mean seconds of n requests that took ms in all.
func perRequest(ms, n uint64) float64 {
	if n == 0 {
		return 0
	}
	return float64(ms) / 1e3 / float64(n)
}
