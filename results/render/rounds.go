package render

import (
	"fmt"
	"io"

	"storebench/internal/measure"
)

// writeRounds is a line a round below each metric: when it was, what it found,
// and what else the machine did meanwhile.
func writeRounds(w io.Writer, r Report) {
	if len(r.Run.Measurements) == 0 {
		return
	}
	s := newSheet("rounds", "at", "took", "operations", "p50", "p99", "max", "CPU lost", "I/O wait", "device busy")
	s.alignRight(2, 3, 4, 5, 6, 7, 8, 9, 10)
	for _, m := range inStepOrder(r.Run) {
		s.line("", r.Run.StepOf(m).Title()+", "+m.Metric+labelWords(r.Run.StepOf(m).Labels, m.Labels))
		for i, round := range m.Rounds {
			cells := []string{fmt.Sprintf("  %d", i+1), tenths(round.Start.Sub(r.Run.Started).Seconds()), tenths(round.Elapsed)}
			s.row(append(append(cells, roundCells(round, m.Unit)...), contextCells(round.Context)...)...)
		}
	}
	s.write(w)
}

// labelWords are the labels that the probe itself tells apart, in brackets.
func labelWords(step, all map[string]string) string {
	own := map[string]string{}
	for name, value := range all {
		if step[name] != value {
			own[name] = value
		}
	}
	if len(own) == 0 {
		return ""
	}
	return " (" + joinLabels(own) + ")"
}

// tenths writes seconds with one digit after the dot.
func tenths(s float64) string { return fmt.Sprintf("%.1f s", s) }

// roundCells are operations, p50, p99 and the longest of a round; of values
// only the middle and the greatest.
func roundCells(r measure.Round, unit measure.Unit) []string {
	switch {
	case r.Distribution != nil:
		d := r.Distribution
		at := func(q float64) string { x := d.Quantile(q); return figure(&x, unit) }
		return []string{grouped(float64(d.Count())), at(.5), at(.99), longest(d, unit)}
	case r.Value != nil:
		return []string{"", figure(r.Value, unit), "", ""}
	case r.Series != nil:
		return []string{"", medianRange(r.Series.Values, unit), "", ""}
	}
	return []string{"", "", "", ""}
}

func contextCells(c measure.Context) []string {
	cells := []string{"", "", ""}
	percent := func(x float64) string { return fmt.Sprintf("%.0f %%", 100*x) }
	if c.CPU != nil {
		cells[0] = percent(c.CPULost())
	}
	if c.Pressure != nil {
		cells[1] = percent(c.Pressure.IO)
	}
	if c.Device != nil {
		cells[2] = percent(c.Device.Busy)
	}
	return cells
}
