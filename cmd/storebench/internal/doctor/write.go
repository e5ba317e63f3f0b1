package doctor

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"storebench/results"
)

// Write tells a diagnosis in a format: text, json or markdown.
func Write(w io.Writer, format string, d *Diagnosis) error {
	var page strings.Builder
	switch format {
	case "text":
		writeText(&page, d)
	case "markdown":
		writeMarkdown(&page, d)
	case "json":
		enc := json.NewEncoder(&page)
		enc.SetIndent("", "  ")
		enc.SetEscapeHTML(false)
		if err := enc.Encode(d); err != nil {
			return err
		}
	default:
		return fmt.Errorf("the format %s cannot tell a diagnosis; text, json and markdown can", format)
	}
	_, err := io.WriteString(w, page.String())
	return err
}

// line is one of the diagnosis: a word and what it stands for.
type line struct{ word, text string }

// head is the diagnosis in at most ten lines.
func (d *Diagnosis) head() []line {
	if len(d.Findings) == 0 {
		return []line{{statusWords[d.Status], d.sentence()}, {"logs", d.span()}}
	}
	word := statusWords[d.Status]
	if d.Status == results.Pass {
		word = "OTHER"
	}
	lines := []line{{word, d.sentence()}}
	f := d.Findings[0]
	lines = append(lines,
		line{"since", fmt.Sprintf("%s, until %s, on %s (%d of %s); %s", stamp(f.Since), stamp(f.Until), names(f.Nodes), len(f.Nodes), counted(int64(len(d.Nodes)), "node"), f.Certainty)})
	if len(f.Order) > 0 {
		lines = append(lines, line{"order", strings.Join(f.Order, " → ")})
	}
	lines = append(lines, line{"now", strings.Join(f.Now, "; ")}, line{"then", strings.Join(f.After, "; ")})
	var also []string
	for _, other := range d.Findings[1:] {
		also = append(also, other.Name+" ("+string(other.Certainty)+")")
	}
	if also != nil {
		lines = append(lines, line{"also", strings.Join(also, ", ")})
	}
	if n := len(d.Others); n > 0 {
		o := d.Others[0]
		lines = append(lines, line{"besides", fmt.Sprintf("%s at other times, the newest at %s: %s", counted(int64(n), "incident"), stamp(o.From), o.What)})
	}
	return lines
}

var statusWords = map[results.Status]string{
	results.Pass: "CLEAR", results.Warn: "WARNING", results.Fail: "FAILING", results.Inconclusive: "UNKNOWN",
}

// sentence says what happened.
func (d *Diagnosis) sentence() string {
	switch {
	case len(d.Findings) == 0 && d.Status == results.Inconclusive:
		return "no line of nats-server's is left of what was asked for: the time, or the node"
	case len(d.Findings) == 0:
		return "nothing in these logs speaks of storage, or of what slow storage does"
	case d.Status == results.Pass:
		return "not storage: " + d.Findings[0].What
	default:
		return d.Findings[0].What
	}
}

func (d *Diagnosis) span() string {
	return fmt.Sprintf("%s, %s to %s, %s", counted(d.Lines, "line"), stamp(d.From), stamp(d.To), counted(int64(len(d.Nodes)), "node"))
}

func stamp(at time.Time) string {
	if at.IsZero() {
		return "an unknown time"
	}
	return at.Format("2006-01-02 15:04:05") + " UTC"
}

// bars are how full a step of the strip is, from nothing to the fullest of its row.
var bars = []rune(" ▁▂▃▄▅▆▇█")

// bar draws a row of the strip.
func bar(counts []int64) string {
	var most int64 = 1
	for _, n := range counts {
		most = max(most, n)
	}
	var text strings.Builder
	for _, n := range counts {
		height := (n*int64(len(bars)-1) + most - 1) / most
		text.WriteRune(bars[height])
	}
	return text.String()
}

// why are the arguments of a finding.
func (f Finding) why() []string {
	var list []string
	for _, text := range f.For {
		list = append(list, "+ "+text)
	}
	for _, text := range f.Against {
		list = append(list, "- "+text)
	}
	return list
}
