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
	fmt.Fprintf(&out, "## storebench: %s\n\n%s%s.\n", headWord(r), plain(capital(sentence(r))), plain(tally(r.Verdict)))
	s := tell(r)
	for _, t := range s.troubles {
		markdownTrouble(&out, t)
	}
	markdownMatrices(&out, r)
	if len(s.edge) > 0 {
		fmt.Fprint(&out, "\n**Met, with the least headroom**\n")
		markdownFindings(&out, s.edge)
	}
	markdownCarries(&out, r)
	markdownLimits(&out, r, s)
	markdownList(&out, "Limits that were not judged, because their steps were left out", r.Verdict.Skipped)
	markdownFacts(&out, r)
	markdownMeasured(&out, r)
	markdownList(&out, "Notes", caveats(r))
	markdownList(&out, "What this run could not see", results.Unseen(r.Run))
	_, err := w.Write(out.Bytes())
	return err
}

// markdownTrouble is what does not hold for one reason.
func markdownTrouble(w io.Writer, t trouble) {
	fmt.Fprintf(w, "\n**%s** %s\n", strings.ToUpper(t.worst().Word()), plain(t.heading))
	if !t.listed {
		markdownFindings(w, t.rows())
	}
	fmt.Fprintln(w)
	for _, f := range t.rows() {
		if reason := reasonOf(t, f); reason != "" && !t.listed {
			fmt.Fprintf(w, "- %s: %s\n", plain(titleOf(f)), plain(reason))
		}
	}
	for _, line := range t.lines() {
		fmt.Fprintf(w, "- %s: %s\n", line.name, plain(line.value))
	}
}

// markdownFindings is a row a finding.
func markdownFindings(w io.Writer, findings []results.Finding) {
	t := newMarkdownTable("status", "what", "observed", "95 % CI", "limit", "headroom", "as --limit takes it")
	for _, f := range findings {
		t.row(strong(f), plain(titleOf(f)), plain(observed(f)), plain(interval(f)), plain(bound(f)), plain(margin(f)), code(limitText(f)))
	}
	t.write(w)
}

func markdownCarries(w io.Writer, r Report) {
	if len(r.Verdict.Carries) == 0 {
		return
	}
	t := newMarkdownTable("what this volume carries", "measured", "asked")
	for _, c := range r.Verdict.Carries {
		t.row(plain(c.Title), plain(carried(c)), plain(asked(c)))
	}
	t.write(w)
}

// markdownLimits are all limits by what of a server they are about.
func markdownLimits(w io.Writer, r Report, s story) {
	if len(r.Verdict.Findings) == 0 {
		if r.Run.Sweep == nil {
			fmt.Fprint(w, "\nNo limit was judged.\n")
		}
		return
	}
	for _, t := range s.topics {
		fold(w, plain(t.name)+": "+countWords(t.findings), func() { markdownFindings(w, t.findings) })
	}
	if len(r.Verdict.Informative) > 0 {
		fold(w, "for information", func() { markdownFindings(w, r.Verdict.Informative) })
	}
}

// strong makes what does not hold stand out.
func strong(f results.Finding) string {
	if f.Status == results.Pass {
		return f.Word()
	}
	return "**" + f.Word() + "**"
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
