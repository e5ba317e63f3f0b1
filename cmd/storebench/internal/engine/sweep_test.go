package engine

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"storebench/internal/measure"
	"storebench/probes"
	"storebench/results"
)

// vary reads "concurrency=1,4" as an override without a probe.
func vary(texts ...string) []Override {
	var all []Override
	for _, text := range texts {
		name, value, _ := strings.Cut(text, "=")
		all = append(all, Override{Parameter: name, Value: value})
	}
	return all
}

// swept plans a sweep over the test profile's workload.
func swept(s Sweep, budget time.Duration) (*plan, Options, error) {
	if s.Rounds == 0 {
		s.Rounds = 3
	}
	o := Options{Profile: testProfile(), Budget: budget, CPUs: 6, Sweep: &s}
	p, err := planSweep(&o)
	return p, o, err
}

func TestSweepPlan(t *testing.T) {
	p, o, err := swept(Sweep{
		Probe: "block-write", Vary: vary("max-concurrent-io=64,2.12.12,4", "concurrency=4,16"), Set: vary("cipher=aes"), Duration: time.Second,
	}, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	want := []results.Axis{
		{Parameter: "max-concurrent-io", Values: []string{"4", "6", "64"}}, // ascending; a server's version on 6 cores
		{Parameter: "concurrency", Values: []string{"4", "16"}},
	}
	if diff := cmp.Diff(want, p.sweep.Axes); diff != "" {
		t.Errorf("axes (-want +got):\n%s", diff)
	}
	if len(p.steps) != 6 || len(p.notes) != 0 {
		t.Fatalf("cells %q, notes %q", titles(p), p.notes)
	}
	cell := p.step(t, "block-write concurrency=16 max-concurrent-io=6")
	for name, want := range map[string]string{"mode": "closed", "cipher": "aes", "streams": "3", "message-size": "2KiB"} {
		if got := cell.Parameters[name]; got != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
	if cell.Labels["concurrency"] != "16" || cell.Labels["max-concurrent-io"] != "6" || cell.Rounds != 3 || cell.Duration != time.Second || cell.Warmup != maxWarmup {
		t.Errorf("cell %+v", cell.Step)
	}
	if o.Profile.Name != "sweep" || len(o.Profile.Limits) != 0 {
		t.Errorf("profile %s with limits %v", o.Profile.Name, o.Profile.Limits)
	}
	if need := cell.probe.Info().Need; p.need.Bytes < need.Bytes || p.need.Bytes >= 2*need.Bytes {
		t.Errorf("a cell needs %d bytes, and the sweep %d: cells come one after the other", need.Bytes, p.need.Bytes)
	}
}

// TestSweepPace: as fast as it goes, unless the user says how the probe is paced.
func TestSweepPace(t *testing.T) {
	tests := []struct {
		name string
		s    Sweep
		mode string
	}{
		{"nothing said", Sweep{Probe: "block-write", Vary: vary("concurrency=4,16")}, "closed"},
		{"a mode", Sweep{Probe: "block-write", Vary: vary("concurrency=4,16"), Set: vary("mode=open")}, "open"},
		{"a rate", Sweep{Probe: "block-write", Vary: vary("concurrency=4,16"), Set: vary("rate=100")}, "open"},
		{"rates", Sweep{Probe: "block-write", Vary: vary("rate=100,200")}, "open"},
		{"a probe without closed loop", Sweep{Probe: "term-vote", Vary: vary("groups=4,8")}, "write"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p, _, err := swept(test.s, time.Minute)
			if err != nil {
				t.Fatal(err)
			}
			if got := p.steps[0].Parameters["mode"]; got != test.mode {
				t.Errorf("mode %s, want %s", got, test.mode)
			}
		})
	}
}

// TestSweepAdjusts: a value that the probe turns into another stands in the matrix
// as what it is.
func TestSweepAdjusts(t *testing.T) {
	p, _, err := swept(Sweep{Probe: "block-write", Vary: vary("concurrency=1,2,8,8")}, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"3", "8"}, p.sweep.Axes[0].Values); diff != "" { // the workload has 3 streams
		t.Errorf("values (-want +got):\n%s", diff)
	}
	if len(p.notes) != 2 || !strings.Contains(p.notes[0], "concurrency=1 ran as 3") {
		t.Errorf("notes %q", p.notes)
	}
}

// TestSweepTurn: what the budget leaves, within reason.
func TestSweepTurn(t *testing.T) {
	for _, test := range []struct {
		budget time.Duration
		turns  int
		want   time.Duration
	}{
		{3 * time.Minute, 125, 820 * time.Millisecond},
		{3 * time.Minute, 20, mostTurn},
		{10 * time.Second, 125, leastTurn},
	} {
		if got := (&Sweep{}).turn(test.budget, test.turns); got != test.want {
			t.Errorf("%v for %d turns leave %v each, want %v", test.budget, test.turns, got, test.want)
		}
	}
	if got := (&Sweep{Duration: time.Second}).turn(time.Minute, 1000); got != time.Second {
		t.Errorf("%v, and 1s was asked for", got)
	}
}

// TestSweepOwnSlots: a server that does not take max_concurrent_io has its own in
// every cell.
func TestSweepOwnSlots(t *testing.T) {
	older := Server{Program: "/bin/server", Version: "2.12.4", Slots: 6}
	sweep := func(s Sweep) (*plan, error) {
		s.Probe, s.Rounds = "raft-propose", 2
		return planSweep(&Options{Profile: testProfile(), Sweep: &s, Budget: 5 * time.Minute, CPUs: 6, Server: older})
	}
	if _, err := sweep(Sweep{Vary: vary("max-concurrent-io=4,16")}); !errors.Is(err, ErrUsage) || !strings.Contains(err.Error(), "nothing to vary") {
		t.Errorf("slots that are varied: error %v", err)
	}
	p, err := sweep(Sweep{Vary: vary("rate=100,200"), Set: vary("max-concurrent-io=64")})
	if err != nil {
		t.Fatal(err)
	}
	if got := p.steps[0].Parameters[slotsParameter]; got != "6" || len(p.notes) != 1 {
		t.Errorf("slots that are fixed: %s are in force, notes %q", got, p.notes)
	}
}

func TestSweepRefuses(t *testing.T) {
	concurrency := vary("concurrency=1,4")
	tests := []struct {
		name string
		s    Sweep
		want string
	}{
		{"an unknown probe", Sweep{Probe: "raw-snc", Vary: concurrency}, `did you mean "raw-sync"?`},
		{"nothing varied", Sweep{Probe: "raw-sync"}, "varies one or two"},
		{"three varied", Sweep{Probe: "raw-sync", Vary: vary("concurrency=1,4", "size=1KiB,2KiB", "pattern=append,sequential")}, "varies one or two"},
		{"an unknown parameter", Sweep{Probe: "raw-sync", Vary: vary("depth=1,4")}, "it has: size, concurrency, pattern"},
		{"slots that the probe has not", Sweep{Probe: "raw-sync", Vary: vary("max-concurrent-io=4,16")}, "it has: size, concurrency, pattern"},
		{"an unknown fixed parameter", Sweep{Probe: "raw-sync", Vary: concurrency, Set: vary("depth=1")}, "it has: size"},
		{"a value that it has not", Sweep{Probe: "raw-sync", Vary: vary("pattern=append,backwards")}, "is none of: append, sequential"},
		{"a value out of range", Sweep{Probe: "raw-sync", Vary: vary("concurrency=0,4")}, "at least 1"},
		{"slots out of range", Sweep{Probe: "block-write", Vary: vary("max-concurrent-io=3,16")}, "at least 4"},
		{"one value", Sweep{Probe: "raw-sync", Vary: vary("concurrency=4")}, "two values that differ"},
		{"one value twice", Sweep{Probe: "raw-sync", Vary: vary("size=1KiB,1024B")}, "two values that differ"},
		{"a parameter twice", Sweep{Probe: "raw-sync", Vary: vary("concurrency=1,2", "concurrency=3,4")}, "given twice"},
		{"varied and fixed", Sweep{Probe: "raw-sync", Vary: concurrency, Set: vary("concurrency=4")}, "given twice"},
		{"a fixed list", Sweep{Probe: "raw-sync", Vary: concurrency, Set: vary("size=1KiB,2KiB")}, "lists are for --vary"},
		{"another probe's", Sweep{Probe: "raw-sync", Vary: []Override{{"term-vote", "groups", "1,2"}}}, "another probe than raw-sync"},
		{"values that depend on each other", Sweep{Probe: "block-write", Vary: vary("concurrency=1,8", "streams=1,4")}, "leave this value out"},
		{"an unknown metric", Sweep{Probe: "raw-sync", Vary: concurrency, Metric: "depth"}, "it has: fdatasync"},
		{"a metric that is no latency", Sweep{Probe: "raw-sync", Vary: concurrency, Metric: "throughput"}, "bytes_per_second"},
		{"no rounds", Sweep{Probe: "raw-sync", Vary: concurrency, Rounds: -1}, "at least 1"},
		{"a turn too short", Sweep{Probe: "raw-sync", Vary: concurrency, Duration: time.Millisecond}, "at least 50ms"},
		{"too many cells", Sweep{Probe: "raw-sync", Vary: vary("concurrency=1,2,3,4,5,6,7,8,9", "size=1KiB,2KiB,3KiB,4KiB,5KiB,6KiB,7KiB,8KiB")}, "at most 64"},
		{"more than the budget", Sweep{Probe: "raw-sync", Vary: concurrency, Duration: 10 * time.Second}, "need 1m4s at least, and the budget is 1m0s: give --budget 1m4s"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, _, err := swept(test.s, time.Minute)
			if !errors.Is(err, ErrUsage) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want %q in it", err, test.want)
			}
		})
	}
}

// TestSweepMetrics: the first latency that was measured, and a throughput of the
// probe's own.
func TestSweepMetrics(t *testing.T) {
	for _, test := range []struct{ asked, want string }{{"", "fdatasync"}, {"append", "append"}} {
		probe, err := probes.New("raw-sync")
		if err != nil {
			t.Fatal(err)
		}
		e := &engine{run: &results.Run{}, plan: &plan{sweep: &results.Sweep{Metric: test.asked}, steps: []*plannedStep{{probe: probe}}}}
		e.nameMetrics()
		if got := *e.plan.sweep; got.Metric != test.asked || got.ThroughputMetric != "" {
			t.Errorf("before anything is measured the metrics are %+v", got)
		}
		for _, name := range []string{"throughput", "append", "fdatasync"} {
			e.run.Measurements = append(e.run.Measurements, measure.Measurement{Metric: name})
		}
		e.nameMetrics()
		if got := *e.plan.sweep; got.Metric != test.want || got.ThroughputMetric != "throughput" {
			t.Errorf("metrics %+v, want %s and throughput", got, test.want)
		}
	}
}

// TestFirstRoundOfACell: what its sisters took says whether it fits.
func TestFirstRoundOfACell(t *testing.T) {
	e := &engine{plan: &plan{sweep: &results.Sweep{}, steps: []*plannedStep{{longest: 3 * time.Second}, {}}}}
	if got := e.longestOf(e.plan.steps[1]); got != 3*time.Second {
		t.Errorf("a cell without a round is expected to take %v, its sister took 3s", got)
	}
	e.plan.steps[1].done = 1
	if got := e.longestOf(e.plan.steps[1]); got != 0 {
		t.Errorf("a cell that has had a round is expected to take %v", got)
	}
	e.plan.sweep, e.plan.steps[1].done = nil, 0
	if got := e.longestOf(e.plan.steps[1]); got != 0 {
		t.Errorf("a step of a check is expected to take %v", got)
	}
}
