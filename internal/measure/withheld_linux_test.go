package measure

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

var idle = map[string]string{
	"proc/stat":                    "cpu  10 0 10 900 0 0 0 100 0 0\ncpu0 5 0 5 450 0 0 0 50 0 0\ncpu1 5 0 5 450 0 0 0 50 0 0\nintr 1\n",
	"proc/self/cgroup":             "0::/pod\n",
	"sys/fs/cgroup/pod/cpu.stat":   "throttled_usec 1000000\n",
	"proc/self/task/7/schedstat":   "5 1000000000 9\n",
	"proc/self/task/8/schedstat":   "5 2000000000 9\n",
	"proc/self/task/999/never-has": "one",
}

// What the kernel counts between two readings belongs to the slice between them.
func TestWithheldFromTheKernelsCounters(t *testing.T) {
	proc, sys := fakeMachine(t, idle)
	start := time.Now()
	s := newSentinel(machineAt(proc, sys), start)
	for name, text := range map[string]string{
		"stat":                              "cpu  10 0 10 900 0 0 0 108 0 0\ncpu0 5 0 5 450 0 0 0 54 0 0\ncpu1 5 0 5 450 0 0 0 54 0 0\n",
		"../sys/fs/cgroup/pod/cpu.stat":     "throttled_usec 1020000\n",
		"self/task/7/schedstat":             "5 1030000000 9\n",
		"self/task/8/schedstat":             "5 2010000000 9\n",
		"../proc/self/task/999/never-asked": "",
	} {
		if err := os.WriteFile(filepath.Join(proc, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s.read(3)
	s.read(4) // nothing grew
	s.late(start.Add(590*time.Millisecond), start.Add(630*time.Millisecond))
	s.late(start.Add(700*time.Millisecond), start.Add(700*time.Millisecond+100*time.Microsecond)) // punctual
	want := &Withheld{
		Width: 0.1, Seen: []string{"steal", "quota", "threads", "sentinel"},
		Slices: []WithheldSlice{
			{Index: 1, Steal: 0.04, Quota: 0.02, Threads: 0.03},
			{Index: 3, Late: 0.01, Latest: 0.04}, {Index: 4, Late: 0.03, Latest: 0.04},
		},
	}
	got := s.between(start.Add(210*time.Millisecond), start.Add(2*time.Second))
	if diff := cmp.Diff(want, got, cmpopts.EquateApprox(0, 1e-9), cmpopts.IgnoreFields(Withheld{}, "Start")); diff != "" {
		t.Error(diff)
	}
	if all, n := got.Between(start, 0, 10); n != 3 || all < 0.0799 || all > 0.0801 {
		t.Errorf("%v s withheld in %d slices, want 0.08 in 3", all, n)
	}
	round := start.Add(300 * time.Millisecond)
	for _, span := range []struct{ from, to, want float64 }{{0, 0.1, 0.04}, {0.1, 0.2, 0}, {0.25, 0.35, 0.04}, {5, 6, 0}} {
		if at, _ := got.Between(round, span.from, span.to); at < span.want-1e-9 || at > span.want+1e-9 {
			t.Errorf("%v s withheld from %v to %v, want %v", at, span.from, span.to, span.want)
		}
	}
}

// Each figure that cannot be read is missing, and none is made up for it.
func TestWithheldWithoutTheKernelsFigures(t *testing.T) {
	for name, row := range map[string]struct {
		without string
		want    []string
	}{
		"no stat":      {"proc/stat", []string{"quota", "threads", "sentinel"}},
		"no cgroup":    {"proc/self/cgroup", []string{"steal", "threads", "sentinel"}},
		"no schedstat": {"proc/self/task", []string{"steal", "quota", "sentinel"}},
	} {
		t.Run(name, func(t *testing.T) {
			proc, sys := fakeMachine(t, idle)
			if err := os.RemoveAll(filepath.Join(filepath.Dir(proc), row.without)); err != nil {
				t.Fatal(err)
			}
			s := newSentinel(machineAt(proc, sys), time.Now())
			s.read(0)
			got := s.between(s.start, s.start.Add(time.Second))
			if diff := cmp.Diff(row.want, got.Seen); diff != "" || len(got.Slices) > 0 {
				t.Errorf("%s, slices %+v", diff, got.Slices)
			}
		})
	}
	proc, sys := fakeMachine(t, nil)
	if got := newSentinel(machineAt(proc, sys), time.Now()).between(time.Now(), time.Now()); got != nil {
		t.Errorf("%+v withheld where nothing can be read", got)
	}
}

func TestSentinelOfThisProcess(t *testing.T) {
	if got := StartContext(nil).Stop(); got.Withheld != nil {
		t.Errorf("%+v without a sentinel", got.Withheld)
	}
	stop := StartSentinel()
	StartSentinel()() // a second one neither watches nor ends the first
	c := StartContext(nil)
	nap(250 * time.Millisecond)
	if got := c.Stop().Withheld; got == nil || got.Width != 0.1 || len(got.Seen) < 2 {
		t.Errorf("withheld %+v", got)
	}
	stop()
	if got := StartContext(nil).Stop(); got.Withheld != nil {
		t.Errorf("%+v after the sentinel's end", got.Withheld)
	}
}
