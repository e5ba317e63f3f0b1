package results

import (
	"math"

	"storebench/internal/measure"
)

// FirstTouch is a measurement whose first round was slower than the later ones by
// more than their noise, as on a new cloud volume or a thin one, whose blocks are
// slow when they are touched for the first time. Later rounds lie mostly on
// blocks that the file system has given out before.
type FirstTouch struct {
	Step   string `json:"step"` // its title
	Metric string `json:"metric"`
	// First and Later are medians in seconds: of the first round, and the
	// geometric mean of the later ones.
	First float64 `json:"first_seconds"`
	Later float64 `json:"later_seconds"`
	// Most is up to where another later round would lie, in seconds.
	Most float64 `json:"later_most_seconds"`
}

const (
	// touchRounds is the least number of later rounds that have a noise.
	touchRounds = 3
	// touchFactor is how many times slower the first round must be besides: less
	// changes no verdict.
	touchFactor = 1.5
)

// firstTouches are the measurements of a run that were slower at first. The steps
// run in other orders later, so that only what was the first of all rounds of its
// step can tell.
func firstTouches(run *Run) []FirstTouch {
	var all []FirstTouch
	for _, m := range run.Measurements {
		if t, slower := firstTouch(m); slower {
			t.Step = run.StepOf(m).Title()
			all = append(all, t)
		}
	}
	return all
}

// firstTouch compares the median of the first round with the prediction interval
// of the later ones' medians, on their logarithms, for latencies differ by
// factors.
func firstTouch(m measure.Measurement) (FirstTouch, bool) {
	var medians []float64
	for _, r := range m.Rounds {
		if m.Unit != measure.Seconds || r.Distribution == nil || r.Distribution.Count() == 0 {
			return FirstTouch{}, false
		}
		medians = append(medians, math.Log(max(r.Distribution.Quantile(0.5), minTouch)))
	}
	if len(medians) <= touchRounds {
		return FirstTouch{}, false
	}
	next := measure.NextInterval(medians[1:])
	t := FirstTouch{
		Metric: m.Metric, First: math.Exp(medians[0]), Later: math.Exp(average(medians[1:])), Most: math.Exp(next.High),
	}
	return t, t.First > t.Most && t.First > touchFactor*t.Later
}

// minTouch is the shortest latency in seconds that is told from none.
const minTouch = 1e-6
