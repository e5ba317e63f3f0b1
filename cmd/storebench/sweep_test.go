package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"storebench/internal/measure"
	"storebench/internal/natsfs"
	"storebench/results"
	"storebench/results/render"
)

// TestSlotsLineIsNATSConf reads the line that a sweep recommends as a nats.conf,
// with nats-server's own parser.
func TestSlotsLineIsNATSConf(t *testing.T) {
	run := &results.Run{
		Schema: results.Schema,
		Sweep: &results.Sweep{Probe: "term-vote", Metric: "election", SlotsAxis: "max-concurrent-io", Axes: []results.Axis{
			results.NewAxis("max-concurrent-io", []string{"4", "16", "64"}),
		}},
	}
	for slots, rate := range map[string]float64{"4": 10, "16": 40, "64": 40} {
		at := map[string]string{"max-concurrent-io": slots}
		run.Steps = append(run.Steps, results.Step{Name: "term-vote", Probe: "term-vote", Labels: at})
		m := measure.Measurement{Step: "term-vote", Probe: "term-vote", Metric: "election", Unit: measure.Seconds, Labels: at}
		for _, noise := range []float64{1, 1.01, .99} {
			recorder := measure.NewRecorder(1, time.Second)
			recorder.Shard(0).Record(time.Second, time.Second)
			m.Rounds = append(m.Rounds, measure.Round{Elapsed: noise / rate, Distribution: recorder.Distribution()})
		}
		run.Measurements = append(run.Measurements, m)
	}
	text, err := render.Find("text")
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := text.Render(&out, render.NewReport(run)); err != nil {
		t.Fatal(err)
	}
	line := ""
	for l := range strings.Lines(out.String()) {
		if strings.HasPrefix(strings.TrimSpace(l), "jetstream {") {
			line = l
		}
	}
	conf := filepath.Join(t.TempDir(), "nats.conf")
	if err := os.WriteFile(conf, []byte(line), 0o600); err != nil {
		t.Fatal(err)
	}
	config, err := natsfs.ReadConfig(conf)
	if err != nil || config.Slots != 16 {
		t.Errorf("of the line %q nats-server reads %d slots, %v; want 16\n%s", line, config.Slots, err, out.String())
	}
}
