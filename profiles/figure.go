package profiles

import (
	"encoding/json"
	"fmt"

	"go.yaml.in/yaml/v3"
)

// Figure is a plain figure that a report gives of the volume: a statistic of a metric,
// without a bound.
//
//	probe ["." metric] ["{" label "=" value, … "}"] stat
type Figure struct {
	// Title is what a reader sees; it may name parameters of the step, as a limit's may.
	Title string
	// Asked is the key of the workload that the figure is held against, such as
	// raft-groups; empty where the workload asks for no such thing.
	Asked string
	// Of says what is taken: a limit's probe, metric, labels and statistic.
	Of Limit
}

// ParseFigure reads the text of a figure. Every error is a *LimitError.
func ParseFigure(s string) (Figure, error) {
	p := limitParser{text: s}
	if fault := p.parse(p.probe, p.metric, p.labels, p.stat, p.end); fault != nil {
		return Figure{}, fault
	}
	p.limit.Text = p.limit.selection()
	return Figure{Of: p.limit}, nil
}

// Wanted is what the workload asks for by that key; ok is false where it is none of the
// workload's numbers.
func (w Workload) Wanted(key string) (wanted float64, ok bool) {
	switch key {
	case "messages-per-second":
		return w.Rate, true
	case "streams":
		return float64(w.Streams), true
	case "consumers":
		return float64(w.Consumers), true
	case "raft-groups":
		return float64(w.Groups), true
	}
	return 0, false
}

// figureText is the form of a figure in a profile and in a document.
type figureText struct {
	Figure string `yaml:"figure" json:"figure"`
	Title  string `yaml:"title" json:"title"`
	Asked  string `yaml:"asked,omitempty" json:"asked,omitempty"`
}

func (f Figure) text() figureText { return figureText{f.Of.selection(), f.Title, f.Asked} }

func (f *Figure) read(v figureText) error {
	parsed, err := ParseFigure(v.Figure)
	if err != nil {
		return err
	}
	parsed.Title, parsed.Asked = v.Title, v.Asked
	*f = parsed
	return nil
}

// MarshalYAML returns the form that profiles have: figure, title, asked.
func (f Figure) MarshalYAML() (any, error) { return f.text(), nil }

// MarshalJSON returns the form that profiles have.
func (f Figure) MarshalJSON() ([]byte, error) { return json.Marshal(f.text()) }

// UnmarshalJSON reads the form that profiles have.
func (f *Figure) UnmarshalJSON(data []byte) error {
	var v figureText
	if err := json.Unmarshal(data, &v); err != nil {
		return fmt.Errorf("figure: %w", err)
	}
	if v == (figureText{}) {
		return nil
	}
	if err := f.read(v); err != nil {
		return fmt.Errorf("figure: %w", err)
	}
	return nil
}

// figure reads a figure of a file.
func (r *reader) figure(n *yaml.Node, at string, f *Figure) {
	before := len(r.errs)
	var v figureText
	r.mapping(n, at, map[string]field{
		"figure": text(r, &v.Figure),
		"title":  text(r, &v.Title),
		"asked":  text(r, &v.Asked),
	})
	if len(r.errs) > before {
		return
	}
	if v.Title == "" {
		r.faultAt(join(at, "title"), "is missing; say what a reader sees")
	}
	if err := f.read(v); err != nil {
		r.faultAt(join(at, "figure"), "%w", err)
	}
}

func (v *validator) figures(p *Profile) {
	for i, f := range p.Figures {
		at := fmt.Sprintf("figures[%d]", i)
		_, known := p.Workload.Wanted(f.Asked)
		v.require(f.Asked == "" || known, at+".asked", "must be messages-per-second, streams, consumers or raft-groups, not %q", f.Asked)
		v.title(at+".title", f.Title)
		if f.Of.Probe != "" {
			reason := f.Of.unmet(p.Steps)
			v.require(reason == "", at+".figure", "%s", reason)
		}
	}
}
