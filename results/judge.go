package results

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"storebench/internal/cause"
	"storebench/internal/measure"
	"storebench/profiles"
)

// Status is how a limit or a run ended. The zero value never passes.
type Status int

// The statuses.
const (
	Inconclusive Status = iota
	Pass
	Warn
	Fail
)

var statusNames = map[Status]string{Inconclusive: "inconclusive", Pass: "pass", Warn: "warn", Fail: "fail"}

func (s Status) String() string { return statusNames[s] }

// MarshalText writes the status by its name.
func (s Status) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads the status by its name.
func (s *Status) UnmarshalText(text []byte) error {
	for status, name := range statusNames {
		if name == string(text) {
			*s = status
			return nil
		}
	}
	return fmt.Errorf("status %q is none of pass, warn, fail, inconclusive", text)
}

// weight orders statuses by how much they matter to a verdict: a failure
// stands whatever else is unknown, and what is unknown cannot pass.
func (s Status) weight() int { return slices.Index([]Status{Pass, Warn, Inconclusive, Fail}, s) }

// Finding is a limit held against one measurement, or a rule about the run.
type Finding struct {
	Name   string          `json:"name"` // the limit's text, or the rule's name
	Limit  *profiles.Limit `json:"limit,omitempty"`
	Status Status          `json:"status"`
	// Undecided says that there was data and not enough of it: another look
	// could decide. A limit at level warn that stays undecided weighs as a
	// warning, the worst that it could have become.
	Undecided bool              `json:"undecided,omitempty"`
	Step      string            `json:"step,omitempty"` // its title
	Labels    map[string]string `json:"labels,omitempty"`
	Asked     string            `json:"asked,omitempty"` // the workload that the figure was found at
	Unit      measure.Unit      `json:"unit,omitempty"`
	Observed  *float64          `json:"observed,omitempty"` // base unit
	// AtLeast says that the observed value is a lower bound: it was cut.
	AtLeast bool `json:"at_least,omitempty"`
	// Low and High are the interval of the observed value (97.5 % a side).
	Low  *float64 `json:"low,omitempty"`
	High *float64 `json:"high,omitempty"`
	// Headroom is how many times over the bound is kept; under 1 it is not.
	Headroom *float64 `json:"headroom,omitempty"`
	// Effective is the number of independent operations that the confidence
	// rests on; it is 0 for statistics over rounds.
	Effective float64      `json:"effective,omitempty"`
	Cause     *cause.Cause `json:"cause,omitempty"`
	Reason    string       `json:"reason"`
	// Meaning is what it means for NATS.
	Meaning string `json:"meaning,omitempty"`
}

func (f Finding) weight() int {
	if f.Undecided && f.Limit != nil && f.Limit.Level == profiles.LevelWarn {
		return Warn.weight()
	}
	return f.Status.weight()
}

// Verdict is what a run says of its volume.
type Verdict struct {
	Status Status `json:"status"`
	// Partial says that a limit was not judged because the user left its step
	// out.
	Partial  bool      `json:"partial,omitempty"`
	Findings []Finding `json:"findings"`
	// Informative findings change neither the status nor the exit code: the
	// same limits at the slots of servers that the run is not about.
	Informative []Finding `json:"informative,omitempty"`
	// Skipped are the limits that were not judged.
	Skipped []string `json:"skipped,omitempty"`
}

// Judge holds a run against its profile's limits and the rules that no profile
// changes. It reads the run alone.
func Judge(run *Run) Verdict {
	var v Verdict
	v.Findings = append(v.Findings, persistence(run)...)
	v.Findings = append(v.Findings, incidents(run)...)
	for i := range run.Profile.Limits {
		v.hold(run, &run.Profile.Limits[i])
	}
	v.Status = Inconclusive
	if judged := slices.ContainsFunc(v.Findings, func(f Finding) bool { return f.Limit != nil }); judged || len(v.Findings) > 0 {
		worst := slices.MaxFunc(v.Findings, func(a, b Finding) int { return a.weight() - b.weight() })
		v.Status = worst.Status
		if worst.weight() == Warn.weight() {
			v.Status = Warn
		}
		if !judged && v.Status.weight() < Inconclusive.weight() {
			v.Status = Inconclusive
		}
	}
	return v
}

// Undecided names the steps (by title) whose limits another look could decide.
func (v Verdict) Undecided() map[string]bool {
	steps := map[string]bool{}
	for _, f := range v.Findings {
		if f.Undecided {
			steps[f.Step] = true
		}
	}
	return steps
}

// hold judges one limit against every measurement that it matches.
func (v *Verdict) hold(run *Run, limit *profiles.Limit) {
	matched := false
	for _, m := range run.Measurements {
		if !limit.Matches(m, limit.Metric) {
			continue
		}
		step := run.StepOf(m)
		f := judgeOne(run, limit, m, step)
		if step.Informative {
			v.Informative = append(v.Informative, f)
			continue
		}
		matched = true
		v.Findings = append(v.Findings, f)
	}
	switch {
	case matched:
	case run.leftOut(limit):
		v.Partial = true
		v.Skipped = append(v.Skipped, limit.Text)
	default:
		v.Findings = append(v.Findings, Finding{
			Name: limit.Text, Limit: limit, Status: Inconclusive, Step: run.stepFor(limit).Title(),
			Reason: "no data: no step measured this", Meaning: limit.Why,
		})
	}
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

// stepFor is the first step that could have measured what a limit speaks of.
func (run *Run) stepFor(limit *profiles.Limit) Step {
	for _, s := range run.Steps {
		if limit.Matches(measure.Measurement{Step: s.Name, Probe: s.Probe, Metric: limit.Metric, Labels: s.Parameters}, limit.Metric) {
			return s
		}
	}
	return Step{}
}

// leftOut says whether the only steps that a limit speaks of are ones that the
// user skipped.
func (run *Run) leftOut(limit *profiles.Limit) bool {
	if run.stepFor(limit).Name != "" {
		return false
	}
	return slices.ContainsFunc(run.Profile.Steps, func(s profiles.Step) bool {
		m := measure.Measurement{Step: s.Name, Probe: s.Probe, Metric: limit.Metric, Labels: maps.Clone(limit.Labels)}
		for name, value := range s.Set {
			if _, asked := limit.Labels[name]; asked {
				m.Labels[name] = value
			}
		}
		return slices.Contains(run.Skipped, s.Name) && limit.Matches(m, limit.Metric)
	})
}

// judgeOne holds a limit against a measurement.
func judgeOne(run *Run, limit *profiles.Limit, m measure.Measurement, step Step) Finding {
	f := Finding{
		Name: limit.Text, Limit: limit, Step: step.Title(), Labels: m.Labels, Unit: m.Unit,
		Asked: asked(step), Meaning: limit.Why,
	}
	switch limit.Stat.Name {
	case "quantile":
		f.quantile(limit, m.Rounds)
	case "max", "value":
		f.everyRound(limit, m.Rounds)
	case "min", "mean", "rate":
		if limit.Stat.Name == "rate" {
			f.Unit = measure.PerSecond
		}
		f.overRounds(limit, m.Rounds)
	}
	f.headroom(limit)
	f.warnings(m.Warnings)
	if f.Status == Fail {
		f.blame(run, limit, m)
	}
	return f
}

// decide sets the status from what is certain about a bound.
func (f *Finding) decide(holds, broken bool, undecided string) {
	switch {
	case holds:
		f.Status, f.Reason = Pass, "holds"
	case broken:
		f.Status, f.Reason = Fail, "beyond the bound"
	default:
		f.Status, f.Undecided, f.Reason = Inconclusive, true, undecided
	}
}

// quantile judges p99 < B as: the share of operations beyond B is at most 1 %.
func (f *Finding) quantile(limit *profiles.Limit, rounds []measure.Round) {
	ds := distributions(rounds)
	if len(ds) == 0 {
		f.Reason = "no data: no operation was measured"
		return
	}
	q := limit.Stat.Quantile
	whole := merged(ds)
	f.observe(whole.Quantile(q))
	interval := measure.QuantileInterval(ds, q)
	f.interval(interval)
	share, effective, beyond := measure.ShareBeyond(ds, limit.Bound)
	f.Effective = effective
	allowed := 1 - q
	holds, broken := share.High <= allowed, share.Low > allowed
	if limit.Op == profiles.Greater || limit.Op == profiles.GreaterEqual {
		holds, broken = share.Low >= allowed, share.High < allowed
	}
	f.decide(holds, broken, fmt.Sprintf(
		"too few independent operations to tell: %.2f %% of them lie beyond, between %.2f %% and %.2f %% with 97.5 %% confidence a side, %.2f %% may (%.0f effective operations)",
		100*beyond, 100*share.Low, 100*share.High, 100*allowed, effective))
	if whole.Clamped > 0 && f.Status == Pass {
		f.Status, f.Reason = Inconclusive, "the longest operations were too long to be recorded"
	}
	if lost := whole.Failed + whole.Missed + whole.Unfinished; lost > 0 {
		f.Reason += fmt.Sprintf("; %d operations failed, %d could not be sent, %d did not finish: all count as beyond", whole.Failed, whole.Missed, whole.Unfinished)
		f.AtLeast = f.AtLeast || float64(lost) > allowed*float64(lost+whole.Count())
	}
}

// everyRound judges statistics that must hold in each round: the longest
// operation, and single values. An operation that failed or did not finish is
// longer than every bound.
func (f *Finding) everyRound(limit *profiles.Limit, rounds []measure.Round) {
	worst, n, lost := math.NaN(), 0, int64(0)
	for _, r := range rounds {
		x, ok := statOf(limit.Stat, r)
		if !ok {
			continue
		}
		n++
		if math.IsNaN(worst) || !limit.Holds(x) && limit.Holds(worst) || further(limit, x, worst) {
			worst = x
		}
		if d := r.Distribution; d != nil {
			lost += d.Failed + d.Missed + d.Unfinished + d.Clamped
		}
	}
	if n == 0 {
		f.Reason = "no data: no round measured this"
		return
	}
	f.observe(worst)
	broken := !limit.Holds(worst) || lost > 0
	f.decide(!broken, broken, "")
	f.Reason = fmt.Sprintf("%s in the worst of %d rounds", f.Reason, n)
	if lost > 0 {
		f.AtLeast = true
		f.Reason = fmt.Sprintf("%d operations failed, were not sent, or had not finished when the round was cut", lost)
	}
	f.stalls(rounds)
}

// further says whether x is worse than y for a limit.
func further(limit *profiles.Limit, x, y float64) bool {
	if limit.Op == profiles.Less || limit.Op == profiles.LessEqual {
		return x > y
	}
	return x < y
}

// overRounds judges a statistic by its t-interval over the rounds.
func (f *Finding) overRounds(limit *profiles.Limit, rounds []measure.Round) {
	var values []float64
	for _, r := range rounds {
		if x, ok := statOf(limit.Stat, r); ok {
			values = append(values, x)
		}
	}
	if len(values) == 0 {
		f.Reason = "no data: no round measured this"
		return
	}
	f.observe(average(values))
	interval := measure.MeanInterval(values)
	f.interval(interval)
	holds := limit.Holds(interval.Low) && limit.Holds(interval.High)
	broken := !limit.Holds(interval.Low) && !limit.Holds(interval.High)
	f.decide(holds, broken, fmt.Sprintf("the interval over %d rounds lies on both sides of the bound", len(values)))
}

func average(values []float64) float64 {
	sum := 0.0
	for _, x := range values {
		sum += x
	}
	return sum / float64(len(values))
}

// statOf takes a statistic of one round.
func statOf(stat profiles.Stat, r measure.Round) (float64, bool) {
	if stat.Name == "value" {
		if r.Value == nil {
			return 0, false
		}
		return *r.Value, true
	}
	d := r.Distribution
	if d == nil || d.Count()+d.Failed+d.Missed+d.Unfinished == 0 {
		return 0, false
	}
	switch stat.Name {
	case "max":
		return d.Max(), true
	case "min":
		return d.Min(), true
	case "mean":
		return d.Mean(), true
	case "rate":
		return d.Rate(r.Elapsed), true
	}
	return d.Quantile(stat.Quantile), true
}

func distributions(rounds []measure.Round) []*measure.Distribution {
	var ds []*measure.Distribution
	for _, r := range rounds {
		if d := r.Distribution; d != nil && d.Count()+d.Failed+d.Missed+d.Unfinished > 0 {
			ds = append(ds, d)
		}
	}
	return ds
}

func merged(ds []*measure.Distribution) *measure.Distribution {
	whole := &measure.Distribution{}
	for _, d := range ds {
		_ = whole.Merge(d) // fails only when counts overflow, which those of a run cannot
	}
	return whole
}

func (f *Finding) observe(x float64) { f.Observed = finite(x) }

func (f *Finding) interval(i measure.Interval) { f.Low, f.High = finite(i.Low), finite(i.High) }

// finite keeps what JSON can carry and a reader can use.
func finite(x float64) *float64 {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return nil
	}
	return &x
}

// headroom is the bound over the observed value, or the other way round where
// more is better.
func (f *Finding) headroom(limit *profiles.Limit) {
	if f.Observed == nil || *f.Observed <= 0 || limit.Bound <= 0 {
		return
	}
	ratio := limit.Bound / *f.Observed
	if limit.Op == profiles.Greater || limit.Op == profiles.GreaterEqual {
		ratio = 1 / ratio
	}
	f.Headroom = &ratio
}

func (f *Finding) warnings(warnings []string) {
	if len(warnings) > 0 {
		f.Reason += " (" + strings.Join(warnings, "; ") + ")"
	}
}

// blame names the cause of a bound that is not kept. What this machine's own
// CPU or memory did says nothing of the volume.
func (f *Finding) blame(run *Run, limit *profiles.Limit, m measure.Measurement) {
	found := cause.Find(cause.Case{FileSystem: run.Volume.FileSystem, Rounds: beyond(limit, m.Rounds), Seconds: f.latency(limit)})
	f.Cause = &found
	switch {
	case found.OfHost():
		f.Status = Inconclusive
		f.Reason += fmt.Sprintf("; this machine's %s is to blame, which says nothing of the volume: run it again on a quiet machine", found.Name)
	case limit.Level == profiles.LevelWarn:
		f.Status = Warn
	}
}

// latency is what a cause has to explain: the observed value where it is one,
// else the bound.
func (f *Finding) latency(limit *profiles.Limit) float64 {
	if f.Unit == measure.Seconds && f.Observed != nil {
		return max(*f.Observed, limit.Bound)
	}
	return 0
}

// beyond are the rounds that break a limit by themselves, or all where none
// does alone.
func beyond(limit *profiles.Limit, rounds []measure.Round) []measure.Round {
	var bad []measure.Round
	for _, r := range rounds {
		x, ok := statOf(limit.Stat, r)
		if d := r.Distribution; ok && (!limit.Holds(x) || d != nil && d.Failed+d.Unfinished+d.Missed > 0) {
			bad = append(bad, r)
		}
	}
	if len(bad) == 0 {
		return rounds
	}
	return bad
}
