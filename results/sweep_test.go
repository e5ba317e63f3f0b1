package results

import (
	"bytes"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"storebench/internal/measure"
)

// axis is an axis of a sweep.
func axis(parameter string, values ...string) Axis { return Axis{parameter, values} }

// sweepOf is a sweep of a probe named disk. rates returns the throughput of each
// round of a cell; one of 0 is a round in which nothing ended.
func sweepOf(axes []Axis, rates func(at map[string]string) []float64) *Run {
	run := &Run{
		Schema: Schema, Tool: Tool{Name: toolName, Version: "test"}, ID: "1", Started: started, Ended: started, Budget: 60,
		Sweep: &Sweep{Probe: "disk", Axes: axes, Metric: "write", SlotsAxis: "max-concurrent-io"},
	}
	places := []map[string]string{{}}
	for _, a := range axes {
		var next []map[string]string
		for _, at := range places {
			for _, value := range a.Values {
				place := map[string]string{a.Parameter: value}
				for k, v := range at {
					place[k] = v
				}
				next = append(next, place)
			}
		}
		places = next
	}
	for _, at := range places {
		run.Steps = append(run.Steps, Step{Name: "disk", Probe: "disk", Variant: placeWords(at), Labels: at, Parameters: at})
		var rounds []measure.Round
		for _, rate := range rates(at) {
			r := latencies(ops{20, ms})
			r.Elapsed = 20 / rate
			if rate == 0 {
				r.Distribution, r.Elapsed = &measure.Distribution{Unfinished: 20}, 4
			}
			rounds = append(rounds, r)
		}
		if rounds != nil {
			run.Measurements = append(run.Measurements, measure.Measurement{
				Step: "disk", Probe: "disk", Metric: "write", Unit: measure.Seconds, Labels: at, Rounds: rounds,
			})
		}
	}
	return run
}

// sweepRun is a small sweep with a knee and an answer about slots.
func sweepRun() *Run {
	return sweepOf([]Axis{axis("concurrency", "1", "4", "16"), axis("max-concurrent-io", "4", "16")}, func(at map[string]string) []float64 {
		c, _ := quantity(at["concurrency"])
		return around3(min(25*c, 100))
	})
}

// around3 is three rounds close to a rate.
func around3(rate float64) []float64 { return []float64{rate, rate * 1.004, rate * .997} }

func TestSweepDocument(t *testing.T) {
	want := sweepRun()
	data := encode(t, "run.json", want)
	got, err := Read("run.json", bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("run (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(Evaluate(want), Evaluate(got)); diff != "" {
		t.Errorf("matrix (-want +got):\n%s", diff)
	}
	for _, part := range []string{`"sweep": {`, `"matrix": {`, `"knees": [`, `"line": "jetstream { max_concurrent_io: 4 }"`} {
		if !bytes.Contains(data, []byte(part)) {
			t.Errorf("%s is not in the document", part)
		}
	}
	if bytes.Contains(encode(t, "run.json", fullRun(t)), []byte(`"matrix"`)) {
		t.Error("a check has a matrix")
	}
}

func TestEvaluateCells(t *testing.T) {
	m := Evaluate(sweepOf([]Axis{axis("size", "1KiB", "4KiB"), axis("concurrency", "2", "16")}, func(at map[string]string) []float64 {
		if at["size"] == "4KiB" && at["concurrency"] == "16" {
			return nil
		}
		return []float64{90, 100, 110}
	}))
	var order []string
	for _, c := range m.Cells {
		order = append(order, fmt.Sprint(c.At["size"], " ", c.At["concurrency"], " ", c.Rounds))
	}
	if diff := cmp.Diff([]string{"1KiB 2 3", "1KiB 16 3", "4KiB 2 3", "4KiB 16 0"}, order); diff != "" {
		t.Errorf("cells (-want +got):\n%s", diff)
	}
	c := m.Cell(map[string]string{"size": "1KiB", "concurrency": "16"})
	if c == nil || math.Abs(*c.Rate.Value-100) > 1e-9 || !(*c.Rate.Low < 100 && *c.Rate.High > 100) {
		t.Fatalf("cell %+v, want 100/s within an interval", c)
	}
	if p := *c.P99.Value; math.Abs(p-1e-3) > 1e-5 || c.P99.AtLeast || c.P99.High != nil {
		t.Errorf("p99 %v, want 1 ms with an end that 60 operations do not support", c.P99)
	}
	if c := m.Cell(map[string]string{"size": "4KiB", "concurrency": "16"}); c.Rate.Value != nil || c.P99.Value != nil {
		t.Errorf("figures of a cell without data: %+v", c)
	}
	if Evaluate(fullRun(t)) != nil {
		t.Error("a check has a matrix")
	}
}

// TestEvaluateMetrics: what is cut is known from below, what is one value a round
// has no quantile, and a throughput of the probe's own is taken as it is.
func TestEvaluateMetrics(t *testing.T) {
	run := sweepOf([]Axis{axis("concurrency", "1", "4")}, func(at map[string]string) []float64 { return []float64{0, 100} })
	cell := Evaluate(run).Cells[0]
	if !cell.P99.AtLeast || *cell.Rate.Value != 50 {
		t.Errorf("half of the operations did not end, and the cell is %+v", cell)
	}
	for i := range run.Measurements {
		run.Measurements[i].Rounds = values(.2, .1, .4)
		own := run.Measurements[i]
		own.Metric, own.Unit, own.Rounds = "throughput", measure.BytesPerSecond, values(1<<20, 1<<20)
		run.Measurements = append(run.Measurements, own)
	}
	m := Evaluate(run)
	if cell := m.Cells[1]; !m.Longest || *cell.P99.Value != .4 || math.Abs(*cell.Rate.Value-(5+10+2.5)/3) > 1e-9 {
		t.Errorf("longest %v, cell %+v", m.Longest, cell)
	}
	run.Sweep.ThroughputMetric = "throughput"
	if m := Evaluate(run); m.Unit != measure.BytesPerSecond || *m.Cells[1].Rate.Value != 1<<20 {
		t.Errorf("throughput %s, %+v", m.Unit, m.Cells[1].Rate)
	}
}

// TestShortTurn: a turn must hold some operations one after another, where it is
// the turn that ends them.
func TestShortTurn(t *testing.T) {
	short := func(turn time.Duration, loop measure.Loop) bool {
		run := sweepOf([]Axis{axis("concurrency", "1", "4")}, func(map[string]string) []float64 { return []float64{100} })
		run.Steps[0].Duration, run.Steps[0].Loop = turn, loop
		return Evaluate(run).Cells[0].Short // its operations take 1 ms
	}
	if !short(2*time.Millisecond, measure.Closed) || short(10*time.Millisecond, measure.Closed) || short(2*time.Millisecond, measure.AtRate) || short(2*time.Millisecond, measure.Once) {
		t.Error("of turns of 2 ms and 10 ms in closed loop only the first is too short, and none at a rate or of work that is done once a turn is")
	}
}

// slotsParameter is what the sweeps of these tests call max_concurrent_io.
const slotsParameter = "max-concurrent-io"

func TestKnee(t *testing.T) {
	writers := []string{"16", "1", "2", "4", "8"} // in no order
	calm := []float64{1, 1.01, .995}
	tests := []struct {
		name  string
		axis  Axis
		rate  func(x float64) float64
		noise func(x float64, round int) float64
		want  string // state value low high
	}{
		{"saturates inside", axis("concurrency", writers...), func(x float64) float64 { return min(25*x, 100) }, nil, "found 4 4 4"},
		{"saturates slowly", axis("concurrency", writers...), func(x float64) float64 { return 100 * x / (x + 1) }, nil, "found 4 4 4"},
		{"flushes that are joined", axis("concurrency", "1", "16", "64", "256"), func(x float64) float64 { return 100 * x / (x + 2.4) }, nil, "found 16 16 16"},
		{"saturated at once", axis("concurrency", writers...), func(float64) float64 { return 100 }, nil, "found 1 1 1"},
		{"scales throughout", axis("concurrency", writers...), func(x float64) float64 { return 25 * x }, nil, "beyond 16 16 16"},
		{"falls", axis("concurrency", writers...), func(x float64) float64 { return 100 / x }, nil, "found 1 1 1"},
		{"sizes", axis("size", "4KiB", "512B", "1MiB"), func(x float64) float64 { return min(x, 4096) }, nil, "found 4KiB 4KiB 4KiB"},
		{"drift that all cells share", axis("concurrency", writers...), func(x float64) float64 { return min(25*x, 100) },
			func(_ float64, round int) float64 { return []float64{1, .4, 2}[round] }, "found 4 4 4"},
		{"noise of its own in every cell", axis("concurrency", writers...), func(x float64) float64 { return min(25*x, 100) },
			func(x float64, round int) float64 { return math.Pow(8, math.Cos(7*x+2.1*float64(round))) }, "unclear"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			m := Evaluate(sweepOf([]Axis{test.axis}, func(at map[string]string) []float64 {
				x, ok := quantity(at[test.axis.Parameter])
				if !ok {
					t.Fatalf("%v is no quantity", at)
				}
				var rates []float64
				for round, factor := range calm {
					if test.noise != nil {
						factor = test.noise(x, round)
					}
					rates = append(rates, test.rate(x)*factor)
				}
				return rates
			}))
			if len(m.Knees) != 1 {
				t.Fatalf("knees %+v, want one", m.Knees)
			}
			k := m.Knees[0]
			if got := fmt.Sprint(k.State, " ", k.Value, " ", k.Low, " ", k.High); !strings.HasPrefix(got, test.want) {
				t.Errorf("knee %s, want %s (%s)", got, test.want, k.Reason)
			}
		})
	}
}

// TestKneeNeedsRounds: one round says nothing of the noise, and what has no order
// has no knee.
func TestKneeNeedsRounds(t *testing.T) {
	one := func(map[string]string) []float64 { return []float64{100} }
	if k := Evaluate(sweepOf([]Axis{axis("concurrency", "1", "2")}, one)).Knees[0]; k.State != KneeUnclear {
		t.Errorf("knee %+v after one round", k)
	}
	if k := Evaluate(sweepOf([]Axis{axis("cipher", "none", "aes")}, one)).Knees; k != nil {
		t.Errorf("knees %+v along ciphers", k)
	}
	if k := Evaluate(sweepRun()).Knees; len(k) != 2+3 || k[0].At["max-concurrent-io"] != "4" || k[4].At["concurrency"] != "16" {
		t.Errorf("knees %+v, want one for each line", k)
	}
}

func TestSlots(t *testing.T) {
	slots := axis(slotsParameter, "4", "6", "16", "64", "4096")
	steady := func(rates map[string]float64) func(map[string]string) []float64 {
		return func(at map[string]string) []float64 { return around3(rates[at[slotsParameter]]) }
	}
	rising := map[string]float64{"4": 10, "6": 15, "16": 40, "64": 98, "4096": 100}
	tests := []struct {
		name   string
		axes   []Axis
		rates  func(map[string]string) []float64
		enough int
		best   int
		open   []int
	}{
		{"rising", []Axis{slots}, steady(rising), 64, 4096, nil},
		{"all alike", []Axis{slots}, steady(map[string]float64{"4": 100, "6": 99.9, "16": 100.1, "64": 100, "4096": 100}), 4, 16, nil},
		{"falling", []Axis{slots}, steady(map[string]float64{"4": 100, "6": 90, "16": 80, "64": 70, "4096": 60}), 4, 4, nil},
		{"one in the noise", []Axis{slots}, func(at map[string]string) []float64 {
			if at[slotsParameter] == "16" {
				return []float64{96, 103, 92}
			}
			return steady(rising)(at)
		}, 64, 4096, []int{16}},
		{"nothing but noise", []Axis{slots}, func(at map[string]string) []float64 {
			return map[string][]float64{
				"4": {60, 100, 140}, "6": {140, 60, 90}, "16": {90, 130, 60}, "64": {130, 60, 120}, "4096": {80, 140, 70},
			}[at[slotsParameter]]
		}, 0, 64, []int{4, 6, 16, 64, 4096}},
		{"the best stands when a smaller one is in the noise", []Axis{slots}, func(at map[string]string) []float64 {
			if at[slotsParameter] == "64" {
				return []float64{96, 103, 92}
			}
			return steady(rising)(at)
		}, 4096, 4096, []int{64}},
		{"a storm that was cut has one round", []Axis{slots}, func(at map[string]string) []float64 {
			if at[slotsParameter] == "4" {
				return []float64{10}
			}
			return steady(rising)(at)
		}, 64, 4096, nil},
		{"where the volume does most", []Axis{slots, axis("groups", "8", "64")}, func(at map[string]string) []float64 {
			if at["groups"] == "8" {
				return around3(50)
			}
			return steady(rising)(at)
		}, 64, 4096, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			found := Evaluate(sweepOf(test.axes, test.rates)).Slots
			if found.Enough != test.enough || found.Best != test.best || !cmp.Equal(found.Open, test.open) {
				t.Errorf("enough %d, best %d, open %v; want %d, %d, %v (%s)", found.Enough, found.Best, found.Open, test.enough, test.best, test.open, found.Reason)
			}
			line := ""
			if test.enough > 0 {
				line = fmt.Sprintf("jetstream { max_concurrent_io: %d }", test.enough)
			}
			if found.Line != line {
				t.Errorf("line %q, want %q", found.Line, line)
			}
		})
	}
	if found := Evaluate(sweepOf([]Axis{axis("concurrency", "1", "2")}, func(map[string]string) []float64 { return around3(1) })).Slots; found != nil {
		t.Errorf("slots %+v of a sweep that varied none", found)
	}
}

// TestUndecided: more rounds are for the cells that something hangs on.
func TestUndecided(t *testing.T) {
	sweep := func(of64 ...float64) []string {
		return Evaluate(sweepOf([]Axis{axis(slotsParameter, "4", "64", "4096")}, func(at map[string]string) []float64 {
			switch at[slotsParameter] {
			case "4":
				return around3(10)
			case "64":
				return of64
			}
			return around3(100)
		})).Undecided
	}
	if got := sweep(around3(98)...); got != nil {
		t.Errorf("nothing is open, and undecided are %q", got)
	}
	want := []string{"disk max-concurrent-io 64", "disk max-concurrent-io 4,096"}
	if diff := cmp.Diff(want, sweep(98, 94, 103)); diff != "" {
		t.Errorf("undecided (-want +got):\n%s", diff)
	}
	knee := Evaluate(sweepOf([]Axis{axis("concurrency", "1", "2", "4")}, func(at map[string]string) []float64 {
		return map[string][]float64{"1": around3(1), "2": {100, 30, 200}, "4": {60, 150, 90}}[at["concurrency"]]
	}))
	if diff := cmp.Diff([]string{"disk concurrency 2", "disk concurrency 4"}, knee.Undecided); diff != "" {
		t.Errorf("undecided (-want +got):\n%s", diff)
	}
}

func TestSweepVerdict(t *testing.T) {
	tests := []struct {
		name   string
		change func(*Run)
		want   Status
	}{
		{"complete", func(*Run) {}, Pass},
		{"a cell was cut", func(run *Run) { run.Incidents = []Incident{{Kind: Cut, Step: run.Steps[0].Title()}} }, Pass},
		{"a cell without data", func(run *Run) { run.Measurements = run.Measurements[1:] }, Inconclusive},
		{"no data at all", func(run *Run) { run.Measurements = nil }, Inconclusive},
		{"no cell", func(run *Run) { run.Steps = nil }, Inconclusive},
		{"no axis", func(run *Run) { run.Sweep.Axes = nil }, Inconclusive},
		{"another metric", func(run *Run) { run.Sweep.Metric = "read" }, Inconclusive},
		{"a stall", func(run *Run) { run.Incidents = []Incident{{Kind: Stalled}} }, Fail},
		{"interrupted", func(run *Run) { run.Interrupted = true }, Inconclusive},
		{"a limit of the user's", func(run *Run) {
			run.Profile.Limits = append(run.Profile.Limits, limit(t, "disk.write p99 < 1us", "fail"))
		}, Fail},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			run := sweepRun()
			test.change(run)
			if got := Judge(run); got.Status != test.want {
				t.Errorf("verdict %s, want %s: %+v", got.Status, test.want, got.Findings)
			}
		})
	}
}
