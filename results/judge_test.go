package results

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"storebench/internal/cause"
	"storebench/internal/measure"
	"storebench/internal/volume"
	"storebench/profiles"
)

const ms = time.Millisecond

// TestJudgeStatistics holds one limit against rounds, for every statistic and
// both directions.
func TestJudgeStatistics(t *testing.T) {
	fast := latencies(ops{1000, 1 * ms})
	slow := latencies(ops{1000, 50 * ms})
	tests := []struct {
		name      string
		limit     string
		rounds    []measure.Round
		want      Status
		undecided bool
		reason    string // a part of it
	}{
		{"quantile kept", "disk.write p99 < 10ms", times(3, fast), Pass, false, "met"},
		{"quantile kept at most", "disk.write p99 <= 10ms", times(3, fast), Pass, false, "met"},
		{"quantile broken", "disk.write p99 < 10ms", times(3, slow), Fail, false, "over the limit"},
		{"quantile broken by a share", "disk.write p99 < 10ms", times(3, latencies(ops{900, ms}, ops{100, 50 * ms})), Fail, false, "over the limit"},
		{"quantile kept with a share beyond", "disk.write p99 < 10ms", times(3, latencies(ops{9990, ms}, ops{10, 50 * ms})), Pass, false, "met"},
		{"quantile with a share at the bound", "disk.write p99 < 10ms", times(3, latencies(ops{990, ms}, ops{10, 50 * ms})), Inconclusive, true, "not enough data"},
		{"quantile with too few operations", "disk.write p99 < 10ms", times(3, latencies(ops{100, ms})), Inconclusive, true, "not enough data"},
		{"a rarer quantile with too few operations", "disk.write p99.9 < 10ms", times(3, fast), Inconclusive, true, "not enough data"},
		{"median with few operations", "disk.write p50 < 10ms", times(3, latencies(ops{100, ms})), Pass, false, "met"},
		{"quantile at least, kept", "disk.write p50 > 10ms", times(3, slow), Pass, false, "met"},
		{"quantile at least, broken", "disk.write p50 >= 10ms", times(3, fast), Fail, false, "under the limit"},
		{"quantile at least, at the bound", "disk.write p50 > 10ms", times(3, latencies(ops{500, ms}, ops{500, 50 * ms})), Inconclusive, true, "not enough data"},

		{"max kept", "disk.write max < 2s", times(3, fast), Pass, false, "met in the worst of 3 rounds"},
		{"max broken in one round", "disk.write max < 2s", append(times(2, fast), latencies(ops{999, ms}, ops{1, 3 * time.Second})), Fail, false, "stalled 33 % of the time: 1.0 s"},
		{"max broken in the first round", "disk.write max < 2s", append([]measure.Round{latencies(ops{999, ms}, ops{1, 3 * time.Second})}, fast), Fail, false, "in the worst of 2 rounds"},
		{"max at the bound", "disk.write max < 1ms", times(3, fast), Fail, false, "over the limit"},
		{"max at most the bound", "disk.write max <= 1ms", times(3, fast), Pass, false, "met"},
		{"max at least, kept", "disk.write max > 10ms", times(3, slow), Pass, false, "met"},
		{"max at least, broken in one round", "disk.write max > 10ms", append(times(2, slow), fast), Fail, false, "under the limit"},

		{"value kept", "disk.write value < 4s", values(1, 2, 3), Pass, false, "met in the worst of 3 rounds"},
		{"value broken in one round", "disk.write value < 4s", values(1, 5, 3), Fail, false, "over the limit"},
		{"value at least, kept", "disk.write value > 2s", values(3, 4), Pass, false, "met"},
		{"value at least, broken in one round", "disk.write value >= 2s", values(3, 1, 4), Fail, false, "under the limit"},
		{"value that is no number", "disk.write value < 4s", values(math.NaN()), Inconclusive, false, "no data"},
		{"value of latencies", "disk.write value < 4s", times(3, fast), Inconclusive, false, "no data"},
		{"quantile of values", "disk.write p99 < 4s", values(1, 2), Inconclusive, false, "no data"},
		{"max of values", "disk.write max < 4s", values(1, 2), Inconclusive, false, "no data"},

		{"mean kept", "disk.write mean < 10ms", times(3, fast), Pass, false, "met"},
		{"mean broken", "disk.write mean < 10ms", times(3, slow), Fail, false, "over the limit"},
		{"mean on both sides", "disk.write mean < 10ms", append(times(2, fast), latencies(ops{1000, 12 * ms})), Inconclusive, true, "the limit lies within the 95 % CI"},
		{"mean of one round", "disk.write mean < 10ms", times(1, fast), Inconclusive, true, "CI over 1 round"},
		{"mean at least, kept", "disk.write mean > 10ms", times(3, slow), Pass, false, "met"},
		{"mean at least, broken", "disk.write mean >= 10ms", times(3, fast), Fail, false, "under the limit"},
		{"min kept", "disk.write min < 10ms", times(3, latencies(ops{10, 50 * ms}, ops{1, ms})), Pass, false, "met"},
		{"min broken", "disk.write min < 10ms", times(3, slow), Fail, false, "over the limit"},
		{"min at least, kept", "disk.write min > 10ms", times(3, slow), Pass, false, "met"},
		{"min at least, broken", "disk.write min > 10ms", times(3, latencies(ops{10, 50 * ms}, ops{1, ms})), Fail, false, "under the limit"},
		{"rate kept", "disk.write rate > 900/s", times(3, fast), Pass, false, "met"},
		{"rate broken", "disk.write rate > 2000/s", times(3, fast), Fail, false, "under the limit"},
		{"rate on both sides", "disk.write rate > 1000/s", []measure.Round{fast, latencies(ops{900, ms}), latencies(ops{1500, ms})}, Inconclusive, true, "the limit lies within the 95 % CI"},
		{"rate at most, kept", "disk.write rate < 2000/s", times(3, fast), Pass, false, "met"},
		{"rate at most, broken", "disk.write rate <= 500/s", times(3, fast), Fail, false, "over the limit"},
		{"rate of no time", "disk.write rate > 1/s", []measure.Round{{Distribution: fast.Distribution}}, Inconclusive, false, "no data"},

		{"a round without operations", "disk.write p99 < 10ms", []measure.Round{latencies()}, Inconclusive, false, "no data"},
		{"a round of nothing", "disk.write max < 10ms", []measure.Round{{}}, Inconclusive, false, "no data"},
		{"another metric", "disk.read p99 < 10ms", times(3, fast), Inconclusive, false, "no data: no round of this step got this far"},
		{"another probe", "tape.write p99 < 10ms", times(3, fast), Inconclusive, false, "no data: no step measured this"},
		{"labels that match", "disk.write{size=4*} max < 10ms", times(3, fast), Pass, false, "met"},
		{"labels that do not match", "disk.write{size=8KiB} max < 10ms", times(3, fast), Inconclusive, false, "no data: no step measured this"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			v := Judge(runOf(t, tt.rounds, tt.limit))
			if len(v.Findings) != 1 {
				t.Fatalf("%d findings, want 1", len(v.Findings))
			}
			f := v.Findings[0]
			if v.Status != tt.want || f.Status != tt.want || f.Undecided != tt.undecided || !strings.Contains(f.Reason, tt.reason) {
				t.Errorf("verdict %s, finding %s (undecided %v): %s\nwant %s (undecided %v): %s", v.Status, f.Status, f.Undecided, f.Reason, tt.want, tt.undecided, tt.reason)
			}
			if (f.Cause != nil) != (tt.want == Fail) {
				t.Errorf("cause %v of a finding that is %s", f.Cause, f.Status)
			}
			if v.Undecided()["disk"] != tt.undecided {
				t.Errorf("steps to be extended: %v", v.Undecided())
			}
		})
	}
}

// TestJudgeColdReads: what the page cache answered does not make a volume fast
// enough; but what is too slow even so is too slow.
func TestJudgeColdReads(t *testing.T) {
	fast, slow := latencies(ops{1000, 1 * ms}), latencies(ops{1000, 50 * ms})
	tests := []struct {
		name   string
		round  measure.Round
		caches []*measure.Cache
		want   Status
		reason string
	}{
		{"cold", fast, []*measure.Cache{{Pages: 10}, {Pages: 10}}, Pass, "met"},
		{"need not be cold", fast, []*measure.Cache{nil, nil}, Pass, "met"},
		{"warm in one round", fast, []*measure.Cache{{Pages: 10}, {Pages: 1000, Resident: 3}}, Inconclusive, "3 of 1,000 pages were still in it"},
		{"nobody can tell", fast, []*measure.Cache{{Unknown: "it cannot be asked"}, nil}, Inconclusive, "it cannot be asked"},
		{"too slow though it was warm", slow, []*measure.Cache{{Pages: 10, Resident: 10}}, Fail, "over the limit"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var rounds []measure.Round
			for _, c := range tt.caches {
				r := tt.round
				r.Context.Cache = c
				rounds = append(rounds, r)
			}
			f := Judge(runOf(t, rounds, "disk.write p99 < 10ms")).Findings[0]
			if f.Status != tt.want || f.Undecided || !strings.Contains(f.Reason, tt.reason) {
				t.Errorf("%s (undecided %v): %s; want %s: %s", f.Status, f.Undecided, f.Reason, tt.want, tt.reason)
			}
		})
	}
}

// TestJudgeLostOperations shows that an operation without a latency counts as
// slower than every bound.
func TestJudgeLostOperations(t *testing.T) {
	failed := func(n int64) func(*measure.Distribution) { return func(d *measure.Distribution) { d.Failed = n } }
	missed := func(n int64) func(*measure.Distribution) { return func(d *measure.Distribution) { d.Missed = n } }
	unfinished := func(n int64) func(*measure.Distribution) {
		return func(d *measure.Distribution) { d.GiveUp(1, 4, n) }
	}
	clamped := func(n int64) func(*measure.Distribution) { return func(d *measure.Distribution) { d.Clamped = n } }
	tests := []struct {
		name    string
		limit   string
		change  func(*measure.Distribution)
		want    Status
		atLeast bool
		reason  string
	}{
		{"one failed of many, quantile", "disk.write p99 < 10ms", failed(1), Pass, false, "3 operations failed, which counts against the limit"},
		{"many failed, quantile", "disk.write p99 < 10ms", failed(100), Fail, true, "300 operations failed"},
		{"many missed, quantile", "disk.write p99 < 10ms", missed(100), Fail, true, "300 operations could not be sent"},
		{"many unfinished, quantile", "disk.write p99 < 10ms", unfinished(1500), Fail, true, "4,500 operations did not finish"},
		{"one clamped, quantile", "disk.write p99 < 10ms", clamped(1), Inconclusive, false, "3 operations took longer than can be recorded"},
		{"one failed, max", "disk.write max < 10ms", failed(1), Fail, true, "3 operations failed"},
		{"one missed, max", "disk.write max < 10ms", missed(1), Fail, true, "3 operations could not be sent"},
		{"one unfinished, max", "disk.write max < 10ms", unfinished(1), Fail, true, "3 operations did not finish"},
		{"one clamped, max", "disk.write max < 10ms", clamped(1), Fail, true, "3 operations took longer than can be recorded"},
		{"one failed, mean", "disk.write mean < 10ms", failed(1), Fail, true, "3 operations failed"},
		{"one unfinished, mean at least: it can only be longer, and does not help", "disk.write mean > 0.1ms", unfinished(1), Inconclusive, true, "3 operations did not finish"},
		{"lost ones do not help a quantile that is to be high", "disk.write p50 > 0.1ms", failed(1), Inconclusive, false, "3 operations failed"},
		{"lost ones do not hurt a rate by themselves", "disk.write rate > 900/s", missed(100), Pass, false, "met"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var rounds []measure.Round
			for range 3 {
				rounds = append(rounds, lost(latencies(ops{1000, ms}), tt.change))
			}
			f := Judge(runOf(t, rounds, tt.limit)).Findings[0]
			if f.Status != tt.want || f.AtLeast != tt.atLeast || !strings.Contains(f.Reason, tt.reason) {
				t.Errorf("%s, at least %v: %s\nwant %s, %v: %s", f.Status, f.AtLeast, f.Reason, tt.want, tt.atLeast, tt.reason)
			}
			if f.AtLeast && f.Headroom != nil && *f.Headroom >= 1 {
				t.Errorf("headroom of a cut value is %g", *f.Headroom)
			}
		})
	}
}

// TestJudgeNothingButLost is a round in which no operation came to an end.
func TestJudgeNothingButLost(t *testing.T) {
	for text, want := range map[string]Status{
		"disk.write p99 < 10ms": Fail, "disk.write max < 10ms": Fail, "disk.write mean < 10ms": Fail,
		"disk.write min < 10ms": Fail, "disk.write rate > 1/s": Fail, "disk.write p99 > 10ms": Inconclusive,
	} {
		t.Run(text, func(t *testing.T) {
			hung := lost(latencies(), func(d *measure.Distribution) { d.GiveUp(4, 4, 500) })
			f := Judge(runOf(t, times(3, hung), text)).Findings[0]
			if f.Status != want {
				t.Errorf("%s: %s, want %s", f.Status, f.Reason, want)
			}
			if strings.Contains(f.Limit.Text, "max") && (f.Observed == nil || *f.Observed != 4) {
				t.Errorf("observed %v, want the 4 s after which it was cut", f.Observed)
			}
		})
	}
}

// TestJudgeFigures checks the numbers that a finding shows.
func TestJudgeFigures(t *testing.T) {
	tests := []struct {
		name                          string
		limit                         string
		rounds                        []measure.Round
		observed, low, high, headroom float64
	}{
		{"quantile", "disk.write p99 < 10ms", times(3, latencies(ops{1000, 2 * ms})), .002, .002, .002, 5},
		{"max", "disk.write max < 10ms", []measure.Round{latencies(ops{10, 2 * ms}), latencies(ops{10, 5 * ms})}, .005, 0, 0, 2},
		{"broken", "disk.write max < 10ms", times(2, latencies(ops{10, 20 * ms})), .02, 0, 0, .5},
		{"more is better", "disk.write rate > 500/s", times(3, latencies(ops{1000, ms})), 1000, 1000, 1000, 2},
		{"mean with an interval cut at 0", "disk.write mean < 100ms", []measure.Round{latencies(ops{10, ms}), latencies(ops{10, 3 * ms})}, .002, 0, .0147, 50},
	}
	near := func(got *float64, want float64) bool {
		return got == nil && want == 0 || got != nil && math.Abs(*got-want) <= .01*want
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := Judge(runOf(t, tt.rounds, tt.limit)).Findings[0]
			if !near(f.Observed, tt.observed) || !near(f.Low, tt.low) || !near(f.High, tt.high) || !near(f.Headroom, tt.headroom) {
				t.Errorf("%s: observed %s, interval %s to %s, headroom %s", f.Status, show(f.Observed), show(f.Low), show(f.High), show(f.Headroom))
			}
			if f.Asked != "writes of 4 KiB" || f.Meaning != "it breaks" {
				t.Errorf("asked %q, meaning %q", f.Asked, f.Meaning)
			}
		})
	}
}

func show(x *float64) any {
	if x == nil {
		return nil
	}
	return *x
}

// A variant that no round of the budget reached is no pass, however well its
// sisters did.
func TestJudgeUnmeasuredVariant(t *testing.T) {
	run := runOf(t, times(3, latencies(ops{1000, ms})), "disk.write p99 < 10ms")
	sister := run.Steps[0]
	sister.Variant, sister.Labels = "size=1GiB", map[string]string{"size": "1GiB"}
	run.Steps = append(run.Steps, sister)
	v := Judge(run)
	if v.Status != Inconclusive || len(v.Findings) != 2 {
		t.Errorf("%s with %d findings, want inconclusive with a finding a variant", v.Status, len(v.Findings))
	}
	run.Steps[1].Informative = true
	if v := Judge(run); v.Status != Pass {
		t.Errorf("%s, want pass: an informative variant changes nothing", v.Status)
	}
}

// A limit may name any parameter of a step, also one that labels nothing.
func TestJudgeByParameter(t *testing.T) {
	run := runOf(t, times(3, latencies(ops{1000, ms})), "disk.write{cipher=none} p99 < 10ms")
	run.Steps[0].Parameters = map[string]string{"cipher": "none"}
	if v := Judge(run); v.Status != Pass {
		t.Errorf("%s (%s), want pass", v.Status, v.Findings[0].Reason)
	}
}

// A round in which nothing was done says nothing, and the others do not speak
// for it.
func TestJudgeRoundWithoutData(t *testing.T) {
	for _, limit := range []string{"disk.write p99 < 10ms", "disk.write max < 2s", "disk.write rate > 1/s"} {
		run := runOf(t, append(times(3, latencies(ops{1000, ms})), latencies()), limit)
		if v := Judge(run); v.Status != Inconclusive {
			t.Errorf("%s: %s (%s), want inconclusive", limit, v.Status, v.Findings[0].Reason)
		}
	}
}

// TestJudgeCutStorm: how long a storm that was cut would have taken is told by its
// writes, since its groups end late; lost processors are held against that.
func TestJudgeCutStorm(t *testing.T) {
	for _, test := range []struct {
		progress, steal float64
		want            Status
	}{
		{.6, .3, Inconclusive}, // 6.7 s, and 1.7 times the bound is what the loss explains at most 2.9 times of
		{.6, .1, Fail},
		{.1, .19, Fail},
		{0, .19, Fail},         // as nothing was done
		{.1, .2, Inconclusive}, // much was lost, and nothing else was seen
	} {
		round := latencies(ops{20, 3 * time.Second})
		round.Distribution.GiveUp(4, 4, 1980)
		round.Elapsed, round.Progress = 4, test.progress
		round.Context.CPU = &measure.CPU{Steal: test.steal}
		run := runOf(t, []measure.Round{round}, "disk.storm max < 4s")
		run.Measurements[0].Metric, run.Measurements[0].Kind = "storm", measure.Whole
		if v := Judge(run); v.Status != test.want {
			t.Errorf("%.0f %% done, %.0f %% of the processors lost: %s (%s), want %s", 100*test.progress, 100*test.steal, v.Status, v.Findings[0].Reason, test.want)
		}
	}
}

// TestJudgeGivenUp: an operation that was given up took at least as long as it had been
// under way. So it breaks the bounds up to there, and of those beyond nothing is known,
// whatever its metric is called.
func TestJudgeGivenUp(t *testing.T) {
	tests := []struct {
		name   string
		limit  string
		until  string // the probe's parameter
		change func(*measure.Distribution)
		want   Status
	}{
		{"a bound beyond the end", "disk.storm max < 10s", "bound", nil, Inconclusive},
		{"another metric", "disk.write max < 10s", "", nil, Inconclusive},
		{"a quantile", "disk.write p99 < 10s", "bound", nil, Inconclusive},
		{"a mean", "disk.write mean < 10s", "bound", nil, Inconclusive},
		{"a mean that they break already", "disk.write mean < 3s", "bound", nil, Fail},
		{"a shortest operation that ended", "disk.write min < 10s", "bound", nil, Pass},
		{"the end itself", "disk.write max < 4s", "bound", nil, Fail},
		{"at most the end", "disk.write max <= 4s", "bound", nil, Fail},
		{"a bound before the end", "disk.write max < 3500ms", "bound", nil, Fail},
		{"a quantile with a bound before the end", "disk.write p99 < 3500ms", "bound", nil, Fail},
		{"operations that failed", "disk.write max < 10s", "bound", func(d *measure.Distribution) { d.Failed = 1 }, Fail},
		{"all are done", "disk.write max < 10s", "bound", func(d *measure.Distribution) { d.Unfinished, d.Stalls, d.GivenUp = 0, nil, nil }, Pass},
		{"of an older document, whose stalls tell the end", "disk.write max < 4s", "", func(d *measure.Distribution) { d.GivenUp = nil }, Fail},
		{"of an older document, beyond the end", "disk.write max < 10s", "", func(d *measure.Distribution) { d.GivenUp = nil }, Inconclusive},
		{"slow ones are asked for, and they may be", "disk.write max > 10s", "bound", nil, Inconclusive},
		{"a rate", "disk.write rate < 1/s", "bound", nil, Fail},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var rounds []measure.Round
			for range 3 {
				round := latencies(ops{1000, 3 * time.Second})
				round.Elapsed = 4
				round.Distribution.GiveUp(4, 4, 1000)
				if test.change != nil {
					test.change(round.Distribution)
				}
				rounds = append(rounds, round)
			}
			run := runOf(t, rounds, test.limit)
			run.Measurements[0].Metric, run.Measurements[0].Until = run.Profile.Limits[0].Metric, test.until
			f := Judge(run).Findings[0]
			if f.Status != test.want {
				t.Errorf("%s (%s), want %s", f.Status, f.Reason, test.want)
			}
			const advice = "--set disk.bound=10s"
			if open := f.Status == Inconclusive; strings.Contains(f.Reason, advice) != (open && test.until != "") || open && (f.Undecided || f.Headroom != nil) {
				t.Errorf("it says %q, undecided %v, headroom %s", f.Reason, f.Undecided, show(f.Headroom))
			}
		})
	}
}

// TestJudgeTooLittleData: where data are too few whatever became of an operation that was
// given up, another look could decide, and the reason does not blame that operation.
func TestJudgeTooLittleData(t *testing.T) {
	for limit, took := range map[string][2]time.Duration{
		"disk.write p99 < 10ms":  {ms, ms},
		"disk.write mean < 10ms": {9 * ms, 12 * ms},
	} {
		last := lost(latencies(ops{100, took[1]}), func(d *measure.Distribution) { d.GiveUp(1, 0.001, 1) })
		f := Judge(runOf(t, append(times(2, latencies(ops{100, took[0]})), last), limit)).Findings[0]
		if f.Status != Inconclusive || !f.Undecided || strings.Contains(f.Reason, "the bound lies beyond that") {
			t.Errorf("%s: %s, undecided %v: %s", limit, f.Status, f.Undecided, f.Reason)
		}
	}
}

// TestJudgeExcusesNothingByNothing: where nothing was withheld no machine is to blame, not
// for the limit that asks for slow operations, and not for one just at the bound.
func TestJudgeExcusesNothingByNothing(t *testing.T) {
	for _, limit := range []string{"disk.write max > 10ms", "disk.write max < 1ms"} {
		fast := latencies(ops{1000, ms})
		fast.Context.Withheld = &measure.Withheld{Start: started, Width: .1, Seen: []string{"steal"}}
		if f := Judge(runOf(t, times(3, fast), limit)).Findings[0]; f.Status != Fail || f.Cause.OfHost() {
			t.Errorf("%s: %s by %v", limit, f.Status, f.Cause)
		}
	}
}

// TestJudgeRun changes a run that passes and holds what the verdict becomes.
func TestJudgeRun(t *testing.T) {
	noCPU := measure.Context{CPU: &measure.CPU{Steal: .7}, Withheld: &measure.Withheld{Start: started, Width: .1, Seen: []string{"steal"}}}
	for index := range 10 {
		noCPU.Withheld.Slices = append(noCPU.Withheld.Slices, measure.WithheldSlice{Index: index, Steal: .07})
	}
	slow := times(3, latencies(ops{1000, 50 * ms}))
	incident := func(kind IncidentKind) func(*testing.T, *Run) {
		return func(_ *testing.T, run *Run) {
			run.Incidents = []Incident{{Kind: kind, Step: "disk", Round: 2, At: started.Add(time.Second), Detail: "it happened"}}
		}
	}
	warn := func(run *Run) { run.Profile.Limits[0].Level = profiles.LevelWarn }
	tests := []struct {
		name    string
		change  func(*testing.T, *Run)
		want    Status
		partial bool
		names   []string // of findings beside the limit's
		reason  string   // a part of the first finding's
	}{
		{"nothing", func(*testing.T, *Run) {}, Pass, false, nil, "met"},
		{"stalled", incident(Stalled), Fail, false, []string{"the volume answers"}, "stalled after 1s: it happened"},
		{"an I/O error", incident(VolumeError), Fail, false, []string{"the volume gives no error"}, "it happened"},
		{"an error of the tool", incident(ToolError), Inconclusive, false, []string{"the step ran"}, "it happened"},
		{"the reserve was reached", incident(Full), Inconclusive, false, []string{"free space stays above the reserve"}, "it happened"},
		{"live data was slowed down", incident(Hurting), Inconclusive, false, []string{"live data is not slowed down"}, "it happened"},
		{"interrupted", incident(Interrupted), Inconclusive, false, []string{"the run was not interrupted"}, "it happened"},
		{"interrupted before a step", func(_ *testing.T, run *Run) { run.Interrupted = true }, Inconclusive, false, []string{"the run was not interrupted"}, ""},
		{"an incident of a kind that is not known", incident("flood"), Inconclusive, false, []string{"nothing unknown went wrong"}, "flood"},
		{"out of time with enough data", incident(OutOfTime), Pass, false, nil, "met"},
		{"out of time without data", func(t *testing.T, run *Run) {
			incident(OutOfTime)(t, run)
			run.Measurements = nil
		}, Inconclusive, false, nil, "no data"},
		{"out of time with too little data", func(t *testing.T, run *Run) {
			incident(OutOfTime)(t, run)
			run.Measurements[0].Rounds = times(1, latencies(ops{100, ms}))
		}, Inconclusive, false, nil, "not enough data"},
		{"the volume does not persist", func(_ *testing.T, run *Run) {
			run.Volume.Persistence = volume.Persistence{State: volume.NotPersistent, How: "tmpfs is memory"}
		}, Fail, false, []string{"the volume persists"}, "tmpfs is memory"},
		{"a further target does not persist", func(_ *testing.T, run *Run) {
			memory := volume.Facts{Path: "/b", Persistence: volume.Persistence{State: volume.NotPersistent, How: "tmpfs is memory"}}
			run.Raft = &Raft{Targets: []volume.Facts{{Path: "/a"}, memory}}
		}, Fail, false, []string{"the volume persists"}, "/b: tmpfs is memory"},
		{"servers without a volume stand in memory", func(_ *testing.T, run *Run) {
			run.Raft = &Raft{Peers: &volume.Facts{Persistence: volume.Persistence{State: volume.NotPersistent}}}
		}, Pass, false, nil, "met"},
		{"no limits", func(_ *testing.T, run *Run) { run.Profile.Limits = nil }, Inconclusive, false, nil, ""},
		{"no limits, and the volume does not persist", func(_ *testing.T, run *Run) {
			run.Profile.Limits = nil
			run.Volume.Persistence.State = volume.NotPersistent
		}, Fail, false, []string{"the volume persists"}, ""},
		{"an empty run", func(_ *testing.T, run *Run) { *run = Run{} }, Inconclusive, false, nil, ""},

		{"a warning", func(_ *testing.T, run *Run) { warn(run); run.Measurements[0].Rounds = slow }, Warn, false, nil, "over the limit"},
		{"a warning that stays undecided", func(_ *testing.T, run *Run) {
			warn(run)
			run.Measurements[0].Rounds = times(3, latencies(ops{100, ms}))
		}, Warn, false, nil, "not enough data"},
		{"a warning without data", func(_ *testing.T, run *Run) { warn(run); run.Measurements = nil }, Inconclusive, false, nil, "no data"},
		{"a warning whose cause is the CPU", func(_ *testing.T, run *Run) {
			warn(run)
			run.Measurements[0].Rounds = times(3, around(slow[0], noCPU))
		}, Warn, false, nil, "not the volume"},
		{"a failure whose cause is the CPU", func(_ *testing.T, run *Run) {
			run.Measurements[0].Rounds = times(3, around(slow[0], noCPU))
		}, Inconclusive, false, nil, "this machine's CPU is to blame"},
		{"a failure of one round in which the CPU was free", func(_ *testing.T, run *Run) {
			run.Profile.Limits[0] = limit(t, "disk.write max < 10ms", profiles.LevelFail)
			run.Measurements[0].Rounds = append(times(3, around(latencies(ops{1000, ms}), noCPU)), slow[0])
		}, Fail, false, nil, "over the limit"},

		{"the worst finding wins: fail over inconclusive", func(t *testing.T, run *Run) {
			run.Measurements[0].Rounds = slow
			incident(ToolError)(t, run)
		}, Fail, false, []string{"the step ran"}, ""},
		{"the worst finding wins: inconclusive over warn", func(t *testing.T, run *Run) {
			warn(run)
			run.Measurements[0].Rounds = slow
			incident(ToolError)(t, run)
		}, Inconclusive, false, []string{"the step ran"}, ""},

		{"the step was skipped", func(_ *testing.T, run *Run) {
			run.Skipped = []string{"disk"}
			run.Profile.Limits = append(run.Profile.Limits, limit(t, "tape.write p99 < 10ms", profiles.LevelFail))
			run.Profile.Steps = append(run.Profile.Steps, profiles.Step{Name: "tape", Probe: "tape"})
			run.Skipped = []string{"tape"}
		}, Pass, true, nil, "met"},
		{"all steps were skipped", func(_ *testing.T, run *Run) {
			run.Skipped, run.Steps, run.Measurements = []string{"disk"}, nil, nil
		}, Inconclusive, true, nil, ""},
		{"skipped, and its informative sister ran", func(_ *testing.T, run *Run) {
			run.Skipped = []string{"disk"}
			run.Profile.Steps = append(run.Profile.Steps, profiles.Step{Name: "older", Probe: "disk", Informative: true})
			run.Steps[0].Name, run.Steps[0].Informative, run.Measurements[0].Step = "older", true, "older"
		}, Inconclusive, true, nil, ""},
		{"another variant was skipped, and this one brought no data", func(_ *testing.T, run *Run) {
			run.Profile.Steps[0].Set = map[string]string{"size": "8KiB, 16KiB"}
			run.Profile.Limits[0] = limit(t, "disk.write{size=4KiB} p99 < 10ms", profiles.LevelFail)
			run.Skipped, run.Steps, run.Measurements = []string{"disk"}, nil, nil
		}, Inconclusive, false, nil, "no data"},
		{"one of the skipped step's variants is asked for", func(_ *testing.T, run *Run) {
			run.Profile.Steps[0].Set = map[string]string{"size": "8KiB, 4KiB"}
			run.Profile.Limits[0] = limit(t, "disk.write{size=4KiB} p99 < 10ms", profiles.LevelFail)
			run.Skipped, run.Steps, run.Measurements = []string{"disk"}, nil, nil
		}, Inconclusive, true, nil, ""},
		{"a step that ran without data is not covered by one that was skipped", func(_ *testing.T, run *Run) {
			run.Profile.Limits[0] = limit(t, "disk.write{kind=own} p99 < 10ms", profiles.LevelFail)
			run.Profile.Steps = append(run.Profile.Steps, profiles.Step{Name: "other", Probe: "disk"})
			run.Skipped, run.Measurements = []string{"other"}, nil
		}, Inconclusive, false, nil, "no data"},

		{"one that another step with the same probe does not measure was left out", func(_ *testing.T, run *Run) {
			run.Profile.Limits = append(run.Profile.Limits, limit(t, "disk.drain value < 4s", profiles.LevelFail))
			run.Profile.Steps = append(run.Profile.Steps, profiles.Step{Name: "other", Probe: "disk"})
			run.Skipped = []string{"other"}
		}, Pass, true, nil, ""},
		{"a value that some rounds do not have", func(_ *testing.T, run *Run) {
			run.Profile.Limits[0] = limit(t, "disk.drain value < 4s", profiles.LevelFail)
			drain := run.Measurements[0]
			drain.Metric, drain.Rounds = "drain", values(1, 2)
			run.Measurements = append(run.Measurements, drain)
		}, Inconclusive, false, nil, "in only 2 of 3 rounds"},
		{"a warning beside the figures is told", func(_ *testing.T, run *Run) {
			run.Measurements[0].Warnings = []string{"the cache was warm"}
		}, Pass, false, nil, "(the cache was warm)"},
		{"a statistic that is not known", func(_ *testing.T, run *Run) { run.Profile.Limits[0].Stat.Name = "mode" }, Inconclusive, false, nil, "unknown"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			run := runOf(t, times(3, latencies(ops{1000, ms})), "disk.write p99 < 10ms")
			tt.change(t, run)
			v := Judge(run)
			if v.Status != tt.want || v.Partial != tt.partial || v.Partial != (len(v.Skipped) > 0) {
				t.Errorf("%s, partial %v, skipped %q; want %s, partial %v", v.Status, v.Partial, v.Skipped, tt.want, tt.partial)
			}
			var names []string
			for _, f := range v.Findings {
				if f.Limit == nil {
					names = append(names, f.Name)
				}
			}
			if diff := cmp.Diff(tt.names, names); diff != "" {
				t.Errorf("findings that are no limits (-want +got):\n%s", diff)
			}
			if len(v.Findings) > 0 && !strings.Contains(v.Findings[0].Reason, tt.reason) {
				t.Errorf("reason %q, want %q in it", v.Findings[0].Reason, tt.reason)
			}
		})
	}
}

// TestJudgeInformative shows that an informative step is held against the same
// limits and changes nothing.
func TestJudgeInformative(t *testing.T) {
	for _, took := range []time.Duration{ms, 50 * ms} {
		run := runOf(t, times(3, latencies(ops{1000, ms})), "disk.write p99 < 10ms")
		older := run.Steps[0]
		older.Name, older.Informative = "older", true
		m := run.Measurements[0]
		m.Step, m.Rounds = "older", times(3, latencies(ops{1000, took}))
		run.Steps, run.Measurements = append(run.Steps, older), append(run.Measurements, m)
		v := Judge(run)
		if v.Status != Pass || len(v.Findings) != 1 || len(v.Informative) != 1 || len(v.Undecided()) != 0 {
			t.Fatalf("%s with %d findings, %d informative", v.Status, len(v.Findings), len(v.Informative))
		}
		if broken := v.Informative[0].Status == Fail; broken != (took > 10*ms) {
			t.Errorf("informative at %v is %s", took, v.Informative[0].Status)
		}
	}
	t.Run("alone it decides nothing", func(t *testing.T) {
		run := runOf(t, times(3, latencies(ops{1000, ms})), "disk.write p99 < 10ms")
		run.Steps[0].Informative = true
		if v := Judge(run); v.Status != Inconclusive || v.Partial {
			t.Errorf("%s, partial %v", v.Status, v.Partial)
		}
	})
}

// TestJudgeEveryMeasurement shows that a limit must hold for all that it
// matches.
func TestJudgeEveryMeasurement(t *testing.T) {
	run := runOf(t, times(3, latencies(ops{1000, ms})), "disk.write p99 < 10ms")
	other := run.Steps[0]
	other.Variant, other.Labels = "size=8KiB", map[string]string{"size": "8KiB"}
	m := run.Measurements[0]
	m.Labels, m.Rounds = other.Labels, times(3, latencies(ops{100, 1 * ms}))
	run.Steps, run.Measurements = append(run.Steps, other), append(run.Measurements, m)
	v := Judge(run)
	if v.Status != Inconclusive || len(v.Findings) != 2 {
		t.Fatalf("%s of %d findings", v.Status, len(v.Findings))
	}
	if diff := cmp.Diff(map[string]bool{"disk size=8KiB": true}, v.Undecided()); diff != "" {
		t.Errorf("undecided steps (-want +got):\n%s", diff)
	}
}

// TestJudgeStalledCause blames the layer that gave no answer or an error.
func TestJudgeStalledCause(t *testing.T) {
	held := latencies(ops{100, ms})
	held.Context.Pressure = &measure.Pressure{IO: .6}
	held.Context.Device = &measure.Device{Name: "vdb", WriteSeconds: 60e-6}
	for _, tt := range []struct {
		kind               IncidentKind
		fileSystem, device string
		rounds             []measure.Round
		want               cause.Name
	}{
		{Stalled, "ext4", "vdb", nil, cause.Device},
		{Stalled, "fuse.s", "", nil, cause.FileSystem},
		{Stalled, "nfs4", "", nil, cause.Network},
		{VolumeError, "nfs4", "", nil, cause.Network},
		{Stalled, "ext4", "vdb", []measure.Round{held}, cause.Throttle},
		{VolumeError, "ext4", "vdb", []measure.Round{held}, cause.Device},
	} {
		run := runOf(t, tt.rounds)
		run.Volume.FileSystem, run.Volume.Device.Name = tt.fileSystem, tt.device
		run.Incidents = []Incident{{Kind: tt.kind, At: started, Detail: "no answer"}}
		if got := Judge(run).Findings[0].Cause; got == nil || got.Name != tt.want {
			t.Errorf("%s of %s on device %q: the cause is %v, want %s", tt.kind, tt.fileSystem, tt.device, got, tt.want)
		}
	}
}

// TestVolumesOfAStep: what a further target did can explain a Raft group, and nothing
// else.
func TestVolumesOfAStep(t *testing.T) {
	facts := func(path, fileSystem, device string) volume.Facts {
		return volume.Facts{Path: path, FileSystem: fileSystem, Device: volume.Device{Name: device}}
	}
	run := &Run{
		Volume: facts("/a", "ext4", "sda"),
		Raft:   &Raft{Targets: []volume.Facts{facts("/b", "xfs", "sdb"), facts("/c", "nfs4", "")}},
	}
	alone, group := Step{Name: "raw-sync"}, Step{Name: "raft-stall", Raft: true}
	for _, tt := range []struct {
		step                 Step
		devices, fileSystems string
	}{{alone, "sda", "ext4"}, {group, "sda sdb ", "ext4 xfs nfs4"}} {
		volumes := run.Volumes(tt.step)
		if got := strings.Join(Devices(volumes), " "); got != tt.devices {
			t.Errorf("%s writes to %s, want %s", tt.step.Name, got, tt.devices)
		}
		if got := strings.Join(fileSystems(volumes), " "); got != tt.fileSystems {
			t.Errorf("%s writes to %s, want %s", tt.step.Name, got, tt.fileSystems)
		}
	}
	run.Steps = []Step{alone, group}
	for _, tt := range []struct {
		step, target string
		want         cause.Name
	}{{"raw-sync", "", cause.Device}, {"raft-stall", "", cause.Device}, {"", "/b", cause.Device}, {"raw-sync", "/c", cause.Network}} {
		if got := incidentCause(run, Incident{Kind: Stalled, Step: tt.step, Target: tt.target, Detail: "no answer"}); got.Name != tt.want {
			t.Errorf("no answer in %q of %q is blamed on %s, want %s", tt.step, tt.target, got.Name, tt.want)
		}
	}
}

// TestStandstills joins the stalls of operations that waited for the same.
func TestStandstills(t *testing.T) {
	r := latencies(ops{1000, ms})
	for _, s := range []struct{ at, took float64 }{{3, 2}, {3.5, 2}, {2, .6}, {10, 1}, {.5, 4}} {
		r.Distribution.AddStall(s.at, s.took)
	}
	r.Elapsed = 20
	f := Judge(runOf(t, []measure.Round{r}, "disk.write max < 2s")).Findings[0]
	const want = "stalled 20 % of the time: 2.5 s at 12:00:01.0 UTC, 1.0 s at 12:00:09.0 UTC, 0.5 s at 12:00:00.0 UTC"
	if !strings.Contains(f.Reason, want) {
		t.Errorf("reason %q, want %q in it", f.Reason, want)
	}
}

func TestStatusText(t *testing.T) {
	var zero Status
	if zero != Inconclusive || zero.String() != "inconclusive" {
		t.Errorf("the zero status is %s", zero)
	}
	for status := range statusNames {
		text, _ := status.MarshalText()
		var back Status
		if err := back.UnmarshalText(text); err != nil || back != status {
			t.Errorf("%s reads back as %s, %v", status, back, err)
		}
	}
	if err := new(Status).UnmarshalText([]byte("fine")); err == nil {
		t.Error("a status that there is not was read")
	}
}

// TestServerLines: the evidence is the gravest line of each round before the second of
// any, and of those the one that tells of the longest time.
func TestServerLines(t *testing.T) {
	logged := func(lines ...string) measure.Round {
		return measure.Round{Context: measure.Context{Log: lines}}
	}
	got := serverLines([]measure.Round{
		logged("nats-server 1: [warning] 127.0.0.1:1 - rid:1 - Readloop processing time: 120ms"),
		logged("nats-server 0: [warning] Metalayer async snapshot took 2.553s (streams: 4, consumers: 43, compacted: 1 KB)", "nats-server 0: [warning] second"),
		logged(),
		logged("nats-server 0: [warning] JetStream cluster stream 'A > S' has NO quorum, stalled", "nats-server 0: [warning] 1.5s"),
	})
	want := []string{
		"nats-server 0: [warning] Metalayer async snapshot took 2.553s (streams: 4, consumers: 43, compacted: 1 KB)",
		"nats-server 1: [warning] 127.0.0.1:1 - rid:1 - Readloop processing time: 120ms",
		"nats-server 0: [warning] JetStream cluster stream 'A > S' has NO quorum, stalled",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestJudgeOpenOnABusyMachine: what has too few operations on a machine that keeps a
// fifth of its processors has the CPU as its cause.
func TestJudgeOpenOnABusyMachine(t *testing.T) {
	few, late := ops{20, ms}, ops{1, 50 * ms}
	for _, c := range []struct {
		name   string
		rounds [][]ops
		steal  float64
		want   *cause.Cause
	}{
		{"few, and little is lost", [][]ops{{few}}, 0.19, nil},
		{"few, and much is lost", [][]ops{{few}}, 0.2, &cause.Cause{Name: cause.CPU, Evidence: []string{"this machine was short of CPU 20 % of the time"}}},
		{"one is late, and little is lost", [][]ops{{few, late}, {few}}, 0.1, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			var rounds []measure.Round
			for _, all := range c.rounds {
				r := latencies(all...)
				r.Context.CPU = &measure.CPU{Steal: c.steal}
				rounds = append(rounds, r)
			}
			f := Judge(runOf(t, rounds, "disk.write p99 < 10ms")).Findings[0]
			if !f.Undecided || f.Status != Inconclusive {
				t.Fatalf("%s: %s", f.Status, f.Reason)
			}
			if diff := cmp.Diff(c.want, f.Cause); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
