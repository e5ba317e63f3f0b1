package results

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"storebench/internal/measure"
	"storebench/profiles"
)

// TestCarried: a profile's figures are taken from what was measured, told apart where
// several steps have them, and held against the workload.
func TestCarried(t *testing.T) {
	run := runOf(t, []measure.Round{latencies(ops{1000, 2 * ms}), latencies(ops{1000, 4 * ms})})
	run.Profile.Workload.Groups = 2000
	other := run.Steps[0]
	other.Variant, other.Labels, other.Parameters = "size=8KiB", map[string]string{"size": "8KiB"}, map[string]string{"size": "8KiB"}
	run.Steps = append(run.Steps, other)
	run.Measurements = append(run.Measurements, measure.Measurement{
		Step: "disk", Probe: "disk", Metric: "write", Unit: measure.Seconds, Labels: other.Labels,
		Rounds: []measure.Round{{Elapsed: 1, Distribution: &measure.Distribution{Failed: 3}}},
	})
	aside := other
	aside.Name, aside.Informative = "aside", true
	run.Steps = append(run.Steps, aside)
	run.Measurements = append(run.Measurements, measure.Measurement{Step: "aside", Probe: "disk", Metric: "groups", Unit: measure.Count, Labels: aside.Labels, Rounds: values(7)})
	run.Measurements = append(run.Measurements, measure.Measurement{Step: "disk", Probe: "disk", Metric: "groups", Unit: measure.Count, Labels: run.Steps[0].Labels, Rounds: values(5, 9, 6)})
	for _, f := range []struct{ text, title, asked string }{
		{"disk.write{size=4KiB} p50", "Writes of {size}, median", ""},
		{"disk.write rate", "Writes a second", ""},
		{"disk.write{size=4KiB} max", "Longest write", ""},
		{"disk.groups value", "Groups", "raft-groups"},
		{"disk.missing value", "Nothing", ""},
	} {
		figure, err := profiles.ParseFigure(f.text)
		if err != nil {
			t.Fatal(err)
		}
		figure.Title, figure.Asked = f.title, f.asked
		run.Profile.Figures = append(run.Profile.Figures, figure)
	}
	asked := 2000.
	want := []Carried{
		{Title: "Writes of 4 KiB, median", Value: .002, Unit: measure.Seconds},
		{Title: "Writes a second", Value: 1000, Unit: measure.PerSecond},
		{Title: "Longest write", Value: .004, Unit: measure.Seconds},
		{Title: "Groups", Value: 6, Unit: measure.Count, Asked: &asked},
	}
	got := Judge(run).Carries
	for i := range got {
		if got[i].Unit != measure.Count {
			got[i].Value = float64(int(got[i].Value*1e4+.5)) / 1e4 // a histogram's width
		}
	}
	// The step whose operations failed has a rate of 0 and a title of its own.
	want = append(want[:1:1], append([]Carried{
		{Title: "Writes a second (disk)", Value: 1000, Unit: measure.PerSecond},
		{Title: "Writes a second (disk size=8KiB)", Unit: measure.PerSecond},
	}, want[2:]...)...)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestTellApart(t *testing.T) {
	got := tellApart(
		[]string{"flush", "flush", "storm", "storm", "one", "one", "alone"},
		[]string{"raw-sync", "raw-sync-parallel", "storm slots=4", "storm slots=6", "a", "a", "b"})
	want := []string{"flush (raw-sync)", "flush (raw-sync-parallel)", "storm (slots=4)", "storm (slots=6)", "one", "one", "alone"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
