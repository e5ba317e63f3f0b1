package render

import (
	"fmt"
	"io"
	"math"

	"storebench/results"
)

// matrixView is a sweep as tables: one for latency and one for throughput, with
// one axis down and the other, if there is one, across.
type matrixView struct {
	title  string
	corner string
	header []string
	rows   []matrixRow
	note   string
}

type matrixRow struct {
	name  string
	cells []matrixCell
}

// matrixCell is a figure in words, with its value for the shade; nil where
// nothing is known.
type matrixCell struct {
	text  string
	value *float64
}

// matrixViews are the two tables of a sweep, nil of a run that is none.
func matrixViews(run *results.Run) []matrixView {
	m := results.Evaluate(run)
	if m == nil || len(run.Sweep.Axes) == 0 {
		return nil
	}
	down, across := run.Sweep.Axes[0], results.Axis{Values: []string{""}}
	if len(run.Sweep.Axes) > 1 {
		across = run.Sweep.Axes[1]
	}
	views := []matrixView{
		newMatrixView(m, latencyTitle(m), down, across, func(c results.Cell) matrixCell { return matrixCell{cellLatency(m, c), c.P99.Value} }),
		newMatrixView(m, throughputTitle, down, across, func(c results.Cell) matrixCell { return matrixCell{cellRate(m, c), c.Rate.Value} }),
	}
	views[0].note, views[1].note = latencyNote(m), rateNote(m)
	return views
}

func newMatrixView(m *results.Matrix, title string, down, across results.Axis, show func(results.Cell) matrixCell) matrixView {
	v := matrixView{title: title, corner: down.Parameter, header: across.Values}
	if across.Parameter == "" {
		v.header = []string{title}
	} else {
		v.corner += ` \ ` + across.Parameter
	}
	for _, value := range down.Values {
		row := matrixRow{name: value}
		for _, other := range across.Values {
			at := map[string]string{down.Parameter: value}
			if across.Parameter != "" {
				at[across.Parameter] = other
			}
			cell := matrixCell{text: "–"}
			if c := m.Cell(at); c != nil {
				cell = show(*c)
			}
			row.cells = append(row.cells, cell)
		}
		v.rows = append(v.rows, row)
	}
	return v
}

// shades is how many a heat map has, besides none for the least value.
const shades = 5

// shadeOf is the shade of a value between the least and the greatest, by powers:
// twice as much is as far from once as four times is from twice.
func shadeOf(x *float64, least, most float64) int {
	if x == nil || !(least > 0) || !(most > least) || !(*x > 0) {
		return 0
	}
	return int(math.Round(shades * math.Log(*x/least) / math.Log(most/least)))
}

// bounds are the least and the greatest value that is known and above 0.
func (v matrixView) bounds() (least, most float64) {
	least = math.Inf(1)
	for _, row := range v.rows {
		for _, c := range row.cells {
			if c.value != nil && *c.value > 0 {
				least, most = min(least, *c.value), max(most, *c.value)
			}
		}
	}
	return least, most
}

// findingsOfSweep are the knees and the slots of a sweep, as text tells them.
func findingsOfSweep(r Report) []string {
	if r.Run.Sweep == nil {
		return nil
	}
	var all []string
	m := results.Evaluate(r.Run)
	for _, group := range alike(m.Knees) {
		k := group[0]
		values := r.Run.Sweep.Values(k.Parameter)
		all = append(all, "knee of "+kneeWords(k, len(values) > 0 && values[0] == k.Value)+rangeWords(values, group)+atWords(group)+": "+k.Reason)
	}
	switch {
	case m.Slots == nil:
	case m.Slots.Line == "":
		all = append(all, "slots: no value can be recommended: "+m.Slots.Reason)
	default:
		all = append(all, "slots: for nats.conf (nats-server 2.12.14, 2.14.4 and later) "+m.Slots.Line+": "+m.Slots.Reason)
	}
	return all
}

func markdownMatrices(w io.Writer, r Report) {
	for _, v := range matrixViews(r.Run) {
		fmt.Fprintf(w, "\n%s\n", plain(v.title))
		header := []string{plain(v.corner)}
		for _, name := range v.header {
			header = append(header, plain(name))
		}
		t := newMarkdownTable(header...)
		for _, row := range v.rows {
			cells := []string{plain(row.name)}
			for _, c := range row.cells {
				cells = append(cells, plain(c.text))
			}
			t.row(cells...)
		}
		t.write(w)
		if v.note != "" {
			fmt.Fprintf(w, "\n%s\n", plain(v.note))
		}
	}
	for _, finding := range findingsOfSweep(r) {
		fmt.Fprintf(w, "\n- %s", plain(finding))
	}
	if r.Run.Sweep != nil {
		fmt.Fprintln(w)
	}
}

// htmlMatrices are the heat maps of a sweep: tables, so that who cannot see the
// shades reads the figures.
func htmlMatrices(run *results.Run) []htmlMatrix {
	var all []htmlMatrix
	for _, v := range matrixViews(run) {
		least, most := v.bounds()
		m := htmlMatrix{Caption: v.title, Corner: v.corner, Header: v.header, Note: v.note}
		for _, row := range v.rows {
			cells := htmlMatrixRow{Name: row.name}
			for _, c := range row.cells {
				cells.Cells = append(cells.Cells, htmlCell{c.text, shadeOf(c.value, least, most)})
			}
			m.Rows = append(m.Rows, cells)
		}
		all = append(all, m)
	}
	return all
}
