package measure

import (
	"encoding/json"
	"fmt"
	"math"

	"github.com/montanaflynn/stats"
	"gonum.org/v1/gonum/stat/distuv"
)

// How sure one wants to be. Two one-sided looks at 97.5 % make an interval of
// 95 %.
const (
	confidence = 0.975
	// fewExceed is below how many operations on one side of a bound these say
	// too little themselves about how they come in clusters.
	fewExceed = 10
	// minBlocks is how many runs of slices an estimate of variance needs.
	minBlocks = 16
	// poolBelow is the level of the preliminary test on whether rounds differ
	// by more than their slices explain. It is lenient, since overlooking a
	// difference costs more than allowing for one: Bancroft (Biometrics 20,
	// 1964) advises 0.25 at least, and with 3 to 5 rounds simulations need 0.5.
	poolBelow = 0.5
	// clearBelow is the level of that test where rounds are compared far from
	// the bound, so that a chance difference there costs nothing.
	clearBelow = 0.05
)

// Interval is what a figure lies in with 95 % confidence (97.5 % on each side).
// An end that is not known is infinite, and null in JSON. Its unit is the figure's.
type Interval struct{ Low, High float64 }

type intervalWire struct {
	Low  *float64 `json:"low"`
	High *float64 `json:"high"`
}

// MarshalJSON writes {"low": …, "high": …} with null for an infinite end.
func (i Interval) MarshalJSON() ([]byte, error) {
	var w intervalWire
	if !math.IsInf(i.Low, 0) && !math.IsNaN(i.Low) {
		w.Low = &i.Low
	}
	if !math.IsInf(i.High, 0) && !math.IsNaN(i.High) {
		w.High = &i.High
	}
	return json.Marshal(w)
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (i *Interval) UnmarshalJSON(text []byte) error {
	var w intervalWire
	if err := json.Unmarshal(text, &w); err != nil {
		return fmt.Errorf("read interval: %w", err)
	}
	read := Interval{math.Inf(-1), math.Inf(1)}
	if w.Low != nil {
		read.Low = *w.Low
	}
	if w.High != nil {
		read.High = *w.High
	}
	if read.Low > read.High {
		return fmt.Errorf("read interval: low %v is above high %v", read.Low, read.High)
	}
	*i = read
	return nil
}

// EffectiveNeeded returns how many independent operations, none of them beyond,
// show that at most the share 1-q lies beyond a bound: the least n with
// qⁿ ≤ 0.025. It is 368 for p99 and 3688 for p99.9, and 1 for q ≤ 0.025.
func EffectiveNeeded(q float64) int {
	switch {
	case q >= 1 || math.IsNaN(q):
		return math.MaxInt
	case q <= 0:
		return 1
	}
	return max(1, int(math.Ceil(math.Log(1-confidence)/math.Log(q))))
}

// ShareBeyond returns what share of operations takes longer than bound seconds:
// the interval (Clopper and Pearson, Biometrika 26, 1934, on the effective
// number of operations), that number, and the share observed. Failed and missed
// operations count as beyond, and those that were given up as Exceeding has it: its low
// end counts what certainly is beyond, its high end and the share what possibly is.
// Without any operation the interval is 0 to 1, the effective number 0 and the observed
// share NaN.
//
// The interval speaks for what the rounds could see. Slow operations that come
// in bursts so rare that no round met one are outside of it, whatever the
// method; longest stalls are to be judged beside it.
func ShareBeyond(rounds []*Distribution, bound float64) (share Interval, effective, observed float64) {
	beyond, total := tally(rounds, bound)
	if total == 0 {
		return Interval{0, 1}, 0, math.NaN()
	}
	observed = beyond / total
	effective = total / DesignEffect(rounds, bound)
	share = BinomialInterval(observed*effective, effective)
	certain := 0.0
	for _, d := range rounds {
		if d != nil {
			n, _ := d.Exceeding(bound)
			certain += float64(n)
		}
	}
	if certain < beyond {
		share.Low = BinomialInterval(certain/total*effective, effective).Low
	}
	return share, effective, observed
}

// BinomialInterval is Clopper and Pearson's interval of a share of which k of n
// were seen, 97.5 % a side; they need not be whole.
func BinomialInterval(k, n float64) Interval {
	i := Interval{0, 1}
	if k > 0 {
		i.Low = distuv.Beta{Alpha: k, Beta: n - k + 1}.Quantile(1 - confidence)
	}
	if k < n {
		i.High = distuv.Beta{Alpha: k + 1, Beta: n - k}.Quantile(confidence)
	}
	return i
}

// QuantileInterval returns the interval of the quantile q (0 to 1) in seconds,
// for display. It is read off the observed quantiles at the ends of the
// interval of the share; an end that too few operations support is infinite.
func QuantileInterval(rounds []*Distribution, q float64) Interval {
	unknown := Interval{math.Inf(-1), math.Inf(1)}
	all, total := pool(rounds)
	if total == 0 || !(q > 0 && q < 1) {
		return unknown
	}
	effective := total / DesignEffect(rounds, all.quantile(q))
	share := BinomialInterval((1-q)*effective, effective)
	i := Interval{all.quantile(1 - share.High), all.quantile(1 - share.Low)}
	if effective < float64(EffectiveNeeded(q)) {
		i.High = unknown.High
	}
	if effective < float64(EffectiveNeeded(1-q)) {
		i.Low = 0 // no operation takes less
	}
	return i
}

// MeanInterval returns the interval of the mean of values, one a round, by
// Student's t. A single value says nothing of the spread: its interval is
// infinite.
func MeanInterval(values []float64) Interval {
	mean, err := stats.Mean(values)
	if err != nil || len(values) < 2 {
		return Interval{math.Inf(-1), math.Inf(1)}
	}
	deviation, err := stats.StandardDeviationSample(values)
	if err != nil {
		return Interval{math.Inf(-1), math.Inf(1)}
	}
	n := float64(len(values))
	half := studentT(n-1) * deviation / math.Sqrt(n)
	return Interval{mean - half, mean + half}
}

// NextInterval is where one more of such values lies, with 99.9 % confidence a
// side: many measurements of a run are asked at once, and few may be wrong. It is
// infinite for less than two values. It is the prediction interval of a normal
// distribution (Hahn and Meeker, Statistical Intervals, 1991).
func NextInterval(values []float64) Interval {
	mean, err := stats.Mean(values)
	if err != nil || len(values) < 2 {
		return Interval{math.Inf(-1), math.Inf(1)}
	}
	deviation, err := stats.StandardDeviationSample(values)
	if err != nil {
		return Interval{math.Inf(-1), math.Inf(1)}
	}
	n := float64(len(values))
	t := distuv.StudentsT{Mu: 0, Sigma: 1, Nu: n - 1}.Quantile(0.999)
	half := t * deviation * math.Sqrt(1+1/n)
	return Interval{mean - half, mean + half}
}

func studentT(freedom float64) float64 {
	return distuv.StudentsT{Mu: 0, Sigma: 1, Nu: freedom}.Quantile(confidence)
}

// DesignEffect returns by how much (at least 1) the variance of the share of
// operations beyond bound seconds exceeds that of as many independent ones.
// The number of operations divided by it is the effective number (Kish, Survey
// Sampling, 1965).
//
// It is the greatest of the ratio estimator's variances between slices, between
// runs of 2, 4, 8 … slices (a burst may be longer than a slice), and between
// rounds. Few clusters make a noisy variance, so each is widened as Korn and
// Graubard (Survey Methodology 24, 1998) do, by the square of Student's t over
// the normal quantile; for rounds only when they differ by more than their
// slices explain, because with 3 of them that factor is near 5.
//
// Where none or all exceed, or fewer than 10 do or do not, the operations about
// the bound cannot tell how they cluster, and their nearest neighbours are
// asked, which are beyond the geometric mean of the bound and the p90 of the
// middle round, or where these are not 10, the 10 slowest of all:
//   - between the slices of each round. How their share drifts from one round
//     to the next is left out here: a body that is 10 % slower in one round says
//     nothing of a tail a hundred times further out;
//   - between rounds, where these clearly differ by more than their slices
//     explain: when one round went halfway to the bound and the others did not,
//     that does say something of the tail.
//
// The p90 itself would be the wrong neighbour: how operations of some
// microseconds cluster depends on what else the machine does, and in rounds of a few
// seconds that alone would leave no volume enough operations.
func DesignEffect(rounds []*Distribution, bound float64) float64 {
	beyond, total := tally(rounds, bound)
	effect := clusterEffect(rounds, bound)
	if min(beyond, total-beyond) < fewExceed {
		all, _ := pool(rounds)
		halfway := math.Sqrt(typicalP90(rounds) * bound)
		near := min(halfway, all.quantile(max(0, 1-fewExceed/total)))
		effect = max(effect, nearEffect(rounds, near), driftEffect(rounds, halfway))
	}
	return min(max(effect, 1), max(total, 1))
}

// clusterEffect is the design effect of the share beyond bound, 0 where none
// or all exceed.
func clusterEffect(rounds []*Distribution, bound float64) float64 {
	if math.IsNaN(bound) || math.IsInf(bound, 0) {
		return 0
	}
	bySlices, clusters := 0.0, 0
	edge := nearestEdge(rounds, bound)
	for span := 1; ; span *= 2 {
		blocks := sliceClusters(rounds, edge, span)
		if span > 1 && len(blocks) < minBlocks || span > maxSlices {
			break
		}
		if effect := widened(ratioEffect(blocks), freedom(blocks)); effect > bySlices {
			bySlices, clusters = effect, len(blocks)
		}
	}
	whole := roundClusters(rounds, bound)
	byRounds := ratioEffect(whole)
	if len(whole) > 1 && differ(byRounds, max(bySlices, 1), len(whole), clusters, poolBelow) {
		byRounds = widened(byRounds, float64(len(whole)-1))
	}
	return max(bySlices, byRounds)
}

// differ reports whether the variance between rounds exceeds that between
// slices by more than chance at a level.
func differ(byRounds, bySlices float64, rounds, clusters int, level float64) bool {
	within := max(clusters-rounds, 1)
	f := distuv.F{D1: float64(rounds - 1), D2: float64(within)}
	return byRounds/bySlices > f.Quantile(1-level)
}

// driftEffect is the design effect of the share beyond a latency between
// rounds, 0 where they do not clearly differ.
func driftEffect(rounds []*Distribution, latency float64) float64 {
	if math.IsNaN(latency) || math.IsInf(latency, 0) {
		return 0
	}
	whole := roundClusters(rounds, latency)
	blocks := sliceClusters(rounds, nearestEdge(rounds, latency), 1)
	byRounds, bySlices := ratioEffect(whole), ratioEffect(blocks)
	if len(whole) < 2 || !differ(byRounds, max(bySlices, 1), len(whole), len(blocks), clearBelow) {
		return 0
	}
	return byRounds
}

// widened makes up for a variance that was estimated with few degrees of
// freedom.
func widened(effect, freedom float64) float64 {
	if !(freedom > 0) {
		return effect
	}
	ratio := studentT(freedom) / distuv.UnitNormal.Quantile(confidence)
	return effect * ratio * ratio
}

// freedom is how many degrees of freedom the variance between clusters has:
// one less than there are clusters when all contribute alike, and 2 for each
// burst when a few bursts make nearly all of it (Satterthwaite, Biometrics
// Bulletin 2, 1946, with the clusters' own fourth moment).
func freedom(clusters []cluster) float64 {
	all := sumTotals(clusters)
	share, squares, fourths := all.beyond/all.total, 0.0, 0.0
	for _, c := range clusters {
		e := c.beyond - share*c.total
		squares += e * e
		fourths += e * e * e * e
	}
	if fourths == 0 {
		return 0
	}
	return min(2*squares*squares/fourths, float64(len(clusters)-1))
}

// nearEffect is the design effect of the share beyond a latency between the
// slices of each round about that round's own share.
func nearEffect(rounds []*Distribution, latency float64) float64 {
	if math.IsNaN(latency) || math.IsInf(latency, 0) {
		return 0
	}
	edge := nearestEdge(rounds, latency)
	squares, binomial := 0.0, 0.0
	for _, d := range rounds {
		s := sumOf(sliceClusters([]*Distribution{d}, edge, 1))
		squares += s.squares
		binomial += s.binomial
	}
	if binomial == 0 {
		return 0
	}
	return squares / binomial
}

// typicalP90 is the median of the rounds' own p90, so that one slow round does
// not hide behind its own slowness.
func typicalP90(rounds []*Distribution) float64 {
	var all []float64
	for _, d := range rounds {
		if d != nil && d.Count() > 0 {
			all = append(all, d.Quantile(0.9))
		}
	}
	median, err := stats.Median(all)
	if err != nil {
		return math.NaN()
	}
	return median
}

// cluster is operations that were measured close together.
type cluster struct{ total, beyond float64 }

// spread is the variance of the clusters' shares and that of independent
// operations, both times the square of the number of operations.
type spread struct{ squares, binomial float64 }

// sumOf is the ratio estimator's variance (Cochran, Sampling Techniques, 1977,
// chapter 6) beside the binomial one; both are 0 where none or all exceed.
func sumOf(clusters []cluster) spread {
	all := sumTotals(clusters)
	if len(clusters) < 2 || all.beyond <= 0 || all.beyond >= all.total {
		return spread{}
	}
	share, squares := all.beyond/all.total, 0.0
	for _, c := range clusters {
		e := c.beyond - share*c.total
		squares += e * e
	}
	n := float64(len(clusters))
	return spread{squares * n / (n - 1), all.total * share * (1 - share)}
}

func ratioEffect(clusters []cluster) float64 {
	s := sumOf(clusters)
	if s.binomial == 0 {
		return 0
	}
	return s.squares / s.binomial
}

// sliceClusters returns the runs of span slices of every round. Operations
// without a latency have no time either; they make one cluster a round, since
// that is how a volume that hangs loses them.
func sliceClusters(rounds []*Distribution, edge, span int) []cluster {
	var all []cluster
	for _, d := range rounds {
		if d == nil {
			continue
		}
		last := -1
		for _, s := range d.slices {
			if run := s.index / span; run != last {
				all, last = append(all, cluster{}), run
			}
			c := &all[len(all)-1]
			c.total += float64(s.count)
			c.beyond += float64(s.beyond(edge))
		}
		if lost := float64(d.Lost()); lost > 0 {
			all = append(all, cluster{lost, lost})
		}
	}
	return all
}

func roundClusters(rounds []*Distribution, bound float64) []cluster {
	var all []cluster
	for _, d := range rounds {
		if d != nil && d.Count()+d.Lost() > 0 {
			all = append(all, cluster{float64(d.Count() + d.Lost()), float64(d.Beyond(bound) + d.Lost())})
		}
	}
	return all
}

// tally counts the operations beyond bound and all.
func tally(rounds []*Distribution, bound float64) (beyond, total float64) {
	for _, c := range roundClusters(rounds, bound) {
		beyond += c.beyond
		total += c.total
	}
	return beyond, total
}

// nearestEdge returns the edge of the coarse histogram's bucket about a latency
// beyond which the share of operations is nearest to the share beyond the
// latency itself. An edge that parts none from none is avoided.
func nearestEdge(rounds []*Distribution, bound float64) int {
	nanos := int64(min(max(bound*1e9, 0), float64(maxLatency)))
	below := coarseIndex(nanos)
	beyond, total := tally(rounds, bound)
	best, distance := below, math.Inf(1)
	for _, edge := range []int{below, below + 1} {
		s := sumTotals(sliceClusters(rounds, edge, 1))
		apart := math.Abs(s.beyond - beyond)
		if s.beyond == 0 || s.beyond == s.total {
			apart += total
		}
		if apart < distance {
			best, distance = edge, apart
		}
	}
	return best
}

func sumTotals(clusters []cluster) (all cluster) {
	for _, c := range clusters {
		all.total += c.total
		all.beyond += c.beyond
	}
	return all
}

// pooled is the operations of all rounds, the lost ones as infinitely slow.
type pooled struct {
	*Distribution
	total float64
}

func pool(rounds []*Distribution) (pooled, float64) {
	all := &Distribution{}
	for _, d := range rounds {
		_ = all.Merge(d) // counts that overflow 63 bits were refused on reading
	}
	p := pooled{all, float64(all.Count() + all.Lost())}
	return p, p.total
}

func (p pooled) quantile(q float64) float64 {
	rank := q * p.total
	if rank > float64(p.Count()) {
		return math.Inf(1)
	}
	return p.Quantile(rank / float64(p.Count()))
}
