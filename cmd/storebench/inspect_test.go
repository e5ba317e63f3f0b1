package main

import (
	"testing"

	"storebench/internal/measure"
	"storebench/results"
)

// TestRecoveryRate is the median of all rounds of the one metric that counts.
func TestRecoveryRate(t *testing.T) {
	rounds := func(values ...float64) (all []measure.Round) {
		for _, v := range values {
			all = append(all, measure.Round{Value: &v})
		}
		return all
	}
	run := &results.Run{Measurements: []measure.Measurement{
		{Probe: "recovery", Metric: "throughput", Unit: measure.BytesPerSecond, Rounds: rounds(30e6, 10e6)},
		{Probe: "recovery", Metric: "restart", Unit: measure.Seconds, Rounds: rounds(1, 2)},
		{Probe: "raw-sync", Metric: "throughput", Unit: measure.BytesPerSecond, Rounds: rounds(900e6)},
		{Probe: "recovery", Metric: "throughput", Unit: measure.BytesPerSecond, Rounds: rounds(20e6, 0)},
	}}
	if got := recoveryRate(run); got != 20e6 {
		t.Errorf("the rate is %v", got)
	}
	if got := recoveryRate(&results.Run{}); got != 0 {
		t.Errorf("a run without recoveries has a rate of %v", got)
	}
}
