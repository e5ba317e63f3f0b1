package measure

import (
	"bufio"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/prometheus/procfs"
	"github.com/prometheus/procfs/blockdevice"
	"golang.org/x/sys/unix"
)

// machine is where the kernel shows its figures.
type machine struct {
	proc, sys string
	// throttle is the cpu.stat files of this process's cgroup and those above
	// it: a quota higher up holds its tasks back just the same.
	throttle []string
}

func thisMachine() machine { return machineAt("/proc", "/sys") }

func machineAt(proc, sys string) machine {
	return machine{proc: proc, sys: sys, throttle: throttleFiles(proc, sys)}
}

// read fills the parts of s that can be read and leaves the others nil.
func (m machine) read(devices []string, ours []int, s *sample) {
	s.devices = m.readDevices(devices)
	s.pressure = m.readPressure()
	s.cpu = m.readCPU(ours)
}

// readDevices returns the counters of each device, nil for one that has none.
func (m machine) readDevices(names []string) []*deviceCounters {
	if len(names) == 0 {
		return nil
	}
	fs, err := blockdevice.NewFS(m.proc, m.sys)
	if err != nil {
		return nil
	}
	all, err := fs.ProcDiskstats()
	if err != nil {
		return nil
	}
	counters := make([]*deviceCounters, len(names))
	for _, d := range all {
		if i := slices.Index(names, d.DeviceName); i >= 0 {
			counters[i] = &deviceCounters{
				reads: d.ReadIOs, writes: d.WriteIOs, flushes: d.FlushRequestsCompleted,
				readSectors: d.ReadSectors, writtenSectors: d.WriteSectors,
				busyMs: d.IOsTotalTicks, readMs: d.ReadTicks, writeMs: d.WriteTicks, flushMs: d.TimeSpentFlushing,
			}
		}
	}
	return counters
}

func (m machine) readPressure() *pressureCounters {
	fs, err := procfs.NewFS(m.proc)
	if err != nil {
		return nil
	}
	p := &pressureCounters{}
	for _, r := range []struct {
		name       string
		some, full *uint64
	}{{"cpu", &p.cpu, nil}, {"memory", &p.memory, nil}, {"io", &p.io, &p.ioFull}} {
		stats, err := fs.PSIStatsForResource(r.name)
		if err != nil || stats.Some == nil {
			return nil
		}
		*r.some = stats.Some.Total
		if r.full != nil && stats.Full != nil {
			*r.full = stats.Full.Total
		}
	}
	return p
}

func (m machine) readCPU(ours []int) *cpuCounters {
	fs, err := procfs.NewFS(m.proc)
	if err != nil {
		return nil
	}
	stat, err := fs.Stat()
	if err != nil {
		return nil
	}
	t := stat.CPUTotal
	// Guest time is part of user time already.
	busy := t.User + t.Nice + t.System + t.IRQ + t.SoftIRQ + t.Steal
	idle := t.Idle + t.Iowait
	return &cpuCounters{
		total: busy + idle, idle: idle, steal: t.Steal,
		processors: len(stat.CPU),
		own:        ownSeconds() + m.secondsOf(ours),
		throttled:  m.throttled(),
	}
}

func ownSeconds() float64 {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return seconds(u.Utime.Nano() + u.Stime.Nano())
}

// secondsOf is the processor time of other processes; one that is gone has none.
func (m machine) secondsOf(pids []int) (sum float64) {
	fs, err := procfs.NewFS(m.proc)
	if err != nil {
		return 0
	}
	for _, pid := range pids {
		if proc, err := fs.Proc(pid); err == nil {
			if stat, err := proc.Stat(); err == nil {
				sum += stat.CPUTime()
			}
		}
	}
	return sum
}

// throttled returns the longest time, in seconds, that one of the cgroups was
// held back.
func (m machine) throttled() float64 {
	longest := 0.0
	for _, file := range m.throttle {
		longest = max(longest, throttledIn(file))
	}
	return longest
}

// throttledIn reads throttled_usec (cgroup v2) or throttled_time in nanoseconds
// (v1) from a cpu.stat file; 0 when it has neither.
func throttledIn(file string) float64 {
	f, err := os.Open(file)
	if err != nil {
		return 0
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		name, value, _ := strings.Cut(lines.Text(), " ")
		n, err := strconv.ParseUint(strings.TrimSpace(value), 10, 64)
		switch {
		case err != nil:
		case name == "throttled_usec":
			return float64(n) / 1e6
		case name == "throttled_time":
			return float64(n) / 1e9
		}
	}
	return 0
}

// throttleFiles finds the cpu.stat files. In a container the path that the
// kernel names may lie outside of what is mounted; then the mount's own root,
// which is the container's cgroup, is left.
func throttleFiles(proc, sys string) []string {
	text, err := os.ReadFile(filepath.Join(proc, "self", "cgroup"))
	if err != nil {
		return nil
	}
	var files []string
	for line := range strings.Lines(string(text)) {
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(fields) != 3 {
			continue
		}
		controllers := strings.Split(fields[1], ",")
		switch {
		case fields[1] == "":
			files = append(files, statFiles(filepath.Join(sys, "fs/cgroup"), fields[2])...)
		case slices.Contains(controllers, "cpu"):
			for _, mount := range []string{fields[1], "cpu", "cpu,cpuacct"} {
				files = append(files, statFiles(filepath.Join(sys, "fs/cgroup", mount), fields[2])...)
			}
		}
	}
	slices.Sort(files)
	return slices.Compact(files)
}

// statFiles returns the cpu.stat files from root/path up to root that exist.
func statFiles(root, path string) []string {
	var files []string
	for dir := filepath.Clean("/" + path); ; dir = filepath.Dir(dir) {
		file := filepath.Join(root, dir, "cpu.stat")
		if _, err := os.Stat(file); err == nil {
			files = append(files, file)
		}
		if dir == "/" {
			return files
		}
	}
}
