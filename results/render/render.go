// Package render is how a run is told: one file a format, each from the saved
// run alone.
package render

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"storebench/results"
)

// Report is a run with the verdict on it, and how a person wants to read it.
type Report struct {
	Run     *results.Run
	Verdict results.Verdict
	Detail  Detail // of the text formats
	Colour  bool   // of the text formats: the reader is a terminal that shows it
}

// NewReport judges a run.
func NewReport(run *results.Run) Report { return Report{Run: run, Verdict: results.Judge(run)} }

// Detail is how much of a run is told in text.
type Detail int

// The levels of detail.
const (
	Usual Detail = iota
	Brief        // the verdict, and what does not hold
	Full         // every round, and what every limit means
)

// Comparison is how two sides of runs differ, and how a person wants to read it.
type Comparison struct {
	*results.Comparison
	Colour bool // of the text format
}

// Format is a way to tell a report, and for some a comparison as well.
type Format struct {
	Name    string
	Ext     string // of a file in this format, with its dot
	Summary string // one line for --help
	Render  func(w io.Writer, r Report) error
	Compare func(w io.Writer, c Comparison) error // nil: it tells none
}

// formats holds every format by name; each format's file adds its own.
var formats = map[string]Format{}

// register adds a format. It returns a value so that a format's file can call
// it in a variable declaration.
func register(f Format) struct{} {
	formats[f.Name] = f
	return struct{}{}
}

// Names returns the names of all formats in order.
func Names() []string {
	names := make([]string, 0, len(formats))
	for name := range formats {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// ComparisonNames returns the names of the formats that tell a comparison.
func ComparisonNames() []string {
	return slices.DeleteFunc(Names(), func(name string) bool { return formats[name].Compare == nil })
}

// Find returns the format of that name, or an error that names all.
func Find(name string) (Format, error) {
	f, ok := formats[name]
	if !ok {
		return Format{}, fmt.Errorf("unknown output format %q (there are: %s)", name, strings.Join(Names(), ", "))
	}
	return f, nil
}
