package render

import (
	"fmt"
	"io"
	"strings"

	"storebench/results"
)

// writeTroubles is what does not hold: a block for each cause, with the limits that it
// breaks or strains.
func writeTroubles(w io.Writer, r Report) {
	for _, t := range tell(r).troubles {
		paragraph(w, "\n", strings.ToUpper(t.worst().Word())+"  ", t.heading)
		if !t.listed {
			s := newSheet()
			s.alignRight(3)
			for _, f := range t.rows() {
				s.row("  "+f.Word(), titleOf(f), observed(f), bound(f), margin(f))
				if reason := reasonOf(t, f); reason != "" {
					s.line("      ", reason)
				}
			}
			s.write(w)
		}
		for _, l := range t.lines() {
			paragraph(w, "", fmt.Sprintf("  %-9s ", l.name), l.value)
		}
	}
}

// writeEdge is how close the volume is to the edge.
func writeEdge(w io.Writer, r Report) {
	edge := tell(r).edge
	if len(edge) == 0 {
		return
	}
	s := newSheet("met, with the least headroom", "observed", "limit", "headroom")
	s.alignRight(2, 4)
	for _, f := range edge {
		s.row(titleOf(f), observed(f), bound(f), headroom(f))
	}
	s.write(w)
}

// writeCarries is what the volume carries in plain figures.
func writeCarries(w io.Writer, r Report) {
	if len(r.Verdict.Carries) == 0 {
		return
	}
	s := newSheet("what this volume carries", "measured", "asked")
	s.alignRight(2, 3)
	for _, c := range r.Verdict.Carries {
		s.row(c.Title, carried(c), asked(c))
	}
	s.write(w)
}

func carried(c results.Carried) string {
	if c.AtLeast {
		return "over " + figure(&c.Value, c.Unit)
	}
	return figure(&c.Value, c.Unit)
}

func asked(c results.Carried) string {
	if c.Asked == nil {
		return ""
	}
	return figure(c.Asked, c.Unit)
}

// writeTopics is a line for each part of a server that the run is about.
func writeTopics(w io.Writer, r Report) {
	if len(r.Verdict.Findings) == 0 {
		fmt.Fprint(w, "\nno limit was judged\n")
		return
	}
	s := newSheet("limits", "", "least headroom")
	for _, t := range tell(r).topics {
		least := ""
		if f := t.findings[0]; f.Headroom != nil {
			least = margin(f)
			if f.Status == results.Pass { // what does not hold is told above
				least += ", " + titleOf(f)
			}
		}
		s.row(t.name, countWords(t.findings), least)
	}
	s.write(w)
}

// writeSteps is the first metric of each step, over all its rounds.
func writeSteps(w io.Writer, r Report) {
	if len(r.Run.Measurements) == 0 {
		return
	}
	s := newSheet("measured", "", "p50", "p99", "max", "rate", "rounds")
	s.alignRight(3, 4, 5, 6, 7)
	last := ""
	for _, m := range inStepOrder(r.Run) {
		title := r.Run.StepOf(m).Title()
		if title == last {
			continue
		}
		last = title
		cells := metricCells(m) // p50, p99, p99.9, max, rate, operations
		s.row(title, m.Metric, cells[0], cells[1], cells[3], cells[4], fmt.Sprint(len(m.Rounds)))
	}
	s.write(w)
	for _, t := range r.Verdict.FirstTouch {
		paragraph(w, "", "  ", t.Step+", "+t.Metric+": "+firstTouch(t))
	}
}

// writeLimits is a line for each limit, by what of a server it is about, with its text
// below it.
func writeLimits(w io.Writer, r Report) {
	if len(r.Verdict.Findings) == 0 {
		fmt.Fprint(w, "\nno limit was judged\n")
		return
	}
	s := newSheet("limits", "status", "observed", "95 % CI", "limit", "headroom", "as --limit takes it")
	s.alignRight(3, 6)
	for _, t := range tell(r).topics {
		s.line("", t.name)
		for _, f := range t.findings {
			s.row("  "+titleOf(f), f.Word(), observed(f), interval(f), bound(f), margin(f), limitText(f))
		}
	}
	s.write(w)
}

// writeInformative tells of limits held against informative steps: mostly the
// servers that this volume does not carry.
func writeInformative(w io.Writer, r Report) {
	for _, f := range r.Verdict.Informative {
		step, what := r.Run.Step(f.Step), "with "+f.Step
		if step.Slots > 0 {
			what = "with " + counted(step.Slots, "I/O slot")
		}
		if step.Note != "" {
			what += " (" + step.Note + ")"
		}
		paragraph(w, "\n", "", fmt.Sprintf("For information, %s: %s, %s, limit %s: %s. It changes nothing in the verdict.",
			what, titleOf(f), observed(f), bound(f), outcome(f.Status)))
	}
}

func outcome(s results.Status) string {
	switch s {
	case results.Pass:
		return "met"
	case results.Fail, results.Warn:
		return "not met"
	}
	return "undecided"
}

// writeFindings explains every finding, the worst last.
func writeFindings(w io.Writer, r Report) {
	for _, f := range withStatus(r.Verdict.Findings, results.Pass, results.Warn, results.Inconclusive, results.Fail) {
		fmt.Fprintf(w, "\n%s  %s\n", strings.ToUpper(f.Word()), titleOf(f))
		for _, l := range findingLines(f) {
			paragraph(w, "", fmt.Sprintf("  %-9s ", l.name), l.value)
		}
	}
}

// writeSkipped says which limits a partial verdict says nothing of.
func writeSkipped(w io.Writer, r Report) {
	skipped := r.Verdict.Skipped
	if len(skipped) == 0 {
		return
	}
	paragraph(w, "\n", "", fmt.Sprintf("%s not judged, because their steps were left out: %s", wereCounted(len(skipped), "limit"), strings.Join(r.Run.Skipped, ", ")))
	if r.Detail == Full {
		for _, limit := range skipped {
			paragraph(w, "", "  - ", limit)
		}
	}
}
