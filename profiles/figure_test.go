package profiles

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseFigure(t *testing.T) {
	for text, want := range map[string]string{
		"raw-sync.fdatasync{step=raw-sync}   p99": "raw-sync.fdatasync{step=raw-sync} p99",
		"block-write rate":                        "block-write rate",
		"raw-sync p99 < 10ms":                     "text after the statistic",
		"raw-sync":                                "the statistic is missing",
	} {
		f, err := ParseFigure(text)
		got := f.Of.Text
		if err != nil {
			got = err.Error()
		}
		if !strings.HasPrefix(got, want) {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

// TestFigureJSON: a figure in a document reads back as the same.
func TestFigureJSON(t *testing.T) {
	for _, f := range builtinProfile(t, Default).Figures {
		data, err := json.Marshal(f)
		if err != nil {
			t.Fatal(err)
		}
		var back Figure
		if err := json.Unmarshal(data, &back); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(f, back); diff != "" {
			t.Errorf("%s (-want +got):\n%s", data, diff)
		}
	}
	if err := new(Figure).UnmarshalJSON([]byte(`{"figure":"raw-sync p99 < 1s","title":"x"}`)); err == nil {
		t.Error("a bound was taken")
	}
}

// TestFigureFaults: what is wrong with a profile's figures and titles is told with its line.
func TestFigureFaults(t *testing.T) {
	const head = `name: p
budget: 1s
rounds: 1
workload: {messages-per-second: 1, message-size: 1B, streams: 1, consumers: 0, raft-groups: 1, sync: default, cipher: none, compression: none}
steps: [{name: a, probe: raw-sync, duration: 1s}]
`
	for body, want := range map[string]string{
		"figures: [{figure: raw-sync p99}]":                                                        "p.yaml:6: figures[0].title: is missing",
		"figures: [{figure: raw-sync, title: x}]":                                                  "p.yaml:6: figures[0].figure: the statistic is missing",
		"figures: [{figure: raw-sync p99, title: x, asked: groups}]":                               "must be messages-per-second, streams, consumers or raft-groups",
		"figures: [{figure: dir-sync p99, title: x}]":                                              `no step runs the probe "dir-sync"`,
		"limits: [{limit: raw-sync p99 < 1s, title: \"a {B\", level: fail, why: y}]":               "limits[0].title: has braces without",
		"figures: [{figure: raw-sync p99, title: \"of {size}\"}]":                                  "",
		"limits: [{limit: raw-sync p99 < 1s, title: \"{groups} groups\", level: fail, why: some}]": "",
	} {
		_, err := Parse("p.yaml", []byte(head+body))
		switch {
		case want == "" && err != nil:
			t.Errorf("%s: %v", body, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%s: %v, want %q in it", body, err, want)
		}
	}
}

// TestBuiltinTitles: each limit of the built-in profiles has a title.
func TestBuiltinTitles(t *testing.T) {
	for _, name := range Names() {
		p := builtinProfile(t, name)
		if len(p.Figures) == 0 {
			t.Errorf("%s has no figures", name)
		}
		for _, l := range p.Limits {
			if l.Title == "" {
				t.Errorf("%s: %s has no title", name, l.Text)
			}
		}
	}
}

func builtinProfile(t *testing.T, name string) *Profile {
	t.Helper()
	p, err := Load(name)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestFill(t *testing.T) {
	value := func(name string) (string, bool) { return "2,000", name == "groups" }
	if got, want := Fill("{groups} groups of {what}", value), "2,000 groups of {what}"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
