package render

import (
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strings"

	"storebench/internal/measure"
	"storebench/results"
)

// sweepParts are what each level of detail tells of a sweep. What it found
// stands last, where a terminal shows it.
var sweepParts = map[Detail][]func(io.Writer, Report){
	Brief: {writeTroubles, writeKnees, writeSlots, writeSwept},
	Usual: {writeHead, writeMatrix, writeAskedLimits, writeNotes, writeUnseen, writeTroubles, writeKnees, writeSlots, writeSwept},
	Full:  {writeHead, writeMeasured, writeRounds, writeMatrix, writeAskedLimits, writeNotes, writeUnseen, writeFindings, writeTroubles, writeKnees, writeSlots, writeSwept},
}

// sweptWords say what was varied and what was not.
func sweptWords(run *results.Run) (varied, fixed string) {
	var axes []string
	rest := map[string]string{}
	if len(run.Steps) > 0 {
		maps.Copy(rest, run.Steps[0].Parameters)
	}
	for _, axis := range run.Sweep.Axes {
		axes = append(axes, axis.Parameter)
		delete(rest, axis.Parameter)
	}
	varied = fmt.Sprintf("%s: %s, %s", run.Sweep.Probe, strings.Join(axes, " × "), counted(len(run.Steps), "cell"))
	if len(run.Steps) > 0 {
		s := run.Steps[0]
		varied += fmt.Sprintf(", %s of %v each in random order", counted(s.Rounds, "round"), s.Duration)
	}
	if slices.ContainsFunc(run.Steps, func(s results.Step) bool { return s.Extended }) {
		varied += ", again where they did not tell"
	}
	return varied, joinLabels(rest)
}

// writeMatrix writes the p99 and the throughput of every cell: one axis down and
// one across, or, of a single axis, a column each.
func writeMatrix(w io.Writer, r Report) {
	m, axes := results.Evaluate(r.Run), slices.Clone(r.Run.Sweep.Axes)
	if len(axes) == 1 {
		writeColumn(w, m, axes[0])
	} else if len(axes) == 2 {
		if len(axes[1].Values) > len(axes[0].Values) {
			slices.Reverse(axes) // the page is longer than it is wide
		}
		writeCells(w, m, axes[0], axes[1])
	}
	for _, note := range []string{latencyNote(m), rateNote(m)} {
		if note != "" {
			paragraph(w, "", "", note)
		}
	}
}

// latencyNote explains the mark of latencies, where there is one.
func latencyNote(m *results.Matrix) string {
	if !slices.ContainsFunc(m.Cells, func(c results.Cell) bool { return unsupported(m, c) }) {
		return ""
	}
	return "~ too few operations to say with confidence what a p99 is at most"
}

// rateNote explains the mark of turns that are too short, where there is one, and
// how long they should be.
func rateNote(m *results.Matrix) string {
	const inARow = 5
	longest := 0.0
	for _, c := range m.Cells {
		if c.Short && c.Median != nil {
			longest = max(longest, *c.Median)
		}
	}
	if longest == 0 {
		return ""
	}
	return fmt.Sprintf("! so few operations fit into a turn one after another that its ends decide the throughput: --duration %.0fs would hold %d of them", math.Ceil(inARow*longest), inARow)
}

// writeColumn writes a sweep of one parameter.
func writeColumn(w io.Writer, m *results.Matrix, axis results.Axis) {
	s := newSheet(axis.Parameter, latencyTitle(m), throughputTitle)
	s.alignRight(1, 2, 3)
	for _, value := range axis.Values {
		if c := m.Cell(map[string]string{axis.Parameter: value}); c != nil {
			s.row(value, cellLatency(m, *c), cellRate(m, *c))
		}
	}
	s.write(w)
}

// writeCells writes a sweep of two parameters.
func writeCells(w io.Writer, m *results.Matrix, down, across results.Axis) {
	header := []any{down.Parameter + ` \ ` + across.Parameter}
	columns := []int{1}
	for i, value := range across.Values {
		header, columns = append(header, value), append(columns, i+2)
	}
	s := newSheet(header...)
	s.alignRight(columns...)
	for _, part := range []struct {
		title string
		write func(*results.Matrix, results.Cell) string
	}{{latencyTitle(m), cellLatency}, {throughputTitle, cellRate}} {
		s.line("", part.title)
		for _, value := range down.Values {
			row := []string{value}
			for _, other := range across.Values {
				text := "–"
				if c := m.Cell(map[string]string{down.Parameter: value, across.Parameter: other}); c != nil {
					text = part.write(m, *c)
				}
				row = append(row, text)
			}
			s.row(row...)
		}
	}
	s.write(w)
}

const throughputTitle = "throughput (± 95 %)"

func latencyTitle(m *results.Matrix) string {
	if m.Longest {
		return "longest " + m.Metric
	}
	return "p99 of " + m.Metric
}

// cellLatency writes the latency of a cell; what was cut took longer.
func cellLatency(m *results.Matrix, c results.Cell) string {
	text := figure(c.P99.Value, measure.Seconds)
	if c.P99.AtLeast {
		text = "> " + text
	}
	if unsupported(m, c) {
		text = "~" + text
	}
	return text
}

// unsupported says whether a p99 has no upper end although nothing was cut.
func unsupported(m *results.Matrix, c results.Cell) bool {
	return !m.Longest && c.P99.Value != nil && c.P99.High == nil && !c.P99.AtLeast
}

// cellRate writes the throughput of a cell and half the width of its interval.
func cellRate(m *results.Matrix, c results.Cell) string {
	e := c.Rate
	text := figure(e.Value, m.Unit)
	if c.Short {
		text = "!" + text
	}
	if e.Value == nil || e.High == nil || !(*e.Value > 0) {
		return text
	}
	return fmt.Sprintf("%s ±%s %%", text, significantShare(100*(*e.High-*e.Value) / *e.Value))
}

// significantShare writes per cents: one figure below ten, none behind the dot.
func significantShare(x float64) string {
	if x > 0 && x < 1 {
		return "1"
	}
	return grouped(math.Round(min(x, 1e6)))
}

// cellWarnings tells each warning once, with the cell or how many met it.
func cellWarnings(run *results.Run) []string {
	var told []string
	cells := map[string][]string{}
	for _, m := range inStepOrder(run) {
		title := run.StepOf(m).Title()
		for _, warning := range m.Warnings {
			if cells[warning] == nil {
				told = append(told, warning)
			}
			if !slices.Contains(cells[warning], title) {
				cells[warning] = append(cells[warning], title)
			}
		}
	}
	for i, warning := range told {
		name := cells[warning][0]
		if n := len(cells[warning]); n > 1 {
			name = counted(n, "cell")
		}
		told[i] = name + ": " + warning
	}
	return told
}

// writeAskedLimits writes limits that a user holds a saved sweep against.
func writeAskedLimits(w io.Writer, r Report) {
	if len(r.Run.Profile.Limits) > 0 {
		writeLimits(w, r)
	}
}

// writeKnees tells the knees along each axis, those that are alike together.
func writeKnees(w io.Writer, r Report) {
	for _, group := range alike(results.Evaluate(r.Run).Knees) {
		k := group[0]
		fmt.Fprintln(w)
		values := r.Run.Sweep.Values(k.Parameter)
		head(w, "knee", kneeWords(k, len(values) > 0 && values[0] == k.Value)+rangeWords(values, group)+atWords(group))
		reason := k.Reason
		if len(group) > 1 {
			reason = placeWords(k.At) + ": " + reason
		}
		paragraph(w, "", strings.Repeat(" ", len("knee        ")), reason)
	}
}

// alike groups knees that say the same of different values of the other axis,
// the one where most is known first.
func alike(knees []results.Knee) [][]results.Knee {
	var groups [][]results.Knee
	for _, k := range knees {
		i := slices.IndexFunc(groups, func(g []results.Knee) bool {
			return g[0].Parameter == k.Parameter && g[0].State == k.State && (k.State == results.KneeUnclear || g[0].Value == k.Value)
		})
		if i < 0 {
			i, groups = len(groups), append(groups, nil)
		}
		groups[i] = append(groups[i], k)
	}
	return groups
}

// kneeWords says where a knee is; first says that it is at the axis's first value.
func kneeWords(k results.Knee, first bool) string {
	switch k.State {
	case results.KneeFound:
		if first {
			return fmt.Sprintf("%s: at %s already, the smallest value", k.Parameter, k.Value)
		}
		return fmt.Sprintf("%s: at %s", k.Parameter, k.Value)
	case results.KneeBeyond:
		return fmt.Sprintf("%s: none up to %s", k.Parameter, k.Value)
	}
	return k.Parameter + ": unclear"
}

// rangeWords says which values the noise does not exclude as the knee.
func rangeWords(values []string, knees []results.Knee) string {
	low, high := len(values), -1
	for _, k := range knees {
		if k.State != results.KneeFound {
			return ""
		}
		low, high = min(low, slices.Index(values, k.Low)), max(high, slices.Index(values, k.High))
	}
	if low < 0 || high < 0 || low >= high {
		return ""
	}
	return fmt.Sprintf(" [%s to %s]", values[low], values[high])
}

// atWords names the values of the other axis that some knees were found at.
func atWords(knees []results.Knee) string {
	var names, values []string
	for _, k := range knees {
		for name, value := range k.At {
			names, values = append(names, name), append(values, value)
		}
	}
	if len(names) == 0 {
		return ""
	}
	return fmt.Sprintf(" (at %s %s)", names[0], strings.Join(values, ", "))
}

func placeWords(at map[string]string) string { return strings.ReplaceAll(joinLabels(at), "=", " ") }

// writeSlots gives the nats.conf line, alone on its own so that it can be
// copied, with its evidence.
func writeSlots(w io.Writer, r Report) {
	found := results.Evaluate(r.Run).Slots
	if found == nil {
		return
	}
	if found.Line == "" {
		paragraph(w, "\n", "slots       ", "no value can be recommended: "+found.Reason+". More --rounds or a longer --duration may tell, and so may a quieter machine.")
		return
	}
	fmt.Fprintf(w, "\nslots       the smallest max_concurrent_io within 5 %% of the best, for nats.conf (nats-server 2.12.14, 2.14.4 and later):\n\n    %s\n\n", found.Line)
	paragraph(w, "", strings.Repeat(" ", len("slots       ")), found.Reason)
}

// writeSwept is the last line: whether the matrix is whole. It is no verdict on
// the volume.
func writeSwept(w io.Writer, r Report) {
	said := sentence(r)
	if r.Verdict.Status != results.Pass {
		said += ", as told above"
	}
	paragraph(w, "\n", "SWEEP       ", said+". "+sweepNote)
}

const sweepNote = "It shows where this volume saturates; whether it sustains a workload, storebench check tells."

// sweptSentences say whether a matrix is whole.
var sweptSentences = map[results.Status]string{
	results.Pass:         "every cell was measured",
	results.Warn:         "every cell was measured, with a warning",
	results.Inconclusive: "incomplete or undecided",
	results.Fail:         "the volume failed",
}
