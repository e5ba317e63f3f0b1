package results

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"golang.org/x/perf/benchmath"

	"storebench/internal/measure"
	"storebench/profiles"
)

// How sure a comparison wants to be.
const (
	// MinRounds is how many rounds each side needs. With 5 a side the exact
	// Mann–Whitney test can reach p = 0.008; with 3 it cannot go below 0.1.
	MinRounds = 5
	// Significant is below what an adjusted p-value shows a change.
	Significant = 0.05
	// MedianConfidence is the least that the interval of a median is asked for:
	// 5 rounds give 93.75 % from the least to the greatest, and never 95 %.
	MedianConfidence = 0.9
)

// comparisonSchema is the version of the comparison as it is written.
const comparisonSchema = 1

// Comparison is what differs between two sides of runs.
type Comparison struct {
	Schema int  `json:"comparison_schema"`
	Tool   Tool `json:"tool"`
	Base   Side `json:"base"`
	New    Side `json:"new"`
	// Threshold is the change for the worse that is a regression (0.2 is
	// 20 %); nil when nobody asked.
	Threshold   *float64     `json:"threshold,omitempty"`
	Differences []Difference `json:"differences,omitempty"`
	Changes     []Change     `json:"changes"`
	OnlyBase    []string     `json:"only_base,omitempty"` // figures that the other side does not have
	OnlyNew     []string     `json:"only_new,omitempty"`
	Warnings    []string     `json:"warnings,omitempty"`
}

// Side is the runs of one side.
type Side struct {
	Runs []RunName `json:"runs"`
}

// RunName says which run it is.
type RunName struct {
	ID      string    `json:"id"`
	Started time.Time `json:"started"`
	Path    string    `json:"path"` // of the volume
	Status  Status    `json:"status"`
}

// Change is a figure on both sides. Its rounds are the samples.
type Change struct {
	Step   string            `json:"step"` // its title
	Asked  string            `json:"asked,omitempty"`
	Metric string            `json:"metric"`
	Labels map[string]string `json:"labels,omitempty"`
	Stat   profiles.Stat     `json:"stat"`
	Unit   measure.Unit      `json:"unit"`
	Base   Sample            `json:"base"`
	New    Sample            `json:"new"`
	// Change is new over base less 1; nil when the base is 0.
	Change *float64 `json:"change,omitempty"`
	// P is the p-value of the two-sided Mann–Whitney test, Adjusted the same
	// after Benjamini and Hochberg over all figures; nil with too few rounds.
	P        *float64 `json:"p,omitempty"`
	Adjusted *float64 `json:"adjusted_p,omitempty"`
	Outcome  Outcome  `json:"outcome"`
	// Regression says that it is worse by more than the threshold.
	Regression bool `json:"regression,omitempty"`
}

// Sample is a figure of one side: the median of its rounds and its interval,
// whose ends are nil when there are too few rounds for one.
type Sample struct {
	Rounds int      `json:"rounds"`
	Median float64  `json:"median"`
	Low    *float64 `json:"low,omitempty"`
	High   *float64 `json:"high,omitempty"`
}

// Outcome is what a comparison says of a figure.
type Outcome string

// The outcomes.
const (
	Unchanged Outcome = "unchanged" // no change can be shown
	Better    Outcome = "better"
	Worse     Outcome = "worse"
	Changed   Outcome = "changed" // of a figure that has no good direction
	TooFew    Outcome = "too few" // rounds
)

// ErrNothingCommon is in the error of runs that share no figure.
var ErrNothingCommon = errors.New("nothing to compare")

// Compare holds the runs of two sides against each other, figure by figure.
// threshold may be nil.
func Compare(tool Tool, base, changed []*Run, threshold *float64) (*Comparison, error) {
	if err := errors.Join(distinct("base", base), distinct("new", changed)); err != nil {
		return nil, err
	}
	c := &Comparison{Schema: comparisonSchema, Tool: tool, Base: sideOf(base), New: sideOf(changed), Threshold: threshold}
	old, fresh := figuresOf(base), figuresOf(changed)
	for _, f := range old.order {
		other := fresh.byKey[f.key]
		if other == nil {
			c.OnlyBase = append(c.OnlyBase, f.name())
			continue
		}
		c.Changes = append(c.Changes, f.against(other))
	}
	for _, f := range fresh.order {
		if old.byKey[f.key] == nil {
			c.OnlyNew = append(c.OnlyNew, f.name())
		}
	}
	if len(c.Changes) == 0 {
		return nil, fmt.Errorf("%w: the two sides have no step with the same metric and parameters in common", ErrNothingCommon)
	}
	c.adjust()
	c.decide()
	c.Differences = differences(base, changed)
	c.Warnings = slices.Concat(caveats("base", base), caveats("new", changed))
	return c, nil
}

// distinct refuses a run that is given twice: its rounds would count as twice as
// many samples.
func distinct(side string, runs []*Run) error {
	seen := map[string]bool{}
	for _, run := range runs {
		if seen[run.ID] {
			return fmt.Errorf("run %s is given twice on the %s side", run.ID, side)
		}
		seen[run.ID] = true
	}
	return nil
}

func sideOf(runs []*Run) Side {
	var s Side
	for _, run := range runs {
		s.Runs = append(s.Runs, RunName{run.ID, run.Started, run.Volume.Path, Judge(run).Status})
	}
	return s
}

// figure is one statistic of a measurement, with a sample a round.
type figure struct {
	key    string
	change Change // what is known of it beforehand
	lower  bool   // less is better
	higher bool   // more is better
	values []float64
}

func (f *figure) name() string {
	return f.change.Step + " " + f.change.Metric + " " + f.change.Stat.String()
}

// figures are those of one side, in the order in which they come first.
type figures struct {
	order []*figure
	byKey map[string]*figure
}

func figuresOf(runs []*Run) figures {
	all := figures{byKey: map[string]*figure{}}
	for _, run := range runs {
		for _, i := range run.inOrder() {
			m := run.Measurements[i]
			for _, stat := range run.statsOf(m) {
				all.add(run, m, stat)
			}
		}
	}
	return all
}

// inOrder are the indexes of the measurements in the order of their steps; the
// rounds themselves ran in random order.
func (run *Run) inOrder() []int {
	order := make([]int, len(run.Measurements))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		return run.StepIndex(run.Measurements[a]) - run.StepIndex(run.Measurements[b])
	})
	return order
}

func (all *figures) add(run *Run, m measure.Measurement, stat profiles.Stat) {
	var values []float64
	for _, r := range m.Rounds {
		if x, ok := sampleOf(stat, r); ok {
			values = append(values, x)
		}
	}
	if len(values) == 0 {
		return
	}
	key := strings.Join([]string{m.Step, m.Probe, m.Metric, stat.String(), identity(m.Labels)}, "\x00")
	f := all.byKey[key]
	if f == nil {
		step := run.StepOf(m)
		f = &figure{key: key, change: Change{Step: step.Title(), Asked: step.Asked, Metric: m.Metric, Labels: m.Labels, Stat: stat, Unit: m.Unit}}
		if stat.Name == profiles.StatRate {
			f.change.Unit = measure.PerSecond
		}
		f.lower, f.higher = run.direction(m, stat, f.change.Unit)
		all.byKey[key] = f
		all.order = append(all.order, f)
	}
	f.values = append(f.values, values...)
}

func identity(labels map[string]string) string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		all = append(all, name+"="+labels[name])
	}
	return strings.Join(all, "\x01")
}

// statsOf are the statistics of a measurement that are worth comparing: the
// middle and the tail of latencies, and whatever a limit is about.
func (run *Run) statsOf(m measure.Measurement) []profiles.Stat {
	if m.Kind == measure.Harness || len(m.Rounds) == 0 { // how late the program was is no figure of the volume
		return nil
	}
	if m.Rounds[0].Distribution == nil {
		return []profiles.Stat{{Name: profiles.StatValue}}
	}
	stats := []profiles.Stat{{Name: profiles.StatQuantile, Quantile: .5}, {Name: profiles.StatQuantile, Quantile: .99}}
	labelled := run.StepOf(m).label(m)
	for i := range run.Profile.Limits {
		limit := &run.Profile.Limits[i]
		if limit.Matches(labelled, limit.Metric) && !slices.Contains(stats, limit.Stat) {
			stats = append(stats, limit.Stat)
		}
	}
	return stats
}

// direction says which way a figure gets better: as the limit about it has it,
// else as its unit does. Of a plain number nobody knows.
func (run *Run) direction(m measure.Measurement, stat profiles.Stat, unit measure.Unit) (lower, higher bool) {
	labelled := run.StepOf(m).label(m)
	for i := range run.Profile.Limits {
		limit := &run.Profile.Limits[i]
		if limit.Stat == stat && limit.Matches(labelled, limit.Metric) {
			return !upward(limit.Op), upward(limit.Op)
		}
	}
	switch unit {
	case measure.Seconds, measure.Bytes:
		return true, false
	case measure.PerSecond, measure.BytesPerSecond:
		return false, true
	}
	return false, false
}

// sampleOf takes a statistic of a round. Lost operations are the slowest; a
// quantile that falls among them is the longest that is known.
func sampleOf(stat profiles.Stat, r measure.Round) (float64, bool) {
	if r.Series != nil && len(r.Series.Values) > 0 {
		return slices.Sorted(slices.Values(r.Series.Values))[len(r.Series.Values)/2], true
	}
	x, ok := statOf(stat, r)
	if d := r.Distribution; ok && stat.Name == profiles.StatQuantile && d.Lost() > 0 {
		var f Finding
		if f.observeQuantile(d, stat.Quantile); f.Observed == nil {
			return 0, false
		}
		x = *f.Observed
	}
	return x, ok && finite(x) != nil
}

// against compares a figure with the same of the other side.
func (f *figure) against(other *figure) Change {
	c := f.change
	base, fresh := benchmath.NewSample(f.values, &benchmath.DefaultThresholds), benchmath.NewSample(other.values, &benchmath.DefaultThresholds)
	c.Base, c.New = summaryOf(base), summaryOf(fresh)
	if c.Base.Median != 0 {
		c.Change = finite(c.New.Median/c.Base.Median - 1)
	}
	if min(c.Base.Rounds, c.New.Rounds) < MinRounds {
		c.Outcome = TooFew
		return c
	}
	c.P = finite(benchmath.AssumeNothing.Compare(base, fresh).P)
	c.Outcome = f.towards(c.Base.Median, c.New.Median)
	return c
}

func summaryOf(s *benchmath.Sample) Sample {
	sum := benchmath.AssumeNothing.Summary(s, MedianConfidence)
	sample := Sample{Rounds: len(s.Values), Median: sum.Center}
	if low, high := finite(sum.Lo), finite(sum.Hi); low != nil && high != nil { // half an interval is none
		sample.Low, sample.High = low, high
	}
	return sample
}

// towards is what a change is called when it is real.
func (f *figure) towards(base, changed float64) Outcome {
	switch {
	case base == changed:
		return Unchanged
	case f.lower && changed < base, f.higher && changed > base:
		return Better
	case f.lower || f.higher:
		return Worse
	}
	return Changed
}

// adjust corrects the p-values for their number (Benjamini and Hochberg,
// Journal of the Royal Statistical Society B 57, 1995): of the changes that are
// called real, at most one in twenty is not on average.
func (c *Comparison) adjust() {
	var tested []*Change
	for i := range c.Changes {
		if c.Changes[i].P != nil {
			tested = append(tested, &c.Changes[i])
		}
	}
	slices.SortFunc(tested, func(a, b *Change) int { return cmp.Compare(*a.P, *b.P) })
	least := 1.0
	for i := len(tested) - 1; i >= 0; i-- {
		least = min(least, *tested[i].P*float64(len(tested))/float64(i+1))
		tested[i].Adjusted = new(least)
	}
}

// decide takes back what is not significant, and marks regressions.
func (c *Comparison) decide() {
	for i := range c.Changes {
		change := &c.Changes[i]
		if change.Adjusted != nil && *change.Adjusted >= Significant {
			change.Outcome = Unchanged
		}
		change.Regression = c.Threshold != nil && change.Outcome == Worse && change.factor() > 1+*c.Threshold
	}
}

// factor is how many times the greater of the two medians is the smaller.
func (c Change) factor() float64 {
	low, high := min(c.Base.Median, c.New.Median), max(c.Base.Median, c.New.Median)
	if low <= 0 {
		return math.Inf(1)
	}
	return high / low
}

// Count is how many figures ended in some way.
func (c *Comparison) Count(is func(Change) bool) (n int) {
	for _, change := range c.Changes {
		if is(change) {
			n++
		}
	}
	return n
}

// Status is what a gate says: fail with a regression, inconclusive when there
// is none and a figure has too few rounds to tell, else pass.
func (c *Comparison) Status() Status {
	switch {
	case c.Count(func(x Change) bool { return x.Regression }) > 0:
		return Fail
	case c.Count(func(x Change) bool { return x.Outcome == TooFew }) > 0:
		return Inconclusive
	}
	return Pass
}
