package render

import (
	"bytes"
	"cmp"
	"io"
	"maps"
	"math"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/perf/benchfmt"

	"storebench/internal/measure"
	"storebench/results"
)

var _ = register(Format{Name: "benchfmt", Ext: ".bench", Summary: "Go's benchmark format, a line a round, for benchstat", Render: renderBenchfmt})

// renderBenchfmt writes a benchmark for each metric of each step and a line of
// results for each of its rounds, so that benchstat takes rounds as samples.
func renderBenchfmt(w io.Writer, r Report) error {
	var out bytes.Buffer
	b := benchfmt.NewWriter(&out)
	for _, unit := range []string{"op/s", "B/s"} {
		better := &benchfmt.UnitMetadata{UnitMetadataKey: benchfmt.UnitMetadataKey{Unit: unit, Key: "better"}, OrigUnit: unit, Value: "higher"}
		if err := b.Write(better); err != nil {
			return err
		}
	}
	config := benchConfig(r.Run)
	for _, m := range inStepOrder(r.Run) {
		for _, round := range m.Rounds {
			values := benchValues(round, m.Unit)
			if len(values) == 0 {
				continue
			}
			err := b.Write(&benchfmt.Result{Config: config, Name: benchName(m), Iters: iterations(round), Values: values})
			if err != nil {
				return err
			}
		}
	}
	_, err := w.Write(out.Bytes())
	return err
}

// benchConfig is what benchstat keeps tables apart by: the environment, and not
// when the run was made.
func benchConfig(run *results.Run) []benchfmt.Config {
	keys := []line{
		{"goos", run.Host.OS}, {"goarch", run.Host.Arch}, {"pkg", "storebench"}, {"profile", run.Profile.Name},
		{"file-system", run.Volume.FileSystem}, {"nats-server", run.Tool.NATSServer},
	}
	if run.Raft != nil {
		keys = append(keys, line{"raft-nats-server", run.Raft.Server})
	}
	for _, name := range slices.Sorted(maps.Keys(run.Labels)) {
		keys = append(keys, line{"label-" + strings.ToLower(benchWord(name)), run.Labels[name]})
	}
	var config []benchfmt.Config
	for _, key := range filled(keys) {
		config = append(config, benchfmt.Config{Key: key.name, Value: []byte(strings.Join(strings.Fields(clean(key.value)), " ")), File: true})
	}
	return config
}

// benchName is the step, what tells its variants apart, and the metric.
func benchName(m measure.Measurement) benchfmt.Name {
	name := "Storebench/step=" + benchWord(m.Step)
	for _, label := range slices.Sorted(maps.Keys(m.Labels)) {
		name += "/" + benchWord(label) + "=" + benchWord(m.Labels[label])
	}
	return benchfmt.Name(name + "/metric=" + benchWord(m.Metric))
}

// benchWord makes one word of a name, without what parts a benchmark's name.
func benchWord(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || unicode.IsControl(r) || r == '/' || r == '=' || r == ':' {
			return '_'
		}
		return r
	}, s)
}

func iterations(r measure.Round) int {
	if r.Distribution == nil {
		return 1
	}
	return int(max(1, r.Distribution.Count()))
}

// benchUnit is how Go's benchmarks name a unit.
var benchUnit = map[measure.Unit]string{
	measure.Seconds: "sec", measure.Bytes: "B", measure.BytesPerSecond: "B/s", measure.PerSecond: "op/s", measure.Count: "count",
}

// benchValues is what one round found.
func benchValues(r measure.Round, unit measure.Unit) []benchfmt.Value {
	name := cmp.Or(benchUnit[unit], "value")
	var all []benchfmt.Value
	add := func(x float64, unit string) {
		if !math.IsNaN(x) && !math.IsInf(x, 0) {
			all = append(all, benchfmt.Value{Value: x, Unit: unit})
		}
	}
	switch {
	case r.Distribution != nil:
		d := r.Distribution
		add(d.Mean(), name+"/op")
		add(d.Quantile(.5), "p50-"+name+"/op")
		add(d.Quantile(.99), "p99-"+name+"/op")
		add(d.Max(), "max-"+name+"/op")
		add(d.Rate(r.Elapsed), "op/s")
		if d.Lost() > 0 {
			add(float64(d.Lost()), "lost-ops")
		}
	case r.Value != nil:
		add(*r.Value, name)
	case r.Series != nil && len(r.Series.Values) > 0:
		add(median(r.Series.Values), name)
		add(slices.Max(r.Series.Values), "max-"+name)
	}
	return all
}
