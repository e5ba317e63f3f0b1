package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"storebench/profiles"
)

func TestWithLimits(t *testing.T) {
	tests := map[string]struct {
		added []string
		want  []string // level and text of the limits on block-sync.stall, in order
	}{
		"none": {nil, []string{"fail block-sync.stall max < 2s", "warn block-sync.stall max < 100ms"}},
		"one takes the place of both levels": {
			[]string{"block-sync.stall max < 1s"}, []string{"fail block-sync.stall max < 1s"}},
		"the last of two on a statistic counts": {
			[]string{"block-sync.stall max < 1s", "block-sync.stall max < 3s"}, []string{"fail block-sync.stall max < 3s"}},
		"another statistic is added": {
			[]string{"block-sync.stall mean < 1s"},
			[]string{"fail block-sync.stall max < 2s", "warn block-sync.stall max < 100ms", "fail block-sync.stall mean < 1s"}},
		"the other direction is added": {
			[]string{"block-sync.stall max > 1us"},
			[]string{"fail block-sync.stall max < 2s", "warn block-sync.stall max < 100ms", "fail block-sync.stall max > 1us"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			profile, err := profiles.Load("raft")
			if err != nil {
				t.Fatal(err)
			}
			all, err := withLimits(profile.Limits, test.added)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, limit := range all {
				if limit.Probe == "block-sync" && limit.Metric == "stall" {
					got = append(got, string(limit.Level)+" "+limit.Text)
				}
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("limits (-want +got):\n%s", diff)
			}
			if others := len(all) - len(got); others != len(profile.Limits)-2 {
				t.Errorf("%d other limits are left of %d", others, len(profile.Limits)-2)
			}
		})
	}
}
