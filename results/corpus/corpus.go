// Package corpus is recorded runs on volumes whose faults are known, each with the answer
// that is right. Judging them anew shows what a change of rules does: in seconds, and
// on runs of quiet and of loud machines. scripts/accuracy.sh records them.
package corpus

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"storebench/internal/cause"
	"storebench/results"
)

// Index is the name of the file that lists a corpus, an Entry a line.
const Index = "index.jsonl"

// Entry is a recorded run and what is right for its volume.
type Entry struct {
	File    string           `json:"file"` // of the run document, beside the index
	Volume  string           `json:"volume"`
	Profile string           `json:"profile"`
	Want    []results.Status `json:"want"`            // any of these
	Fails   []string         `json:"fails,omitempty"` // limits that must fail, by the beginnings of their texts
	Warns   []string         `json:"warns,omitempty"` // and that must warn
	Keeps   []string         `json:"keeps,omitempty"` // steps in which none may fail
	Cause   cause.Name       `json:"cause,omitempty"` // of each of these limits, or of all that fail
	// Lost is the mean share of the processors that the machine lost meanwhile.
	Lost float64 `json:"cpu_lost"`
}

// Read lists the entries of a corpus.
func Read(dir string) ([]Entry, error) {
	path := filepath.Join(dir, Index)
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var all []Entry
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		var e Entry
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		all = append(all, e)
	}
	return all, nil
}

// Run reads an entry's run.
func (e Entry) Run(dir string) (*results.Run, error) {
	path := filepath.Join(dir, e.File)
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return results.Read(path, f)
}

// Answer is what a verdict is worth.
type Answer int

// The answers.
const (
	Expected  Answer = iota // as it is right
	Partly                  // the verdict is right, a limit that the entry names is not
	Undecided               // nothing is said of the volume, where something is expected
	Wrong                   // another verdict, or a fail where none may be
)

// Answered holds a verdict against what is right.
func (e Entry) Answered(v results.Verdict) Answer {
	fails := func(f results.Finding) bool {
		return f.Status == results.Fail && slices.Contains(e.Keeps, f.Step)
	}
	right := slices.Contains(e.Want, v.Status)
	switch {
	case slices.ContainsFunc(v.Findings, fails):
		return Wrong
	case right && e.named(v, e.Fails, results.Fail) && e.named(v, e.Warns, results.Warn):
		return Expected
	case right:
		return Partly
	case v.Status == results.Inconclusive, v.Status == results.Warn && slices.Contains(e.Want, results.Pass) && !slices.ContainsFunc(v.Findings, results.Finding.Warned):
		return Undecided
	}
	return Wrong
}

func (e Entry) named(v results.Verdict, limits []string, want results.Status) bool {
	for _, name := range limits {
		if !slices.ContainsFunc(v.Findings, func(f results.Finding) bool {
			return f.Status == want && !f.Undecided && strings.HasPrefix(f.Name, name)
		}) {
			return false
		}
	}
	return true
}

// Causes counts the limits whose cause the entry knows, among those that fail or warn,
// and those of them that have it.
func (e Entry) Causes(v results.Verdict) (right, all int) {
	if e.Cause == "" {
		return 0, 0
	}
	names := slices.Concat(e.Fails, e.Warns)
	for _, f := range v.Findings {
		known := slices.ContainsFunc(names, func(name string) bool { return strings.HasPrefix(f.Name, name) })
		judged := f.Status == results.Fail || f.Warned()
		if !judged || !known && len(names) > 0 {
			continue
		}
		all++
		if f.Cause != nil && f.Cause.Name == e.Cause {
			right++
		}
	}
	return right, all
}
