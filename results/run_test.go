package results

import (
	"testing"
	"time"

	"storebench/internal/measure"
	"storebench/internal/volume"
	"storebench/profiles"
)

var started = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// limit is a limit as the engine puts it into a run.
func limit(t testing.TB, text string, level profiles.Level) profiles.Limit {
	t.Helper()
	l, err := profiles.ParseLimit(text)
	if err != nil {
		t.Fatal(err)
	}
	l.Level, l.Why = level, "it breaks"
	return l
}

// runOf is a run of one step, named disk, of a probe of that name whose metric
// is write, held against limits at level fail.
func runOf(t testing.TB, rounds []measure.Round, limits ...string) *Run {
	t.Helper()
	run := &Run{
		Schema: Schema, Tool: Tool{Name: toolName, Version: "test"}, ID: "1",
		Started: started, Ended: started.Add(time.Minute), Budget: 60,
		Volume: volume.Facts{Path: "/data", FileSystem: "ext4", Persistence: volume.Persistence{State: volume.PersistenceAssumed}},
		Profile: profiles.Profile{Name: "test", Steps: []profiles.Step{
			{Name: "disk", Probe: "disk"},
		}},
		Steps: []Step{{Name: "disk", Probe: "disk", Topic: "device", Asked: "writes of 4 KiB", Loop: measure.Closed, Parameters: map[string]string{"size": "4KiB"}, Labels: map[string]string{"size": "4KiB"}, Rounds: len(rounds)}},
	}
	if len(rounds) > 0 {
		run.Measurements = []measure.Measurement{{
			Step: "disk", Probe: "disk", Metric: "write", Unit: measure.Seconds, Labels: map[string]string{"size": "4KiB"}, Rounds: rounds,
		}}
	}
	for _, text := range limits {
		run.Profile.Limits = append(run.Profile.Limits, limit(t, text, profiles.LevelFail))
	}
	return run
}

// ops is a number of operations that all took the same time.
type ops struct {
	n    int
	took time.Duration
}

// latencies is a round of a second over which operations of each kind are
// spread evenly.
func latencies(kinds ...ops) measure.Round {
	recorder := measure.NewRecorder(1, time.Second)
	for _, k := range kinds {
		for i := range k.n {
			recorder.Shard(0).Record(time.Duration(i+1)*time.Second/time.Duration(k.n), k.took)
		}
	}
	return measure.Round{Start: started, Elapsed: 1, Distribution: recorder.Distribution()}
}

// lost is the round with operations that have no latency.
func lost(r measure.Round, change func(*measure.Distribution)) measure.Round {
	change(r.Distribution)
	return r
}

// around is the round with what was seen beside it.
func around(r measure.Round, c measure.Context) measure.Round {
	r.Context = c
	return r
}

// values are rounds of one value each.
func values(all ...float64) []measure.Round {
	var rounds []measure.Round
	for _, x := range all {
		rounds = append(rounds, measure.Round{Start: started, Elapsed: 1, Value: &x})
	}
	return rounds
}

// times repeats a round.
func times(n int, r measure.Round) []measure.Round {
	var rounds []measure.Round
	for range n {
		rounds = append(rounds, r)
	}
	return rounds
}
