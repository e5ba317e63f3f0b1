package render

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"storebench/internal/measure"
	"storebench/results"
)

var _ = register(Format{Name: "markdown", Ext: ".md", Summary: "for a CI summary or a comment on a pull request", Render: renderMarkdown, Compare: compareMarkdown})

// renderMarkdown writes the verdict first, and folds what few will read.
func renderMarkdown(w io.Writer, r Report) error {
	var out bytes.Buffer
	fmt.Fprintf(&out, "## storebench: %s\n\n%s%s.\n", headWord(r), plain(capital(sentence(r))), tally(r.Verdict))
	markdownMatrices(&out, r)
	markdownLimits(&out, r)
	for _, f := range withStatus(r.Verdict.Findings, results.Fail, results.Inconclusive, results.Warn) {
		markdownFinding(&out, f)
	}
	markdownList(&out, "Limits that were not judged, because their steps were left out", r.Verdict.Skipped)
	markdownFacts(&out, r)
	markdownMeasured(&out, r)
	markdownList(&out, "Notes", caveats(r))
	markdownList(&out, "What this run could not see", results.Unseen(r.Run))
	_, err := w.Write(out.Bytes())
	return err
}

func markdownLimits(w io.Writer, r Report) {
	if len(r.Verdict.Findings) == 0 {
		if r.Run.Sweep == nil {
			fmt.Fprint(w, "\nNo limit was judged.\n")
		}
		return
	}
	t := newMarkdownTable("status", "limit", "at", "observed", "within (95 %)", "headroom")
	for _, group := range byStep(r.Verdict.Findings) {
		for _, f := range group {
			t.row(strong(f), code(f.Name), plain(where(f)), plain(observed(f)), plain(interval(f)), plain(headroom(f)))
		}
	}
	for _, f := range r.Verdict.Informative {
		t.row("("+f.Status.String()+", for information)", code(f.Name), plain(where(f)), plain(observed(f)), plain(interval(f)), plain(headroom(f)))
	}
	t.write(w)
}

// strong makes what does not hold stand out.
func strong(f results.Finding) string {
	if f.Status == results.Pass {
		return f.Word()
	}
	return "**" + f.Word() + "**"
}

func markdownFinding(w io.Writer, f results.Finding) {
	fmt.Fprintf(w, "\n**%s** %s\n\n", strings.ToUpper(f.Word()), code(f.Name))
	for _, line := range findingLines(f) {
		fmt.Fprintf(w, "- %s: %s\n", line.name, plain(line.value))
	}
}

func markdownFacts(w io.Writer, r Report) {
	fold(w, "Volume, machine, run", func() {
		t := newMarkdownTable("what", "value")
		for _, line := range factLines(r.Run) {
			t.row(line.name, plain(line.value))
		}
		t.write(w)
	})
}

func markdownMeasured(w io.Writer, r Report) {
	if len(r.Run.Measurements) == 0 {
		return
	}
	fold(w, "Measured", func() {
		t := newMarkdownTable("step", "metric", "p50", "p99", "p99.9", "max", "rate", "operations")
		for _, m := range inStepOrder(r.Run) {
			t.row(append([]string{plain(r.Run.StepOf(m).Title()), code(m.Metric)}, metricCells(m)...)...)
		}
		t.write(w)
	})
}

// metricCells are p50, p99, p99.9, longest, rate and operations; of values
// their middle and range alone.
func metricCells(m measure.Measurement) []string {
	s := summarise(m)
	if len(s.distributions) == 0 {
		return []string{medianRange(s.values, m.Unit), "", "", "", "", ""}
	}
	whole := merged(s.distributions)
	at := func(q float64) string { x := whole.Quantile(q); return figure(&x, m.Unit) }
	return []string{at(.5), at(.99), at(.999), longest(whole, m.Unit), figure(&s.rate, measure.PerSecond), grouped(float64(whole.Count()))}
}

func markdownList(w io.Writer, title string, items []string) {
	if len(items) == 0 {
		return
	}
	fold(w, title, func() {
		fmt.Fprintln(w)
		for _, item := range items {
			fmt.Fprintf(w, "- %s\n", plain(item))
		}
	})
}

// fold hides what body writes behind a title.
func fold(w io.Writer, title string, body func()) {
	fmt.Fprintf(w, "\n<details><summary>%s</summary>\n", title)
	body()
	fmt.Fprint(w, "\n</details>\n")
}

// markdownTable is a table whose cells are finished Markdown.
type markdownTable struct{ rows [][]string }

func newMarkdownTable(header ...string) *markdownTable {
	rule := make([]string, len(header))
	for i := range rule {
		rule[i] = "---"
	}
	return &markdownTable{rows: [][]string{header, rule}}
}

func (t *markdownTable) row(cells ...string) { t.rows = append(t.rows, cells) }

func (t *markdownTable) write(w io.Writer) {
	fmt.Fprintln(w)
	for _, row := range t.rows {
		fmt.Fprintf(w, "| %s |\n", strings.Join(row, " | "))
	}
}

// markdownMarks are the characters that mean something in Markdown, in a table
// and in HTML, each with what stands for it. The at sign would call a person.
var markdownMarks = strings.NewReplacer(
	`\`, `\\`, "`", "\\`", "*", `\*`, "_", `\_`, "[", `\[`, "]", `\]`, "<", "&lt;", ">", "&gt;", "&", "&amp;",
	"#", `\#`, "|", `\|`, "~", `\~`, "@", "@\u200b", "\n", " ",
)

// plain writes text so that nothing in it is Markdown.
func plain(s string) string { return markdownMarks.Replace(clean(strings.ReplaceAll(s, "\n", " "))) }

// code writes text as code. Within, a table still ends a cell at a bar.
func code(s string) string {
	s = strings.NewReplacer("`", "'", "|", `\|`).Replace(clean(strings.ReplaceAll(s, "\n", " ")))
	if s == "" {
		return ""
	}
	return "`" + s + "`"
}

// capital writes a sentence's first letter large.
func capital(s string) string {
	if s == "" {
		return ""
	}
	return strings.ToUpper(s[:1]) + s[1:]
}
