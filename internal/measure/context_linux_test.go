package measure

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// fakeMachine writes files below a proc and a sys directory.
func fakeMachine(t *testing.T, files map[string]string) (proc, sys string) {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, dir := range []string{"proc", "sys"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(root, "proc"), filepath.Join(root, "sys")
}

// Of two disks that are looked at the busier one is told of, and others are not.
const (
	diskBefore = " 8 0 sda 10 0 80 20 100 0 800 50 0 1000 70 0 0 0 0 5 10\n" +
		" 8 16 sdb 10 0 80 20 100 0 800 50 0 1000 70 0 0 0 0 5 10\n" +
		" 259 0 nvme0n1 10 0 80 20 100 0 800 50 0 1000 70 0 0 0 0 5 10\n"
	diskAfter = " 8 0 sda 14 0 112 22 150 0 1600 150 0 1499 180 0 0 0 0 15 210\n" +
		" 8 16 sdb 14 0 112 22 150 0 1600 150 0 1900 180 0 0 0 0 15 210\n" +
		" 259 0 nvme0n1 14 0 112 22 150 0 1600 150 0 1500 180 0 0 0 0 15 210\n"
)

func TestContextFromTheKernelsFigures(t *testing.T) {
	psi := func(n string) string {
		return "some avg10=0.00 avg60=0.00 avg300=0.00 total=" + n + "\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=" + n + "\n"
	}
	before := map[string]string{
		"proc/diskstats":                       diskBefore,
		"proc/pressure/cpu":                    psi("100"),
		"proc/pressure/memory":                 psi("0"),
		"proc/pressure/io":                     psi("1000000"),
		"proc/stat":                            "cpu  100 0 100 700 100 0 0 0 0 0\ncpu0 50 0 50 350 50 0 0 0 0 0\ncpu1 50 0 50 350 50 0 0 0 0 0\n",
		"proc/self/cgroup":                     "0::/pod/box\n",
		"sys/fs/cgroup/pod/cpu.stat":           "usage_usec 5\nthrottled_usec 1000000\n",
		"sys/fs/cgroup/pod/box/cpu.stat":       "usage_usec 5\nthrottled_usec 0\n",
		"sys/fs/cgroup/pod/other/never-looked": "",
	}
	proc, sys := fakeMachine(t, before)
	m := machineAt(proc, sys)
	names := []string{"sda", "nvme0n1", "no-such-disk"}
	start, end := sample{}, sample{}
	m.read(names, nil, &start)
	for name, text := range map[string]string{
		"diskstats":                     diskAfter,
		"pressure/io":                   psi("1500000"),
		"stat":                          "cpu  200 0 150 750 150 0 0 50 0 0\ncpu0 50 0 50 350 50 0 0 0 0 0\ncpu1 50 0 50 350 50 0 0 0 0 0\n",
		"../sys/fs/cgroup/pod/cpu.stat": "throttled_usec 1250000\n",
	} {
		if err := os.WriteFile(filepath.Join(proc, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	m.read(names, nil, &end)
	wantDevice := &Device{
		Name: "nvme0n1", Busy: 0.5, Reads: 4, Writes: 50, Flushes: 10,
		ReadBytes: 32 * 512, WrittenBytes: 800 * 512,
		ReadSeconds: 0.0005, WriteSeconds: 0.002, FlushSeconds: 0.02, Hidden: true,
	}
	near := cmpopts.EquateApprox(0, 1e-9)
	if diff := cmp.Diff(wantDevice, busiest(names, start.devices, end.devices, 1), near); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(&Pressure{IO: 0.5, IOFull: 0.5}, pressureBetween(start.pressure, end.pressure, 1), near); diff != "" {
		t.Error(diff)
	}
	wantCPU := &CPU{Busy: 200.0 / 300, Steal: 50.0 / 300, Throttled: 0.25}
	cpu := cpuBetween(start.cpu, end.cpu, 1)
	if diff := cmp.Diff(wantCPU, cpu, near, cmpopts.IgnoreFields(CPU{}, "Own")); diff != "" {
		t.Error(diff)
	}
	if end.cpu.processors != 2 {
		t.Errorf("%d processors, want 2", end.cpu.processors)
	}
}

func TestThrottledTimeOfCgroupV1(t *testing.T) {
	for name, mount := range map[string]string{"joined": "cpu,cpuacct", "alone": "cpu"} {
		t.Run(name, func(t *testing.T) {
			proc, sys := fakeMachine(t, map[string]string{
				"proc/self/cgroup": "4:memory:/x\n3:" + mount + ":/docker/abc\n0::/\n",
				// A container sees its own cgroup as the mount's root.
				"sys/fs/cgroup/" + mount + "/cpu.stat": "nr_periods 7\nnr_throttled 2\nthrottled_time 1500000000\n",
			})
			if got := machineAt(proc, sys).throttled(); got != 1.5 {
				t.Errorf("throttled for %v s, want 1.5", got)
			}
		})
	}
}

func TestPartsThatCannotBeReadStayNil(t *testing.T) {
	proc, sys := fakeMachine(t, nil)
	s := sample{}
	machineAt(proc, sys).read([]string{"sda"}, nil, &s)
	if s.devices != nil || s.pressure != nil || s.cpu != nil {
		t.Errorf("read %+v from nothing", s)
	}
}

func TestContextOfThisMachine(t *testing.T) {
	c := StartContext(nil)
	deadline := time.Now().Add(20 * time.Millisecond)
	for time.Now().Before(deadline) { // use some processor time
	}
	got := c.Stop()
	if got.CPU == nil || got.CPU.Own <= 0 || got.CPU.Own > 1 || got.CPU.Busy > 1 {
		t.Errorf("cpu %+v", got.CPU)
	}
	if got.GC == nil || got.Device != nil || got.Slots != nil {
		t.Errorf("context %+v, want GC, no device and no slots", got)
	}
	if got := StartContext([]string{"no-such-device"}).Stop(); got.Device != nil {
		t.Errorf("device %+v out of nowhere", got.Device)
	}
}
