package render

import (
	"bytes"
	"encoding/xml"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jstemmer/go-junit-report/v2/junit"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"golang.org/x/perf/benchfmt"

	"storebench/internal/measure"
	"storebench/results"
)

// TestPrometheusLints holds the metrics against Prometheus's own conventions,
// with client_golang's linter, and reads them with Prometheus's parser.
func TestPrometheusLints(t *testing.T) {
	for _, fixture := range fixtures {
		run := fixture.make(t)
		_, got := rendered(t, "prometheus", run)
		problems, err := promlint.New(bytes.NewReader(got)).Lint()
		if err != nil {
			t.Errorf("%s: %v", fixture.name, err)
		}
		for _, p := range problems {
			t.Errorf("%s: %s: %s", fixture.name, p.Metric, p.Text)
		}
		parser := expfmt.NewTextParser(model.LegacyValidation)
		families, err := parser.TextToMetricFamilies(bytes.NewReader(got))
		if err != nil {
			t.Fatalf("%s: %v", fixture.name, err)
		}
		for _, m := range families["storebench_verdict_status"].GetMetric() {
			labels := m.GetLabel()
			is := labels[len(labels)-1].GetValue() == fixture.want.String()
			if (m.GetGauge().GetValue() == 1) != is {
				t.Errorf("%s: %v", fixture.name, m)
			}
		}
	}
}

// TestPrometheusLabels shows that a measurement's label cannot take the place of
// one of ours.
func TestPrometheusLabels(t *testing.T) {
	got := ownLabels(map[string]string{"max-concurrent-io": "6", "step": "mine", "8th": "x"})
	want := []string{"_8th", "x", "max_concurrent_io", "6", "label_step", "mine"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("labels (-want +got):\n%s", diff)
	}
}

// TestJUnitCounts reads the file back and counts: each finding is a test case,
// and none that does not hold passes for one that does.
func TestJUnitCounts(t *testing.T) {
	for _, fixture := range fixtures {
		run := fixture.make(t)
		_, got := rendered(t, "junit", run)
		var read junit.Testsuites
		if err := xml.Unmarshal(got, &read); err != nil {
			t.Fatalf("%s: %v", fixture.name, err)
		}
		cases := map[results.Status]int{}
		skipped := 0
		for _, suite := range read.Suites {
			for _, c := range suite.Testcases {
				switch {
				case c.Failure != nil:
					cases[results.Fail]++
				case c.Error != nil:
					cases[results.Inconclusive]++
				case c.Skipped != nil:
					skipped++
				case c.SystemOut != nil:
					cases[results.Warn]++
				default:
					cases[results.Pass]++
				}
			}
		}
		verdict, want := results.Judge(run), map[results.Status]int{}
		for _, f := range verdict.Findings {
			want[f.Status]++
		}
		if len(verdict.Findings) == 0 {
			want[results.Inconclusive] = 1
		}
		if diff := cmp.Diff(want, cases); diff != "" || skipped != len(verdict.Skipped) {
			t.Errorf("%s: %d skipped, cases (-want +got):\n%s", fixture.name, skipped, diff)
		}
	}
}

// TestBenchfmtReadsBack reads the benchmarks with the reader of benchstat: a
// result for each round that found something, with its own figures.
func TestBenchfmtReadsBack(t *testing.T) {
	for _, fixture := range fixtures {
		run := fixture.make(t)
		_, got := rendered(t, "benchfmt", run)
		reader, read := benchfmt.NewReader(bytes.NewReader(got), fixture.name), 0
		for reader.Scan() {
			switch record := reader.Result().(type) {
			case *benchfmt.SyntaxError:
				t.Errorf("%s: %v", fixture.name, record)
			case *benchfmt.Result:
				read++
				if !strings.HasPrefix(record.Name.String(), "Storebench/step=") {
					t.Errorf("%s: a benchmark is named %s", fixture.name, record.Name)
				}
			}
		}
		if err := reader.Err(); err != nil {
			t.Errorf("%s: %v", fixture.name, err)
		}
		want := 0
		for _, m := range run.Measurements {
			for _, round := range m.Rounds {
				if len(benchValues(round, m.Unit)) > 0 {
					want++
				}
			}
		}
		if read != want {
			t.Errorf("%s: %d results, want %d", fixture.name, read, want)
		}
	}
}

// TestBenchValues shows a round's figures as they were measured.
func TestBenchValues(t *testing.T) {
	values := map[string]float64{}
	for _, v := range benchValues(healthy(t).Measurements[0].Rounds[0], measure.Seconds) {
		values[v.Unit] = v.Value
	}
	if values["max-sec/op"] != .0008 || values["op/s"] != 1000 || len(values) != 5 {
		t.Errorf("values %v", values)
	}
}

// TestMarkdownIsPlain shows that nothing in a run becomes Markdown or HTML.
func TestMarkdownIsPlain(t *testing.T) {
	run := healthy(t)
	run.Volume.Path = "/data/<img src=x>|`a`*b*@team\n# x"
	run.Labels["a|b"] = "</details><script>"
	_, got := rendered(t, "markdown", run)
	for _, bad := range []string{"<img", "<script", "@team", "\n# x", "a|b", "`a`", "*b*"} {
		if bytes.Contains(got, []byte(bad)) {
			t.Errorf("%q is in it:\n%s", bad, got)
		}
	}
}

var escapeCodes = regexp.MustCompile("\x1b\\[[0-9;]*m")

// TestColour shows that colour changes no word and no column, and that every
// status of a report has one.
func TestColour(t *testing.T) {
	for _, fixture := range fixtures {
		report := NewReport(fixture.make(t))
		for _, report.Detail = range []Detail{Brief, Usual, Full} {
			report.Colour = false
			plain := textOf(t, report)
			report.Colour = true
			coloured := textOf(t, report)
			if diff := cmp.Diff(plain, escapeCodes.ReplaceAllString(coloured, "")); diff != "" {
				t.Errorf("%s (-plain +coloured):\n%s", fixture.name, diff)
			}
			if report.Run.Sweep != nil {
				continue // it has no verdict
			}
			word := strings.ToUpper(report.Verdict.Status.String())
			if !strings.Contains(coloured, statusColours[strings.ToLower(word)]+word+plainAgain+":") {
				t.Errorf("%s: the verdict has no colour:\n%s", fixture.name, coloured)
			}
			checkCells(t, coloured, rowsWithStatus(report))
		}
	}
}

// rowsWithStatus are the findings that a text has a row for: what does not hold, unless a
// sentence names it, and in full all limits.
func rowsWithStatus(r Report) (rows []results.Finding) {
	for _, t := range tell(r).troubles {
		if !t.listed {
			rows = append(rows, t.rows()...)
		}
	}
	if r.Detail == Full {
		rows = append(rows, r.Verdict.Findings...)
	}
	return rows
}

// checkCells counts the coloured cells of rows.
func checkCells(t *testing.T, text string, findings []results.Finding) {
	t.Helper()
	want := map[results.Status]int{}
	for _, f := range findings {
		want[f.Status]++
	}
	for status, n := range want {
		if got := strings.Count(text, statusColours[status.String()]+status.String()+plainAgain); got != n {
			t.Errorf("%d cells of %s have a colour, want %d:\n%s", got, status, n, text)
		}
	}
}

func textOf(t *testing.T, r Report) string {
	t.Helper()
	var out bytes.Buffer
	if err := renderText(&out, r); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// TestFullText compares the most that text tells with a file.
func TestFullText(t *testing.T) {
	for _, fixture := range fixtures {
		report := NewReport(fixture.make(t))
		report.Detail = Full
		compareGolden(t, fixture.name+".full.txt", []byte(textOf(t, report)))
	}
}

// TestLogReadsBack takes the run out of a container's log again.
func TestLogReadsBack(t *testing.T) {
	run := healthy(t)
	_, got := rendered(t, "log", run)
	found, err := results.FromLog("log", bytes.NewReader(got))
	if err != nil || len(found) != 1 || found[0].Err != nil {
		t.Fatalf("found %+v, %v", found, err)
	}
	if diff := cmp.Diff(run, found[0].Run); diff != "" {
		t.Errorf("the run (-want +got):\n%s", diff)
	}
}
