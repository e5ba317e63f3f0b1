package results

import (
	"fmt"
	"math"
	"strings"
	"time"

	"storebench/internal/measure"
	"storebench/profiles"
)

// What is known of an operation is an interval: one that ended took its latency, one
// that failed is beyond every bound, and one that was given up took at least as long as
// it had been under way. So a statistic is an interval too, and either it keeps a bound
// at both ends, or it breaks it at both, or it straddles it.

// known is the interval that a statistic of a round lies in by what is known of its
// operations.
type known struct{ low, high float64 }

// estimate holds a limit's statistic against rounds.
func (f *Finding) estimate(limit *profiles.Limit, m measure.Measurement, step Step) {
	tooLittle := false // data, whatever became of the operations that were given up
	switch limit.Stat.Name {
	case profiles.StatQuantile:
		tooLittle = f.quantile(limit, m.Rounds)
	case profiles.StatMax, profiles.StatValue:
		f.everyRound(limit, m.Rounds)
	case profiles.StatMin, profiles.StatMean, profiles.StatRate:
		if limit.Stat.Name == profiles.StatRate {
			f.Unit = measure.PerSecond
		}
		tooLittle = f.overRounds(limit, m.Rounds)
	default:
		f.Reason = fmt.Sprintf("the statistic %q is unknown to this program", limit.Stat.Name)
	}
	if !tooLittle {
		f.givenUp(limit, m, step)
	}
}

// decide sets the status from what is certain about a bound.
func (f *Finding) decide(holds, broken bool, undecided string) {
	switch {
	case holds:
		f.Status, f.Reason = Pass, "met"
	case broken:
		f.Status, f.Reason = Fail, "over the limit"
		if f.Limit != nil && upward(f.Limit.Op) {
			f.Reason = "under the limit"
		}
	default:
		f.Status, f.Undecided, f.Reason = Inconclusive, true, undecided
	}
}

// quantile judges p99 < B as: the share of operations beyond B is at most 1 %. It says
// whether there are too few of them to tell, whatever became of those that were given up.
// Where all operations do not show that it holds, those that the machine did not disturb
// may: it makes operations slower, never quicker.
func (f *Finding) quantile(limit *profiles.Limit, rounds []measure.Round) (tooLittle bool) {
	ds := distributions(rounds)
	if len(ds) == 0 {
		f.NoData, f.Reason = true, "no data: no operation was measured"
		return false
	}
	all := shareBeyond(limit, ds)
	if all.holds || upward(limit.Op) {
		f.tellQuantile(limit, ds, all)
		return all.tooLittle
	}
	kept, aside := undisturbed(limit, rounds)
	quiet := shareBeyond(limit, kept)
	if quiet.holds {
		quantile, _ := quantileOf(merged(ds), limit.Stat.Quantile)
		f.tellQuantile(limit, kept, quiet)
		f.Reason += fmt.Sprintf("; %s, and with them %v is %.3g ms", asideWords(aside), limit.Stat, 1e3*quantile)
		return false
	}
	f.tellQuantile(limit, ds, all)
	if f.Status == Inconclusive && aside.Operations > 0 {
		f.Reason += "; " + asideWords(aside)
		if quiet.effective > 0 {
			f.Reason += fmt.Sprintf(", and %.2f %% of the others were over the limit (worth %.0f independent operations)", 100*quiet.observed, quiet.effective)
		}
	}
	return all.tooLittle
}

// beyondShare is what share of operations is beyond a bound, and what that says.
type beyondShare struct {
	measure.Interval
	effective, observed float64
	holds, broken       bool
	tooLittle           bool // data, whatever became of the operations that were given up
}

// shareBeyond holds operations against a limit on a quantile.
func shareBeyond(limit *profiles.Limit, ds []*measure.Distribution) beyondShare {
	s := beyondShare{tooLittle: true}
	s.Interval, s.effective, s.observed = measure.ShareBeyond(ds, limit.Bound)
	allowed := 1 - limit.Stat.Quantile
	kept := func(share measure.Interval) (holds, broken bool) {
		if upward(limit.Op) {
			return share.Low >= allowed, share.High < allowed
		}
		return share.High <= allowed, share.Low > allowed
	}
	s.holds, s.broken = kept(s.Interval)
	whole := merged(ds)
	certain, possible := whole.Exceeding(limit.Bound)
	for _, n := range []int64{certain, possible} { // had they ended in time, or had none
		part := float64(n) / float64(whole.Count()+whole.Lost())
		if holds, broken := kept(measure.BinomialInterval(part*s.effective, s.effective)); holds || broken {
			s.tooLittle = false
		}
	}
	return s
}

// tellQuantile sets the finding by a share of operations.
func (f *Finding) tellQuantile(limit *profiles.Limit, ds []*measure.Distribution, s beyondShare) {
	whole := merged(ds)
	f.observeQuantile(whole, limit.Stat.Quantile)
	f.interval(measure.QuantileInterval(ds, limit.Stat.Quantile))
	f.Effective = s.effective
	f.decide(s.holds, s.broken, fmt.Sprintf(
		"not enough data: %.2f %% of the operations were over the limit (95 %% CI %.2f to %.2f %%), and it allows %.2f %%; worth %.0f independent operations",
		100*s.observed, 100*s.Low, 100*s.High, 100*(1-limit.Stat.Quantile), s.effective))
	if told := lostWords(whole); told != "" {
		f.Reason += fmt.Sprintf("; %s, which counts against the limit", told)
	}
}

// undisturbed are the operations of rounds that the machine did not disturb, and what
// was set aside for it.
func undisturbed(limit *profiles.Limit, rounds []measure.Round) (kept []*measure.Distribution, aside measure.Aside) {
	for _, r := range rounds {
		d, one := r.Undisturbed(limit.Bound)
		if d != nil && d.Count()+d.Lost() > 0 {
			kept = append(kept, d)
		}
		aside.Add(one)
	}
	return kept, aside
}

// asideWords says what was set aside.
func asideWords(a measure.Aside) string {
	return fmt.Sprintf("%s of %s operations are not counted: this process had no CPU for %.2f s in %s of 100 ms",
		measure.Grouped(a.Operations), measure.Grouped(a.Of), a.Seconds, counted(a.Slices, "slice"))
}

// everyRound judges statistics that must hold in each round: the longest operation, and
// single values.
func (f *Finding) everyRound(limit *profiles.Limit, rounds []measure.Round) {
	worst, n, broken, straddles, lost := math.NaN(), 0, false, false, &measure.Distribution{}
	for _, r := range rounds {
		x, ok := statOf(limit.Stat, r)
		if !ok {
			continue
		}
		n++
		if math.IsNaN(worst) || further(limit, x, worst) {
			worst = x
		}
		at := knownOf(limit.Stat, r)
		low, high := limit.Holds(at.low), limit.Holds(at.high)
		broken = broken || !low && !high || beyondEveryBound(r.Distribution)
		straddles = straddles || low != high
		if r.Distribution != nil {
			lost.AddLost(r.Distribution)
			lost.Clamped += r.Distribution.Clamped
		}
	}
	if n == 0 {
		f.NoData, f.Reason = true, "no data: no round measured this"
		return
	}
	f.observe(worst)
	f.decide(!broken && !straddles, broken, "the longest operation did not finish")
	f.Reason = fmt.Sprintf("%s in the worst of %s", f.Reason, counted(n, "round"))
	if told := lostWords(lost); told != "" {
		f.AtLeast = f.Observed != nil
		f.Reason = told + ", which counts against the limit"
	}
	f.stalls(rounds)
}

// overRounds judges a statistic by its t-interval over the rounds. It says whether the
// rounds are too few to tell, whatever became of the operations that were given up.
func (f *Finding) overRounds(limit *profiles.Limit, rounds []measure.Round) (tooLittle bool) {
	var values, low, high []float64
	for _, r := range rounds {
		if x, ok := statOf(limit.Stat, r); ok {
			at := knownOf(limit.Stat, r)
			values, low, high = append(values, x), append(low, at.low), append(high, at.high)
		}
	}
	if len(values) == 0 {
		f.NoData, f.Reason = true, "no data: no round measured this"
		return false
	}
	f.observe(average(values))
	interval := measure.Interval{
		Low:  max(0, measure.MeanInterval(low).Low), // nothing that is measured is below 0
		High: math.Inf(1),
	}
	if !math.IsInf(average(high), 1) {
		interval.High = measure.MeanInterval(high).High
	}
	f.interval(interval)
	holds := limit.Holds(interval.Low) && limit.Holds(interval.High)
	broken := !limit.Holds(interval.Low) && !limit.Holds(interval.High)
	whole := merged(distributions(rounds))
	told := lostWords(whole)
	if told == "" || limit.Stat.Name == profiles.StatRate {
		f.decide(holds, broken, fmt.Sprintf("not enough data: the limit lies within the 95 %% CI over %s", counted(len(values), "round")))
		return true
	}
	broken = broken || limit.Stat.Name == profiles.StatMean && beyondEveryBound(whole)
	f.decide(holds && !broken, broken, "")
	f.AtLeast = f.Observed != nil && limit.Stat.Name == profiles.StatMean
	f.Reason = told + ", which counts against the limit"
	ended := measure.MeanInterval(low) // had they ended when they were given up
	return limit.Holds(ended.Low) != limit.Holds(ended.High)
}

// beyondEveryBound says whether operations of a round failed, could not be sent, or took
// longer than can be recorded.
func beyondEveryBound(d *measure.Distribution) bool {
	return d != nil && d.Failed+d.Missed+d.Clamped > 0
}

// knownOf is the interval of a statistic of one round that has one: where operations
// were given up, all that is known of them is that they took longer than until then.
func knownOf(stat profiles.Stat, r measure.Round) known {
	x, _ := statOf(stat, r)
	d := r.Distribution
	if d == nil || d.Unfinished == 0 {
		return known{x, x}
	}
	switch stat.Name {
	case profiles.StatMax:
		if d.Count() == 0 || x > d.Max() {
			x = math.Nextafter(x, math.Inf(1)) // longer than the time after which it was given up
		}
		return known{x, math.Inf(1)}
	case profiles.StatMean:
		sum, n := 0.0, float64(d.Count()+d.Unfinished)
		if d.Count() > 0 {
			sum = d.Mean() * float64(d.Count())
		}
		return known{(sum + d.UnderWay()) / n, math.Inf(1)}
	case profiles.StatMin:
		shortest := 0.0
		if len(d.GivenUp) > 0 {
			shortest = d.GivenUp[0].Seconds
		}
		if d.Count() == 0 {
			return known{shortest, math.Inf(1)}
		}
		return known{min(x, shortest), x}
	}
	return known{x, x}
}

// givenUp says why a limit is not decided where operations were given up before its
// bound: no second look can tell, unless it lasts longer.
func (f *Finding) givenUp(limit *profiles.Limit, m measure.Measurement, step Step) {
	all := merged(distributions(m.Rounds))
	certain, possible := all.Exceeding(limit.Bound)
	if f.Status != Inconclusive || limit.Stat.Name == profiles.StatRate || certain == possible {
		return
	}
	f.Undecided = false
	after := "some"
	if len(all.GivenUp) > 0 {
		after = time.Duration(all.GivenUp[len(all.GivenUp)-1].Seconds * float64(time.Second)).Round(100 * time.Millisecond).String()
	}
	f.Reason = fmt.Sprintf("%s within %s, when they were given up, and the limit is longer", lostWords(all), after)
	if m.Until != "" {
		f.Reason += fmt.Sprintf(": --set %s.%s=%v lets them go on", step.Probe, m.Until, time.Duration(math.Round(limit.Bound*float64(time.Second))))
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
	most := d.Max()
	if len(d.Stalls) > 0 {
		most = fmax(most, d.Stalls[0].Seconds)
	}
	if n := len(d.GivenUp); n > 0 {
		most = fmax(most, d.GivenUp[n-1].Seconds)
	}
	return most
}

// fmax is the larger of two, and the other where one is no number.
func fmax(x, y float64) float64 {
	if math.IsNaN(x) || y > x {
		return y
	}
	return x
}

// upward says whether more is better for a limit.
func upward(op profiles.Op) bool { return op == profiles.Greater || op == profiles.GreaterEqual }

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
			if len(words) == 0 {
				lost.what = "operations " + lost.what
			}
			words = append(words, fmt.Sprintf("%s %s", measure.Grouped(lost.n), lost.what))
		}
	}
	if len(words) == 0 {
		return ""
	}
	return strings.Join(words, ", ")
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
// more is better. Of a value that was cut it is known only where that breaks the bound.
func (f *Finding) headroom(limit *profiles.Limit) {
	if f.Observed == nil || *f.Observed <= 0 || limit.Bound <= 0 {
		return
	}
	ratio := limit.Bound / *f.Observed
	if upward(limit.Op) {
		ratio = 1 / ratio
	}
	if f.AtLeast && (ratio >= 1 || upward(limit.Op)) {
		return
	}
	f.Headroom = finite(ratio)
}
