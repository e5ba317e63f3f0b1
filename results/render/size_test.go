package render

import (
	"bytes"
	"fmt"
	"math"
	"testing"
	"time"

	"storebench/internal/measure"
	"storebench/results"
)

// maxPage is how large the page of a run may be at most, in bytes.
const maxPage = 1500 << 10

// largestRun is a run of more than any built-in profile asks, even with --budget
// 10m: 16 steps with 4 latencies each, extended to 10 rounds of 25 s, whose
// operations take a time about one of their own second and now and then a
// hundred times that.
func largestRun(t testing.TB) *results.Run {
	run := healthy(t)
	run.Steps, run.Measurements = nil, nil
	var rounds []measure.Round
	for i := range 10 {
		recorder := measure.NewRecorder(1, 25*time.Second)
		const operations = 25000
		for k := range operations {
			took := time.Duration(1e5 * (1 + float64((k*7919+i)%97)/97 + math.Sin(float64(k)/1000)/2))
			if k%500 == i {
				took *= 100
			}
			recorder.Shard(0).Record(time.Duration(k+1)*25*time.Second/operations, took)
		}
		rounds = append(rounds, measure.Round{Start: started.Add(time.Duration(i) * time.Minute), Elapsed: 25, Distribution: recorder.Distribution()})
	}
	for s := range 16 {
		var measured []measure.Measurement
		for m := range 4 {
			measured = append(measured, measure.Measurement{Metric: fmt.Sprint("metric_", m), Unit: measure.Seconds, Rounds: rounds})
		}
		addStep(run, results.Step{Name: fmt.Sprint("step-", s), Probe: "raw-sync", Parameters: map[string]string{"size": "2300B"}}, measured...)
	}
	return run
}

// TestPageSize keeps the largest page small enough to be sent around.
func TestPageSize(t *testing.T) {
	_, got := rendered(t, "html", largestRun(t))
	t.Logf("%d bytes", len(got))
	if len(got) > maxPage {
		t.Errorf("the page has %d bytes, at most %d are wanted", len(got), maxPage)
	}
}

// TestPageHasLibrary shows that what draws the charts goes with the page as it
// is, with its licence, and that nothing in the page asks for more.
func TestPageHasLibrary(t *testing.T) {
	_, got := rendered(t, "html", healthy(t))
	for _, name := range []string{"uplot/uPlot.iife.min.js", "uplot/LICENSE", "charts.js"} {
		text, err := asset(name)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(got, []byte(text)) {
			t.Errorf("%s is not in the page as it is", name)
		}
	}
	for _, outside := range []string{"src=\"http", "href=\"http", "@import", "url(http"} {
		if bytes.Contains(got, []byte(outside)) {
			t.Errorf("the page asks for something outside: %s", outside)
		}
	}
}

// BenchmarkLargest renders the largest run in each format.
func BenchmarkLargest(b *testing.B) {
	run := largestRun(b)
	for _, name := range Names() {
		format, err := Find(name)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				var out bytes.Buffer
				if err := format.Render(&out, NewReport(run)); err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(float64(out.Len()), "B-written")
			}
		})
	}
}
