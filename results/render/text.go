package render

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"

	"github.com/jedib0t/go-pretty/v6/text"

	"storebench/results"
)

var _ = register(Format{Name: "text", Ext: ".txt", Summary: "for a person in a terminal", Render: renderText, Compare: compareText})

// textWidth is where sentences are folded, in columns; a table takes what it
// needs, which is about as much.
const textWidth = 100

// textParts are what each level of detail tells of a run. The verdict stands first, and
// again last, where a terminal shows it.
func textParts(r Report) []func(io.Writer, Report) {
	switch {
	case r.Run.Sweep != nil:
		return sweepParts[r.Detail]
	case r.Detail == Brief:
		return []func(io.Writer, Report){writeTroubles, writeVerdict}
	case r.Detail == Full:
		return []func(io.Writer, Report){
			writeTop, writeTroubles, writeEdge, writeCarries, writeLimits, writeSkipped, writeMeasured, writeRounds, writeInformative,
			writeFindings, writeNotes, writeUnseen, writeRun, writeVerdict,
		}
	}
	if decided(r.Verdict) { // what was not seen, or is for information, takes nothing of a fail away
		return []func(io.Writer, Report){
			writeTop, writeTroubles, writeCarries, writeTopics, writeSkipped, writeNotes, writeRun, writeVerdict,
		}
	}
	if len(tell(r).troubles) > 0 { // what is wrong comes before what each step measured
		return []func(io.Writer, Report){
			writeTop, writeTroubles, writeCarries, writeTopics, writeSkipped, writeInformative, writeNotes, writeUnseen, writeRun, writeVerdict,
		}
	}
	return []func(io.Writer, Report){
		writeTop, writeEdge, writeCarries, writeTopics, writeSkipped, writeSteps, writeInformative, writeNotes, writeUnseen, writeRun, writeVerdict,
	}
}

func renderText(w io.Writer, r Report) error {
	var out bytes.Buffer
	for _, part := range textParts(r) {
		part(&out, r)
	}
	plain := bytes.TrimLeft(bytes.Map(printable, out.Bytes()), "\n")
	if r.Colour {
		plain = paint(plain)
	}
	_, err := w.Write(plain)
	return err
}

// printable keeps what a run document from elsewhere holds from steering the
// terminal.
func printable(r rune) rune {
	if unicode.IsControl(r) && r != '\n' {
		return unicode.ReplacementChar
	}
	return r
}

// writeTop is the verdict, and what it is about.
func writeTop(w io.Writer, r Report) {
	paragraph(w, "", verdictWord(r.Verdict)+": ", sentence(r))
	paragraph(w, "", "", countWords(r.Verdict.Findings))
	fmt.Fprintln(w)
	for _, fact := range targetLines(r.Run) {
		head(w, fact.name, fact.value)
	}
}

// writeRun is what else must be known of a run to read it.
func writeRun(w io.Writer, r Report) {
	fmt.Fprintln(w)
	for _, fact := range runLines(r.Run) {
		head(w, fact.name, fact.value)
	}
}

// writeHead is what was looked at, and the run.
func writeHead(w io.Writer, r Report) {
	for _, fact := range factLines(r.Run) {
		head(w, fact.name, fact.value)
	}
}

func head(w io.Writer, name, value string) {
	paragraph(w, "", fmt.Sprintf("%-10s  ", name), value)
}

// paragraph folds a text behind a first word, the lines below indented to it.
func paragraph(w io.Writer, before, first, body string) {
	indent := text.RuneWidthWithoutEscSequences(first)
	lines := strings.Split(text.WrapSoft(clean(body), textWidth-indent), "\n")
	for i, line := range lines {
		if i == 0 {
			fmt.Fprintf(w, "%s%s%s\n", before, first, strings.TrimRight(line, " "))
			continue
		}
		fmt.Fprintf(w, "%s%s\n", strings.Repeat(" ", indent), strings.TrimSpace(line))
	}
}

// writeVerdict is one line that says it all.
func writeVerdict(w io.Writer, r Report) {
	paragraph(w, "\n", "VERDICT   ", verdictWord(r.Verdict)+": "+sentence(r))
}

// tally counts the findings of each status, the worst first, in brackets.
func tally(v results.Verdict) string {
	if words := countWords(v.Findings); words != "" {
		return " (" + words + ")"
	}
	return ""
}

func verdictWord(v results.Verdict) string {
	word := strings.ToUpper(v.Status.String())
	if v.Partial {
		return "PARTIAL " + word
	}
	return word
}

// headWord is what a page says first: the verdict, or that it has none to give.
func headWord(r Report) string {
	if r.Run.Sweep != nil && r.Verdict.Status == results.Pass {
		return "SWEEP"
	}
	return verdictWord(r.Verdict)
}

// sentence is what the verdict says in words. A partial run qualifies nothing.
func sentence(r Report) string {
	v, asked := r.Verdict, "profile "+r.Run.Profile.Name
	switch {
	case r.Run.Sweep != nil:
		return sweptSentences[v.Status]
	case v.Status == results.Fail:
		return "this volume cannot sustain what " + asked + " asks"
	case v.Status == results.Inconclusive:
		return "this run cannot tell whether the volume sustains what " + asked + " asks"
	case v.Partial && v.Status == results.Warn:
		return fmt.Sprintf("what was judged is met, with warnings, and %s not judged", wereCounted(len(v.Skipped), "limit"))
	case v.Partial:
		return fmt.Sprintf("what was judged is met, and %s not judged", wereCounted(len(v.Skipped), "limit"))
	case v.Status == results.Warn && !slices.ContainsFunc(v.Findings, results.Finding.Warned):
		n := len(withStatus(v.Findings, results.Warn))
		return fmt.Sprintf("qualified for %s; %s could not be decided", asked, counted(n, "warning limit"))
	case v.Status == results.Warn:
		return "qualified for " + asked + ", with warnings: slower than a healthy node"
	}
	return "qualified for " + asked
}

func wereCounted(n int, thing string) string {
	if n == 1 {
		return "1 " + thing + " was"
	}
	return counted(n, thing) + " were"
}
