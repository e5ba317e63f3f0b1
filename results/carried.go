package results

import (
	"math"
	"slices"

	"storebench/internal/measure"
	"storebench/profiles"
)

// Carried is what a volume carries, in one number.
type Carried struct {
	Title string       `json:"title"`
	Value float64      `json:"value"` // base unit
	Unit  measure.Unit `json:"unit"`
	// AtLeast says that the value is a lower bound: operations were given up.
	AtLeast bool     `json:"at_least,omitempty"`
	Asked   *float64 `json:"asked,omitempty"` // by the workload; absent where it asks for no such thing
}

// carried are the figures of the run's profile that were measured.
func carried(run *Run) []Carried {
	var all []Carried
	var titles, steps []string
	for _, wanted := range run.Profile.Figures {
		for _, m := range run.Measurements {
			step := run.StepOf(m)
			if step.Informative || !wanted.Of.Matches(step.label(m), wanted.Of.Metric) {
				continue
			}
			f := Carried{Title: filled(wanted.Title, step), Unit: m.Unit}
			if wanted.Of.Stat.Name == profiles.StatRate {
				f.Unit = measure.PerSecond
			}
			if asked, ok := run.Profile.Workload.Wanted(wanted.Asked); ok {
				f.Asked = &asked
			}
			if f.take(wanted.Of.Stat, m.Rounds) {
				all, titles, steps = append(all, f), append(titles, f.Title), append(steps, step.Title())
			}
		}
	}
	for i, title := range tellApart(titles, steps) {
		all[i].Title = title
	}
	return all
}

// take sets the value: of all operations together for a quantile, of the worst round for
// the longest, of the middle round for a value, and of all rounds on average for the
// rest.
func (f *Carried) take(stat profiles.Stat, rounds []measure.Round) (found bool) {
	var values []float64
	for _, r := range rounds {
		if x, ok := statOf(stat, r); ok && finite(x) != nil {
			values = append(values, x)
		}
	}
	if len(values) == 0 {
		return false
	}
	whole := merged(distributions(rounds))
	switch stat.Name {
	case profiles.StatQuantile:
		f.Value, f.AtLeast = quantileOf(whole, stat.Quantile)
	case profiles.StatMax:
		f.Value, f.AtLeast = slices.Max(values), whole.Lost() > 0
	case profiles.StatValue:
		f.Value = slices.Sorted(slices.Values(values))[len(values)/2]
	default:
		f.Value = average(values)
	}
	return !math.IsNaN(f.Value)
}
