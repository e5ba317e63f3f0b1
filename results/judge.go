package results

import (
	"fmt"
	"strings"

	"storebench/internal/measure"
	"storebench/profiles"
)

// Judge holds a run against its profile's limits and the rules that no profile
// changes. It reads the run alone. A sweep asks for no limit: its verdict says
// whether every cell was measured.
func Judge(run *Run) Verdict {
	var v Verdict
	v.Findings = append(v.Findings, persistence(run)...)
	v.Findings = append(v.Findings, incidents(run)...)
	v.Findings = append(v.Findings, doubts(run)...)
	v.Findings = append(v.Findings, pace(run)...)
	v.Findings = append(v.Findings, swept(run)...)
	for i := range run.Profile.Limits {
		v.hold(run, &run.Profile.Limits[i])
	}
	v.Carries = carried(run)
	nameSteps(v.Findings)
	v.FirstTouch = firstTouches(run)
	v.Status = worst(v.Findings)
	return v
}

// judgeOne holds a limit against a measurement. What is certain decides; then a doubt
// takes a pass away and an excuse takes a fail away, and neither gives one.
func judgeOne(run *Run, limit *profiles.Limit, m measure.Measurement, step Step) Finding {
	f := newFinding(limit, step)
	f.Labels, f.Unit = m.Labels, m.Unit
	f.estimate(limit, m, step)
	for _, doubt := range limitDoubts {
		if reason := doubt(run, limit, m); reason != "" && f.Status == Pass {
			f.Status, f.Reason = Inconclusive, reason
		}
	}
	f.headroom(limit)
	f.warnings(m.Warnings)
	switch {
	case f.Status == Fail:
		f.blame(run, limit, m)
	case f.Undecided:
		lost := meanLost(m.Rounds)
		f.hurry(lost)
		f.excuse(run, limit, m, lost)
	}
	f.level(limit)
	return f
}

// level makes a limit at level warn at most a warning, whether it is broken or undecided.
func (f *Finding) level(limit *profiles.Limit) {
	switch {
	case limit.Level != profiles.LevelWarn:
	case f.Status == Fail:
		f.Status = Warn
	case f.Status == Inconclusive && (f.Undecided || f.Cause != nil && f.Cause.OfHost()):
		f.Status, f.Undecided = Warn, true
	}
}

// limitDoubts say why a limit that holds by its figures is no pass all the same; empty
// where there is no such reason.
var limitDoubts = []func(*Run, *profiles.Limit, measure.Measurement) string{missingRounds, warmCache, unknownTail, lostHelp}

// missingRounds: a round in which nothing was measured says nothing, and the others do
// not speak for it.
func missingRounds(run *Run, limit *profiles.Limit, m measure.Measurement) string {
	if turns, have := run.turns(m), withData(limit.Stat, m.Rounds); have < turns {
		return fmt.Sprintf("met, but measured in only %d of %d rounds", have, turns)
	}
	return ""
}

// warmCache: reads that the page cache answered do not make a volume fast enough.
func warmCache(_ *Run, _ *profiles.Limit, m measure.Measurement) string {
	var resident, pages int64
	for _, r := range m.Rounds {
		c := r.Context.Cache
		switch {
		case c.Cold():
			continue
		case c.Unknown != "":
			return "met, but the page cache should have been empty, and " + c.Unknown
		}
		resident, pages = resident+c.Resident, pages+c.Pages
	}
	if resident > 0 {
		return fmt.Sprintf("met, but the page cache should have been empty, and %s of %s pages were still in it", measure.Grouped(resident), measure.Grouped(pages))
	}
	return ""
}

// unknownTail: operations that took longer than can be recorded.
func unknownTail(_ *Run, _ *profiles.Limit, m measure.Measurement) string {
	if all := merged(distributions(m.Rounds)); all.Clamped > 0 {
		return lostWords(all) + ", so the tail is not known"
	}
	return ""
}

// lostHelp: an operation without a latency must not help a limit that asks for slow ones.
func lostHelp(_ *Run, limit *profiles.Limit, m measure.Measurement) string {
	if all := merged(distributions(m.Rounds)); upward(limit.Op) && limit.Stat.Name != profiles.StatRate && all.Lost() > 0 {
		return lostWords(all) + ", which cannot count for a limit that asks for slow ones"
	}
	return ""
}

// withData counts the rounds in which there was something to take a statistic of.
func withData(stat profiles.Stat, rounds []measure.Round) (n int) {
	for _, r := range rounds {
		if _, ok := statOf(stat, r); ok {
			n++
		}
	}
	return n
}

// turns is how many rounds the step of a measurement had. A metric may be
// absent from some: the drain of a storm that was cut, for one.
func (run *Run) turns(m measure.Measurement) int {
	most, at := 0, run.StepIndex(m)
	for _, other := range run.Measurements {
		if at >= 0 && run.StepIndex(other) == at {
			most = max(most, len(other.Rounds))
		}
	}
	return most
}

func (f *Finding) warnings(warnings []string) {
	if len(warnings) > 0 {
		f.Reason += " (" + strings.Join(warnings, "; ") + ")"
	}
}
