package main

import (
	"strings"
	"testing"

	"storebench/results"
)

// TestGateCode shows the exit code of each outcome, asked for and not.
func TestGateCode(t *testing.T) {
	worse := results.Change{Outcome: results.Worse, Regression: true}
	few := results.Change{Outcome: results.TooFew}
	fine := results.Change{Outcome: results.Unchanged}
	tests := []struct {
		name    string
		gated   bool
		changes []results.Change
		want    int
	}{
		{"nothing changed", true, []results.Change{fine}, exitPass},
		{"a regression", true, []results.Change{fine, worse}, exitFail},
		{"too few rounds", true, []results.Change{fine, few}, exitInconclusive},
		{"a regression and too few rounds elsewhere", true, []results.Change{few, worse}, exitFail},
		{"nobody asked", false, []results.Change{few, worse}, exitPass},
	}
	for _, test := range tests {
		c := &results.Comparison{Changes: test.changes}
		if test.gated {
			c.Threshold = new(.2)
		}
		if got := exitCode(gateCode(c)); got != test.want {
			t.Errorf("%s: exit code %d, want %d", test.name, got, test.want)
		}
	}
}

func TestParseThreshold(t *testing.T) {
	for text, want := range map[string]float64{"20%": .2, "0%": 0, "2.5%": .025, "150%": 1.5} {
		if got, err := parseThreshold(text); err != nil || *got != want {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
	if got, err := parseThreshold(""); got != nil || err != nil {
		t.Errorf("nothing: %v, %v", got, err)
	}
	for _, text := range []string{"20", "%", "-1%", "NaN%", "1e9%", "a%"} {
		if _, err := parseThreshold(text); exitCode(err) != exitUsage {
			t.Errorf("%q is taken: %v", text, err)
		}
	}
}

// TestReadSides shows which argument is on which side; every document that
// cannot be read is named.
func TestReadSides(t *testing.T) {
	for _, test := range []struct {
		args []string
		dash int
		want []string
	}{
		{[]string{"a", "b"}, -1, []string{"open a", "open b"}},
		{[]string{"a", "b", "c"}, -1, []string{"put two dashes between"}},
		{[]string{"a", "b"}, 0, []string{"one side has no run"}},
		{[]string{"a", "b"}, 2, []string{"one side has no run"}},
		{[]string{"a", "b", "c"}, 1, []string{"open a", "open b", "open c"}},
	} {
		_, _, err := readSides(test.args, test.dash)
		if exitCode(err) != exitUsage {
			t.Errorf("%q: %v", test.args, err)
		}
		for _, want := range test.want {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%q: %q is not in %v", test.args, want, err)
			}
		}
	}
}
