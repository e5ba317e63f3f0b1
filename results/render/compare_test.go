package render

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"storebench/results"
)

// comparisons are pairs of sides that between them have all that a comparison
// can tell.
var comparisons = []struct {
	name   string
	want   results.Status
	make   func(t testing.TB) (base, changed []*results.Run)
	gate   bool
	phrase string // a part of the text
}{
	{"compare-same", results.Pass, func(t testing.TB) (_, _ []*results.Run) {
		return five(t, "a", 1), five(t, "b", 1)
	}, true, "0 regressions (worse by over 20 %)"},
	{"compare-slower", results.Fail, func(t testing.TB) (_, _ []*results.Run) {
		return five(t, "a", 1), five(t, "b", 2)
	}, true, "REGRESSION"},
	{"compare-ungated", results.Pass, func(t testing.TB) (_, _ []*results.Run) {
		return five(t, "a", 2), five(t, "b", 1)
	}, false, "better"},
	{"compare-few", results.Inconclusive, func(t testing.TB) (_, _ []*results.Run) {
		other := sick(t)
		other.ID, other.Volume.FileSystem, other.Host.Kernel = "20260401T120000Z-beef", "xfs\x1b[31m", "6.13.0"
		other.Steps[0].Parameters["size"] = "4096B"
		return []*results.Run{healthy(t)}, []*results.Run{other}
	}, true, "too few rounds"},
}

// five is a side of two runs with rounds that lie apart, some times slower than
// the healthy one.
func five(t testing.TB, id string, times int) []*results.Run {
	var runs []*results.Run
	for n, rounds := range []int{3, 2} {
		run := healthy(t)
		run.ID += "-" + id + string(rune('1'+n))
		for i := range run.Measurements {
			m := &run.Measurements[i]
			m.Rounds = slices.Clone(m.Rounds[:rounds])
			for k := range m.Rounds {
				step := time.Duration(times) * (400 + time.Duration(10*k+5*n)) * time.Microsecond
				if m.Rounds[k].Value != nil {
					m.Rounds[k].Value = new(float64(100+k+5*n) / float64(times))
				} else {
					m.Rounds[k] = round(k, step, 2*step, 1000)
				}
			}
		}
		runs = append(runs, run)
	}
	return runs
}

func compared(t *testing.T, i int) Comparison {
	t.Helper()
	base, changed := comparisons[i].make(t)
	var threshold *float64
	if comparisons[i].gate {
		threshold = new(.2)
	}
	c, err := results.Compare(results.Tool{Name: "storebench", Version: "1.2.3", NATSServer: "2.15.2"}, base, changed, threshold)
	if err != nil {
		t.Fatal(err)
	}
	return Comparison{Comparison: c}
}

// TestComparisonGolden compares every comparison in every format that tells one
// with the file that a person has looked at.
func TestComparisonGolden(t *testing.T) {
	for i, fixture := range comparisons {
		for _, name := range ComparisonNames() {
			t.Run(fixture.name+"/"+name, func(t *testing.T) {
				c := compared(t, i)
				if got := c.Status(); got != fixture.want {
					t.Errorf("status %s, want %s", got, fixture.want)
				}
				format, err := Find(name)
				if err != nil {
					t.Fatal(err)
				}
				var out bytes.Buffer
				if err := format.Compare(&out, c); err != nil {
					t.Fatal(err)
				}
				got := readable(out.Bytes())
				for _, bad := range []string{"NaN", "Inf", "%!", "<nil>", "\x1b"} {
					if bytes.Contains(got, []byte(bad)) {
						t.Errorf("%q is in it", bad)
					}
				}
				if name == "text" && !strings.Contains(string(got), fixture.phrase) {
					t.Errorf("%q is not in it", fixture.phrase)
				}
				compareGolden(t, fixture.name+format.Ext, got)
			})
		}
	}
}

// TestComparisonWidth keeps the text's lines of a usual length.
func TestComparisonWidth(t *testing.T) {
	for i, fixture := range comparisons {
		var out bytes.Buffer
		if err := compareText(&out, compared(t, i)); err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(out.String()) {
			if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > 120 {
				t.Errorf("%s: %d columns: %s", fixture.name, n, line)
			}
		}
	}
}

// TestComparisonIsNoRun shows that a comparison is not taken for a run.
func TestComparisonIsNoRun(t *testing.T) {
	var out bytes.Buffer
	if err := compareJSON(&out, compared(t, 0)); err != nil {
		t.Fatal(err)
	}
	if !json.Valid(out.Bytes()) {
		t.Error("it is no JSON")
	}
	if _, err := results.Read("comparison.json", &out); !errors.Is(err, results.ErrDocument) {
		t.Errorf("it reads as a run: %v", err)
	}
}

// TestComparisonColour shows that a regression is red on a terminal.
func TestComparisonColour(t *testing.T) {
	c := compared(t, 1)
	c.Colour = true
	var out bytes.Buffer
	if err := compareText(&out, c); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{red + "REGRESSION" + plainAgain, red + "FAIL" + plainAgain + ":"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in it:\n%s", want, out.String())
		}
	}
}
