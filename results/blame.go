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
	if lost >= cause.CPULittle {
		f.Reason += fmt.Sprintf(", and so may a quieter machine: this one was short of CPU %.0f %% of the time", 100*lost)
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
		f.Cause = &cause.Cause{Name: cause.CPU, Evidence: []string{fmt.Sprintf("this machine was short of CPU %.0f %% of the time", 100*lost)}}
	}
}

// blame names the cause of a bound that is not kept. What this machine's own
// CPU or memory did says nothing of the volume.
func (f *Finding) blame(run *Run, limit *profiles.Limit, m measure.Measurement) {
	c := f.caseOf(run, limit, m)
	found := cause.Find(c)
	f.Cause, f.Log = &found, serverLines(c.Rounds)
	if found.OfHost() {
		f.Status, f.Undecided = Inconclusive, c.Undisturbed != nil // quieter rounds may decide it
		f.Reason += fmt.Sprintf("; this machine's %s is to blame, not the volume: run it again on a quiet machine", found.Name)
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
		Rounds: rounds, Seconds: f.latency(limit), Bound: limit.Bound, Shortfall: math.Inf(1),
	}
	switch m.Kind {
	case measure.Integrity:
		c.Kind = cause.Lost
		return c
	case measure.Event: // it comes when something is late while a processor is missing, like any operation
		c.Kind = cause.Share
		return c
	}
	switch limit.Stat.Name {
	case profiles.StatQuantile:
		c.Kind, c.Undisturbed = cause.Share, quietShare(limit, m.Rounds)
	case profiles.StatMax:
		c.Kind = cause.Longest
		if m.Kind == measure.Whole {
			c.Kind, c.Shortfall = cause.Whole, drain(rounds)/limit.Bound
		}
	default:
		if f.Headroom != nil {
			c.Shortfall = 1 / *f.Headroom
		}
	}
	return c
}

// quietShare is what the operations of all rounds that the machine did not disturb say of
// a limit; nil where that was not observed in each, and for a limit that asks for slow
// ones, which no machine keeps from being slow.
func quietShare(limit *profiles.Limit, rounds []measure.Round) *cause.Undisturbed {
	if upward(limit.Op) {
		return nil
	}
	for _, r := range rounds {
		if r.Distribution != nil && r.Context.Withheld == nil {
			return nil
		}
	}
	kept, aside := undisturbed(limit, rounds)
	return &cause.Undisturbed{Breaks: shareBeyond(limit, kept).broken, Aside: aside}
}

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
