package render

import (
	"bytes"
	"io"
	"maps"
	"slices"
	"strings"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"

	"storebench/internal/measure"
	"storebench/results"
)

var _ = register(Format{Name: "prometheus", Ext: ".prom", Summary: "for node_exporter's textfile collector", Render: renderPrometheus})

// renderPrometheus writes gauges of the verdict and the limits and a summary of
// each latency. The directory and the profile are labels of every series, so
// that the files of several volumes may lie side by side; all else that is known
// of a run is in storebench_run_info, to be joined by these two.
func renderPrometheus(w io.Writer, r Report) error {
	e := &exposition{
		families: map[string]*dto.MetricFamily{},
		common:   []string{"path", r.Run.Volume.Path, "profile", r.Run.Profile.Name},
	}
	e.run(r)
	for _, f := range r.Verdict.Findings {
		e.finding(f)
	}
	for _, m := range inStepOrder(r.Run) {
		e.measurement(r.Run.StepOf(m).Title(), m)
	}
	var out bytes.Buffer
	for _, name := range slices.Sorted(maps.Keys(e.families)) {
		if _, err := expfmt.MetricFamilyToText(&out, e.families[name]); err != nil {
			return err
		}
	}
	_, err := w.Write(out.Bytes())
	return err
}

// exposition is the metrics of a run by name.
type exposition struct {
	families map[string]*dto.MetricFamily
	common   []string // labels of every series: name, value, name, value …
}

func (e *exposition) run(r Report) {
	run := r.Run
	info := []string{
		"run", run.ID, "version", run.Tool.Version, "nats_server", run.Tool.NATSServer,
		"file_system", run.Volume.FileSystem, "device", run.Volume.Device.Name, "kernel", run.Host.Kernel,
		"persistence", string(run.Volume.Persistence.State), "slots", joinInts(run.Slots.Judged),
	}
	for _, name := range slices.Sorted(maps.Keys(run.Labels)) {
		info = append(info, "label_"+labelName(name), run.Labels[name])
	}
	e.gauge("storebench_run_info", "What was measured where, always 1. The user's labels begin with label_.", 1, info...)
	if !run.Ended.IsZero() {
		e.gauge("storebench_run_end_timestamp_seconds", "When the run ended, in seconds since 1970.", float64(run.Ended.UnixMilli())/1e3)
		e.gauge("storebench_run_duration_seconds", "How long the run took.", run.Ended.Sub(run.Started).Seconds())
	}
	e.status("storebench_verdict", "The verdict on the volume: 1 for the status that it has.", r.Verdict.Status)
	e.gauge("storebench_verdict_partial", "1 when a limit was not judged because its step was left out.", oneIf(r.Verdict.Partial))
}

// finding tells of a limit, or of a rule that no profile changes.
func (e *exposition) finding(f results.Finding) {
	labels := append([]string{"limit", f.Name, "step", f.Step}, ownLabels(f.Labels)...)
	level := "fail"
	if f.Limit != nil {
		level = string(f.Limit.Level)
	}
	labels = append(labels, "level", level)
	e.status("storebench_limit", "How a limit ended: 1 for the status that it has.", f.Status, labels...)
	if f.Limit == nil {
		return
	}
	unit := unitSuffix[f.Unit]
	e.gauge("storebench_limit_bound"+unit, "The bound of a limit.", f.Limit.Bound, labels...)
	if f.Observed != nil {
		e.gauge("storebench_limit_observed"+unit, "What was observed for a limit. Of operations that were cut it is the least that is known.", *f.Observed, labels...)
	}
	if f.Headroom != nil {
		e.gauge("storebench_limit_headroom_ratio", "How many times over the bound of a limit is kept; below 1 it is not.", *f.Headroom, labels...)
	}
}

// measurement tells of the latencies of a metric, or of its values.
func (e *exposition) measurement(step string, m measure.Measurement) {
	labels := append([]string{"step", step, "metric", m.Metric}, ownLabels(m.Labels)...)
	s := summarise(m)
	if len(s.distributions) == 0 {
		if len(s.values) > 0 {
			e.gauge("storebench_value"+unitSuffix[m.Unit], "The median of the rounds of a metric that is no latency.", median(s.values), labels...)
		}
		return
	}
	whole := merged(s.distributions)
	if whole.Count() > 0 {
		e.summary("storebench_operation_duration_seconds", "Latencies of a metric over all rounds of the run.", whole, labels...)
	}
	for _, lost := range []struct {
		reason string
		n      int64
	}{{"failed", whole.Failed}, {"missed", whole.Missed}, {"unfinished", whole.Unfinished}} {
		e.gauge("storebench_lost_operations", "Operations without a latency: they failed, could not be sent, or did not finish.",
			float64(lost.n), append(slices.Clone(labels), "reason", lost.reason)...)
	}
	e.gauge("storebench_operations_per_second", "Operations a second, the mean of the rounds.", s.rate, labels...)
}

// unitSuffix is how Prometheus names end that are in a unit.
var unitSuffix = map[measure.Unit]string{
	measure.Seconds: "_seconds", measure.Bytes: "_bytes", measure.BytesPerSecond: "_bytes_per_second", measure.PerSecond: "_per_second",
}

// quantiles are those that a summary tells; 1 is the longest.
var quantiles = []float64{.5, .9, .99, .999, 1}

func (e *exposition) summary(name, help string, d *measure.Distribution, labels ...string) {
	s := &dto.Summary{SampleCount: new(uint64(d.Count())), SampleSum: new(d.Mean() * float64(d.Count()))}
	for _, q := range quantiles {
		s.Quantile = append(s.Quantile, &dto.Quantile{Quantile: new(q), Value: new(d.Quantile(q))})
	}
	e.add(name, help, dto.MetricType_SUMMARY, &dto.Metric{Summary: s}, labels)
}

func (e *exposition) gauge(name, help string, value float64, labels ...string) {
	e.add(name, help, dto.MetricType_GAUGE, &dto.Metric{Gauge: &dto.Gauge{Value: new(value)}}, labels)
}

// status is a series a status, of which one is 1.
func (e *exposition) status(name, help string, is results.Status, labels ...string) {
	for _, s := range []results.Status{results.Pass, results.Warn, results.Fail, results.Inconclusive} {
		e.gauge(name+"_status", help, oneIf(s == is), append(slices.Clone(labels), "status", s.String())...)
	}
}

// add adds a series. A second one with the same labels, as when one step met
// the same incident twice, says nothing new and would make the file invalid.
func (e *exposition) add(name, help string, kind dto.MetricType, m *dto.Metric, labels []string) {
	family := e.families[name]
	if family == nil {
		family = &dto.MetricFamily{Name: new(name), Help: new(help), Type: new(kind)}
		e.families[name] = family
	}
	all := append(slices.Clone(e.common), labels...)
	for i := 0; i+1 < len(all); i += 2 {
		m.Label = append(m.Label, &dto.LabelPair{Name: new(all[i]), Value: new(strings.ToValidUTF8(clean(all[i+1]), "\uFFFD"))})
	}
	same := func(have *dto.Metric) bool { return slices.EqualFunc(have.Label, m.Label, samePair) }
	if !slices.ContainsFunc(family.Metric, same) {
		family.Metric = append(family.Metric, m)
	}
}

func samePair(a, b *dto.LabelPair) bool {
	return a.GetName() == b.GetName() && a.GetValue() == b.GetValue()
}

// ourLabels are the names that series have besides a measurement's own labels.
var ourLabels = []string{"path", "profile", "limit", "step", "level", "metric", "status", "reason", "quantile"}

// ownLabels are the labels of a measurement with names that Prometheus takes.
func ownLabels(labels map[string]string) []string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		safe := labelName(name)
		if slices.Contains(ourLabels, safe) {
			safe = "label_" + safe
		}
		all = append(all, safe, labels[name])
	}
	return all
}

// labelName makes a name that Prometheus takes for a label.
func labelName(name string) string {
	safe := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, name)
	if safe == "" || safe[0] >= '0' && safe[0] <= '9' {
		safe = "_" + safe
	}
	return safe
}

func oneIf(is bool) float64 {
	if is {
		return 1
	}
	return 0
}
