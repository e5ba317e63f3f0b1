package engine

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"storebench/probes"
	"storebench/profiles"
)

// CheckLimits refuses limits that speak of a probe, metric, label or unit that
// does not exist. It returns them with the metric that a limit left out filled
// in and label values in the form that measurements carry.
func CheckLimits(limits []profiles.Limit) ([]profiles.Limit, error) {
	checked := make([]profiles.Limit, 0, len(limits))
	for _, limit := range limits {
		full, err := checkLimit(limit)
		if err != nil {
			return nil, usagef("limit %q: %w", limit, err)
		}
		checked = append(checked, full)
	}
	return checked, nil
}

// Judgeable leaves out the limits of a profile that an installed nats-server can tell
// nothing of. The notes name them.
func Judgeable(limits []profiles.Limit, server Server) (kept []profiles.Limit, notes []string) {
	for _, limit := range limits {
		why := server.cannotTell(limit)
		if why == "" {
			kept = append(kept, limit)
			continue
		}
		notes = append(notes, fmt.Sprintf("the limit %s is not judged: %s", limit, why))
	}
	return kept, notes
}

// cannotTell says why a limit says nothing of a volume under such servers, and nothing
// where it does. Their silence keeps no promise about what they log only from above the
// bound on.
func (s Server) cannotTell(limit profiles.Limit) string {
	switch {
	case s.Program == "":
		return ""
	case limit.Bound < probes.LogsFrom.Seconds() && has(limit, func(i probes.Info) []string { return i.Logged }):
		return fmt.Sprintf("nats-server logs such pauses from %v on, and only the one linked in can be told to log shorter ones", probes.LogsFrom)
	case s.Chooses && (limit.Metric == probes.LeadersMoved || limit.Metric == probes.SteppedDown):
		return fmt.Sprintf("nats-server %s chooses a new leader by itself, and whom is luck", s.Version)
	case s.NoRaftz && has(limit, func(i probes.Info) []string { return i.Raftz }):
		return fmt.Sprintf("nats-server %s has no /raftz, which tells how far its Raft groups are", s.Version)
	}
	return ""
}

// has says whether a limit is on one of some metrics of its probe.
func has(limit profiles.Limit, metrics func(probes.Info) []string) bool {
	probe, err := probes.New(limit.Probe)
	return err == nil && slices.Contains(metrics(probe.Info()), limit.Metric)
}

func checkLimit(limit profiles.Limit) (profiles.Limit, error) {
	limit, metric, err := checkSelection(limit, limit.Title)
	if err != nil {
		return limit, err
	}
	limit.Text = limit.String() // a run document whose limit's text and parts differ is refused
	return limit, limit.CheckUnit(metric.Unit)
}

// CheckFigures refuses figures that speak of a probe, metric or label that does not exist,
// and completes the others as CheckLimits does.
func CheckFigures(figures []profiles.Figure) ([]profiles.Figure, error) {
	var checked []profiles.Figure
	for _, f := range figures {
		of, _, err := checkSelection(f.Of, f.Title)
		if err != nil {
			return nil, usagef("figure %q: %w", f.Title, err)
		}
		f.Of = of
		checked = append(checked, f)
	}
	return checked, nil
}

// checkSelection checks what a limit or a figure is about, and the parameters that its
// title names.
func checkSelection(limit profiles.Limit, title string) (profiles.Limit, probes.Metric, error) {
	probe, err := probes.New(limit.Probe)
	if err != nil {
		return limit, probes.Metric{}, fmt.Errorf("%w%s", err, didYouMean(limit.Probe, probes.Names()))
	}
	metric, err := metricOf(probe.Info(), limit.Metric)
	if err != nil {
		return limit, metric, err
	}
	limit.Metric = metric.Name
	for _, name := range profiles.Placeholders(title) {
		if _, has := probes.Value(probe, name); !has {
			return limit, metric, fmt.Errorf("%w parameter %q of probe %s in the title %q", probes.ErrUnknown, name, limit.Probe, title)
		}
	}
	limit.Labels, err = canonicalLabels(limit.Labels, limit.Probe)
	return limit, metric, err
}

func metricOf(info probes.Info, name string) (probes.Metric, error) {
	if name == "" {
		return info.Metrics[0], nil
	}
	var known []string
	for _, m := range info.Metrics {
		if m.Name == name {
			return m, nil
		}
		known = append(known, m.Name)
	}
	return probes.Metric{}, fmt.Errorf("%w metric %q of probe %s%s (it has: %s)",
		probes.ErrUnknown, name, info.Name, didYouMean(name, known), strings.Join(known, ", "))
}

// canonicalLabels gives label values the text form of the probe's parameters,
// so that {size=2KiB} and {size=2048B} are one.
func canonicalLabels(labels map[string]string, probeName string) (map[string]string, error) {
	canonical := maps.Clone(labels)
	for name, value := range labels {
		if name == "step" || strings.ContainsAny(value, "*?[") {
			continue
		}
		probe, err := probes.New(probeName)
		if err != nil {
			return nil, err
		}
		if _, has := probes.Value(probe, name); !has {
			var known []string
			for _, p := range probes.Parameters(probe) {
				known = append(known, p.Name)
			}
			return nil, fmt.Errorf("%w label %q of probe %s%s (it has: step, %s)",
				probes.ErrUnknown, name, probeName, didYouMean(name, known), strings.Join(slices.Sorted(slices.Values(known)), ", "))
		}
		if err := probes.Set(probe, name, value); err != nil {
			return nil, err
		}
		canonical[name], _ = probes.Value(probe, name)
	}
	return canonical, nil
}
