package results

import (
	"slices"
	"strings"

	"storebench/internal/measure"
	"storebench/profiles"
)

// hold judges one limit against every measurement that it matches.
func (v *Verdict) hold(run *Run, limit *profiles.Limit) {
	matched := false
	for _, m := range run.Measurements {
		step := run.StepOf(m)
		if !limit.Matches(step.label(m), limit.Metric) {
			continue
		}
		f := judgeOne(run, limit, m, step)
		if step.Informative {
			v.Informative = append(v.Informative, f)
			continue
		}
		matched = true
		v.Findings = append(v.Findings, f)
	}
	for _, step := range run.Steps {
		if !step.Informative && couldMatch(limit, step.Name, step.Probe, step.Parameters) && run.unmeasured(step) {
			matched = true
			v.Findings = append(v.Findings, noData(limit, step, "no data: no round of this step was measured"))
		}
	}
	switch {
	case matched:
	case run.leftOut(limit):
		v.Partial = true
		v.Skipped = append(v.Skipped, limit.Text)
	default:
		step := run.stepFor(limit)
		reason := "no data: no step measured this"
		if slices.ContainsFunc(run.Measurements, step.owns) {
			reason = "no data: no round of this step got this far"
		}
		v.Findings = append(v.Findings, noData(limit, step, reason))
	}
}

// noData is the finding of a limit that nothing was measured for.
func noData(limit *profiles.Limit, step Step, reason string) Finding {
	f := newFinding(limit, step)
	f.Status, f.NoData, f.Reason = Inconclusive, true, reason
	return f
}

// unmeasured says whether the run has no measurement of a step at all.
func (run *Run) unmeasured(step Step) bool {
	return !slices.ContainsFunc(run.Measurements, step.owns)
}

// StepOf is the step that a measurement belongs to.
func (run *Run) StepOf(m measure.Measurement) Step {
	for _, s := range run.Steps {
		if s.owns(m) {
			return s
		}
	}
	return Step{Name: m.Step, Probe: m.Probe}
}

// stepFor is the first step of the run that could have measured what a limit
// is judged by. Informative steps cannot: no limit is judged by them.
func (run *Run) stepFor(limit *profiles.Limit) Step {
	for _, s := range run.Steps {
		if !s.Informative && couldMatch(limit, s.Name, s.Probe, s.Parameters) {
			return s
		}
	}
	return Step{}
}

// leftOut says of a limit that no step of the run measured whether one would have that
// the user skipped. Its sisters of the same probe may have run: they measure what their
// parameters ask for.
func (run *Run) leftOut(limit *profiles.Limit) bool {
	return slices.ContainsFunc(run.Profile.Steps, func(s profiles.Step) bool {
		return !s.Informative && slices.Contains(run.Skipped, s.Name) && couldMatch(limit, s.Name, s.Probe, s.Set)
	})
}

// couldMatch says whether a step with these parameters, each perhaps several
// values with commas between, could bring a measurement that the limit matches.
// Labels that are none of the parameters are the probe's own and taken to match.
func couldMatch(limit *profiles.Limit, step, probe string, parameters map[string]string) bool {
	if limit.Probe != probe {
		return false
	}
	for name, pattern := range limit.Labels {
		values := []string{pattern}
		if text, has := parameters[name]; has {
			values = strings.Split(text, ",")
		}
		one := profiles.Limit{Probe: probe, Labels: map[string]string{name: pattern}}
		if !slices.ContainsFunc(values, func(value string) bool {
			return one.Matches(measure.Measurement{Step: step, Probe: probe, Labels: map[string]string{name: strings.TrimSpace(value)}}, "")
		}) {
			return false
		}
	}
	return true
}
