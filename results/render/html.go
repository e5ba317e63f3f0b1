package render

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"io"
	"slices"
	"strings"

	"storebench/internal/measure"
	"storebench/results"
)

var _ = register(Format{Name: "html", Ext: ".html", Summary: "one page with charts, without any network, to read, print and send", Render: renderHTML, Compare: compareHTML})

// htmlFiles are the pages' templates, style and script, and uPlot with its
// licence beside it.
//
//go:embed html
var htmlFiles embed.FS

var htmlPages = template.Must(template.ParseFS(htmlFiles, "html/*.tmpl"))

// asset is a file of ours that goes into a page as it is.
func asset(name string) (string, error) {
	data, err := htmlFiles.ReadFile("html/" + name)
	return string(data), err
}

// htmlShell is what every page has.
type htmlShell struct {
	Title   string
	Style   template.CSS
	Verdict htmlVerdict
}

type htmlVerdict struct{ Class, Word, Sentence string }

// newShell returns the shell of a page with these styles.
func newShell(title string, v htmlVerdict, styles ...string) (htmlShell, error) {
	shell := htmlShell{Title: title, Verdict: v}
	for _, name := range styles {
		text, err := asset(name)
		if err != nil {
			return shell, err
		}
		shell.Style += template.CSS(text) // our own files, not the run's text
	}
	return shell, nil
}

// htmlReport is the page of a run. All text in it goes through html/template,
// which escapes it.
type htmlReport struct {
	htmlShell
	Counts   string
	Target   []htmlLine
	Troubles []htmlTrouble
	Edge     []htmlLimit // of all limits, the least headroom first
	Carries  *htmlTable
	Topics   []htmlTopic
	NoLimit  bool
	Skipped  []string
	Matrices []htmlMatrix
	Found    []string // by a sweep
	Steps    []htmlStep
	Others   []htmlStep // those that are far from every limit
	Memory   *htmlTable
	Facts    []htmlLine
	Notes    []string
	Unseen   []string
	Charts   []chart
	Library  template.JS
	Script   template.JS
}

// htmlLine is a line for a template, which sees only what is exported.
type htmlLine struct{ Name, Value string }

// htmlTable is a table whose first column names the rows.
type htmlTable struct {
	Caption string
	Header  []string
	Rows    [][]string
}

func renderHTML(w io.Writer, r Report) error {
	page, err := newHTMLReport(r)
	if err != nil {
		return err
	}
	return writePage(w, "report.html.tmpl", page)
}

func writePage(w io.Writer, name string, page any) error {
	var out bytes.Buffer
	if err := htmlPages.ExecuteTemplate(&out, name, page); err != nil {
		return fmt.Errorf("write the page: %w", err)
	}
	_, err := w.Write(bytes.Map(printable, out.Bytes()))
	return err
}

func newHTMLReport(r Report) (*htmlReport, error) {
	run := r.Run
	shell, err := newShell(
		fmt.Sprintf("storebench: %s, %s", headWord(r), run.Volume.Path),
		htmlVerdict{r.Verdict.Status.String(), headWord(r), capital(sentence(r)) + "."},
		"uplot/uPlot.min.css", "style.css")
	if err != nil {
		return nil, err
	}
	told := tell(r)
	page := &htmlReport{
		htmlShell: shell, Counts: countWords(r.Verdict.Findings), Target: htmlLines(targetLines(run)),
		Edge: htmlEdge(told), Carries: carriesTable(r), Topics: htmlTopics(r, told), NoLimit: len(r.Verdict.Findings) == 0 && run.Sweep == nil, Skipped: r.Verdict.Skipped,
		Matrices: htmlMatrices(run), Found: findingsOfSweep(r), Memory: memoryTable(run), Facts: htmlLines(runLines(run)), Notes: caveats(r), Unseen: results.Unseen(run),
	}
	for _, t := range told.troubles {
		page.Troubles = append(page.Troubles, newTrouble(t))
	}
	page.Steps, page.Others, page.Charts = htmlSteps(r, told)
	if len(page.Charts) > 0 {
		err = page.addScripts()
	}
	return page, err
}

// addScripts adds what draws the charts. The library's licence asks to go where
// the library goes.
func (page *htmlReport) addScripts() error {
	library, err := asset("uplot/uPlot.iife.min.js")
	if err != nil {
		return err
	}
	licence, err := asset("uplot/LICENSE")
	if err != nil {
		return err
	}
	script, err := asset("charts.js")
	if err != nil {
		return err
	}
	page.Library = template.JS("/*\n" + strings.ReplaceAll(licence, "*/", "* /") + "*/\n" + library)
	page.Script = template.JS(script)
	return nil
}

func htmlLines(lines []line) []htmlLine {
	var all []htmlLine
	for _, l := range lines {
		all = append(all, htmlLine{l.name, l.value})
	}
	return all
}

// memoryTable is the peak memory of each step, nil where nothing is known.
func memoryTable(run *results.Run) *htmlTable {
	t := &htmlTable{Caption: "Peak memory of a worker", Header: []string{"step", "asked", "peak memory"}}
	for _, s := range run.Steps {
		if s.Peak > 0 {
			t.Rows = append(t.Rows, []string{s.Title(), s.Asked, bytesOf(float64(s.Peak))})
		}
	}
	if len(t.Rows) == 0 {
		return nil
	}
	return t
}

// htmlStep is what a step found: its figures, and charts of its latencies.
type htmlStep struct {
	Title, Asked string
	Figures      *htmlTable
	Legend       []string
	Marks        []htmlMark
	Charts       []htmlChart
}

// htmlMark is a sign in a chart that stands for something.
type htmlMark struct{ Class, Text string }

// htmlChart is a chart, by its number in the page's data, and as a table.
type htmlChart struct {
	ID      int
	Caption string
	Table   htmlTable
}

// htmlSteps are the steps, and the data of their charts: first those with a limit that is
// not kept or among the closest to it, then the others.
func htmlSteps(r Report, told story) (steps, others []htmlStep, charts []chart) {
	for _, group := range measuredSteps(r.Run) {
		s := newStep(r.Run, group, &charts)
		if r.Run.Sweep != nil || told.matters(s.Title) {
			steps = append(steps, s)
		} else {
			others = append(others, s)
		}
	}
	if len(steps) == 0 {
		return others, nil, charts
	}
	return steps, others, charts
}

// matters says whether a step has a limit that is not kept, or among the closest to it.
func (s story) matters(step string) bool {
	of := func(f results.Finding) bool { return f.Step == step }
	return slices.ContainsFunc(s.edge, of) ||
		slices.ContainsFunc(s.troubles, func(t trouble) bool { return slices.ContainsFunc(t.findings, of) })
}

// newStep is a step of the page; its charts go behind those that are there.
func newStep(run *results.Run, group []measure.Measurement, charts *[]chart) htmlStep {
	step := run.StepOf(group[0])
	s := htmlStep{Title: step.Title(), Asked: strings.TrimPrefix(stepLine(step, len(group[0].Rounds)), step.Title()+": "), Figures: figureTable(step, group)}
	lines := latencyLines(step, group)
	for _, l := range lines {
		s.Legend = append(s.Legend, l.label)
	}
	if len(lines) == 0 {
		return s
	}
	over := timeChart(run, lines, group)
	s.Marks = marksOf(over)
	for _, c := range []chart{percentileChart(lines), over} {
		c.caption += ", " + step.Title()
		s.Charts = append(s.Charts, htmlChart{len(*charts), c.caption, c.table()})
		*charts = append(*charts, c)
	}
	return s
}

// measuredSteps are the measurements of each step, in the order of the steps.
func measuredSteps(run *results.Run) [][]measure.Measurement {
	var groups [][]measure.Measurement
	last := ""
	for _, m := range inStepOrder(run) {
		if title := run.StepOf(m).Title(); len(groups) == 0 || title != last {
			groups, last = append(groups, nil), title
		}
		groups[len(groups)-1] = append(groups[len(groups)-1], m)
	}
	return groups
}

// figureTable is a row a metric.
func figureTable(step results.Step, group []measure.Measurement) *htmlTable {
	t := &htmlTable{
		Caption: step.Title() + ", all rounds together",
		Header:  []string{"metric", "p50", "p99", "p99.9", "max", "rate", "operations"},
	}
	for _, m := range group {
		t.Rows = append(t.Rows, append([]string{metricName(step, m)}, metricCells(m)...))
	}
	return t
}

// metricName is the metric with what the probe itself tells apart.
func metricName(step results.Step, m measure.Measurement) string {
	return m.Metric + labelWords(step.Labels, m.Labels)
}

func marksOf(c chart) []htmlMark {
	var marks []htmlMark
	if len(c.Stalls) > 0 {
		marks = append(marks, htmlMark{"stall", "stall of 0.5 s and more"})
	}
	if len(c.Syncs) > 0 {
		marks = append(marks, htmlMark{"sync", "sync"})
	}
	return marks
}

// htmlComparison is the page of a comparison.
type htmlComparison struct {
	htmlShell
	Sides             []htmlLine
	Differences       *htmlTable
	Warnings          []string
	Note              string
	Header            []string
	Steps             []htmlChanges
	OnlyBase, OnlyNew []string
}

type htmlChanges struct {
	Heading string
	Changes []htmlChange
}

type htmlChange struct {
	Class, Name string
	Cells       []string
}

func compareHTML(w io.Writer, c Comparison) error {
	class := results.Pass
	if c.Threshold != nil {
		class = c.Status()
	}
	shell, err := newShell("storebench compare: "+outcomeHead(c),
		htmlVerdict{class.String(), outcomeHead(c), capital(outcomeSentence(c)) + "."}, "style.css")
	if err != nil {
		return err
	}
	page := &htmlComparison{
		htmlShell: shell, Sides: []htmlLine{{"base", sideWords(c.Base)}, {"new", sideWords(c.New)}},
		Warnings: c.Warnings, Note: comparisonNote, Header: changeHeader, OnlyBase: c.OnlyBase, OnlyNew: c.OnlyNew,
	}
	if len(c.Differences) > 0 {
		page.Differences = &htmlTable{Caption: "What differs besides the figures", Header: []string{"what", "base", "new"}}
		for _, d := range c.Differences {
			page.Differences.Rows = append(page.Differences.Rows, []string{d.What, d.Base, d.New})
		}
	}
	for _, group := range changesByStep(c.Changes) {
		step := htmlChanges{Heading: stepWords(group[0])}
		for _, x := range group {
			step.Changes = append(step.Changes, htmlChange{changeClass(x), figureName(x), changeCells(x)})
		}
		page.Steps = append(page.Steps, step)
	}
	return writePage(w, "comparison.html.tmpl", page)
}

// changeClass is how a change looks on the page.
func changeClass(x results.Change) string {
	switch {
	case x.Regression:
		return results.Fail.String()
	case x.Outcome == results.Worse:
		return results.Warn.String()
	case x.Outcome == results.Better:
		return results.Pass.String()
	case x.Outcome == results.TooFew:
		return results.Inconclusive.String()
	}
	return ""
}

// htmlMatrix is a table over two factors, shaded by value.
type htmlMatrix struct {
	Caption, Corner, Note string
	Header                []string
	Rows                  []htmlMatrixRow
}

type htmlMatrixRow struct {
	Name  string
	Cells []htmlCell
}

// htmlCell is a value with its shade from 0 to 5.
type htmlCell struct {
	Text string
	Heat int
}
