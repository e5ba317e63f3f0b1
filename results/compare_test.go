package results

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"storebench/internal/measure"
	"storebench/internal/volume"
)

// side is a run whose one measurement has a round for each time.
func side(t *testing.T, id string, p50 ...time.Duration) *Run {
	t.Helper()
	var rounds []measure.Round
	for _, d := range p50 {
		rounds = append(rounds, latencies(ops{1000, d}))
	}
	run := runOf(t, rounds, "disk.write rate > 1/s")
	run.ID = id
	return run
}

func spreadBy(factor float64) []time.Duration {
	var all []time.Duration
	for i := range 5 {
		all = append(all, time.Duration(factor*float64(10*ms+time.Duration(i)*ms/10)))
	}
	return all
}

// TestCompare holds a base of 10 ms against sides that differ from it.
func TestCompare(t *testing.T) {
	threshold := .2
	tests := []struct {
		name       string
		changed    []time.Duration
		outcome    Outcome
		regression bool
		status     Status
	}{
		{"twice as slow", spreadBy(2), Worse, true, Fail},
		{"slower, and below the threshold", spreadBy(1.1), Worse, false, Pass},
		{"faster", spreadBy(.5), Better, false, Pass},
		{"the same", spreadBy(1), Unchanged, false, Pass},
		{"twice as slow in some rounds", append(spreadBy(1)[:3], 20*ms, 21*ms), Unchanged, false, Pass},
		{"too few rounds", spreadBy(2)[:4], TooFew, false, Inconclusive},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c, err := Compare(Tool{}, []*Run{side(t, "a", spreadBy(1)...)}, []*Run{side(t, "b", test.changed...)}, &threshold)
			if err != nil {
				t.Fatal(err)
			}
			if len(c.Changes) != 3 {
				t.Fatalf("%d figures, want p50, p99 and the rate, which a limit is about", len(c.Changes))
			}
			if got := c.Changes[0]; got.Outcome != test.outcome || got.Regression != test.regression {
				t.Errorf("outcome %s, regression %v: %+v", got.Outcome, got.Regression, got)
			}
			if got := c.Status(); got != test.status {
				t.Errorf("status %s, want %s", got, test.status)
			}
		})
	}
}

// TestCompareSides shows that the rounds of several runs are one sample, and
// that no run counts twice.
func TestCompareSides(t *testing.T) {
	base := []*Run{side(t, "a", spreadBy(1)[:3]...), side(t, "b", spreadBy(1)[:2]...)}
	c, err := Compare(Tool{}, base, []*Run{side(t, "c", spreadBy(2)...)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := c.Changes[0]; got.Base.Rounds != 5 || got.Outcome != Worse {
		t.Errorf("%+v", got)
	}
	if c.Status() != Pass {
		t.Errorf("a comparison that nobody gates has status %s", c.Status())
	}
	if _, err := Compare(Tool{}, []*Run{base[0], base[0]}, base[1:], nil); err == nil || !strings.Contains(err.Error(), "given twice on the base side") {
		t.Errorf("a run given twice: %v", err)
	}
}

// TestCompareDirections shows which way a figure gets better: as a limit has it,
// else as its unit does.
func TestCompareDirections(t *testing.T) {
	tests := []struct {
		unit  measure.Unit
		limit string
		want  Outcome // of twice the value
	}{
		{measure.Seconds, "", Worse},
		{measure.Bytes, "", Worse},
		{measure.BytesPerSecond, "", Better},
		{measure.PerSecond, "", Better},
		{measure.Count, "", Changed},
		{measure.Count, "disk.write value > 3", Better},
		{measure.Count, "disk.write value < 30", Worse},
		{measure.Bytes, "disk.write value > 3B", Better},
	}
	for _, test := range tests {
		t.Run(string(test.unit)+" "+test.limit, func(t *testing.T) {
			make := func(id string, all ...float64) *Run {
				var limits []string
				if test.limit != "" {
					limits = append(limits, test.limit)
				}
				run := runOf(t, values(all...), limits...)
				run.ID, run.Measurements[0].Unit = id, test.unit
				return run
			}
			c, err := Compare(Tool{}, []*Run{make("a", 1, 2, 3, 4, 5)}, []*Run{make("b", 11, 12, 13, 14, 15)}, nil)
			if err != nil {
				t.Fatal(err)
			}
			if got := c.Changes[0].Outcome; got != test.want {
				t.Errorf("outcome %s, want %s", got, test.want)
			}
		})
	}
}

// TestCompareLost shows that operations which never ended are slow and not
// absent.
func TestCompareLost(t *testing.T) {
	cut := lost(latencies(ops{100, ms}), func(d *measure.Distribution) {
		d.Unfinished = 900
		d.AddStall(4, 4)
	})
	changed := runOf(t, times(5, cut))
	changed.ID = "b"
	c, err := Compare(Tool{}, []*Run{side(t, "a", ms, ms, ms, ms, ms)}, []*Run{changed}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := c.Changes[0]; got.Outcome != Worse || got.New.Median != 4 {
		t.Errorf("p50 of a storm that was cut: %+v", got)
	}
}

func TestCompareNothingCommon(t *testing.T) {
	other := side(t, "b", ms)
	other.Measurements[0].Metric = "read"
	_, err := Compare(Tool{}, []*Run{side(t, "a", ms)}, []*Run{other}, nil)
	if !errors.Is(err, ErrNothingCommon) {
		t.Errorf("error %v", err)
	}
}

// TestCompareParts shows what only one side has, that labels are part of what a
// figure is, and that the machine's own lateness is no figure.
func TestCompareParts(t *testing.T) {
	base, changed := side(t, "a", ms), side(t, "b", ms)
	add := func(run *Run, metric, slots string) {
		m := run.Measurements[0]
		m.Metric, m.Labels = metric, map[string]string{"slots": slots}
		run.Measurements = append(run.Measurements, m)
	}
	add(base, "read", "4")
	add(changed, "read", "8")
	for _, late := range []string{"store_sched_delay", "ack_sched_delay"} {
		add(base, late, "4")
		add(changed, late, "4")
		for _, run := range []*Run{base, changed} {
			run.Measurements[len(run.Measurements)-1].Kind = measure.Harness
		}
	}
	c, err := Compare(Tool{}, []*Run{base}, []*Run{changed}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Changes) != 3 || len(c.OnlyBase) != 2 || len(c.OnlyNew) != 2 {
		t.Errorf("%d common, only in base %q, only in new %q", len(c.Changes), c.OnlyBase, c.OnlyNew)
	}
}

// TestAdjust compares with the example's figures worked out by hand: p times
// number over rank, and never more than that of a greater p.
func TestAdjust(t *testing.T) {
	c := &Comparison{}
	for _, p := range []float64{.01, .04, .03, .005, .9} {
		c.Changes = append(c.Changes, Change{P: &p})
	}
	c.Changes = append(c.Changes, Change{Outcome: TooFew})
	c.adjust()
	var got []string
	for _, change := range c.Changes {
		if change.Adjusted == nil {
			got = append(got, "none")
			continue
		}
		got = append(got, fmt.Sprintf("%.4f", *change.Adjusted))
	}
	if diff := cmp.Diff([]string{"0.0250", "0.0500", "0.0500", "0.0250", "0.9000", "none"}, got); diff != "" {
		t.Errorf("adjusted (-want +got):\n%s", diff)
	}
}

// TestCompareFalseAlarms draws both sides from one distribution, 40 figures at a
// time: with Benjamini and Hochberg at 0.05 at most one comparison in twenty may
// call anything changed on average.
func TestCompareFalseAlarms(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	draw := func(id string) *Run {
		run := runOf(t, nil)
		run.ID, run.Measurements = id, nil
		for i := range 40 {
			var all []float64
			for range 5 {
				all = append(all, 1+random.ExpFloat64())
			}
			run.Measurements = append(run.Measurements, measure.Measurement{
				Step: "disk", Probe: "disk", Metric: fmt.Sprint("m", i), Unit: measure.Seconds, Rounds: values(all...),
			})
		}
		return run
	}
	alarms := 0
	const comparisons = 200
	for range comparisons {
		c, err := Compare(Tool{}, []*Run{draw("a")}, []*Run{draw("b")}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if c.Count(func(x Change) bool { return x.Outcome != Unchanged }) > 0 {
			alarms++
		}
	}
	if alarms > comparisons/20 {
		t.Errorf("%d of %d comparisons of the same with the same found a change", alarms, comparisons)
	}
}

// TestDifferences shows what is told of environments that differ, and that the
// same ones are not mentioned.
func TestDifferences(t *testing.T) {
	base, changed := side(t, "a", ms), side(t, "b", ms)
	if got := differences([]*Run{base}, []*Run{changed}); len(got) > 0 {
		t.Errorf("the same environment differs: %v", got)
	}
	changed.Volume.FileSystem, changed.Host.Kernel, changed.Tool.NATSServer = "xfs", "6.13", "2.16.0"
	changed.Profile.Name, changed.Slots.Judged = "strict", []int{6}
	base.Raft = &Raft{Server: "2.15.2", Linked: true, Peers: &volume.Facts{FileSystem: "tmpfs"}}
	changed.Raft = &Raft{Server: "2.12.4", Targets: []volume.Facts{{}, {}}}
	base.Steps[0].Parameters = map[string]string{"size": "1KiB", "new": "1"}
	changed.Steps[0].Parameters = map[string]string{"size": "2KiB"}
	var got []string
	for _, d := range differences([]*Run{base}, []*Run{changed}) {
		got = append(got, fmt.Sprintf("%s: %s, %s", d.What, d.Base, d.New))
	}
	want := []string{
		"file system: ext4, xfs", "kernel: , 6.13", "nats-server: , 2.16.0",
		"nats-server of the Raft groups: 2.15.2, 2.12.4", "further targets: 0, 2", "Raft servers without a volume on: tmpfs, ", "profile: " + base.Profile.Name + ", strict",
		"slots: , 6", "step " + base.Steps[0].Title() + ", size: 1KiB, 2KiB",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("differences (-want +got):\n%s", diff)
	}
}

// TestFromLog takes runs out of what kubectl logs prints.
func TestFromLog(t *testing.T) {
	one, two := fullRun(t), side(t, "second", ms)
	two.Schema, two.Tool = Schema, one.Tool
	first, err := Logged(one)
	if err != nil {
		t.Fatal(err)
	}
	second, err := Logged(two)
	if err != nil {
		t.Fatal(err)
	}
	text := string(first)
	cut := text[:strings.Index(text, logEnd)]
	tests := []struct {
		name, log string
		ids       []string // empty for one that is damaged
	}{
		{"among other lines", "a report\n\n" + text + "done\n", []string{one.ID}},
		{"two in a row", text + string(second), []string{one.ID, "second"}},
		{"with carriage returns", strings.ReplaceAll(text, "\n", "\r\n"), []string{one.ID}},
		{"with timestamps", prefixed("2026-03-01T12:00:00.123456789Z ", text), []string{one.ID}},
		{"pods among each other", interleaved(prefixed("[pod/a-1/storebench] ", text), prefixed("[pod/b-1/storebench] ", string(second))), []string{one.ID, "second"}},
		{"cut short", cut, []string{""}},
		{"cut short before another", cut + string(second), []string{"", "second"}},
		{"a line is missing", text[:len(logBegin)+1] + text[len(logBegin)+1+logLine+1:], []string{""}},
		{"none", "VERDICT  PASS\n-----BEGIN CERTIFICATE-----\n", nil},
		{"an end without a beginning", logEnd + "\n", nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			found, err := FromLog("log", strings.NewReader(test.log))
			if err != nil {
				t.Fatal(err)
			}
			var ids []string
			for _, c := range found {
				if (c.Err == nil) != (c.Run != nil) || c.Err != nil && !errors.Is(c.Err, ErrDocument) {
					t.Errorf("run %v with error %v", c.Run, c.Err)
				}
				if c.Run == nil {
					ids = append(ids, "")
					continue
				}
				ids = append(ids, c.Run.ID)
			}
			if diff := cmp.Diff(test.ids, ids); diff != "" {
				t.Errorf("runs (-want +got):\n%s", diff)
			}
		})
	}
}

func prefixed(prefix, text string) string {
	return prefix + strings.ReplaceAll(strings.TrimSuffix(text, "\n"), "\n", "\n"+prefix) + "\n"
}

// interleaved takes a line of each in turn.
func interleaved(a, b string) string {
	left, right := strings.SplitAfter(a, "\n"), strings.SplitAfter(b, "\n")
	var out strings.Builder
	for i := range max(len(left), len(right)) {
		if i < len(left) {
			out.WriteString(left[i])
		}
		if i < len(right) {
			out.WriteString(right[i])
		}
	}
	return out.String()
}

// FuzzFromLog looks for logs that a reader does not survive.
func FuzzFromLog(f *testing.F) {
	text, err := Logged(&Run{Schema: Schema, Tool: Tool{Name: toolName}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte(prefixed("[pod/a/b] ", string(text))))
	f.Add([]byte(logBegin + "\n" + logBegin + "\n" + logEnd))
	f.Fuzz(func(t *testing.T, data []byte) {
		found, err := FromLog("log", bytes.NewReader(data))
		if err != nil {
			return
		}
		for _, c := range found {
			if (c.Err == nil) == (c.Run == nil) {
				t.Errorf("run %v with error %v", c.Run, c.Err)
			}
		}
	})
}
