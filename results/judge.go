package results

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

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

func (s Status) weight() int { return slices.Index(byWeight, s) }

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

// weight is what the finding weighs in the verdict. A limit at level warn for
// which there was data can be no worse than a warning, whether too little of it
// or the machine's own trouble left it open.
func (f Finding) weight() int {
	open := f.Undecided || f.Cause != nil && f.Cause.OfHost()
	if f.Status == Inconclusive && open && f.Limit != nil && f.Limit.Level == profiles.LevelWarn {
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
	// FirstTouch is what was slower in the first round than later. It changes no
	// status.
	FirstTouch []FirstTouch `json:"first_touch,omitempty"`
}

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
	v.FirstTouch = firstTouches(run)
	v.Status = worst(v.Findings)
	return v
}

// byWeight are the statuses in the order of how much they matter to a verdict:
// a failure stands whatever else is unknown, and what is unknown cannot pass.
var byWeight = []Status{Pass, Warn, Inconclusive, Fail}

// worst is the verdict of findings. Where no limit was held against anything
// there is nothing to pass by; a sweep has its own rule.
func worst(findings []Finding) Status {
	weight, judged := 0, false
	for _, f := range findings {
		weight = max(weight, f.weight())
		judged = judged || f.Limit != nil || f.Name == sweptRule
	}
	if !judged {
		weight = max(weight, Inconclusive.weight())
	}
	return byWeight[weight]
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
			reason = "no data: no round of this step came so far"
		}
		v.Findings = append(v.Findings, noData(limit, step, reason))
	}
}

// noData is the finding of a limit that nothing was measured for.
func noData(limit *profiles.Limit, step Step, reason string) Finding {
	return Finding{
		Name: limit.Text, Limit: limit, Status: Inconclusive, Step: step.Title(),
		Reason: reason, Meaning: limit.Why, Asked: step.Asked(),
	}
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

// judgeOne holds a limit against a measurement.
func judgeOne(run *Run, limit *profiles.Limit, m measure.Measurement, step Step) Finding {
	f := Finding{
		Name: limit.Text, Limit: limit, Step: step.Title(), Labels: m.Labels, Unit: m.Unit,
		Asked: step.Asked(), Meaning: limit.Why,
	}
	switch limit.Stat.Name {
	case profiles.StatQuantile:
		f.quantile(limit, m.Rounds)
	case profiles.StatMax, profiles.StatValue:
		f.everyRound(limit, m.Rounds)
	case profiles.StatMin, profiles.StatMean, profiles.StatRate:
		if limit.Stat.Name == profiles.StatRate {
			f.Unit = measure.PerSecond
		}
		f.overRounds(limit, m.Rounds)
	default:
		f.Reason = fmt.Sprintf("the statistic %q is unknown to this program", limit.Stat.Name)
	}
	if turns, have := run.turns(m), withData(limit.Stat, m.Rounds); f.Status == Pass && have < turns {
		f.Status, f.Reason = Inconclusive, fmt.Sprintf("holds where it was measured, which is in %d of %d rounds", have, turns)
	}
	f.cache(m.Rounds)
	f.cutEarly(limit, m, step)
	f.groupCut(limit, m)
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
	return f
}

// cache keeps a limit from passing on reads that the page cache answered. What is
// too slow even so stays too slow.
func (f *Finding) cache(rounds []measure.Round) {
	var resident, pages int64
	for _, r := range rounds {
		c := r.Context.Cache
		switch {
		case c.Cold():
			continue
		case f.Status == Pass && c.Unknown != "":
			f.Status, f.Reason = Inconclusive, "holds, but the page cache was to be cold, and "+c.Unknown
			return
		}
		resident, pages = resident+c.Resident, pages+c.Pages
	}
	if f.Status == Pass && resident > 0 {
		f.Status, f.Reason = Inconclusive, fmt.Sprintf("holds, but the page cache was to be cold, and %s of %s pages were still in it", grouped(resident), grouped(pages))
	}
}

// cutParameter is the parameter of a storm that says when it is cut.
const cutParameter = "bound"

// groupMetrics are what a Raft group does once a round, and is given up after a time of
// the probe's own.
var groupMetrics = []string{"formed", "placed"}

// groupCut keeps a limit from failing by what a Raft group was given up with before the
// limit's bound.
func (f *Finding) groupCut(limit *profiles.Limit, m measure.Measurement) {
	if f.Status != Fail || limit.Stat.Name != profiles.StatMax || upward(limit.Op) || !slices.Contains(groupMetrics, m.Metric) {
		return
	}
	all := merged(distributions(m.Rounds))
	if took := longest(all); all.Unfinished == all.Lost() && took < limit.Bound {
		f.Status = Inconclusive
		f.Reason = fmt.Sprintf("%s within %v, when it was given up, and the bound lies beyond that", lostWords(all), time.Duration(took*float64(time.Second)).Round(100*time.Millisecond))
	}
}

// cutEarly keeps a limit from failing by groups of a storm that was cut before the
// limit's bound: of those nothing more is known than that they took until the cut.
func (f *Finding) cutEarly(limit *profiles.Limit, m measure.Measurement, step Step) {
	cut, err := time.ParseDuration(step.Parameters[cutParameter])
	bound := time.Duration(math.Round(limit.Bound * float64(time.Second)))
	if err != nil || m.Metric != stormMetric || limit.Stat.Name == profiles.StatRate || upward(limit.Op) || cut >= bound || f.Status != Fail {
		return
	}
	if all := merged(distributions(m.Rounds)); all.Unfinished > 0 && all.Failed == 0 {
		f.Status = Inconclusive
		f.Reason = fmt.Sprintf("%s before the storm was cut at %v, and the bound lies beyond that: --set %s.%s=%v lets it go on", lostWords(all), cut, step.Probe, cutParameter, bound)
	}
}

// noticeable is the share of lost processors from which on a reader should
// know of it.
const noticeable = 0.05

// meanLost is the mean share of the processors that rounds lost.
func meanLost(rounds []measure.Round) (lost float64) {
	for _, r := range rounds {
		lost += r.Context.CPULost() / float64(len(rounds))
	}
	return lost
}

// hurry says what would decide an open limit sooner, where that share of the
// processors was lost.
func (f *Finding) hurry(lost float64) {
	f.Reason += "; a longer --budget may decide it"
	if lost >= noticeable {
		f.Reason += fmt.Sprintf(", and so may a quieter machine: this one kept its processors from us %.0f %% of the time", 100*lost)
	}
}

// excuse names the machine as the cause of an open limit: where rounds are beyond the
// bound by themselves and it explains them, as it would if the limit were broken; and
// where much of the processors was lost, since operations that wait for one come in
// clusters, and tell little each.
func (f *Finding) excuse(run *Run, limit *profiles.Limit, m measure.Measurement, lost float64) {
	if len(breaking(limit, m.Rounds)) > 0 {
		if found := cause.Find(f.caseOf(run, limit, m)); found.OfHost() {
			f.Cause = &found
			return
		}
	}
	if lost >= cause.CPUMuch {
		f.Cause = &cause.Cause{Name: cause.CPU, Evidence: []string{fmt.Sprintf("this machine kept its processors from us %.0f %% of the time", 100*lost)}}
	}
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
	f.observeQuantile(whole, q)
	interval := measure.QuantileInterval(ds, q)
	f.interval(interval)
	share, effective, beyond := measure.ShareBeyond(ds, limit.Bound)
	f.Effective = effective
	allowed := 1 - q
	holds, broken := share.High <= allowed, share.Low > allowed
	if upward(limit.Op) {
		holds, broken = share.Low >= allowed, share.High < allowed
	}
	f.decide(holds, broken, fmt.Sprintf(
		"too few independent operations to tell: %.2f %% of them lie beyond, between %.2f %% and %.2f %% with 97.5 %% confidence a side, %.2f %% may (%.0f effective operations)",
		100*beyond, 100*share.Low, 100*share.High, 100*allowed, effective))
	if whole.Clamped > 0 && f.Status == Pass {
		f.Status, f.Reason = Inconclusive, fmt.Sprintf("%s, so that the tail is not known", lostWords(whole))
	}
	if whole.Lost() > 0 {
		f.Reason += fmt.Sprintf("; %s, which counts as beyond", lostWords(whole))
		if f.Status == Pass && upward(limit.Op) {
			f.Status, f.Reason = Inconclusive, lostWords(whole)+", which cannot count for a limit that asks for slow ones"
		}
	}
}

// observeQuantile takes a quantile with the lost operations as the slowest.
func (f *Finding) observeQuantile(d *measure.Distribution, q float64) {
	value, atLeast := quantileOf(d, q)
	f.observe(value)
	f.AtLeast = atLeast && f.Observed != nil
}

// quantileOf is a quantile with the lost operations as the slowest. If it falls
// among them, all that is known is that it lies above the rest.
func quantileOf(d *measure.Distribution, q float64) (value float64, atLeast bool) {
	rank := q * float64(d.Count()+d.Lost())
	if rank <= float64(d.Count()) {
		return d.Quantile(rank / float64(d.Count())), false
	}
	return longest(d), true
}

// longest is the longest time that an operation is known to have taken, an
// unfinished one included. It is NaN where none is known.
func longest(d *measure.Distribution) float64 {
	if len(d.Stalls) == 0 {
		return d.Max()
	}
	if d.Count() == 0 {
		return d.Stalls[0].Seconds
	}
	return max(d.Max(), d.Stalls[0].Seconds)
}

// upward says whether more is better for a limit.
func upward(op profiles.Op) bool { return op == profiles.Greater || op == profiles.GreaterEqual }

// everyRound judges statistics that must hold in each round: the longest
// operation, and single values. An operation that failed or did not finish is
// longer than every bound.
func (f *Finding) everyRound(limit *profiles.Limit, rounds []measure.Round) {
	worst, n, lost := math.NaN(), 0, &measure.Distribution{}
	for _, r := range rounds {
		x, ok := statOf(limit.Stat, r)
		if !ok {
			continue
		}
		n++
		if math.IsNaN(worst) || further(limit, x, worst) {
			worst = x
		}
		if d := r.Distribution; d != nil {
			lost.Failed, lost.Missed = lost.Failed+d.Failed, lost.Missed+d.Missed
			lost.Unfinished, lost.Clamped = lost.Unfinished+d.Unfinished, lost.Clamped+d.Clamped
		}
	}
	if n == 0 {
		f.Reason = "no data: no round measured this"
		return
	}
	f.observe(worst)
	told := lostWords(lost)
	broken := !limit.Holds(worst) || told != ""
	f.decide(!broken, broken, "")
	f.Reason = fmt.Sprintf("%s in the worst of %s", f.Reason, counted(n, "round"))
	if told != "" {
		f.AtLeast = f.Observed != nil
		f.Reason = told + ", which counts as beyond"
	}
	f.stalls(rounds)
}

// further says whether x is worse than y for a limit.
func further(limit *profiles.Limit, x, y float64) bool {
	if upward(limit.Op) {
		return x < y
	}
	return x > y
}

// lostWords says in words what became of the operations that have no latency,
// or none that could be recorded. It is empty when there are none.
func lostWords(d *measure.Distribution) string {
	var words []string
	for _, lost := range []struct {
		n    int64
		what string
	}{
		{d.Failed, "failed"}, {d.Missed, "could not be sent"},
		{d.Unfinished, "did not finish"}, {d.Clamped, "took longer than can be recorded"},
	} {
		if lost.n > 0 {
			words = append(words, fmt.Sprintf("%s %s", grouped(lost.n), lost.what))
		}
	}
	if len(words) == 0 {
		return ""
	}
	return "of the operations " + strings.Join(words, ", ")
}

// overRounds judges a statistic by its t-interval over the rounds.
func (f *Finding) overRounds(limit *profiles.Limit, rounds []measure.Round) {
	var values []float64
	for _, r := range rounds {
		if x, ok := statOf(limit.Stat, r); ok {
			values = append(values, x)
		}
	}
	whole := merged(distributions(rounds))
	if len(values) == 0 {
		f.Reason = "no data: no round measured this"
		return
	}
	f.observe(average(values))
	interval := measure.MeanInterval(values)
	f.interval(measure.Interval{Low: max(0, interval.Low), High: interval.High}) // nothing that is measured is below 0
	holds := limit.Holds(interval.Low) && limit.Holds(interval.High)
	broken := !limit.Holds(interval.Low) && !limit.Holds(interval.High)
	f.decide(holds, broken, fmt.Sprintf("the interval over %s lies on both sides of the bound", counted(len(values), "round")))
	if told := lostWords(whole); told != "" && limit.Stat.Name == profiles.StatMean {
		// A mean with an operation that never ended is beyond every bound.
		f.decide(false, true, "")
		f.AtLeast, f.Reason = f.Observed != nil, told+", which counts as beyond"
	}
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
	if stat.Name == profiles.StatValue {
		if r.Value == nil || finite(*r.Value) == nil {
			return 0, false
		}
		return *r.Value, true
	}
	d := r.Distribution
	if d == nil || d.Count()+d.Lost() == 0 {
		return 0, false
	}
	switch stat.Name {
	case profiles.StatMax:
		return longest(d), true
	case profiles.StatMin:
		return d.Min(), true
	case profiles.StatMean:
		return d.Mean(), true
	case profiles.StatRate:
		return d.Rate(r.Elapsed), r.Elapsed > 0
	}
	return d.Quantile(stat.Quantile), true
}

func distributions(rounds []measure.Round) []*measure.Distribution {
	var ds []*measure.Distribution
	for _, r := range rounds {
		if d := r.Distribution; d != nil && d.Count()+d.Lost() > 0 {
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
// more is better. Of a value that was cut it is known only where it is under 1.
func (f *Finding) headroom(limit *profiles.Limit) {
	if f.Observed == nil || *f.Observed <= 0 || limit.Bound <= 0 {
		return
	}
	ratio := limit.Bound / *f.Observed
	if upward(limit.Op) {
		ratio = 1 / ratio
	}
	if f.AtLeast && ratio >= 1 {
		return
	}
	f.Headroom = finite(ratio)
}

func (f *Finding) warnings(warnings []string) {
	if len(warnings) > 0 {
		f.Reason += " (" + strings.Join(warnings, "; ") + ")"
	}
}

// blame names the cause of a bound that is not kept. What this machine's own
// CPU or memory did says nothing of the volume.
func (f *Finding) blame(run *Run, limit *profiles.Limit, m measure.Measurement) {
	c := f.caseOf(run, limit, m)
	found := cause.Find(c)
	found.Evidence = append(found.Evidence, serverLines(c.Rounds)...)
	f.Cause = &found
	switch {
	case found.OfHost():
		f.Status = Inconclusive
		f.Reason += fmt.Sprintf("; this machine's %s is to blame, which says nothing of the volume: run it again on a quiet machine", found.Name)
	case limit.Level == profiles.LevelWarn:
		f.Status = Warn
	}
}

// serverLines are the gravest lines that nats-servers logged in some rounds of
// storage, or of what slow storage does. Each round has its own in that order; among
// those in the same place the longest time that a line tells comes first.
func serverLines(rounds []measure.Round) []string {
	type told struct {
		line  string
		place int
	}
	var all []told
	for _, r := range rounds {
		for place, line := range r.Context.Log {
			all = append(all, told{line, place})
		}
	}
	slices.SortStableFunc(all, func(a, b told) int {
		return cmp.Or(cmp.Compare(a.place, b.place), cmp.Compare(longestIn(b.line), longestIn(a.line)))
	})
	var lines []string
	for _, t := range all[:min(maxTold, len(all))] {
		lines = append(lines, t.line)
	}
	return lines
}

// longestIn is the longest duration that a line tells, 0 where it tells none.
func longestIn(line string) (longest time.Duration) {
	for _, word := range strings.Fields(line) {
		if d, err := time.ParseDuration(strings.Trim(word, "(),;.")); err == nil {
			longest = max(longest, d)
		}
	}
	return longest
}

// caseOf is what a cause has to explain.
func (f *Finding) caseOf(run *Run, limit *profiles.Limit, m measure.Measurement) cause.Case {
	rounds := beyond(limit, m.Rounds)
	c := cause.Case{
		FileSystems: fileSystems(run.Volumes(run.StepOf(m))), CPUs: run.Host.CPUs,
		Rounds: rounds, Throughout: throughout(limit, m.Rounds), Seconds: f.latency(limit), Bound: limit.Bound, Shortfall: math.Inf(1),
	}
	switch limit.Metric {
	case lostMetric:
		c.Kind = cause.Lost
		return c
	case leadersMetric: // heartbeats are late while a processor is missing, like any operation
		c.Kind = cause.Share
		return c
	}
	switch limit.Stat.Name {
	case profiles.StatQuantile:
		c.Kind = cause.Share
	case profiles.StatMax:
		c.Kind = cause.Longest
		if limit.Metric == stormMetric {
			c.Kind, c.Shortfall = cause.Whole, drain(rounds)/limit.Bound
		}
	default:
		if f.Headroom != nil {
			c.Shortfall = 1 / *f.Headroom
		}
	}
	return c
}

// throughout says whether most operations are beyond a bound in most rounds.
func throughout(limit *profiles.Limit, rounds []measure.Round) bool {
	slow := 0
	for _, r := range rounds {
		if d := r.Distribution; d != nil && 2*(d.Beyond(limit.Bound)+d.Lost()) > d.Count()+d.Lost() {
			slow++
		}
	}
	return 2*slow > len(rounds)
}

// stormMetric is the latency of operations that all begin at once: the longest
// is no outlier but the whole.
const stormMetric = "storm"

// leadersMetric counts elections that nobody asked for. It is no latency.
const leadersMetric = "leaders_lost"

// lostMetric counts acknowledged messages that are not there. It is no latency.
const lostMetric = "lost_messages"

// drain is how long the worst of some storms would have taken in seconds, had
// it gone on at its rate after it was cut; infinite when nothing was done by then.
// That rate is one of writes, since groups end late: all of them make their first
// write before most make their second.
func drain(rounds []measure.Round) float64 {
	worst := 0.0
	for _, r := range rounds {
		d := r.Distribution
		switch {
		case d == nil:
		case r.Progress > 0:
			worst = max(worst, r.Elapsed/r.Progress)
		default:
			worst = max(worst, r.Elapsed*float64(d.Count()+d.Lost())/float64(d.Count()))
		}
	}
	return worst
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
	if bad := breaking(limit, rounds); len(bad) > 0 {
		return bad
	}
	return rounds
}

// breaking are the rounds that break a limit by themselves.
func breaking(limit *profiles.Limit, rounds []measure.Round) (bad []measure.Round) {
	for _, r := range rounds {
		x, ok := statOf(limit.Stat, r)
		if d := r.Distribution; ok && (!limit.Holds(x) || d != nil && d.Lost() > 0) {
			bad = append(bad, r)
		}
	}
	return bad
}
