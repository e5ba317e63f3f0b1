package cause

import (
	"strings"
	"testing"
	"time"

	"storebench/internal/measure"
)

// observed is what a table case says was seen beside a latency.
type observed struct {
	io, cpuPressure, memory float64 // PSI some
	busy, steal, throttled  float64 // processors
	device, request         float64 // share busy, seconds of a flush
	noPressure, noCPU       bool
	noDevice, hidden        bool
}

func (o observed) context() measure.Context {
	var c measure.Context
	if !o.noPressure {
		c.Pressure = &measure.Pressure{IO: o.io, CPU: o.cpuPressure, Memory: o.memory}
	}
	if !o.noCPU {
		c.CPU = &measure.CPU{Busy: o.busy, Steal: o.steal, Throttled: o.throttled}
	}
	if !o.noDevice {
		c.Device = &measure.Device{Name: "vdb", Busy: o.device, FlushSeconds: o.request, Hidden: o.hidden}
	}
	return c
}

// TestFind holds the rules against what known loads show (the volumes were made
// slow on purpose, so what is to blame is known) and against the values to both
// sides of each threshold.
func TestFind(t *testing.T) {
	tests := []struct {
		name       string
		fileSystem string
		seconds    float64
		seen       observed
		want       Name
		evidence   string // a part of it
	}{
		// One writer that calls fdatasync again and again.
		{"a healthy virtual disk, beyond a bound by something else", "ext4", 0.012, observed{io: .46, device: .68, request: 90e-6}, Unknown, "vdb was 68 % busy"},
		{"each flush of a block volume takes 10 ms", "ext4", 0.0102, observed{io: .52, device: .99, request: .0102}, Device, "a flush took 10.2 ms"},
		{"a cgroup lets 100 operations a second through", "ext4", 0.1, observed{io: .59, device: 0, request: 60e-6}, Throttle, "vdb was 0 % busy"},
		{"a cgroup's throttle, and a rate that is not reached", "ext4", 0, observed{io: .59, device: 0, request: 60e-6}, Throttle, "tasks waited for I/O 59 %"},
		{"a FUSE volume delays each call by 10 ms", "fuse.slow", 0.01, observed{noDevice: true}, FileSystem, "the file system is fuse.slow"},
		{"a debugger delays each call by 10 ms", "ext4", 0.01, observed{io: .01, device: .03, request: 90e-6}, Unknown, "the wait is not in a block device"},

		{"an election storm queues up on a slow device", "ext4", 4, observed{io: .9, device: .98, request: .02}, Device, "vdb was 98 % busy"},
		{"a busy device whose requests are short does not explain it", "ext4", 4, observed{io: .9, device: .89, request: .02}, Unknown, ""},
		{"half busy, and a request is a tenth of it", "xfs", 0.1, observed{io: .5, device: .5, request: .011}, Device, ""},
		{"half busy, and a request is less than a tenth of it", "xfs", 0.1, observed{io: .5, device: .5, request: .0099}, Unknown, ""},
		{"less than half busy", "xfs", 0.1, observed{io: .5, device: .49, request: .1}, Unknown, ""},
		{"a device that is a little busy is not throttled", "ext4", 0.1, observed{io: .59, device: .1, request: 60e-6}, Unknown, ""},
		{"an idle device whose requests are slow is not throttled", "ext4", 0.1, observed{io: .59, device: .05, request: .011}, Unknown, ""},
		{"a device whose requests are not counted is not known to be idle", "ext4", 0.1, observed{io: .59}, Unknown, ""},
		{"an idle device that nobody waits for", "ext4", 0.1, observed{io: .24, device: 0, request: 60e-6}, Unknown, ""},
		{"waits for I/O without a device to look at", "overlay", 0.1, observed{io: .59, noDevice: true}, Unknown, ""},

		{"a busy machine on which tasks wait", "ext4", 0.05, observed{busy: .95, cpuPressure: .8}, CPU, "processors 95 % busy"},
		{"a busy machine on which nobody waits", "ext4", 0.05, observed{busy: 1, cpuPressure: .19}, Unknown, ""},
		{"tasks wait for processors that are not busy", "ext4", 0.05, observed{busy: .89, cpuPressure: .8}, Unknown, ""},
		{"the hypervisor takes as much as the shortfall needs", "ext4", 0.05, observed{steal: .2}, CPU, "the hypervisor took 20 %"},
		{"the hypervisor takes less than the shortfall needs", "ext4", 0.05, observed{steal: .19}, Unknown, ""},
		{"a quota holds the process back", "ext4", 0.05, observed{throttled: .3}, CPU, "a CPU quota held this process back 30 %"},
		{"a quota hardly holds it back", "ext4", 0.05, observed{throttled: .19}, Unknown, ""},
		{"CPU before a device that is slow too", "ext4", 0.01, observed{steal: .4, io: .5, device: .99, request: .01}, CPU, ""},
		{"tasks wait for memory", "ext4", 0.05, observed{memory: .2}, Memory, "tasks waited for memory 20 %"},
		{"tasks hardly wait for memory", "ext4", 0.05, observed{memory: .19}, Unknown, ""},
		{"memory before a device that swaps", "ext4", 0.05, observed{memory: .5, io: .9, device: 1, request: .05}, Memory, ""},

		{"NFS", "nfs4", 0.05, observed{noDevice: true}, Network, "the file system is nfs4"},
		{"NFS, whose waits the kernel counts as I/O", "nfs4", 0.05, observed{io: .8, noDevice: true}, Network, "tasks waited for I/O 80 %"},
		{"NFS where pressure is unknown", "nfs4", 0.05, observed{noPressure: true, noDevice: true}, Network, ""},
		{"a network file system in FUSE", "fuse.glusterfs", 0.05, observed{noDevice: true}, Network, ""},
		{"NFS beside a disk that has nothing to do", "ext4 nfs4", 2, observed{io: .8, device: .01, request: .0001}, Unknown, "the file systems are ext4 and nfs4"},
		{"two of NFS", "nfs4 nfs4", 2, observed{io: .8, noDevice: true}, Network, "the file system is nfs4 and nfs4"},
		{"a disk that has nothing to do beside one that nobody sees", "ext4 zfs", 2, observed{io: .8, device: .01, request: .0001, hidden: true}, Unknown, ""},
		{"a disk that has nothing to do beside one that is seen", "ext4 xfs", 2, observed{io: .8, device: .01, request: .0001}, Throttle, ""},
		{"NFS beside a disk that is slow", "ext4 nfs4", .05, observed{io: .8, device: .9, request: .02}, Device, "vdb was 90 % busy"},
		{"a file system of the host", "virtiofs", 0.05, observed{noDevice: true}, FileSystem, ""},
		{"FUSE on a device that somebody waits for", "fuse.slow", 0.05, observed{io: .05, noDevice: true}, Unknown, ""},
		{"FUSE where pressure is unknown", "fuse.slow", 0.05, observed{noPressure: true, noDevice: true}, Unknown, ""},

		{"nothing was observed", "ext4", 0.05, observed{noPressure: true, noCPU: true, noDevice: true}, Unknown, "nothing could be observed"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			round := measure.Round{Elapsed: 1, Context: tt.seen.context()}
			check(t, Find(Case{FileSystems: strings.Fields(tt.fileSystem), Seconds: tt.seconds, Shortfall: 1.92, Rounds: []measure.Round{round}}), tt.want, tt.evidence)
		})
	}
}

func check(t *testing.T, got Cause, want Name, evidence string) {
	t.Helper()
	all := strings.Join(got.Evidence, "; ")
	if got.Name != want {
		t.Errorf("cause is %s (%s), want %s", got.Name, all, want)
	}
	if len(got.Evidence) == 0 {
		t.Errorf("cause %s comes without evidence", got.Name)
	}
	if !strings.Contains(all, evidence) || strings.Contains(all, "NaN") {
		t.Errorf("evidence is %q, want %q in it", all, evidence)
	}
}

// TestFindSlots holds the rule for slots against storms of operations that each
// took a second.
func TestFindSlots(t *testing.T) {
	tests := []struct {
		name             string
		done, unfinished int64
		waits            *measure.SlotWaits
		want             Name
		evidence         string
	}{
		{"nearly all of the time was spent in line", 100, 0, &measure.SlotWaits{Slots: 6, Waits: 94, Seconds: 93, Max: .98}, Slots, "93 % of the operations' time was spent waiting for one of 6 slots"},
		{"half of the time", 100, 0, &measure.SlotWaits{Slots: 6, Waits: 60, Seconds: 50, Max: 1}, Slots, ""},
		{"less than half of the time", 100, 0, &measure.SlotWaits{Slots: 6, Waits: 60, Seconds: 49, Max: 1}, Device, ""},
		{"enough slots", 100, 0, &measure.SlotWaits{Slots: 4096}, Device, ""},
		{"cut while most were in line", 10, 90, &measure.SlotWaits{Slots: 4, Waits: 6, Seconds: 3, Max: 1, Waiters: 86}, Slots, "86 operations were still waiting"},
		{"cut before one was done", 0, 90, &measure.SlotWaits{Slots: 4, Waiters: 86}, Slots, "86 operations were still waiting"},
		{"cut with all of them at the device", 10, 90, &measure.SlotWaits{Slots: 4096}, Device, ""},
		{"no counters of slots", 100, 0, nil, Device, ""},
		{"failed without a latency", 0, 0, &measure.SlotWaits{Slots: 4}, Device, ""},
	}
	slow := observed{io: .9, device: .99, request: .5}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			recorder := measure.NewRecorder(1, time.Second)
			for range tt.done {
				recorder.Shard(0).Record(time.Second, time.Second)
			}
			d := recorder.Distribution()
			d.Unfinished = tt.unfinished
			around := slow.context()
			around.Slots = tt.waits
			round := measure.Round{Elapsed: 1, Context: around, Distribution: d}
			check(t, Find(Case{FileSystems: []string{"ext4"}, Seconds: 1, Rounds: []measure.Round{round}}), tt.want, tt.evidence)
		})
	}
}

// TestStormOnABusyMachine: behind few slots a storm spends its time in line whatever
// made it long, so lost processors are asked first.
func TestStormOnABusyMachine(t *testing.T) {
	recorder := measure.NewRecorder(1, time.Second)
	recorder.Shard(0).Record(time.Second, time.Second)
	d := recorder.Distribution()
	d.Unfinished = 90
	for steal, want := range map[float64]Name{.4: CPU, .2: Slots} {
		around := observed{steal: steal}.context()
		around.Slots = &measure.SlotWaits{Slots: 6, Waiters: 84}
		round := measure.Round{Elapsed: 4, Context: around, Distribution: d}
		check(t, Find(Case{FileSystems: []string{"ext4"}, Kind: Whole, Shortfall: 3, Rounds: []measure.Round{round}}), want, "")
	}
}

// TestFindOverRounds shows that a cause has to hold over the rounds together,
// as far as they could be observed.
func TestFindOverRounds(t *testing.T) {
	stolen, quiet, blind := observed{steal: .36}, observed{}, observed{noCPU: true, noPressure: true, noDevice: true}
	tests := []struct {
		name   string
		rounds []observed
		want   Name
	}{
		{"in one of two, and little", []observed{stolen, quiet}, Unknown},
		{"in two of three", []observed{stolen, stolen, quiet}, CPU},
		{"in the one that was observed", []observed{stolen, blind}, CPU},
		{"no rounds", nil, Unknown},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := Case{FileSystems: []string{"ext4"}, Seconds: .05, Shortfall: 1.92}
			for _, o := range tt.rounds {
				c.Rounds = append(c.Rounds, measure.Round{Elapsed: 1, Context: o.context()})
			}
			check(t, Find(c), tt.want, "")
		})
	}
}

// TestCPUMustExplain shows that lost processors are to blame only where they
// can have done what was seen.
func TestCPUMustExplain(t *testing.T) {
	record := func(elapsed float64, latencies ...time.Duration) measure.Round {
		recorder := measure.NewRecorder(1, time.Second)
		for i, took := range latencies { // they end evenly spread over the round
			recorder.Shard(0).Record(time.Duration(float64(i+1)*elapsed*float64(time.Second)/float64(len(latencies))), took)
		}
		return measure.Round{Elapsed: elapsed, Distribution: recorder.Distribution()}
	}
	all, one := make([]time.Duration, 50), make([]time.Duration, 50)
	for i := range all {
		all[i], one[i] = 30*time.Millisecond, time.Millisecond
	}
	one[7] = 30 * time.Millisecond
	failed := func(r measure.Round) measure.Round {
		r.Distribution.Failed = 3
		return r
	}
	withDevice := func(r measure.Round) measure.Round {
		r.Context.Device = &measure.Device{Name: "vdb", Busy: .95, FlushSeconds: 1}
		return r
	}
	// One writer as fast as it goes for a second: 1 ms each, but so many of 20 ms.
	closed := func(slow int) measure.Round {
		recorder, at := measure.NewRecorder(1, time.Second), time.Duration(0)
		for i := 0; at < time.Second; i++ {
			took := time.Millisecond
			if i%(700/slow) == 0 {
				took = 20 * time.Millisecond
			}
			at += took
			recorder.Shard(0).Record(at, took)
		}
		return withDevice(measure.Round{Elapsed: 1, Distribution: recorder.Distribution()})
	}
	tests := []struct {
		name  string
		kind  Kind
		round measure.Round
		steal float64
		want  Name
	}{
		{"some operations are slow at nobody knows what moment, and little is lost", Share, record(2, one...), .19, Unknown},
		{"some operations are slow, much is lost, and nothing else was seen", Share, record(2, one...), .2, CPU},
		{"the device is slow, and much is lost", Share, closed(10), .5, Device},
		{"a stall that is longer than what was lost", Longest, record(6, 5*time.Second), .1, Unknown},
		{"a stall that is shorter than what was lost", Longest, record(2, 500*time.Millisecond), .5, CPU},
		{"a stall that is longer than what was lost of two of eight processors, and a busy device", Longest, withDevice(record(6, 2*time.Second)), .05, Device},
		{"a stall of as long as the eight processors lost together", Longest, record(6, 9600*time.Millisecond), .2, CPU},
		{"a stall that is longer than that", Longest, record(6, 9700*time.Millisecond), .2, Unknown},
		{"as long, and less is lost", Longest, record(6, 2*time.Second), .19, Unknown},
		{"some operations failed and little time is lost", Longest, failed(record(6, 500*time.Millisecond)), .1, Unknown},
		{"some operations failed and much of the time is lost", Longest, failed(record(6, 500*time.Millisecond)), .2, CPU},
		{"a leader was lost and little time with it", Share, measure.Round{Elapsed: 2}, .19, Unknown},
		{"a leader was lost and much of the time with it", Share, measure.Round{Elapsed: 2}, .2, CPU},
		{"a storm that would have drained in time", Whole, record(4, 4*time.Second), .5, CPU},
		{"a storm that would not have drained in time", Whole, record(4, 4*time.Second), .19, Unknown},
		{"a storm that would not have, much is lost, and nothing else was seen", Whole, record(4, 4*time.Second), .2, CPU},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			device := tt.round.Context.Device
			tt.round.Context = observed{steal: tt.steal, noDevice: true}.context()
			tt.round.Context.Device = device
			check(t, Find(Case{FileSystems: []string{"ext4"}, CPUs: 8, Kind: tt.kind, Bound: .01, Shortfall: 3, Rounds: []measure.Round{tt.round}}), tt.want, "")
		})
	}
}

// TestLost: whatever else was going on, it is not why messages are gone.
func TestLost(t *testing.T) {
	busy := observed{io: .9, memory: .5, steal: .9, busy: 1}
	for _, tt := range []struct {
		name   string
		device bool
		want   Name
	}{{"on a device", true, Device}, {"on none", false, FileSystem}} {
		t.Run(tt.name, func(t *testing.T) {
			busy.noDevice = !tt.device
			c := Case{FileSystems: []string{"ext4"}, Kind: Lost, Shortfall: 1.01, Rounds: []measure.Round{{Elapsed: 1, Context: busy.context()}}}
			check(t, Find(c), tt.want, "not there when the store was read again")
		})
	}
}

func TestOfHost(t *testing.T) {
	for name, want := range map[Name]bool{
		Slots: false, Device: false, Throttle: false, CPU: true, Memory: true, FileSystem: false, Network: false, Unknown: false,
	} {
		if got := (Cause{Name: name}).OfHost(); got != want {
			t.Errorf("%s of host: %v, want %v", name, got, want)
		}
	}
}

// TestDeviceAlone: a device whose usual request takes most of the latency is to blame
// whatever the machine kept from the run, unless that is so much that the device was
// busy for want of it.
func TestDeviceAlone(t *testing.T) {
	for _, tt := range []struct {
		name                string
		steal, busy, longer float64 // longer: the latency, in requests
		want                Name
	}{
		{"a sync of one flush", .2, .95, 1.1, Device},
		{"a sync of two flushes", .2, .95, 2, Device},
		{"much longer than a flush", .2, .95, 2.1, CPU},
		{"busy for no longer than what was lost", .3, .59, 1.1, CPU},
	} {
		t.Run(tt.name, func(t *testing.T) {
			const request = 2.0
			withheld := &measure.Withheld{Width: .1, Seen: []string{"steal"}}
			for index := range 100 { // all of the time until the operation ended
				withheld.Slices = append(withheld.Slices, measure.WithheldSlice{Index: index, Steal: .1})
			}
			context := observed{steal: tt.steal, device: tt.busy, request: request}.context()
			context.Withheld = withheld
			took := tt.longer * request
			recorder := measure.NewRecorder(1, 30*time.Second)
			recorder.Shard(0).Record(10*time.Second, time.Duration(took*float64(time.Second)))
			check(t, Find(Case{
				FileSystems: []string{"ext4"}, CPUs: 2, Kind: Longest, Bound: 2, Seconds: took,
				Rounds: []measure.Round{{Elapsed: 30, Distribution: recorder.Distribution(), Context: context}},
			}), tt.want, "")
		})
	}
}
