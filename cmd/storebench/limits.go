package main

import (
	"maps"
	"slices"

	"storebench/cmd/storebench/internal/engine"
	"storebench/profiles"
)

// withLimits adds the user's limits to a profile's. One on the same statistic
// of the same measurements, in the same direction, takes the place of all that
// the profile has there (a profile may have one a level) and keeps the first
// one's why.
func withLimits(have []profiles.Limit, texts []string) ([]profiles.Limit, error) {
	have, err := engine.CheckLimits(have)
	if err != nil {
		return nil, err
	}
	var added []profiles.Limit
	for _, text := range texts {
		limit, err := profiles.ParseLimit(text)
		if err != nil {
			return nil, err
		}
		limit.Level, limit.Why = profiles.LevelFail, "asked for with --limit"
		added = append(added, limit)
	}
	if added, err = engine.CheckLimits(added); err != nil {
		return nil, err
	}
	all := slices.Clone(have)
	for _, limit := range added {
		all = withLimit(all, limit)
	}
	return all, nil
}

func withLimit(all []profiles.Limit, limit profiles.Limit) []profiles.Limit {
	same := func(old profiles.Limit) bool { return sameStatistic(old, limit) }
	at := slices.IndexFunc(all, same)
	if at < 0 {
		return append(all, limit)
	}
	limit.Why, limit.Title = all[at].Why, all[at].Title
	all[at] = limit
	rest := slices.DeleteFunc(all[at+1:], same)
	return all[:at+1+len(rest)]
}

func sameStatistic(a, b profiles.Limit) bool {
	return a.Probe == b.Probe && a.Metric == b.Metric && a.Stat == b.Stat &&
		a.Op[0] == b.Op[0] && maps.Equal(a.Labels, b.Labels)
}
