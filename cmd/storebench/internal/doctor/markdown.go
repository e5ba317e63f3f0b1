package doctor

import (
	"fmt"
	"io"
	"strings"
)

func writeMarkdown(w io.Writer, d *Diagnosis) {
	lines := d.head()
	fmt.Fprintf(w, "## %s: %s\n\n", lines[0].word, escape(lines[0].text))
	for _, l := range lines[1:] {
		fmt.Fprintf(w, "- **%s** %s\n", l.word, escape(l.text))
	}
	for _, f := range d.Findings {
		fmt.Fprintf(w, "\n### %s (%s, %s)\n\n%s\n\n", f.Name, f.Status, f.Certainty, escape(f.What))
		for _, text := range f.For {
			fmt.Fprintf(w, "- for: %s\n", escape(text))
		}
		for _, text := range f.Against {
			fmt.Fprintf(w, "- against: %s\n", escape(text))
		}
	}
	if len(d.Kinds) > 0 {
		fmt.Fprint(w, "\n| kind | count | worst | first | last | nodes | of |\n|---|--:|--:|---|---|---|---|\n")
		for _, k := range d.Kinds {
			fmt.Fprintf(w, "| %s | %s | %s | %s | %s | %s | %s |\n", escape(k.Kind), number(k.Count), escape(k.Worst),
				day(k, true), day(k, false), escape(names(k.Nodes)), escape(subjects(k)))
		}
	}
	if len(d.Strip.Rows) > 0 {
		fmt.Fprintf(w, "\nFrom %s, %s a column:\n\n", stamp(d.Strip.Start), short(d.Strip.Step))
		for _, r := range d.Strip.Rows {
			fmt.Fprintf(w, "    %-34s |%s|\n", r.Kind, bar(r.Counts))
		}
	}
	for _, note := range d.Notes {
		fmt.Fprintf(w, "\n%s\n", escape(note))
	}
}

// escape keeps what stands in a log from being read as Markdown or HTML.
func escape(text string) string {
	var out strings.Builder
	for _, r := range text {
		switch r {
		case '|', '\\', '`', '*', '_', '[', ']', '#', '~':
			out.WriteRune('\\')
			out.WriteRune(r)
		case '<':
			out.WriteString("&lt;")
		case '>':
			out.WriteString("&gt;")
		case '&':
			out.WriteString("&amp;")
		default:
			out.WriteRune(r)
		}
	}
	return out.String()
}
