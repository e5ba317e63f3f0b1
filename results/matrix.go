package results

import (
	"math"
	"slices"
	"strconv"
	"time"

	"storebench/internal/measure"
)

// Evaluate finds the matrix of a sweep from its measurements. It is nil for a
// run that is none.
func Evaluate(run *Run) *Matrix {
	if run.Sweep == nil {
		return nil
	}
	g := newGrid(run)
	m := &Matrix{Metric: run.Sweep.Metric, Unit: g.unit, Longest: g.longest}
	for _, axis := range run.Sweep.Axes {
		m.Knees = append(m.Knees, g.knees(axis.Parameter)...)
	}
	m.Slots = g.slots()
	for _, c := range g.cells {
		m.Cells = append(m.Cells, c.Cell)
		if g.undecided[c.Step] {
			m.Undecided = append(m.Undecided, c.Step)
		}
	}
	return m
}

// grid is the cells of a sweep with what each of their rounds brought.
type grid struct {
	sweep   *Sweep
	cells   []gridCell // in the order of the axes' values
	unit    measure.Unit
	longest bool
	// noise is the half width of the interval of a single ratio, as a logarithm:
	// what a cell with one round is given, from the noisiest two neighbours that
	// have several. Infinite where there are none.
	noise float64
	// undecided are the titles of the cells of which more rounds could settle
	// what was looked for.
	undecided map[string]bool
}

// gridCell is a cell with the throughput of its rounds. Round i of one cell and
// round i of another belong to the same set of rounds: they lie near each other
// in time.
type gridCell struct {
	Cell
	rates []rate
	order []int // where its values stand on the axes
}

// rate is the throughput of one round, NaN where there is none. floor is what is
// taken for it in a ratio when no operation ended: half an operation.
type rate struct{ value, floor float64 }

func (r rate) known() bool { return !math.IsNaN(r.value) && r.floor > 0 }

func newGrid(run *Run) *grid {
	g := &grid{sweep: run.Sweep, unit: measure.PerSecond, undecided: map[string]bool{}}
	for _, step := range run.Steps {
		at, order, ok := run.Sweep.place(step)
		if !ok {
			continue
		}
		c := gridCell{Cell: Cell{Step: step.Title(), At: at}, order: order}
		if m := run.metric(step, run.Sweep.Metric); m != nil {
			c.Rounds = len(m.Rounds)
			c.P99 = g.latency(m.Rounds)
			c.Median, c.Short = typical(m.Rounds, step)
			c.rates = ratesOf(m.Rounds)
		}
		if m := run.metric(step, run.Sweep.ThroughputMetric); m != nil {
			g.unit = m.Unit
			c.rates = valuesOf(m.Rounds)
		}
		c.Rate = meanOf(c.rates)
		g.cells = append(g.cells, c)
	}
	slices.SortStableFunc(g.cells, func(a, b gridCell) int { return slices.Compare(a.order, b.order) })
	g.noise = noiseOf(g.cells)
	return g
}

// noiseOf is the half width of the interval of a single ratio between two cells.
func noiseOf(cells []gridCell) float64 {
	most := 0.0
	for i := range max(0, len(cells)-1) {
		logs := ratios(cells[i], cells[i+1])
		if interval := measure.MeanInterval(logs); len(logs) > 1 {
			most = max(most, (interval.High-interval.Low)/2*math.Sqrt(float64(len(logs))))
		}
	}
	if most == 0 {
		return math.Inf(1)
	}
	return most
}

// place is where a step stands on the axes; ok is false for one that is no cell.
func (s *Sweep) place(step Step) (at map[string]string, order []int, ok bool) {
	at = map[string]string{}
	for _, axis := range s.Axes {
		value, has := step.Labels[axis.Parameter]
		i := slices.Index(axis.Values, value)
		if !has || i < 0 {
			return nil, nil, false
		}
		at[axis.Parameter], order = value, append(order, i)
	}
	return at, order, len(order) > 0
}

// metric is a step's measurement of a metric, nil when it has none.
func (run *Run) metric(step Step, name string) *measure.Measurement {
	i := slices.IndexFunc(run.Measurements, func(m measure.Measurement) bool { return m.Metric == name && step.owns(m) })
	if i < 0 || name == "" {
		return nil
	}
	return &run.Measurements[i]
}

// p99 is the quantile that cells are shown by.
const p99 = .99

// latency is the p99 of all rounds, the lost operations as the slowest; of a
// metric with one value a round the longest.
func (g *grid) latency(rounds []measure.Round) Estimate {
	if ds := distributions(rounds); len(ds) > 0 {
		value, atLeast := quantileOf(merged(ds), p99)
		interval := measure.QuantileInterval(ds, p99)
		return Estimate{finite(value), finite(interval.Low), finite(interval.High), atLeast && finite(value) != nil}
	}
	most := math.Inf(-1)
	for _, r := range rounds {
		if r.Value != nil && finite(*r.Value) != nil {
			most, g.longest = max(most, *r.Value), true
		}
	}
	return Estimate{Value: finite(most)}
}

// fewInARow is how many operations one after another a turn must hold at least.
const fewInARow = 3

// typical is the median latency of all rounds, and whether a turn of a closed
// loop is too short for it. A turn of a storm is as long as the storm.
func typical(rounds []measure.Round, step Step) (median *float64, short bool) {
	ds := distributions(rounds)
	if len(ds) == 0 {
		return nil, false
	}
	half, _ := quantileOf(merged(ds), .5)
	return finite(half), step.Loop == measure.Closed && step.Duration > 0 && fewInARow*half > step.Duration.Seconds()
}

// ratesOf are the operations a second of each round. A metric with one value a
// round is one operation, and its rate is how many of them would fit into a
// second one after the other.
func ratesOf(rounds []measure.Round) []rate {
	var rates []rate
	for _, r := range rounds {
		next := rate{value: math.NaN()}
		switch {
		case r.Distribution != nil && r.Distribution.Count()+r.Distribution.Lost() > 0 && r.Elapsed > 0:
			next = rate{r.Distribution.Rate(r.Elapsed), .5 / r.Elapsed}
		case r.Value != nil && *r.Value > 0:
			next = rate{1 / *r.Value, .5 / *r.Value}
		}
		rates = append(rates, next)
	}
	return rates
}

// valuesOf are the rounds of a metric that is a throughput itself.
func valuesOf(rounds []measure.Round) []rate {
	var rates []rate
	for _, r := range rounds {
		next := rate{value: math.NaN()}
		if r.Value != nil && *r.Value >= 0 && r.Elapsed > 0 {
			next = rate{*r.Value, .5 / r.Elapsed}
		}
		rates = append(rates, next)
	}
	return rates
}

// meanOf is the mean of the rounds with its t-interval.
func meanOf(rates []rate) Estimate {
	var values []float64
	for _, r := range rates {
		if r.known() {
			values = append(values, r.value)
		}
	}
	if len(values) == 0 {
		return Estimate{}
	}
	interval := measure.MeanInterval(values)
	return Estimate{Value: finite(average(values)), Low: finite(max(0, interval.Low)), High: finite(interval.High)}
}

// ratio is how a's throughput compares with b's: the natural logarithm of their
// ratio with its t-interval over the sets of rounds. What drifted from one set to
// the next met both, so it is in neither. ok is false where no set has both.
func (g *grid) ratio(a, b gridCell) (mean float64, interval measure.Interval, ok bool) {
	logs := ratios(a, b)
	switch len(logs) {
	case 0:
		return 0, measure.Interval{}, false
	case 1: // a storm that was cut has no second round
		return logs[0], measure.Interval{Low: logs[0] - g.noise, High: logs[0] + g.noise}, true
	}
	return average(logs), measure.MeanInterval(logs), true
}

// ratios are the logarithms of the ratios of two cells, one for each set of
// rounds that has both.
func ratios(a, b gridCell) []float64 {
	var logs []float64
	for i := range min(len(a.rates), len(b.rates)) {
		if x, y := a.rates[i], b.rates[i]; x.known() && y.known() {
			logs = append(logs, math.Log(max(x.value, x.floor)/max(y.value, y.floor)))
		}
	}
	return logs
}

// lines are the cells along an axis, one line for each value of the other, as
// far as they have a throughput, ascending. There are none where a value is no
// quantity.
func (g *grid) lines(parameter string) [][]gridCell {
	var lines [][]gridCell
	for _, c := range g.cells {
		if _, ok := quantity(c.At[parameter]); !ok {
			return nil
		}
		if c.Rate.Value == nil {
			continue
		}
		i := slices.IndexFunc(lines, func(line []gridCell) bool { return sameBut(parameter, line[0].At, c.At) })
		if i < 0 {
			i, lines = len(lines), append(lines, nil)
		}
		lines[i] = append(lines[i], c)
	}
	for _, line := range lines {
		slices.SortStableFunc(line, func(a, b gridCell) int { return byQuantity(a.At[parameter], b.At[parameter]) })
	}
	return lines
}

// sameBut says whether two places differ at most in one parameter.
func sameBut(parameter string, a, b map[string]string) bool {
	for name, value := range a {
		if name != parameter && b[name] != value {
			return false
		}
	}
	return true
}

// others is a place without one parameter, nil where there is no other.
func others(parameter string, at map[string]string) map[string]string {
	var rest map[string]string
	for name, value := range at {
		if name != parameter {
			if rest == nil {
				rest = map[string]string{}
			}
			rest[name] = value
		}
	}
	return rest
}

// quantity reads a value that has a size: a number, a size in bytes or a time,
// above zero.
func quantity(value string) (float64, bool) {
	x, err := strconv.ParseFloat(value, 64)
	if err != nil {
		var size measure.Size
		if err = size.UnmarshalText([]byte(value)); err == nil {
			x = float64(size)
		}
	}
	if err != nil {
		var d time.Duration
		d, err = time.ParseDuration(value)
		x = d.Seconds()
	}
	return x, err == nil && x > 0 && !math.IsInf(x, 0)
}
