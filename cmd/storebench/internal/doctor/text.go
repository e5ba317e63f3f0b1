package doctor

import (
	"fmt"
	"io"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
)

// textWidth is how wide a page is.
const textWidth = 118

func writeText(w io.Writer, d *Diagnosis) {
	for _, l := range d.head() {
		paragraph(w, fmt.Sprintf("%-10s", l.word), l.text)
	}
	for _, f := range d.Findings {
		fmt.Fprintf(w, "\nwhy %s (%s, %s): %s to %s, on %s\n", f.Name, f.Status, f.Certainty, stamp(f.Since), stamp(f.Until), names(f.Nodes))
		for _, reason := range f.why() {
			paragraph(w, "  "+reason[:2], reason[2:])
		}
	}
	writeTable(w, d)
	writeStrip(w, d)
	for _, note := range d.Notes {
		paragraph(w, "note      ", note)
	}
}

// paragraph folds a text behind a first word, the lines below indented to it.
func paragraph(w io.Writer, first, body string) {
	for i, l := range strings.Split(text.WrapSoft(body, textWidth-len(first)), "\n") {
		if i > 0 {
			first = strings.Repeat(" ", len(first))
		}
		fmt.Fprintln(w, strings.TrimRight(first+strings.TrimSpace(l), " "))
	}
}

func writeTable(w io.Writer, d *Diagnosis) {
	if len(d.Kinds) == 0 {
		return
	}
	t := newTable(2, 3)
	t.AppendHeader(table.Row{"kind", "count", "worst", "first", "last", "nodes", "streams, groups, connections"})
	for _, k := range d.Kinds {
		t.AppendRow(table.Row{k.Kind, number(k.Count), k.Worst, day(k, true), day(k, false), names(k.Nodes), subjects(k)})
	}
	fmt.Fprintln(w)
	renderTable(w, t)
}

// newTable is a table whose columns of numbers, counted from 1, are set to the right.
func newTable(numbers ...int) table.Writer {
	t := table.NewWriter()
	t.SetStyle(table.StyleLight)
	t.Style().Options = table.Options{SeparateHeader: true}
	t.Style().Box.PaddingLeft = ""
	t.Style().Box.PaddingRight = "  "
	t.Style().Format.Header = text.FormatDefault
	var columns []table.ColumnConfig
	for _, n := range numbers {
		columns = append(columns, table.ColumnConfig{Number: n, Align: text.AlignRight, AlignHeader: text.AlignRight})
	}
	t.SetColumnConfigs(columns)
	return t
}

// renderTable writes a table without spaces at the ends of lines.
func renderTable(w io.Writer, t table.Writer) {
	for _, l := range strings.Split(t.Render(), "\n") {
		fmt.Fprintln(w, strings.TrimRight(l, " "))
	}
}

// day is a row's first or last time.
func day(k Kind, first bool) string {
	at := k.Last
	if first {
		at = k.First
	}
	if at.IsZero() {
		return "no time"
	}
	return at.Format("01-02 15:04:05")
}

// subjects are a few of what a row is about.
func subjects(k Kind) string {
	const most = 2
	list := k.Subjects
	more := k.More
	if len(list) > most {
		list, more = list[:most], true
	}
	all := strings.Join(list, ", ")
	if more {
		all += ", …"
	}
	return all
}

func writeStrip(w io.Writer, d *Diagnosis) {
	if len(d.Strip.Rows) == 0 {
		return
	}
	fmt.Fprintf(w, "\nfrom %s, %s a column, each row by its own largest count\n", stamp(d.Strip.Start), short(d.Strip.Step))
	wide := 0
	for _, r := range d.Strip.Rows {
		wide = max(wide, len(r.Kind))
	}
	for _, r := range d.Strip.Rows {
		fmt.Fprintf(w, "  %-*s  │%s│\n", wide, r.Kind, bar(r.Counts))
	}
}
