package render

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"storebench/internal/measure"
	"storebench/results"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestGolden compares every format of every fixture with the file that a person
// has looked at.
func TestGolden(t *testing.T) {
	for _, fixture := range fixtures {
		for _, name := range Names() {
			t.Run(fixture.name+"/"+name, func(t *testing.T) {
				format, got := rendered(t, name, fixture.make(t))
				compareGolden(t, fixture.name+format.Ext, readable(got))
			})
		}
	}
}

// compareGolden holds what was rendered against the file of that name.
func compareGolden(t *testing.T, name string, got []byte) {
	t.Helper()
	golden := filepath.Join("testdata", name)
	if *update {
		write(t, golden, got)
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatalf("%v; go test ./results/render -update writes it", err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s\ngo test ./results/render -update takes it over", golden, diff)
	}
}

// packed are the lines of a run document in a log.
var packed = regexp.MustCompile(`(?m)(^-----BEGIN .*$\n)(?:[A-Za-z0-9+/=]+\n)+(^-----END )`)

// library is uPlot in a page.
var library = regexp.MustCompile(`(?s)(<script>\n/\*\nThe MIT License).*?(</script>)`)

// readable leaves out what no person looks at and what is not ours.
func readable(data []byte) []byte {
	return library.ReplaceAll(packed.ReplaceAll(data, []byte("${1}…\n${2}")), []byte("${1}…\n${2}"))
}

func rendered(t *testing.T, name string, run *results.Run) (Format, []byte) {
	t.Helper()
	format, err := Find(name)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := format.Render(&out, NewReport(run)); err != nil {
		t.Fatal(err)
	}
	return format, out.Bytes()
}

func write(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestConformance holds every format to what all must keep.
func TestConformance(t *testing.T) {
	for _, name := range Names() {
		for _, fixture := range fixtures {
			t.Run(name+"/"+fixture.name, func(t *testing.T) {
				format, got := rendered(t, name, fixture.make(t))
				if format.Name != name || !strings.HasPrefix(format.Ext, ".") || format.Summary == "" {
					t.Errorf("format %+v lacks a name, an extension or a summary", format)
				}
				if len(got) == 0 || !utf8.Valid(got) || !bytes.HasSuffix(got, []byte("\n")) {
					t.Errorf("%d bytes that are not text with an end of line", len(got))
				}
				for _, bad := range []string{"NaN", "Inf", "%!", "<nil>", "\x1b"} {
					if at := bytes.Index(readable(got), []byte(bad)); at >= 0 {
						t.Errorf("%q: …%s…", bad, readable(got)[max(0, at-40):at+len(bad)])
					}
				}
				if _, again := rendered(t, name, fixture.make(t)); !bytes.Equal(got, again) {
					t.Error("the same run is told in another way the second time")
				}
			})
		}
	}
}

// TestReportChangesNothing shows that a run is the same after it was told.
func TestReportChangesNothing(t *testing.T) {
	for _, fixture := range fixtures {
		for _, name := range Names() {
			run := fixture.make(t)
			rendered(t, name, run)
			if diff := cmp.Diff(fixture.make(t), run); diff != "" {
				t.Errorf("%s changed the run %s (-before +after):\n%s", name, fixture.name, diff)
			}
		}
	}
}

// TestFixtures makes sure that the fixtures are what they are named after.
func TestFixtures(t *testing.T) {
	for _, fixture := range fixtures {
		if got := NewReport(fixture.make(t)).Verdict; got.Status != fixture.want {
			t.Errorf("%s is judged as %s", fixture.name, got.Status)
		}
	}
}

// TestTextWidth keeps lines of a usual length and without blanks at their end,
// and the verdict last.
func TestTextWidth(t *testing.T) {
	for _, fixture := range fixtures {
		t.Run(fixture.name, func(t *testing.T) {
			_, got := rendered(t, "text", fixture.make(t))
			lines := strings.Split(strings.TrimSuffix(string(got), "\n"), "\n")
			verdict := 0
			for i, line := range lines {
				if n := utf8.RuneCountInString(line); n > 125 {
					t.Errorf("line %d has %d columns: %s", i+1, n, line)
				}
				if strings.TrimRight(line, " \t") != line {
					t.Errorf("line %d ends with a blank: %q", i+1, line)
				}
				if strings.HasPrefix(line, "VERDICT") || strings.HasPrefix(line, "SWEEP") {
					verdict = i
				}
			}
			if len(lines)-verdict > 2 {
				t.Errorf("the verdict stands %d lines before the end", len(lines)-verdict)
			}
		})
	}
}

type brokenWriter struct{}

var errBroken = errors.New("nobody reads")

func (brokenWriter) Write([]byte) (int, error) { return 0, errBroken }

// TestWriteError shows that no format swallows an error of its writer.
func TestWriteError(t *testing.T) {
	for _, name := range Names() {
		format, err := Find(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := format.Render(brokenWriter{}, NewReport(healthy(t))); !errors.Is(err, errBroken) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestJSONReadsBack shows that the json format is the run document.
func TestJSONReadsBack(t *testing.T) {
	for _, fixture := range fixtures {
		if fixture.name == "empty" {
			continue // without a schema it is no document
		}
		want := fixture.make(t)
		_, data := rendered(t, "json", want)
		got, err := results.Read("run.json", bytes.NewReader(data))
		if err != nil {
			t.Errorf("%s: %v", fixture.name, err)
		} else if diff := cmp.Diff(results.Judge(want), results.Judge(got)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", fixture.name, diff)
		}
	}
}

// TestWarnSentence: a warning for nothing but what could not be decided does not say that
// a figure was bad.
func TestWarnSentence(t *testing.T) {
	for undecided, want := range map[bool]string{
		false: "qualified for profile small, with warnings: slower than a healthy node",
		true:  "qualified for profile small; 1 warning limit could not be decided",
	} {
		f := results.Finding{Status: results.Warn, Undecided: undecided}
		r := Report{Run: warned(t), Verdict: results.Verdict{Status: results.Warn, Findings: []results.Finding{{Status: results.Pass}, f}}}
		if got := sentence(r); got != want {
			t.Errorf("undecided %v: %q, want %q", undecided, got, want)
		}
	}
}

func TestFindUnknown(t *testing.T) {
	_, err := Find("pdf")
	if err == nil || !strings.Contains(err.Error(), `unknown output format "pdf"`) || !strings.Contains(err.Error(), "json, ") {
		t.Errorf("error %v", err)
	}
}

func TestFigure(t *testing.T) {
	tests := []struct {
		x    float64
		unit measure.Unit
		want string
	}{
		{0, measure.Seconds, "0"},
		{1e-9, measure.Seconds, "1.00 ns"},
		{999.6e-9, measure.Seconds, "1.00 µs"},
		{.0123456, measure.Seconds, "12.3 ms"},
		{.09996, measure.Seconds, "100 ms"},
		{.9996, measure.Seconds, "1.00 s"},
		{599, measure.Seconds, "599 s"},
		{600, measure.Seconds, "10 min"},
		{2300, measure.Bytes, "2.2 KiB"},
		{5 << 20, measure.BytesPerSecond, "5.0 MiB/s"},
		{1234.5, measure.PerSecond, "1,234/s"},
		{99.96, measure.PerSecond, "100/s"},
		{.0042, measure.Count, "0.0042"},
		{42, measure.Count, "42"},
		{-1234567, measure.Count, "-1,234,567"},
	}
	for _, tt := range tests {
		if got := figure(&tt.x, tt.unit); got != tt.want {
			t.Errorf("%g %s is written %q, want %q", tt.x, tt.unit, got, tt.want)
		}
	}
	if got := figure(nil, measure.Seconds); got != "–" {
		t.Errorf("what is not known is written %q", got)
	}
}
