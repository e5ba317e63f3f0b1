package render

import (
	"maps"
	"strconv"
	"strings"
	"testing"
	"time"

	"storebench/internal/measure"
	"storebench/internal/volume"
	"storebench/profiles"
	"storebench/results"
)

// started is when every fixture began; nothing in a report may ask the clock.
var started = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// fixtures are runs that between them have all that a report can tell.
var fixtures = []struct {
	name string
	want results.Status
	make func(t testing.TB) *results.Run
}{
	{"pass", results.Pass, healthy},
	{"fail", results.Fail, sick},
	{"stalled", results.Fail, stalled},
	{"warn", results.Warn, warned},
	{"inconclusive", results.Inconclusive, unclear},
	{"partial", results.Pass, partial},
	{"servers", results.Pass, servers},
	{"sweep", results.Pass, swept},
	{"sweep-open", results.Inconclusive, sweptInPart},
	{"empty", results.Inconclusive, func(testing.TB) *results.Run { return &results.Run{} }},
	{"odd", results.Inconclusive, odd},
}

// healthy is a run on a good volume.
func healthy(t testing.TB) *results.Run {
	run := &results.Run{
		Schema: results.Schema,
		Tool:   results.Tool{Name: "storebench", Version: "1.2.3", NATSServer: "2.15.2", Go: "go1.26.0"},
		ID:     "20260301T120000Z-cafe", Started: started, Ended: started.Add(12300 * time.Millisecond), Seed: 42,
		Labels: map[string]string{"class": "gp3", "zone": "b"},
		Host:   results.Host{OS: "linux", Arch: "amd64", Kernel: "6.12.0", CPUs: 8, Memory: 32 << 30},
		Volume: volume.Facts{
			Path: "/data/jetstream", MountPoint: "/data", FileSystem: "ext4", MountOptions: []string{"rw", "relatime"},
			SizeBytes: 500 << 30, FreeBytes: 480 << 30, AvailableBytes: 460 << 30, BlockSizeBytes: 4096,
			Device:      volume.Device{Name: "nvme1n1", Disk: "nvme1n1", Source: "/dev/nvme1n1", WriteCache: "write back"},
			Persistence: volume.Persistence{State: volume.PersistenceAssumed, How: "nothing known speaks against it"},
		},
		Profile: profiles.Profile{
			Name: "small", Budget: profiles.Duration(15 * time.Second), Rounds: 3,
			Workload: profiles.Workload{Rate: 1000, MessageSize: 1 << 10, Streams: 4, Consumers: 43, Groups: 2000, Sync: "default", Cipher: "none", Compression: "none"},
		},
		Budget: 15,
		Slots:  results.Slots{Judged: []int{4096}, Source: "the default of nats-server 2.15.2"},
	}
	addStep(run, results.Step{Name: "raw-sync", Probe: "raw-sync", Topic: "device", Asked: "writes of 2,300 B, 1 writer", Parameters: map[string]string{"size": "2300B", "concurrency": "1"}},
		latency("fdatasync", 500*time.Microsecond, 800*time.Microsecond, 1000), number("throughput", measure.BytesPerSecond, 210<<20, 190<<20, 205<<20))
	addStep(run, storm("election-storm", "4096"), latency("election", 300*time.Millisecond, 350*time.Millisecond, 2000), number("drain", measure.Seconds, .41, .38, .402), number("groups_elected", measure.Count, 19000, 21000, 20000))
	run.Profile.Limits = []profiles.Limit{
		limit(t, "term-vote.election max < 4s", profiles.LevelFail, "A group that is not done within 4 s stands for election again."),
		limit(t, "raw-sync.fdatasync max < 2s", profiles.LevelFail, "A flush that hangs holds all who wait for its lock."),
		limit(t, "raw-sync.fdatasync rate > 500/s", profiles.LevelFail, "The workload's own rate."),
		limit(t, "raw-sync.fdatasync p99 < 10ms", profiles.LevelWarn, "A rule of thumb for any Raft log."),
	}
	for i, title := range []string{"Election storm of {groups} Raft groups", "Longest flush (fdatasync), {concurrency} at once", "", "Flush (fdatasync), p99"} {
		run.Profile.Limits[i].Title = title // the third has none of its own
	}
	run.Profile.Figures = []profiles.Figure{
		figureOf(t, "raw-sync.fdatasync rate", "Flushes a second", ""),
		figureOf(t, "term-vote.groups_elected value", "Raft groups elected within {bound}", "raft-groups"),
	}
	return run
}

// sick is a volume whose every flush takes 30 ms, with few slots.
func sick(t testing.TB) *results.Run {
	run := healthy(t)
	run.Steps[1] = storm("election-storm", "6")
	run.Steps[1].Rounds = 1
	device := &measure.Device{Name: "nvme1n1", Busy: .98, Writes: 4000, Flushes: 900, FlushSeconds: .03, WriteSeconds: .002}
	for i := range run.Measurements[0].Rounds {
		r := &run.Measurements[0].Rounds[i]
		*r = round(i, 30*time.Millisecond, 45*time.Millisecond, 400)
		r.Context = measure.Context{Device: device, Pressure: &measure.Pressure{IO: .55, IOFull: .5}, CPU: &measure.CPU{Busy: .1}}
	}
	cut := round(0, 2*time.Second, 3900*time.Millisecond, 700)
	cut.Distribution.Unfinished = 1300
	cut.Distribution.AddStall(4, 4)
	cut.Elapsed = 4
	cut.Context = measure.Context{Device: device, Slots: &measure.SlotWaits{Slots: 6, Waiters: 1294, Waits: 694, Seconds: 1380, Max: 3.87}}
	run.Measurements[2].Rounds, run.Measurements[2].Labels = []measure.Round{cut}, run.Steps[1].Labels
	run.Measurements = append(run.Measurements[:3:3], number("groups_elected", measure.Count, 700))
	run.Measurements[3].Step, run.Measurements[3].Probe, run.Measurements[3].Labels = "election-storm", "term-vote", run.Steps[1].Labels
	return run
}

// stalled is a volume that stopped answering, and that does not persist.
func stalled(t testing.TB) *results.Run {
	run := healthy(t)
	run.Measurements = run.Measurements[:2]
	run.Volume.Persistence = volume.Persistence{State: volume.NotPersistent, How: "the mount option nobarrier turns flushing off"}
	run.Incidents = []results.Incident{{
		Kind: results.Stalled, Step: "election-storm", Round: 1, At: started.Add(9 * time.Second),
		Detail: "no answer from process 4711, which is blocked in the kernel and was left behind",
	}}
	return run
}

// warned keeps what must be kept and is slower than a healthy volume.
func warned(t testing.TB) *results.Run {
	run := healthy(t)
	for i := range run.Measurements[0].Rounds {
		run.Measurements[0].Rounds[i] = round(i, 1*time.Millisecond, 25*time.Millisecond, 1000)
	}
	return run
}

// unclear had too little data, a busy machine and an end before its time.
func unclear(t testing.TB) *results.Run {
	run := healthy(t)
	run.Steps[0].Extended = true
	run.Measurements[0].Rounds = []measure.Round{round(0, 500*time.Microsecond, 800*time.Microsecond, 60)}
	run.Measurements[0].Warnings = []string{"the first round was cold"}
	run.Measurements[2].Kind = measure.Whole
	for i := range run.Measurements[2].Rounds {
		r := &run.Measurements[2].Rounds[i]
		*r = round(i, 3*time.Second, 5*time.Second, 2000)
		r.Context.CPU = &measure.CPU{Busy: .99, Steal: .4}
	}
	for _, step := range []string{"raw-sync", "election-storm"} {
		run.Incidents = append(run.Incidents, results.Incident{Kind: results.OutOfTime, Step: step, Round: 2, At: started.Add(12 * time.Second), Detail: "1 of 3 rounds fitted into the budget of 15s"})
	}
	run.Incidents = append(run.Incidents, results.Incident{Kind: results.Interrupted, Step: "raw-sync", Round: 2, At: started.Add(12 * time.Second), Detail: "the user ended the run"})
	run.Interrupted = true
	return run
}

// partial left a step out.
func partial(t testing.TB) *results.Run {
	run := healthy(t)
	run.Profile.Steps = []profiles.Step{{Name: "raw-sync", Probe: "raw-sync"}, {Name: "election-storm", Probe: "term-vote", Set: map[string]string{"mode": "storm"}}}
	run.Skipped = []string{"election-storm"}
	run.Steps, run.Measurements = run.Steps[:1], run.Measurements[:2]
	return run
}

// servers was measured at the slots of an older server too, and has a Raft group of
// one with a second volume.
func servers(t testing.TB) *results.Run {
	run := healthy(t)
	second := run.Volume
	second.Path, second.MountPoint, second.Device = "/data-b/jetstream", "/data-b", volume.Device{Name: "sdb", Disk: "sdb", Source: "/dev/sdb"}
	second.Notes = []string{"the disks below the second volume could not be looked at"}
	run.Raft = &results.Raft{Server: "2.12.4", Seconds: 21.37, Targets: []volume.Facts{second}, Peers: &volume.Facts{
		Path: "/dev/shm", MountPoint: "/dev/shm", FileSystem: "tmpfs", SizeBytes: 16 << 30, FreeBytes: 16 << 30, AvailableBytes: 16 << 30, BlockSizeBytes: 4096,
		Persistence: volume.Persistence{State: volume.NotPersistent, How: "tmpfs lives in memory alone"},
	}}
	older := storm("election-storm-older", "8")
	older.Informative, older.Note = true, "nats-server 2.12.12: 4 to 16 by its cores"
	slow := latency("election", 3*time.Second, 6*time.Second, 2000)
	slow.Labels = older.Labels
	addStep(run, older, slow)
	return run
}

// swept is a matrix whose throughput grows with the writers as far as there are
// slots; one of its storms was cut.
func swept(t testing.TB) *results.Run {
	return sweepRun(t, []results.Axis{
		{Parameter: "groups", Values: []string{"8", "64", "512"}}, {Parameter: "max-concurrent-io", Values: []string{"4", "16", "64", "4096"}},
	}, func(at map[string]string) []measure.Round {
		groups, slots := whole(t, at["groups"]), whole(t, at["max-concurrent-io"])
		took := time.Duration(1+groups/min(groups, slots)) * 25 * time.Millisecond
		if groups == 512 && slots == 4 {
			cut := round(0, time.Second, 4*time.Second, 300)
			cut.Elapsed, cut.Distribution.Unfinished = 4, 212
			return []measure.Round{cut}
		}
		var rounds []measure.Round
		for i := range 3 {
			r := round(i, took/2, took, groups)
			r.Elapsed = took.Seconds() * []float64{1, 1.01, .99}[i] * (1 + float64(groups%7+slots%5+i%2)/500)
			rounds = append(rounds, r)
		}
		return rounds
	})
}

// sweptInPart is a sweep along one axis, interrupted, with a cell that the noise
// says little of, one with too short a turn and one without data.
func sweptInPart(t testing.TB) *results.Run {
	run := sweepRun(t, []results.Axis{{Parameter: "max-concurrent-io", Values: []string{"4", "16", "64"}}}, func(at map[string]string) []measure.Round {
		if at["max-concurrent-io"] == "64" {
			return nil
		}
		var rounds []measure.Round
		for i := range 3 {
			r := round(i, 20*time.Millisecond, 80*time.Millisecond, 40)
			r.Elapsed *= 1 + float64(i*whole(t, at["max-concurrent-io"]))/40
			rounds = append(rounds, r)
		}
		return rounds
	})
	run.Notes = []string{"a note"}
	run.Steps[1].Loop = measure.Closed
	run.Steps[1].Duration = 50 * time.Millisecond // too short a turn
	for i := range run.Measurements {
		run.Measurements[i].Warnings = []string{"a warning of every cell"}
	}
	for _, step := range run.Steps[:2] {
		run.Incidents = append(run.Incidents, results.Incident{Kind: results.OutOfTime, Step: step.Title(), Round: 4, At: started.Add(12 * time.Second), Detail: "3 of 5 rounds fitted into the budget of 15s"})
	}
	run.Interrupted = true
	return run
}

func whole(t testing.TB, text string) int {
	n, err := strconv.Atoi(text)
	if err != nil && t != nil {
		t.Fatal(err)
	}
	return n
}

// sweepRun is a sweep of election storms with a cell for each combination of the
// axes' values.
func sweepRun(t testing.TB, axes []results.Axis, rounds func(at map[string]string) []measure.Round) *results.Run {
	run := healthy(t)
	run.Steps, run.Measurements, run.Profile.Limits, run.Slots = nil, nil, nil, results.Slots{}
	run.Profile.Figures = nil
	run.Sweep = &results.Sweep{Probe: "term-vote", Axes: axes, Metric: "election", SlotsAxis: "max-concurrent-io"}
	set := map[string]string{}
	for _, axis := range axes {
		set[axis.Parameter] = strings.Join(axis.Values, ",")
	}
	for _, at := range (profiles.Step{Set: set}).Variants() {
		step := results.Step{Name: "term-vote", Probe: "term-vote", Labels: at, Parameters: maps.Clone(at)}
		step.Parameters["mode"], step.Parameters["bound"] = "storm", "4s"
		for _, axis := range axes {
			step.Variant = strings.TrimSpace(step.Variant + " " + axis.Parameter + "=" + at[axis.Parameter])
		}
		if measured := rounds(at); measured != nil {
			addStep(run, step, measure.Measurement{Metric: "election", Unit: measure.Seconds, Rounds: measured})
		} else {
			addStep(run, step)
		}
	}
	return run
}

// odd has all that a document from elsewhere may hold: rounds of nothing,
// operations without a latency, series, names that are long and not for a
// terminal.
func odd(t testing.TB) *results.Run {
	run := healthy(t)
	lost := measure.Round{Start: started, Elapsed: 1, Distribution: &measure.Distribution{Failed: 7, Missed: 8}}
	run.Volume.Path = "/data/\x1b[31mred\nand a second line"
	run.Volume.Notes = []string{"the devices below the volume could not be looked at"}
	addStep(run, results.Step{Name: "odd", Variant: "size=8KiB", Probe: "odd", Parameters: map[string]string{"size": "8KiB"}},
		measure.Measurement{Metric: "lost", Unit: measure.Seconds, Rounds: []measure.Round{lost, {}}},
		measure.Measurement{Metric: "nothing", Unit: measure.Count, Rounds: nil},
		measure.Measurement{Metric: "lag", Unit: measure.Count, Rounds: []measure.Round{{Series: &measure.Series{Interval: .1, Values: []float64{3, 1200, 2}}}}},
		number("huge", measure.Bytes, 1e300, 1e-300, 0))
	run.Profile.Limits = append(run.Profile.Limits,
		limit(t, "odd.lost rate > 1/s", profiles.LevelWarn, "Nothing."),
		limit(t, "odd.huge value < 1KiB", profiles.LevelWarn, "Nothing."),
		limit(t, "odd.missing p99.9 < 1s", profiles.LevelFail, "Nothing."))
	return run
}

func storm(name, slots string) results.Step {
	return results.Step{
		Name: name, Probe: "term-vote", Labels: map[string]string{"max-concurrent-io": slots}, Slots: whole(nil, slots),
		Topic: "elections", Asked: "2,000 Raft groups, each a voter, " + measure.Readable(slots) + " I/O slots",
		Parameters: map[string]string{"mode": "storm", "groups": "2000", "role": "voter", "bound": "4s", "max-concurrent-io": slots},
	}
}

// addStep adds a step with what it measured.
func addStep(run *results.Run, s results.Step, measured ...measure.Measurement) {
	s.Rounds, s.Duration = 3, time.Second
	run.Steps = append(run.Steps, s)
	for _, m := range measured {
		m.Step, m.Probe, m.Labels = s.Name, s.Probe, s.Labels
		run.Measurements = append(run.Measurements, m)
	}
}

// latency is three rounds of n operations between two times.
func latency(metric string, from, to time.Duration, n int) measure.Measurement {
	m := measure.Measurement{Metric: metric, Unit: measure.Seconds}
	for i := range 3 {
		m.Rounds = append(m.Rounds, round(i, from, to, n))
	}
	return m
}

// round spreads n operations over a second. Mostly they take near the shorter
// time; one in ten takes up to the longer, in a few steps.
func round(i int, from, to time.Duration, n int) measure.Round {
	recorder := measure.NewRecorder(1, time.Second)
	for k := range n {
		took := from
		if k%10 == i {
			took += (to - from) * time.Duration(1+4*k/n) / 4
		}
		recorder.Shard(0).Record(time.Duration(k+1)*time.Second/time.Duration(n), took)
	}
	return measure.Round{Start: started.Add(time.Duration(i) * 4 * time.Second), Elapsed: 1, Distribution: recorder.Distribution()}
}

// number is a round for each value.
func number(metric string, unit measure.Unit, values ...float64) measure.Measurement {
	m := measure.Measurement{Metric: metric, Unit: unit}
	for i, x := range values {
		m.Rounds = append(m.Rounds, measure.Round{Start: started.Add(time.Duration(i) * 4 * time.Second), Elapsed: 1, Value: &x})
	}
	return m
}

func limit(t testing.TB, text string, level profiles.Level, why string) profiles.Limit {
	t.Helper()
	l, err := profiles.ParseLimit(text)
	if err != nil {
		t.Fatal(err)
	}
	l.Level, l.Why = level, why
	return l
}

func figureOf(t testing.TB, text, title, asked string) profiles.Figure {
	t.Helper()
	f, err := profiles.ParseFigure(text)
	if err != nil {
		t.Fatal(err)
	}
	f.Title, f.Asked = title, asked
	return f
}
