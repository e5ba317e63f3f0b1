package main

import (
	"maps"

	"storebench/cmd/storebench/internal/engine"
	"storebench/profiles"
)

// withLimits adds the user's limits to a profile's. One on the same statistic
// of the same measurements, in the same direction, takes the place of the
// profile's and keeps its why.
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
	all := append([]profiles.Limit{}, have...)
	for _, limit := range added {
		replaced := false
		for i, old := range all {
			if sameStatistic(old, limit) {
				limit.Why = old.Why
				all[i], replaced = limit, true
			}
		}
		if !replaced {
			all = append(all, limit)
		}
	}
	return all, nil
}

func sameStatistic(a, b profiles.Limit) bool {
	return a.Probe == b.Probe && a.Metric == b.Metric && a.Stat == b.Stat &&
		a.Op[0] == b.Op[0] && maps.Equal(a.Labels, b.Labels)
}
