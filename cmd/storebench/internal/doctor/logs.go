package doctor

import (
	"time"

	"storebench/internal/serverlog"
)

// Logs takes lines in any order and keeps what a diagnosis needs: sums by node, kind
// and time, the starts and ends of servers, and a bounded number of single lines. It
// is not safe for concurrent use.
type Logs struct {
	// Since and Until bound the lines that count; zero is no bound.
	Since, Until time.Time
	// Node chooses the nodes that count by their name; nil takes all.
	Node func(name string) bool

	nodes   map[string]*node
	step    time.Duration // of the cells' time; doubled whenever they are too many
	cells   int
	lines   int64
	foreign int64
	undated int64
	skipped int64
	other   string // the first line that is not nats-server's
}

const (
	firstStep = time.Minute
	// maxCells bounds the memory of cells to some 20 MB.
	maxCells = 40_000
	maxNodes = 256
)

// Source is a file or another stream of lines, by one server or several.
type Source struct {
	logs  *Logs
	label string
	known string // the node of the last line
	node  *node
	last  time.Time
}

// Source begins a stream of lines. The label names the node of lines that do not name
// one themselves.
func (l *Logs) Source(label string) *Source {
	if l.nodes == nil {
		l.nodes, l.step = map[string]*node{}, firstStep
	}
	return &Source{logs: l, label: label}
}

// Recognised is how many lines were nats-server's so far, of how many; first is one that
// was not.
func (l *Logs) Recognised() (ours, all int64, first string) {
	return l.lines - l.foreign, l.lines, l.other
}

// Add takes a line.
func (s *Source) Add(e serverlog.Event) {
	l := s.logs
	l.lines++
	if e.Foreign {
		if l.foreign++; l.other == "" {
			l.other = brief(e.Text)
		}
		return
	}
	n := s.nodeOf(e.Source)
	if e.At.IsZero() {
		e.At = s.last
	} else {
		s.last = e.At
	}
	if !e.At.IsZero() && (e.At.Before(l.Since) || !l.Until.IsZero() && e.At.After(l.Until)) {
		l.skipped++
		return
	}
	n.take(e, l)
}

// nodeOf is the node of a line: the one that the collector names, else the file's.
func (s *Source) nodeOf(source string) *node {
	if s.node != nil && s.known == source {
		return s.node
	}
	key := nodeName(source)
	if key == "" {
		key = s.label
	}
	n := s.logs.nodes[key]
	if n == nil {
		if len(s.logs.nodes) >= maxNodes {
			key = "other nodes"
		}
		if n = s.logs.nodes[key]; n == nil {
			n = newNode(key)
			s.logs.nodes[key] = n
		}
	}
	s.known, s.node = source, n
	return n
}

// crowded makes cells wider until they are few enough.
func (l *Logs) crowded() {
	for l.cells > maxCells {
		l.step *= 2
		l.cells = 0
		for _, n := range l.nodes {
			n.widen(l.step)
			l.cells += len(n.cells)
		}
	}
}
