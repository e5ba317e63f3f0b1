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
)

// A volume that lives on a burst credit is fast until the credit is spent. The
// figures of a run that spent it in its middle are of two volumes, and the
// limits may hold for their mixture: so such a run never passes without a
// warning.
const (
	// slowdown is from when on a change of pace is told: more than the noise of
	// shared disks, less than what credits of cloud volumes make (their base
	// rates are a fifth of the burst and less).
	slowdown = 3.0
	// unhurried is what an operation must take after the change, in seconds: at less
	// than a millisecond each, the etcd recipe's bound is kept ten times over, and on a
	// shared machine 50 µs become 200 for reasons that are none of the volume's.
	unhurried = 1e-3
	// evenBefore and evenAfter are how many of the slices before and after must
	// lie on their own side of the change: a stall is no change of pace, and a
	// credit that fills up between two steps is spent again at once.
	evenBefore, evenAfter = 0.9, 0.7
	// fewSlices is how many slices a side must have.
	fewSlices = 3
	// maxSplits bounds the work on a long run.
	maxSplits = 128
)

// moment is a slice of a round.
type moment struct {
	at      float64 // seconds since the start of the run
	since   float64 // seconds since the start of its round
	round   int
	count   int64
	width   float64 // seconds
	latency float64 // median, seconds
	starved bool    // the machine kept much of its processors from the round
}

// change is a change of pace: what is slower from a moment on, to the end.
type change struct {
	step          Step
	metric        string
	at            float64 // seconds since the start of the run, or of each round
	inRounds      bool    // every round begins fast and ends slow
	before, after float64 // operations a second
	ratio         float64 // of the median latencies
	slow          []measure.Round
}

// pace warns where a volume got slower and stayed slow. Only steps that go as
// fast as they can are asked: a rate that is given hides it.
func pace(run *Run) []Finding {
	var across, within []change
	for _, m := range run.Measurements {
		step := run.StepOf(m)
		if m.Unit != measure.Seconds || step.Loop == measure.AtRate {
			continue
		}
		moments := momentsOf(run, m)
		if c, ok := changeOf(moments, func(a moment) float64 { return a.at }); ok {
			across = append(across, c.of(step, m, moments))
		} else if c, ok := changeOf(moments, func(a moment) float64 { return a.since }); ok {
			c.inRounds = true
			within = append(within, c.of(step, m, moments))
		}
	}
	if all := append(lasting(run, across), within...); len(all) > 0 {
		return []Finding{paceFinding(run, all)}
	}
	return nil
}

// momentsOf are the slices of a measurement.
func momentsOf(run *Run, m measure.Measurement) []moment {
	var all []moment
	for i, r := range m.Rounds {
		if r.Distribution == nil {
			continue
		}
		starved := r.Context.CPULost() >= cause.CPUMuch
		start := r.Start.Sub(run.Started).Seconds()
		for _, s := range r.Distribution.Slices() {
			all = append(all, moment{start + s.Start, s.Start, i, s.Count, s.Width, s.Median, starved})
		}
	}
	return all
}

// changeOf finds the moment from which on operations are slower and stay so. It
// sorts the moments by the time that by gives. What is slow while the machine
// keeps its processors from us may be the machine's doing, so it does not count.
func changeOf(moments []moment, by func(moment) float64) (best change, found bool) {
	slices.SortStableFunc(moments, func(a, b moment) int { return cmp.Compare(by(a), by(b)) })
	var early, late sorted
	for _, a := range moments {
		if !a.starved {
			late.add(a.latency)
		}
	}
	most, at := 0.0, 0
	every := max(1, len(moments)/maxSplits)
	for i, a := range moments {
		// The same slice of another round is on the same side.
		if i%every == 0 && i >= fewSlices && len(late) >= fewSlices && by(a) > by(moments[i-1]) {
			if clear, is := clearly(early, late); is && clear > most {
				most, at = clear, i
				best = change{at: by(a), ratio: late.median() / early.median()}
			}
		}
		early.add(a.latency)
		if !a.starved {
			late.remove(a.latency)
		}
	}
	if most == 0 {
		return change{}, false
	}
	best.before, best.after = perSecond(moments[:at]), perSecond(moments[at:])
	return best, true
}

// clearly says whether latencies changed their pace between early and late, and
// how clearly.
func clearly(early, late sorted) (clear float64, is bool) {
	before := early.median()
	if before <= 0 || late.median() < max(unhurried, slowdown*before) {
		return 0, false
	}
	even, slow := 1-early.above(2*before), late.above(2*before)
	return even + slow, even >= evenBefore && slow >= evenAfter
}

// sorted are latencies in ascending order.
type sorted []float64

func (s *sorted) add(latency float64) {
	at, _ := slices.BinarySearch(*s, latency)
	*s = slices.Insert(*s, at, latency)
}

func (s *sorted) remove(latency float64) {
	at, _ := slices.BinarySearch(*s, latency)
	*s = slices.Delete(*s, at, at+1)
}

func (s sorted) median() float64 { return s[len(s)/2] }

// above is the share of latencies beyond one.
func (s sorted) above(latency float64) float64 {
	n, _ := slices.BinarySearch(s, math.Nextafter(latency, math.Inf(1)))
	return float64(len(s)-n) / float64(len(s))
}

// perSecond is how many operations there were a second.
func perSecond(moments []moment) float64 {
	count, width := int64(0), 0.0
	for _, a := range moments {
		count, width = count+a.count, width+a.width
	}
	return float64(count) / width
}

// of completes a change with what it is a change of.
func (c change) of(step Step, m measure.Measurement, moments []moment) change {
	c.step, c.metric = step, m.Metric
	for i, r := range m.Rounds {
		if slices.ContainsFunc(moments, func(a moment) bool {
			return a.round == i && (c.inRounds && a.since >= c.at || !c.inRounds && a.at >= c.at)
		}) {
			c.slow = append(c.slow, r)
		}
	}
	return c
}

// lasting keeps the changes that are not of one round alone: those that a second
// round shows too, or another step.
func lasting(run *Run, all []change) []change {
	steps := map[string]bool{}
	for _, c := range all {
		steps[c.step.Title()] = true
	}
	if len(steps) > 1 {
		return all
	}
	return slices.DeleteFunc(all, func(c change) bool { return len(c.slow) < 2 })
}

// paceFinding tells of changes, the largest first.
func paceFinding(run *Run, all []change) Finding {
	slices.SortStableFunc(all, func(a, b change) int { return cmp.Compare(b.ratio, a.ratio) })
	var told []string
	for _, c := range all[:min(maxTold, len(all))] {
		told = append(told, c.words(run))
	}
	first := all[0]
	found := cause.Find(cause.Case{
		FileSystems: fileSystems(run.Volumes(first.step)), Rounds: first.slow, Kind: cause.Whole, Shortfall: first.ratio,
	})
	return Finding{
		Name: paceRule, Title: "The volume got slower", Status: Warn, Step: first.step.Title(), Asked: first.step.Asked, Unit: measure.PerSecond,
		Observed: finite(first.after), Cause: &found, Reason: strings.Join(told, "; "),
		Meaning: "typical of spent burst credits: a server that runs for longer than they last gets the slow figures",
	}
}

// paceRule is the name of the rule that a volume does not get slower for good.
const paceRule = "the volume keeps its pace"

// words says what changed and when.
func (c change) words(run *Run) string {
	figures := fmt.Sprintf("%s/s before, %s/s after", measure.Grouped(int64(c.before+0.5)), measure.Grouped(int64(c.after+0.5)))
	if c.inRounds {
		return fmt.Sprintf("%s of %s got %.0f times slower %.1f s into each round (%s)", c.metric, c.step.Title(), c.ratio, c.at, figures)
	}
	when := run.Started.Add(time.Duration(c.at * float64(time.Second)))
	return fmt.Sprintf("%s of %s got %.0f times slower at %s, %.0f s into the run, and stayed so (%s)",
		c.metric, c.step.Title(), c.ratio, when.UTC().Format("15:04:05 UTC"), c.at, figures)
}
