// Package cause says what is to blame for a latency, by rules over what was
// measured beside it. A rule speaks only when its evidence was observed;
// where none does, the cause is unknown and the evidence says what was seen.
package cause

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"storebench/internal/measure"
)

// Name is one of the causes a finding can have.
type Name string

// The causes.
const (
	Slots      Name = "slots"
	Device     Name = "device"
	Throttle   Name = "throttle above the device"
	CPU        Name = "CPU"
	Memory     Name = "memory"
	FileSystem Name = "file system"
	Network    Name = "network"
	Unknown    Name = "unknown"
)

// Cause is what is to blame, with what shows it.
type Cause struct {
	Name     Name     `json:"name"`
	Evidence []string `json:"evidence,omitempty"`
}

// OfHost says whether the machine that ran the check is to blame, and not the
// volume.
func (c Cause) OfHost() bool { return c.Name == CPU || c.Name == Memory }

// Case is a latency to be explained.
type Case struct {
	FileSystems []string // types, as the kernel names them, of all volumes that were written to
	CPUs        int      // of the machine; 0 when nobody knows
	// Rounds are those beyond their bound, with the operations' distribution
	// where there is one.
	Rounds []measure.Round
	// Seconds is the latency to be explained; 0 when it is none, but a rate.
	Seconds float64
	Kind    Kind
	Bound   float64 // that is not kept, in the base unit
	// Undisturbed is, of a share, what the operations that the machine did not disturb
	// say; nil where nobody observed that.
	Undisturbed *Undisturbed
	// Shortfall is how many times the observed value is worse than the bound;
	// it may be infinite.
	Shortfall float64
}

// Undisturbed says whether a bound is broken by the operations that the machine did not
// disturb, and what was set aside.
type Undisturbed struct {
	Breaks bool
	Aside  measure.Aside
}

// Kind is what about the operations is to be explained.
type Kind int

// The kinds.
const (
	Whole   Kind = iota // all of them: a rate, a mean, the drain of a storm
	Share               // how many are slow: a quantile
	Longest             // the longest of them
	Lost                // that what was acknowledged is not there
)

// The thresholds of the rules, as shares of a round's time. They are set far
// from both sides of what slow volumes and busy machines show (docs/method.md
// has the table); between them no rule speaks. A verdict tells of CPULittle, and takes
// CPUMuch as the cause of what has too few operations to tell.
const (
	slotShare      = 0.5  // of the operations' time spent waiting for a slot
	CPULittle      = 0.05 // of the processors: less does nothing that a limit sees
	CPUMuch        = 0.2  // of the processors: nothing is on time any more
	memoryPressure = 0.2  // PSI memory some
	deviceBusy     = 0.5  // of the device's time
	deviceFull     = 0.9  // of the device's time: more would not fit
	deviceRequest  = 0.1  // of the latency, spent in one request
	deviceIdle     = 0.1  // of the device's time
	deviceAlone    = 0.5  // of the latency, spent in one request: nothing else need be asked
	ioPressure     = 0.25 // PSI io some
	ioSilent       = 0.05 // PSI io some: nobody waits for a block device
)

// rules are asked in order; the first that speaks is the cause. The machine's own
// shortages come before the volume's. Slots come before those of a latency, because
// a queue before the disk makes a slow device look idle; but behind few slots nearly
// all of a storm's time is spent in line whatever made it long, so of the whole they
// are asked after the processors.
var (
	rules        = []rule{lost, slots, cpu, memory, throttle, device, fileSystem, maybeCPU}
	rulesOfWhole = []rule{lost, cpu, slots, memory, throttle, device, fileSystem, maybeCPU}
)

type rule func(Case) (Cause, bool)

// Find names the cause of a latency.
func Find(c Case) Cause {
	asked := rules
	if c.Kind == Whole {
		asked = rulesOfWhole
	}
	for _, speaks := range asked {
		if found, ok := speaks(c); ok {
			return found
		}
	}
	return Cause{Name: Unknown, Evidence: seen(c)}
}

// maybeCPU: nothing that was seen explains it, while this machine kept much of its
// processors from the run. The threads that serve the volume wait for a processor as
// well, and nothing shows that. A longest operation must be no longer than a processor
// may have been missing.
func maybeCPU(c Case) (Cause, bool) {
	lost := c.lost()
	if c.Kind == Lost || lost < CPUMuch || c.Kind == Longest && !every(c.Rounds, c.withinLost) {
		return Cause{}, false
	}
	return Cause{CPU, append([]string{fmt.Sprintf("this machine was short of CPU %.0f %% of the time, and nothing else was seen", 100*lost)}, seen(c)...)}, true
}

// lost is the mean share of the processors that rounds lost.
func (c Case) lost() float64 {
	return mean(c, func(x measure.Context) (float64, bool) { return x.CPULost(), x.CPU != nil })
}

// withinLost says whether a round's longest operation took no longer than the time that
// all processors lost together.
func (c Case) withinLost(r measure.Round) bool {
	return longest(r) <= float64(c.CPUs)*r.Context.CPULost()*r.Elapsed
}

// lost: no load makes a volume give back other bytes than were written to it, so
// nothing that was going on beside it explains that.
func lost(c Case) (Cause, bool) {
	if c.Kind != Lost {
		return Cause{}, false
	}
	const evidence = "acknowledged messages were not there when the store was read again"
	if known := slices.ContainsFunc(c.Rounds, func(r measure.Round) bool { return r.Context.Device != nil }); known {
		return Cause{Device, []string{evidence + " from " + deviceName(c) + " or the file system on it"}}, true
	}
	return Cause{FileSystem, []string{evidence}}, true
}

// slots: most of the operations' time was spent waiting for an I/O slot.
// Waits under way when the round ended are in no sum of the server's; each has
// lasted at most the round, and on a storm that was cut about as long.
func slots(c Case) (Cause, bool) {
	var waited, total, longest float64
	var n int
	var stuck int64
	for _, r := range c.Rounds {
		s, d := r.Context.Slots, r.Distribution
		if s == nil || d == nil {
			continue
		}
		n, stuck = s.Slots, stuck+s.Waiters
		waited += s.Seconds + float64(s.Waiters)*r.Elapsed
		if d.Count() > 0 {
			total += d.Mean() * float64(d.Count())
		}
		total += float64(d.Unfinished) * r.Elapsed
		longest = max(longest, s.Max)
	}
	if total == 0 || waited/total < slotShare {
		return Cause{}, false
	}
	evidence := []string{fmt.Sprintf("%.0f %% of the operations' time was spent waiting for one of %d slots, the longest wait took %s", 100*min(1, waited/total), n, seconds(longest))}
	if stuck > 0 {
		evidence = append(evidence, fmt.Sprintf("%d operations were still waiting for a slot when the round was stopped", stuck))
	}
	return Cause{Slots, evidence}, true
}

// cpu: this machine kept processors from us, and that explains what was seen.
func cpu(c Case) (Cause, bool) {
	if c.answered() {
		return Cause{CPU, c.withheld()}, !c.ofDevice() && c.keptIfGivenBack()
	}
	lost := c.lost()
	if !c.explainedBy(lost) {
		return Cause{}, false
	}
	part := func(get func(measure.CPU) float64) float64 {
		return mean(c, func(x measure.Context) (float64, bool) { return of(x.CPU, get) })
	}
	var evidence []string
	if held := part(func(p measure.CPU) float64 { return p.Throttled }); held >= CPULittle {
		evidence = append(evidence, fmt.Sprintf("a CPU quota held this process back %.0f %% of the time", 100*held))
	}
	if steal := part(func(p measure.CPU) float64 { return p.Steal }); steal >= CPULittle {
		evidence = append(evidence, fmt.Sprintf("the hypervisor took %.0f %% of the processors", 100*steal))
	}
	if len(evidence) == 0 {
		evidence = append(evidence, fmt.Sprintf("processors %.0f %% busy, %.0f %% of the time with other work while tasks waited (PSI)",
			100*part(func(p measure.CPU) float64 { return p.Busy }), 100*lost))
	}
	return Cause{CPU, evidence}, true
}

// answered says whether it was observed when the machine withheld its processors, so that
// what is slow can be held against what was withheld at the same moment. Then what was
// lost on average of a round says nothing more.
func (c Case) answered() bool {
	switch c.Kind {
	case Share:
		return c.Undisturbed != nil
	case Longest: // each round has one at the bound or beyond it, whose time is known
		known := func(r measure.Round) bool {
			return longest(r) >= c.Bound && !math.IsInf(r.GivenBack(c.Bound), 1)
		}
		return len(c.Rounds) > 0 && every(c.Rounds, known)
	}
	return false
}

// keptIfGivenBack says, where that is answered, whether the bound would have been kept,
// or nobody knows better, with the time given back that this machine withheld: by the
// longest operations of every round, or by all that were not disturbed.
func (c Case) keptIfGivenBack() bool {
	if c.Kind == Share {
		return !c.Undisturbed.Breaks && c.Undisturbed.Aside.Operations > 0
	}
	return every(c.Rounds, func(r measure.Round) bool { return r.GivenBack(c.Bound) < c.Bound })
}

// withheld tells what was given back.
func (c Case) withheld() (evidence []string) {
	if c.Kind == Share {
		a := c.Undisturbed.Aside
		return []string{fmt.Sprintf("this process had no CPU for %.2f s in %d slices of 100 ms, in which %d of %d operations ended; the others do not show that the limit is broken",
			a.Seconds, a.Slices, a.Operations, a.Of)}
	}
	seconds, slices, elapsed, longest := 0.0, 0, 0.0, 0.0
	for _, r := range c.Rounds {
		s, n := r.Context.Withheld.Between(r.Start, 0, r.Elapsed)
		seconds, slices, elapsed = seconds+s, slices+n, elapsed+r.Elapsed
		longest = max(longest, r.GivenBack(c.Bound))
	}
	return []string{fmt.Sprintf("this process had no CPU for %.2f s of %.2f s, in %d slices of 100 ms; without that the longest operation would have taken %.0f ms",
		seconds, elapsed, slices, 1e3*longest)}
}

// explainedBy says whether the loss of that share of the processors explains what
// nobody observed at the same moment. Work takes 1/(1-lost) times as long with the
// processors that are left; what waits for it waits for them too, and so does the virtual
// disk. What has no latency (a count of lost leaders, an operation that failed) has no
// moment either: only a machine that is short of much does that.
func (c Case) explainedBy(lost float64) bool {
	if c.Kind == Whole {
		return lost >= CPULittle && c.Shortfall > 0 && c.Shortfall*math.Pow(1-lost, 3) < 1
	}
	return lost >= CPUMuch && !every(c.Rounds, timed) && !c.ofDevice()
}

// timed says whether each operation of a round has a latency, or did not end.
func timed(r measure.Round) bool { return r.Distribution != nil && r.Distribution.Failed == 0 }

// ofDevice says whether the device alone explains a latency: in every round it was busy
// for over twice the time that was lost, and one of its requests took half of the latency
// on average. A missing processor holds up some requests, and makes none of the usual
// ones that long.
func (c Case) ofDevice() bool {
	return c.Seconds > 0 && every(c.Rounds, func(r measure.Round) bool {
		d := r.Context.Device
		return d != nil && d.Busy >= max(deviceBusy, 2*r.Context.CPULost()) &&
			max(d.FlushSeconds, d.WriteSeconds, d.ReadSeconds) >= deviceAlone*c.Seconds
	})
}

func every(rounds []measure.Round, holds func(measure.Round) bool) bool {
	return !slices.ContainsFunc(rounds, func(r measure.Round) bool { return !holds(r) })
}

// longest is the longest operation of a round in seconds, given up ones
// included.
func longest(r measure.Round) float64 {
	if r.Distribution == nil {
		return 0
	}
	most := 0.0
	if r.Distribution.Count() > 0 {
		most = r.Distribution.Max()
	}
	for _, s := range r.Distribution.Stalls {
		most = max(most, s.Seconds)
	}
	return most
}

func memory(c Case) (Cause, bool) {
	pressure := mean(c, func(x measure.Context) (float64, bool) {
		return of(x.Pressure, func(p measure.Pressure) float64 { return p.Memory })
	})
	return Cause{Memory, []string{fmt.Sprintf("tasks waited for memory %.0f %% of the time (PSI)", 100*pressure)}}, pressure >= memoryPressure
}

// throttle: tasks wait for block I/O while the device itself has little to do
// and answers at once: something above it (a cgroup, a driver) holds the
// requests back. Of a device whose requests took no time at all none is known to
// have been counted: a multipath head may have no counters of its own. Nor
// does one speak for another volume's that is not seen, or is a network's.
func throttle(c Case) (Cause, bool) {
	busy, known := meanKnown(c, deviceOf(func(d measure.Device) float64 { return d.Busy }))
	io := mean(c, ioOf)
	request := slowestRequest(c)
	hidden := slices.ContainsFunc(c.Rounds, func(r measure.Round) bool { return r.Context.Device != nil && r.Context.Device.Hidden })
	if !known || hidden || request == 0 || slices.ContainsFunc(c.FileSystems, networked) || busy >= deviceIdle || io < ioPressure || c.Seconds > 0 && request >= deviceRequest*c.Seconds {
		return Cause{}, false
	}
	return Cause{Throttle, []string{fmt.Sprintf("tasks waited for I/O %.0f %% of the time (PSI, of the whole machine) while %s was %.0f %% busy and a request took %s",
		100*io, deviceName(c), 100*busy, seconds(request))}}, true
}

// device: it was busy, and one of its requests takes a good part of the
// latency; or it was busy all the time, so that the latency is a queue of many
// requests, as an election storm's is; or the longest operation is asked for,
// which no mean of requests shows, and tasks waited for I/O while it was busy.
func device(c Case) (Cause, bool) {
	busy := mean(c, deviceOf(func(d measure.Device) float64 { return d.Busy }))
	request := slowestRequest(c)
	waiting := c.Kind == Longest && mean(c, ioOf) >= ioPressure
	if busy < deviceBusy || busy < deviceFull && !waiting && request < deviceRequest*c.Seconds {
		return Cause{}, false
	}
	evidence := []string{fmt.Sprintf("%s was %.0f %% busy", deviceName(c), 100*busy)}
	for _, kind := range []struct {
		name string
		of   func(measure.Device) float64
	}{
		{"flush", func(d measure.Device) float64 { return d.FlushSeconds }},
		{"write", func(d measure.Device) float64 { return d.WriteSeconds }},
		{"read", func(d measure.Device) float64 { return d.ReadSeconds }},
	} {
		if took := mean(c, deviceOf(kind.of)); took > 0 {
			evidence = append(evidence, fmt.Sprintf("a %s took %s on average", kind.name, seconds(took)))
		}
	}
	return Cause{Device, evidence}, true
}

// networkFileSystems are parts of the names of those whose latency is a
// network's and a server's.
var networkFileSystems = []string{
	"nfs", "cifs", "smb", "ceph", "gluster", "lustre", "gpfs", "beegfs", "juicefs", "sshfs", "s3fs", "9p", "afs",
}

// servedFileSystems are the beginnings of the names of those that a process
// serves, on this machine or on its host.
var servedFileSystems = []string{"fuse", "virtiofs"}

// fileSystem: the file system is served over a network, where no block device
// of this machine can be slow; or it is served by a process, and nobody waits
// for a block device behind that. Of several volumes each must be one.
func fileSystem(c Case) (Cause, bool) {
	io, known := meanKnown(c, ioOf)
	evidence := []string{"the file system is " + strings.Join(c.FileSystems, " and ")}
	if known {
		evidence = append(evidence, ioWords(io))
	}
	all := func(is func(string) bool) bool {
		return len(c.FileSystems) > 0 && !slices.ContainsFunc(c.FileSystems, func(name string) bool { return !is(name) })
	}
	switch {
	case all(networked):
		return Cause{Network, evidence}, true
	case all(served) && known && io < ioSilent:
		return Cause{FileSystem, evidence}, true
	}
	return Cause{}, false
}

func networked(fileSystem string) bool {
	return slices.ContainsFunc(networkFileSystems, func(name string) bool { return strings.Contains(fileSystem, name) })
}

func served(fileSystem string) bool {
	return slices.ContainsFunc(servedFileSystems, func(name string) bool { return strings.HasPrefix(fileSystem, name) })
}

// ioWords says how much tasks waited for block devices.
func ioWords(io float64) string {
	text := fmt.Sprintf("tasks waited for I/O %.0f %% of the time (PSI)", 100*io)
	if io < ioSilent {
		text += ": the wait is not in a block device"
	}
	return text
}

// seen lists what was observed where no rule speaks.
func seen(c Case) []string {
	var all []string
	if len(c.FileSystems) > 1 {
		all = append(all, "the file systems are "+strings.Join(c.FileSystems, " and "))
	}
	if io, ok := meanKnown(c, ioOf); ok {
		all = append(all, ioWords(io))
	}
	if busy, ok := meanKnown(c, deviceOf(func(d measure.Device) float64 { return d.Busy })); ok {
		all = append(all, fmt.Sprintf("%s was %.0f %% busy", deviceName(c), 100*busy))
	}
	if busy, ok := meanKnown(c, func(x measure.Context) (float64, bool) {
		return of(x.CPU, func(p measure.CPU) float64 { return p.Busy })
	}); ok {
		all = append(all, fmt.Sprintf("the processors were %.0f %% busy", 100*busy))
	}
	if len(all) == 0 {
		all = append(all, "nothing could be observed beside it here: no pressure figures (PSI), no counters of a block device")
	}
	return all
}

func slowestRequest(c Case) float64 {
	return max(
		mean(c, deviceOf(func(d measure.Device) float64 { return d.FlushSeconds })),
		mean(c, deviceOf(func(d measure.Device) float64 { return d.WriteSeconds })),
		mean(c, deviceOf(func(d measure.Device) float64 { return d.ReadSeconds })),
	)
}

// deviceName names the one that was busiest: of several volumes each round has its own.
func deviceName(c Case) string {
	name, most := "the device", -1.0
	for _, r := range c.Rounds {
		if d := r.Context.Device; d != nil && d.Busy > most {
			name, most = d.Name, d.Busy
		}
	}
	return name
}

func deviceOf(get func(measure.Device) float64) func(measure.Context) (float64, bool) {
	return func(x measure.Context) (float64, bool) { return of(x.Device, get) }
}

func ioOf(x measure.Context) (float64, bool) {
	return of(x.Pressure, func(p measure.Pressure) float64 { return p.IO })
}

// of reads a part of a context that may not have been observed.
func of[T any](part *T, get func(T) float64) (float64, bool) {
	if part == nil {
		return 0, false
	}
	return get(*part), true
}

func mean(c Case, get func(measure.Context) (float64, bool)) float64 {
	m, _ := meanKnown(c, get)
	return m
}

// meanKnown is the mean over the rounds in which it was observed.
func meanKnown(c Case, get func(measure.Context) (float64, bool)) (float64, bool) {
	var sum, n float64
	for _, r := range c.Rounds {
		if x, ok := get(r.Context); ok {
			sum, n = sum+x, n+1
		}
	}
	if n == 0 {
		return 0, false
	}
	return sum / n, true
}

func seconds(s float64) string {
	switch {
	case s >= 1:
		return fmt.Sprintf("%.2f s", s)
	case s >= 1e-3:
		return fmt.Sprintf("%.1f ms", s*1e3)
	}
	return fmt.Sprintf("%.0f µs", s*1e6)
}
