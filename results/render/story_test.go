package render

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"storebench/internal/cause"
	"storebench/internal/measure"
	"storebench/profiles"
	"storebench/results"
)

// TestTroubles: what does not hold is told once a cause, with what goes with it, and what
// need not be looked at again is only named.
func TestTroubles(t *testing.T) {
	device := &cause.Cause{Name: cause.Device, Evidence: []string{"sda was 99 % busy"}}
	number := func(x float64) *float64 { return &x }
	limit := &profiles.Limit{Op: profiles.Less, Bound: 1, Unit: measure.Seconds}
	storm := results.Finding{Title: "storm", Limit: limit, Status: results.Fail, Step: "storm", Cause: device, Headroom: number(.5)}
	flush := results.Finding{Title: "flush", Limit: limit, Status: results.Warn, Step: "raw", Cause: device, Headroom: number(.1)}
	cut := results.Finding{Name: "the round ended by itself", Title: "cut", Status: results.Inconclusive, Step: "storm", Reason: "stopped"}
	slots := results.Finding{Title: "few", Limit: limit, Status: results.Warn, Step: "few", Cause: &cause.Cause{Name: cause.Slots, Evidence: []string{"6 slots"}}}
	missing := results.Finding{Title: "raft", Limit: limit, Status: results.Inconclusive, NoData: true}
	open := results.Finding{Title: "rate", Limit: limit, Status: results.Inconclusive, Undecided: true, Observed: number(2)}
	gone := results.Finding{Name: "the volume answers", Title: "gone", Status: results.Fail, Step: "raw", Cause: &cause.Cause{Name: cause.Device, Evidence: []string{"no answer"}}}
	passed := results.Finding{Title: "fine", Limit: limit, Status: results.Pass}
	tests := []struct {
		name     string
		status   results.Status
		findings []results.Finding
		want     []string // heading: titles, and the advice's first word
	}{
		{"one cause", results.Fail, []results.Finding{passed, cut, flush, storm}, []string{"device: sda was 99 % busy: storm, cut, flush; take"}},
		{"two causes, the worse first", results.Fail, []results.Finding{slots, storm}, []string{"device: sda was 99 % busy: storm; take", "slots: 6 slots: few; give"}},
		{"decided without them", results.Fail, []results.Finding{storm, missing, open}, []string{
			"device: sda was 99 % busy: storm; take", "the run did not get to these limits: raft: raft;", "could not be decided, which changes nothing in the verdict: rate: rate;",
		}},
		{"not decided", results.Inconclusive, []results.Finding{missing, open}, []string{"no round gave a figure for these limits: raft: raft; run", "not enough data to decide: rate; run"}},
		{"a volume that is gone is not told to be quicker", results.Fail, []results.Finding{storm, gone}, []string{"device: no answer: gone, storm; find"}},
		{"nothing", results.Pass, []results.Finding{passed}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			for _, group := range troubles(results.Verdict{Status: tt.status, Findings: tt.findings}) {
				var titles []string
				for _, f := range group.findings {
					titles = append(titles, titleOf(f))
				}
				first, _, _ := strings.Cut(group.advice, " ")
				got = append(got, strings.TrimSuffix(group.heading+": "+strings.Join(titles, ", ")+"; "+first, " "))
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestMargin: how far a limit is kept or broken, as a person says it.
func TestMargin(t *testing.T) {
	less, more := &profiles.Limit{Op: profiles.Less}, &profiles.Limit{Op: profiles.Greater}
	tests := []struct {
		limit    *profiles.Limit
		headroom float64
		atLeast  bool
		want     string
	}{
		{less, 1, false, "1.00×"},
		{less, 1234, false, "1,234×"},
		{less, .25, false, "4.00× over"},
		{more, .25, false, "4.00× short"},
		{less, .004, false, "250× over"},
		{less, .25, true, "≥ 4.00× over"},
		{less, .9999, true, ""}, // just over it
		{less, 1e-12, false, "over 1,000,000×"},
	}
	for _, tt := range tests {
		f := results.Finding{Limit: tt.limit, Headroom: &tt.headroom, AtLeast: tt.atLeast}
		if got := margin(f); got != tt.want {
			t.Errorf("headroom %g: %q, want %q", tt.headroom, got, tt.want)
		}
	}
	if got := margin(results.Finding{}); got != "" {
		t.Errorf("without headroom: %q", got)
	}
}

// TestReportsAreShort: the usual report of a recorded run fits two screens, with many causes
// a little more, and its lines a terminal of 120 columns where no step has variants.
func TestReportsAreShort(t *testing.T) {
	const twoScreens, more, wide = 80, 90, 120
	files, err := filepath.Glob("../testdata/corpus/*-raft-1.json.zst")
	if err != nil || len(files) == 0 {
		t.Fatal("no recorded runs", err)
	}
	for _, file := range files {
		in, err := os.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		run, err := results.Read(file, in)
		if err := in.Close(); err != nil {
			t.Fatal(err)
		}
		if err != nil {
			t.Fatal(err)
		}
		report := NewReport(run)
		lines, most := strings.Split(textOf(t, report), "\n"), twoScreens
		if len(tell(report).troubles) > 2 {
			most = more
		}
		if len(lines) > most {
			t.Errorf("%s: %d lines", filepath.Base(file), len(lines))
		}
		variants := strings.Contains(strings.Join(lines, "\n"), "max-concurrent-io=")
		for _, line := range lines {
			if n := utf8.RuneCountInString(line); n > wide && !variants {
				t.Errorf("%s: %d columns: %s", filepath.Base(file), n, line)
			}
		}
	}
}
