package engine

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"storebench/profiles"
)

func parsed(t *testing.T, text string) profiles.Limit {
	t.Helper()
	limit, err := profiles.ParseLimit(text)
	if err != nil {
		t.Fatal(err)
	}
	return limit
}

func TestCheckLimits(t *testing.T) {
	tests := []struct {
		name, text, metric string
		labels             map[string]string
	}{
		{"the first metric is meant", "block-write p99 < 10ms", "store", nil},
		{"a metric of its own", "block-sync.sync p99 < 1s", "sync", nil},
		{"sizes in one form", "block-write{message-size=2048B} p99 < 10ms", "store", map[string]string{"message-size": "2KiB"}},
		{"a pattern stays as it is", "block-write{message-size=*KiB} p99 < 10ms", "store", map[string]string{"message-size": "*KiB"}},
		{"a step's name is no parameter", "raw-sync{step=raw-*,pattern=append} max < 2s", "fdatasync", map[string]string{"step": "raw-*", "pattern": "append"}},
		{"a rate of latencies", "block-write rate > 1000/s", "store", nil},
		{"a value in bytes a second", "raw-sync.throughput value > 10MiB/s", "throughput", nil},
		{"a count", "term-vote.groups_elected value > 2000", "groups_elected", nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			limit := parsed(t, test.text)
			written := len(limit.Labels)
			checked, err := CheckLimits([]profiles.Limit{limit})
			if err != nil {
				t.Fatal(err)
			}
			if checked[0].Metric != test.metric {
				t.Errorf("metric %q, want %q", checked[0].Metric, test.metric)
			}
			if diff := cmp.Diff(test.labels, checked[0].Labels); diff != "" {
				t.Errorf("labels (-want +got):\n%s", diff)
			}
			if len(limit.Labels) != written {
				t.Error("the caller's labels were changed")
			}
		})
	}
}

func TestCheckLimitsRefuses(t *testing.T) {
	tests := []struct{ name, text, says string }{
		{"a probe's typo", "block-wrte p99 < 10ms", `did you mean "block-write"?`},
		{"no probe at all", "xyzzy p99 < 10ms", "there are: block-sync"},
		{"a metric's typo", "block-write.stor p99 < 10ms", `did you mean "store"?`},
		{"another probe's metric", "block-write.drain value < 4s", "it has: store, store_service"},
		{"a label's typo", "block-write{mod=open} p99 < 10ms", `did you mean "mode"?`},
		{"a value that there is not", "block-write{mode=ajar} p99 < 10ms", "none of: open, closed"},
		{"a value out of range", "block-write{max-concurrent-io=3} p99 < 10ms", "at least 4"},
		{"bytes for a time", "block-write p99 < 10MiB", "must be in seconds"},
		{"no unit for a time", "block-write p99 < 10", "must be in seconds"},
		{"a time for a count", "term-vote.groups_elected value > 4s", "bound must"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := CheckLimits([]profiles.Limit{parsed(t, "block-write p99 < 10ms"), parsed(t, test.text)})
			if !errors.Is(err, ErrUsage) {
				t.Fatalf("error %v, want ErrUsage", err)
			}
			if !strings.Contains(err.Error(), test.says) || !strings.Contains(err.Error(), test.text) {
				t.Errorf("error %q, want %q and the limit in it", err, test.says)
			}
		})
	}
}

func TestBuiltinProfilesAreValid(t *testing.T) {
	for _, name := range profiles.Names() {
		p, err := profiles.Load(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := Validate(p); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestJudgeable: a limit below what an installed server logs from is left out, with a
// note, and so are where the leader goes before 2.11 and what needs /raftz before
// 2.10.18; the linked-in one logs shorter pauses.
func TestJudgeable(t *testing.T) {
	limits, err := CheckLimits([]profiles.Limit{
		parsed(t, "raft-stall.readloop value < 100ms"), parsed(t, "raft-stall.leaders_moved max < 10s"), parsed(t, "raft-stall.readloop value < 2s"),
		parsed(t, "raft-stall.raftz max < 100ms"), parsed(t, "block-write p99 < 10ms"), parsed(t, "raft-election.stepped_down max < 4s"),
		parsed(t, "raft-lag.lag value < 100"),
	})
	if err != nil {
		t.Fatal(err)
	}
	if kept, notes := Judgeable(limits, Server{}); len(kept) != len(limits) || notes != nil {
		t.Errorf("linked in: %v, notes %q", kept, notes)
	}
	kept, notes := Judgeable(limits, Server{Program: "/nats-server", Version: "2.12.4"})
	if diff := cmp.Diff(limits[1:], kept); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if len(notes) != 1 || !strings.Contains(notes[0], "raft-stall.readloop value < 100ms") {
		t.Errorf("notes %q", notes)
	}
	if kept, notes := Judgeable(limits, Server{Program: "/nats-server", Version: "2.10.29", Chooses: true}); len(kept) != len(limits)-3 || len(notes) != 3 || !strings.Contains(notes[1], "raft-stall.leaders_moved max < 10s") || !strings.Contains(notes[2], "raft-election.stepped_down max < 4s") {
		t.Errorf("before 2.11: %v, notes %q", kept, notes)
	}
	kept, notes = Judgeable(limits, Server{Program: "/nats-server", Version: "2.10.17", NoRaftz: true})
	if diff := cmp.Diff([]profiles.Limit{limits[1], limits[2], limits[4], limits[5]}, kept); diff != "" {
		t.Errorf("without /raftz (-want +got):\n%s", diff)
	}
	if len(notes) != 3 || !strings.Contains(notes[2], "raft-lag.lag value < 100") {
		t.Errorf("without /raftz: notes %q", notes)
	}
}
