package render

import (
	"math"
	"slices"
	"strings"

	"storebench/results"
)

// htmlTrouble is what does not hold for one reason.
type htmlTrouble struct {
	Class, Status, Heading string
	Limits                 []htmlLimit // none where the heading names them
	Lines                  []htmlLine
}

// htmlTopic is all limits that are about one part of a server.
type htmlTopic struct {
	Name, Counts string
	Open         bool
	Limits       []htmlLimit
	Meanings     []htmlLine // what each means for NATS
}

// htmlLimit is a limit held against a measurement.
type htmlLimit struct {
	ID                                  string // of its row among all limits; empty elsewhere
	Class, Status, Title, Text, At      string
	Observed, Interval, Bound, Headroom string
	Reason                              string
	Bar                                 *htmlBar
}

// htmlBar is a headroom on an axis by powers of ten, in per cent of its width: it goes from
// the edge, where the limit is just kept, to the right, or to the left where it is not.
type htmlBar struct{ Left, Width int }

func newTrouble(t trouble) htmlTrouble {
	all := htmlTrouble{Class: t.worst().Status.String(), Status: t.worst().Word(), Heading: t.heading, Lines: htmlLines(t.lines())}
	if t.listed {
		return all
	}
	for _, f := range t.rows() {
		l := newLimit(f)
		l.Reason = reasonOf(t, f)
		all.Limits = append(all.Limits, l)
	}
	return all
}

func newLimit(f results.Finding) htmlLimit {
	l := htmlLimit{
		Class: f.Status.String(), Status: f.Word(), Title: titleOf(f), Text: limitText(f), At: where(f),
		Observed: observed(f), Interval: interval(f), Bound: bound(f), Headroom: margin(f),
	}
	if f.Headroom != nil {
		l.Bar = barOf(*f.Headroom)
	}
	return l
}

// barOf draws a headroom on an axis from 0.1 to 1,000 times; the edge is at a quarter of it.
func barOf(x float64) *htmlBar {
	const decades, below, edge = 4, 1, 25
	at := int(math.Round(100 * min(1, max(0, (math.Log10(x)+below)/decades))))
	return &htmlBar{Left: min(at, edge), Width: max(1, max(at, edge)-min(at, edge))}
}

// htmlEdge are all limits with a headroom, the least first.
func htmlEdge(told story) []htmlLimit {
	var all []results.Finding
	for _, t := range told.topics {
		for _, f := range t.findings {
			if f.Headroom != nil {
				all = append(all, f)
			}
		}
	}
	slices.SortStableFunc(all, byHeadroom)
	var limits []htmlLimit
	for _, f := range all {
		limits = append(limits, newLimit(f))
	}
	return limits
}

// farHeadroom is how many times over the limits of a topic are kept that one need not read.
const farHeadroom = 3

// htmlTopics are all limits by what of a server they are about, and last those that change
// nothing in the verdict.
func htmlTopics(r Report, told story) []htmlTopic {
	var all []htmlTopic
	for _, t := range told.topics {
		least := t.findings[0].Headroom
		near := least != nil && *least < farHeadroom
		bad := slices.ContainsFunc(t.findings, func(f results.Finding) bool { return f.Status != results.Pass })
		all = append(all, newTopic(t.name, near || bad, t.findings))
	}
	if informative := r.Verdict.Informative; len(informative) > 0 {
		topic := newTopic("for information", false, informative)
		for i, f := range informative {
			topic.Limits[i].Reason = strings.TrimSpace("This changes nothing in the verdict. " + r.Run.Step(f.Step).Note)
		}
		all = append(all, topic)
	}
	return all
}

func newTopic(name string, open bool, findings []results.Finding) htmlTopic {
	t := htmlTopic{Name: name, Counts: countWords(findings), Open: open}
	for _, f := range findings {
		l := newLimit(f)
		if f.Status != results.Pass || strings.Contains(f.Reason, ";") {
			l.Reason = f.Reason
		}
		t.Limits = append(t.Limits, l)
		if meaning := (htmlLine{titleOf(f), f.Meaning}); f.Meaning != "" && !slices.ContainsFunc(t.Meanings, func(l htmlLine) bool { return l.Value == f.Meaning }) {
			t.Meanings = append(t.Meanings, meaning)
		}
	}
	return t
}

func carriesTable(r Report) *htmlTable {
	if len(r.Verdict.Carries) == 0 {
		return nil
	}
	t := &htmlTable{Caption: "In plain figures", Header: []string{"figure", "measured", "asked"}}
	for _, c := range r.Verdict.Carries {
		t.Rows = append(t.Rows, []string{c.Title, carried(c), asked(c)})
	}
	return t
}
