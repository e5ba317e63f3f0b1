package render

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"storebench/profiles"
	"storebench/results"
)

// What every format says of a comparison in the same words.

// changeCells are old, new, change, p and outcome of a figure.
func changeCells(x results.Change) []string {
	p := ""
	if x.Adjusted != nil {
		p = fmt.Sprintf("%.3f", *x.Adjusted)
	}
	return []string{sampleWords(x, x.Base), sampleWords(x, x.New), percent(x.Change), p, outcomeWord(x)}
}

// changeHeader are the columns of changeCells.
var changeHeader = []string{"base", "new", "change", "p adjusted", "outcome"}

// sampleWords are the median of a side with its interval.
func sampleWords(x results.Change, s results.Sample) string {
	return strings.TrimSpace(figure(&s.Median, x.Unit) + " " + bracketed(span(s.Low, s.High, x.Unit)))
}

func percent(change *float64) string {
	if change == nil {
		return ""
	}
	return fmt.Sprintf("%+.0f %%", 100**change)
}

func outcomeWord(x results.Change) string {
	switch {
	case x.Regression:
		return "REGRESSION"
	case x.Outcome == results.TooFew:
		return fmt.Sprintf("too few rounds (%d, %d)", x.Base.Rounds, x.New.Rounds)
	}
	return string(x.Outcome)
}

// sideWords name the runs of a side with their verdicts.
func sideWords(s results.Side) string {
	var words []string
	for _, run := range s.Runs {
		words = append(words, fmt.Sprintf("%s of %s (%s)", run.ID, run.Path, run.Status))
	}
	return strings.Join(words, ", ")
}

// outcomeSentence says what the comparison found, in one sentence.
func outcomeSentence(c Comparison) string {
	count := func(outcome results.Outcome) int {
		return c.Count(func(x results.Change) bool { return x.Outcome == outcome })
	}
	parts := []string{
		fmt.Sprintf("of %s %d worse, %d better, %d unchanged", counted(len(c.Changes), "figure"),
			count(results.Worse), count(results.Better), count(results.Unchanged)),
	}
	if n := count(results.Changed); n > 0 {
		parts = append(parts, fmt.Sprintf("%d changed, which is neither good nor bad", n))
	}
	if n := count(results.TooFew); n > 0 {
		parts = append(parts, fmt.Sprintf("%d with too few rounds: %d a side are needed", n, results.MinRounds))
	}
	sentence := strings.Join(parts, ", ")
	if c.Threshold == nil {
		return sentence
	}
	regressions := c.Count(func(x results.Change) bool { return x.Regression })
	return fmt.Sprintf("%s (worse by over %g %%); %s", counted(regressions, "regression"), 100**c.Threshold, sentence)
}

// outcomeHead is the word before the sentence.
func outcomeHead(c Comparison) string {
	if c.Threshold == nil {
		return "COMPARED"
	}
	return strings.ToUpper(c.Status().String())
}

// comparisonNote says how the table is to be read.
const comparisonNote = "Each round is a sample. In brackets stands the interval of the median, with at least 90 % confidence. " +
	"p is that of the Mann–Whitney test, adjusted for the number of figures (Benjamini–Hochberg); from 0.05 on no change is shown."

// changesByStep groups changes by their step, in the order in which steps come
// first.
func changesByStep(changes []results.Change) [][]results.Change {
	var groups [][]results.Change
	for i, x := range changes {
		if i == 0 || changes[i-1].Step != x.Step {
			groups = append(groups, nil)
		}
		groups[len(groups)-1] = append(groups[len(groups)-1], x)
	}
	return groups
}

// figureName is the metric with the statistic; a value has only the one.
func figureName(x results.Change) string {
	if x.Stat.Name == profiles.StatValue {
		return x.Metric
	}
	return x.Metric + " " + x.Stat.String()
}

func stepWords(x results.Change) string {
	if x.Asked == "" {
		return x.Step
	}
	return x.Step + ": " + x.Asked
}

// compareText writes what differs about the environment first, since it may be
// all that there is to say, and the outcome last.
func compareText(w io.Writer, c Comparison) error {
	var out bytes.Buffer
	head(&out, "base", sideWords(c.Base))
	head(&out, "new", sideWords(c.New))
	compareTextDifferences(&out, c)
	compareTextChanges(&out, c)
	list(&out, "only in base", c.OnlyBase)
	list(&out, "only in new", c.OnlyNew)
	fmt.Fprintln(&out)
	paragraph(&out, "", "", comparisonNote)
	paragraph(&out, "\n", "RESULT    ", outcomeHead(c)+": "+outcomeSentence(c))
	plain := bytes.Map(printable, out.Bytes())
	if c.Colour {
		plain = paint(plain)
	}
	_, err := w.Write(plain)
	return err
}

func compareTextDifferences(w io.Writer, c Comparison) {
	if len(c.Differences) > 0 {
		s := newSheet("environment", "base", "new")
		for _, d := range c.Differences {
			s.row(d.What, shortened(d.Base), shortened(d.New))
		}
		s.write(w)
	}
	list(w, "notes", c.Warnings)
}

// shortened keeps a table's columns on the page.
func shortened(s string) string {
	const most = 42
	runes := []rune(s)
	if len(runes) <= most {
		return s
	}
	return string(runes[:most-1]) + "…"
}

func compareTextChanges(w io.Writer, c Comparison) {
	columns := []any{"compared"}
	for _, name := range changeHeader {
		columns = append(columns, name)
	}
	s := newSheet(columns...)
	s.alignRight(4, 5)
	for _, group := range changesByStep(c.Changes) {
		s.line("", stepWords(group[0]))
		for _, x := range group {
			s.row(append([]string{"  " + figureName(x)}, changeCells(x)...)...)
		}
	}
	s.write(w)
}

// compareMarkdown writes the outcome first and all figures folded.
func compareMarkdown(w io.Writer, c Comparison) error {
	var out bytes.Buffer
	fmt.Fprintf(&out, "## storebench compare: %s\n\n%s.\n\n", outcomeHead(c), plain(capital(outcomeSentence(c))))
	fmt.Fprintf(&out, "- base: %s\n- new: %s\n", plain(sideWords(c.Base)), plain(sideWords(c.New)))
	if len(c.Differences) > 0 {
		t := newMarkdownTable("environment that differs", "base", "new")
		for _, d := range c.Differences {
			t.row(plain(d.What), plain(d.Base), plain(d.New))
		}
		t.write(&out)
	}
	changed := func(x results.Change) bool { return x.Outcome != results.Unchanged }
	if c.Count(changed) > 0 {
		markdownChanges(&out, c, changed)
	}
	fold(&out, "All figures", func() {
		markdownChanges(&out, c, func(results.Change) bool { return true })
		fmt.Fprintf(&out, "\n%s\n", plain(comparisonNote))
	})
	markdownList(&out, "Only in base", c.OnlyBase)
	markdownList(&out, "Only in new", c.OnlyNew)
	markdownList(&out, "Notes", c.Warnings)
	_, err := w.Write(out.Bytes())
	return err
}

func markdownChanges(w io.Writer, c Comparison, show func(results.Change) bool) {
	t := newMarkdownTable(append([]string{"step", "figure"}, changeHeader...)...)
	for _, x := range c.Changes {
		if !show(x) {
			continue
		}
		cells := []string{plain(x.Step), code(figureName(x))}
		for _, cell := range changeCells(x) {
			cells = append(cells, plain(cell))
		}
		if x.Outcome != results.Unchanged {
			cells[len(cells)-1] = "**" + cells[len(cells)-1] + "**"
		}
		t.row(cells...)
	}
	t.write(w)
}
