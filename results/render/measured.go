package render

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"github.com/jedib0t/go-pretty/v6/text"

	"storebench/internal/measure"
	"storebench/results"
)

// writeMeasured is a line a metric below each step, over all its rounds.
func writeMeasured(w io.Writer, r Report) {
	if len(r.Run.Measurements) == 0 {
		return
	}
	s := newSheet("measured", "p50", "p99", "p99.9", "p99.9 within (95 %)", "max", "rate", "operations")
	s.alignRight(2, 3, 4, 6, 7, 8)
	width := 0
	for _, m := range r.Run.Measurements {
		width = max(width, text.RuneWidthWithoutEscSequences(m.Metric))
	}
	last := ""
	for _, m := range inStepOrder(r.Run) {
		step := r.Run.StepOf(m)
		if title := step.Title(); title != last {
			s.line("", stepLine(step, len(m.Rounds)))
			last = title
		}
		writeMetric(s, m, width)
		for _, t := range r.Verdict.FirstTouch {
			if t.Step == step.Title() && t.Metric == m.Metric {
				s.line(strings.Repeat(" ", 4), firstTouch(t))
			}
		}
	}
	s.write(w)
}

// firstTouch tells the first pass of a metric from the later ones.
func firstTouch(t results.FirstTouch) string {
	return fmt.Sprintf("median of the first round %s, of later ones %s (up to %s would be their noise): blocks that are touched for the first time may be slow here, and --precondition touches them beforehand",
		figure(&t.First, measure.Seconds), figure(&t.Later, measure.Seconds), figure(&t.Most, measure.Seconds))
}

// stepLine names a step with what it asks and how often it ran.
func stepLine(s results.Step, rounds int) string {
	line := s.Title() + ": " + strings.TrimPrefix(s.Asked+", ", ", ") + counted(rounds, "round")
	if s.Extended {
		line += " (extended, since the first were not enough to tell)"
	}
	if s.Informative {
		line += " (for information)"
	}
	return line
}

// inStepOrder sorts measurements as their steps stand in the profile; the
// rounds themselves ran in random order.
func inStepOrder(run *results.Run) []measure.Measurement {
	order := slices.Clone(run.Measurements)
	slices.SortStableFunc(order, func(a, b measure.Measurement) int {
		return run.StepIndex(a) - run.StepIndex(b)
	})
	return order
}

// summary is what the rounds of a measurement found.
type summary struct {
	distributions []*measure.Distribution
	values        []float64
	rate          float64 // operations a second, the mean of all rounds
}

func summarise(m measure.Measurement) summary {
	var s summary
	for _, round := range m.Rounds {
		switch {
		case round.Distribution != nil:
			s.distributions = append(s.distributions, round.Distribution)
			if rate := round.Distribution.Rate(round.Elapsed); !math.IsNaN(rate) {
				s.rate += rate / float64(len(m.Rounds))
			}
		case round.Value != nil:
			s.values = append(s.values, *round.Value)
		case round.Series != nil:
			s.values = append(s.values, round.Series.Values...)
		}
	}
	return s
}

// writeMetric writes latencies as a row, anything else as a line of its own.
func writeMetric(s *sheet, m measure.Measurement, width int) {
	found := summarise(m)
	name := fmt.Sprintf("  %-*s", width, m.Metric)
	if len(found.distributions) == 0 {
		s.line("", name+"  "+medianRange(found.values, m.Unit))
		return
	}
	whole := merged(found.distributions)
	at := func(q float64) string { x := whole.Quantile(q); return figure(&x, m.Unit) }
	far := measure.QuantileInterval(found.distributions, .999)
	s.row(name, at(.5), at(.99), at(.999), span(&far.Low, &far.High, m.Unit), longest(whole, m.Unit), figure(&found.rate, measure.PerSecond), grouped(float64(whole.Count())))
	if gone := lost(whole); gone != "" {
		s.line(strings.Repeat(" ", 4), gone)
	}
}

func merged(ds []*measure.Distribution) *measure.Distribution {
	whole := &measure.Distribution{}
	for _, d := range ds {
		_ = whole.Merge(d) // fails only when counts overflow, which those of a run cannot
	}
	return whole
}

// longest is the longest latency; an operation that did not finish took longer.
func longest(d *measure.Distribution, unit measure.Unit) string {
	most := d.Max()
	if d.Unfinished > 0 {
		return "> " + figure(&most, unit)
	}
	return figure(&most, unit)
}

// medianRange writes the median of single values with their range.
func medianRange(values []float64, unit measure.Unit) string {
	if len(values) == 0 {
		return "–"
	}
	middle, least, most := median(values), slices.Min(values), slices.Max(values)
	if least == most {
		return figure(&middle, unit)
	}
	return fmt.Sprintf("%s (%s to %s)", figure(&middle, unit), figure(&least, unit), figure(&most, unit))
}

// median is the middle one of some values, of two the greater.
func median(values []float64) float64 {
	return slices.Sorted(slices.Values(values))[len(values)/2]
}

// lost says what became of the operations that have no latency.
func lost(d *measure.Distribution) string {
	var words []string
	for _, l := range []struct {
		n    int64
		what string
	}{{d.Failed, "failed"}, {d.Missed, "could not be sent"}, {d.Unfinished, "did not finish"}} {
		if l.n > 0 {
			words = append(words, grouped(float64(l.n))+" "+l.what)
		}
	}
	if len(words) == 0 {
		return ""
	}
	return "besides these " + strings.Join(words, ", ")
}
