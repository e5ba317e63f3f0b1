package render

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"

	"storebench/internal/measure"
	"storebench/results"
)

// chart is the data of a chart as the page's script draws it: columns of x and
// of each series, null where nothing is known. Latencies are in seconds.
type chart struct {
	Kind   string       `json:"kind"` // percentile or time
	Series []string     `json:"series"`
	Data   [][]*float64 `json:"data"`
	Stalls [][2]float64 `json:"stalls,omitempty"` // from and to
	Syncs  []float64    `json:"syncs,omitempty"`
	Rounds [][2]float64 `json:"rounds,omitempty"` // where each begins, and when in seconds of the run

	caption string
	x       string // name of the x column
	words   func(x float64) string
}

// latencyLine is one metric of a step in its charts.
type latencyLine struct {
	label  string
	metric measure.Measurement
	whole  *measure.Distribution
}

// latencyLines are the metrics of a step that are latencies.
func latencyLines(step results.Step, group []measure.Measurement) []latencyLine {
	var all []latencyLine
	for _, m := range group {
		whole := merged(summarise(m).distributions)
		if whole.Count() > 0 && m.Unit == measure.Seconds {
			all = append(all, latencyLine{metricName(step, m), m, whole})
		}
	}
	return all
}

// pointsPerDecade is how finely a percentile curve is drawn.
const pointsPerDecade = 12

// percentileChart draws latencies over 1/(1-q), by powers of ten, so that the
// tail has room. A curve ends where the operations that it rests on end; where
// some were lost they are the slowest, and it ends before them.
func percentileChart(lines []latencyLine) chart {
	c := chart{Kind: "percentile", caption: "Latency by percentile", x: "percentile", words: significantPercent}
	columns := make([][]*float64, len(lines)+1)
	for _, x := range shares(lines) {
		columns[0] = append(columns[0], &x)
		for i, l := range lines {
			columns[i+1] = append(columns[i+1], atShare(l.whole, x))
		}
	}
	c.Series, c.Data = labelsOf(lines), columns
	return c
}

// shares are the places at which the curves are known: so many to a power of
// ten, and for each curve its longest operation.
func shares(lines []latencyLine) []float64 {
	var all []float64
	most := 1.0
	for _, l := range lines {
		total := float64(l.whole.Count() + l.whole.Lost())
		all, most = append(all, total), max(most, total)
	}
	for k := 0; math.Pow(10, float64(k)/pointsPerDecade) < most; k++ {
		all = append(all, math.Pow(10, float64(k)/pointsPerDecade))
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// atShare is the latency that one in x operations exceeds, nil where that is not
// known.
func atShare(d *measure.Distribution, x float64) *float64 {
	total := float64(d.Count() + d.Lost())
	rank := (1 - 1/x) * total
	if x == total && d.Lost() == 0 {
		return positive(d.Max())
	}
	if x > total || rank > float64(d.Count()) {
		return nil
	}
	return positive(d.Quantile(rank / float64(d.Count())))
}

// positive is what an axis by powers of ten can show.
func positive(x float64) *float64 {
	if !(x > 0) || math.IsInf(x, 0) {
		return nil
	}
	short, err := strconv.ParseFloat(strconv.FormatFloat(x, 'e', chartDigits-1, 64), 64)
	if err != nil {
		return nil
	}
	return &short
}

// chartDigits are the significant digits that a chart's data has: more than a
// distribution has, and few enough for a page to stay small.
const chartDigits = 4

func labelsOf(lines []latencyLine) []string {
	var all []string
	for _, l := range lines {
		all = append(all, l.label)
	}
	return all
}

// significantPercent writes 1/(1-q) as q.
func significantPercent(x float64) string {
	return fmt.Sprintf("%.6g %%", 100*(1-1/x))
}

// timeChart draws the longest latency of each slice over the measured time: the
// rounds, which lie far apart, stand side by side. It marks stalls, and the times
// at which streams were synced.
func timeChart(run *results.Run, lines []latencyLine, group []measure.Measurement) chart {
	turns := turnsOf(run, lines)
	c := chart{
		Kind: "time", caption: "Longest latency over time", x: "seconds of the run",
		words: func(x float64) string { return fmt.Sprintf("%.1f s", turns.time(x)) },
	}
	rows := map[float64][]*float64{}
	row := func(at float64) []*float64 {
		if rows[at] == nil {
			rows[at] = make([]*float64, len(lines))
		}
		return rows[at]
	}
	for i, l := range lines {
		for _, r := range l.metric.Rounds {
			from := turns.place(sinceStart(run, r))
			row(from + r.Elapsed + roundGap) // nothing is known between two rounds
			if r.Distribution == nil {
				continue
			}
			for _, s := range r.Distribution.Slices() {
				row(tenth(from + s.Start))[i] = positive(s.Max)
			}
			for _, s := range r.Distribution.Stalls {
				c.Stalls = append(c.Stalls, [2]float64{from + max(0, s.At-s.Seconds), from + s.At})
			}
		}
	}
	for _, t := range turns {
		c.Rounds = append(c.Rounds, [2]float64{t.place, t.from})
	}
	c.Series, c.Data, c.Syncs = labelsOf(lines), thinned(columnsOf(rows, len(lines)), maxPoints), syncTimes(run, turns, group)
	c.Stalls = joinSpans(c.Stalls)
	return c
}

// turn is a round on the axis of measured time: when it began, in seconds of the
// run, and where it stands.
type turn struct{ from, place float64 }

// turns are the rounds of a step in order of time.
type turns []turn

func turnsOf(run *results.Run, lines []latencyLine) turns {
	lasted := map[float64]float64{}
	for _, l := range lines {
		for _, r := range l.metric.Rounds {
			from := tenth(sinceStart(run, r))
			lasted[from] = max(lasted[from], r.Elapsed)
		}
	}
	var all turns
	place := 0.0
	for _, from := range slices.Sorted(maps.Keys(lasted)) {
		all = append(all, turn{from, place})
		place = tenth(place + lasted[from] + 5*roundGap)
	}
	return all
}

// place is where a second of the run stands, which lies in a round.
func (all turns) place(second float64) float64 {
	for i := len(all) - 1; i >= 0; i-- {
		if tenth(second) >= all[i].from {
			return all[i].place + tenth(second) - all[i].from
		}
	}
	return 0
}

// time is the second of the run that stands somewhere.
func (all turns) time(place float64) float64 {
	for i := len(all) - 1; i >= 0; i-- {
		if place >= all[i].place {
			return all[i].from + place - all[i].place
		}
	}
	return 0
}

// roundGap is where a curve is broken after a round, in seconds: behind the last
// slice, which may begin as the round ends. The next round stands further off.
const roundGap = 0.05

// joinSpans joins spans that overlap: operations of many writers wait for one
// and the same stall.
func joinSpans(spans [][2]float64) [][2]float64 {
	slices.SortFunc(spans, func(a, b [2]float64) int { return cmp.Compare(a[0], b[0]) })
	joined := spans[:0]
	for _, s := range spans {
		if last := len(joined) - 1; last >= 0 && s[0] <= joined[last][1] {
			joined[last][1] = max(joined[last][1], s[1])
			continue
		}
		joined = append(joined, s)
	}
	return joined
}

// sinceStart is when a round began, in seconds of the run.
func sinceStart(run *results.Run, r measure.Round) float64 {
	return max(0, r.Start.Sub(run.Started).Seconds())
}

// tenth rounds to a tenth of a second, so that the metrics of a round, whose
// clocks began a moment apart, stand in one row.
func tenth(s float64) float64 { return math.Round(s*10) / 10 }

func columnsOf(rows map[float64][]*float64, series int) [][]*float64 {
	columns := make([][]*float64, series+1)
	for _, at := range slices.Sorted(maps.Keys(rows)) {
		columns[0] = append(columns[0], &at)
		for i, x := range rows[at] {
			columns[i+1] = append(columns[i+1], x)
		}
	}
	return columns
}

// syncTimes are the places at which syncs ended.
func syncTimes(run *results.Run, turns turns, group []measure.Measurement) []float64 {
	var all []float64
	for _, m := range group {
		if m.Kind != measure.Mark {
			continue
		}
		for _, r := range m.Rounds {
			if r.Distribution == nil {
				continue
			}
			for _, s := range r.Distribution.Slices() {
				all = append(all, turns.place(sinceStart(run, r))+s.Start+s.Width/2)
			}
		}
	}
	slices.Sort(all)
	return all
}

// How many points a chart has at most, and rows its table: more are thinned.
const (
	maxPoints    = 600
	maxChartRows = 120
)

// thinned takes the largest values of neighbours until there are at most so many
// rows. A row of nothing, where a curve is broken, stays.
func thinned(columns [][]*float64, most int) [][]*float64 {
	span := (len(columns[0]) + most - 1) / most
	if span <= 1 {
		return columns
	}
	thin := make([][]*float64, len(columns))
	for from := 0; from < len(columns[0]); {
		to := from + 1
		for to < len(columns[0]) && to < from+span && !unknown(columns, to) && !unknown(columns, to-1) {
			to++
		}
		thin[0] = append(thin[0], columns[0][from])
		for i, column := range columns[1:] {
			thin[i+1] = append(thin[i+1], largest(column[from:to]))
		}
		from = to
	}
	return thin
}

// unknown says whether nothing is known in a row.
func unknown(columns [][]*float64, row int) bool {
	return !slices.ContainsFunc(columns[1:], func(column []*float64) bool { return column[row] != nil })
}

// table is the same as the chart, for who cannot see it.
func (c chart) table() htmlTable {
	t := htmlTable{Caption: c.caption, Header: append([]string{c.x}, c.Series...)}
	data := thinned(c.Data, maxChartRows)
	for row := range data[0] {
		if unknown(data, row) {
			continue
		}
		cells := []string{c.words(*data[0][row])}
		for _, column := range data[1:] {
			cells = append(cells, figure(column[row], measure.Seconds))
		}
		t.Rows = append(t.Rows, cells)
	}
	return t
}

func largest(values []*float64) *float64 {
	var most *float64
	for _, x := range values {
		if x != nil && (most == nil || *x > *most) {
			most = x
		}
	}
	return most
}
