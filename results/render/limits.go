package render

import (
	"fmt"
	"slices"

	"storebench/internal/measure"
	"storebench/results"
)

// byStep groups findings by their step, in the order in which steps come first.
func byStep(findings []results.Finding) [][]results.Finding {
	var groups [][]results.Finding
	for _, f := range findings {
		at := slices.IndexFunc(groups, func(g []results.Finding) bool { return g[0].Step == f.Step })
		if at < 0 {
			at, groups = len(groups), append(groups, nil)
		}
		groups[at] = append(groups[at], f)
	}
	return groups
}

// heading is what a step asked; what went wrong at it does not say so.
func heading(group []results.Finding) string {
	for _, f := range group {
		if f.Asked != "" {
			return where(f)
		}
	}
	return where(group[0])
}

// where says what a finding was found at.
func where(f results.Finding) string {
	switch {
	case f.Step == "":
		return "the whole run"
	case f.Asked == "":
		return f.Step
	}
	return f.Step + ": " + f.Asked
}

func observed(f results.Finding) string {
	switch {
	case f.Observed == nil && f.Limit == nil:
		return ""
	case f.AtLeast:
		return "over " + figure(f.Observed, f.Unit)
	}
	return figure(f.Observed, f.Unit)
}

func interval(f results.Finding) string { return span(f.Low, f.High, f.Unit) }

// span writes an interval whose ends may be unknown.
func span(low, high *float64, unit measure.Unit) string {
	const unknown = "–"
	from, to := figure(low, unit), figure(high, unit)
	switch {
	case from == unknown && to == unknown:
		return ""
	case to == unknown && from == "0":
		return ""
	case to == unknown:
		return "over " + from
	case from == unknown:
		return "under " + to
	case from == to:
		return from
	}
	return from + " to " + to
}

func headroom(f results.Finding) string {
	if f.Headroom == nil {
		return ""
	}
	const least = .01
	switch x := *f.Headroom; {
	case x < least:
		return fmt.Sprintf("under %.2f×", least)
	case f.AtLeast:
		return fmt.Sprintf("under %.2f×", x)
	case x < 10:
		return fmt.Sprintf("%.2f×", x)
	default:
		return grouped(x) + "×"
	}
}
