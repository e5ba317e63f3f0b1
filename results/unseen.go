package results

import (
	"fmt"
	"time"
)

// Unseen says what a run cannot tell of its volume, however well it went.
func Unseen(run *Run) []string {
	took := run.Ended.Sub(run.Started).Round(100 * time.Millisecond)
	longer := "--budget 10m looks"
	if run.Sweep != nil {
		longer = "more --rounds in a longer --budget look"
	}
	unseen := []string{
		fmt.Sprintf("burst credits, throttles or neighbours that take longer than these %v to show (%s longer)", took, longer),
		"a cache that loses acknowledged flushes in a power cut (docs/limits.md)",
	}
	if run.Volume.Device.Name == "" {
		unseen = append(unseen, "the device: no block device of this volume is in /proc/diskstats, so no cause below the file system can be named")
	}
	if !run.observedWithheld() {
		unseen = append(unseen, "when this process had no CPU: the run has no such figures, so they excuse no slow operation")
	}
	if run.Raft != nil {
		return append(unseen, "the network between servers: the three servers of the Raft groups ran on this machine and shared its CPUs")
	}
	return append(unseen, "a real Raft group: this run drove nats-server's own disk code alone")
}

// observedWithheld says whether every round with latencies knows when the machine
// withheld its processors.
func (run *Run) observedWithheld() bool {
	for _, m := range run.Measurements {
		for _, r := range m.Rounds {
			if r.Distribution != nil && r.Context.Withheld == nil {
				return false
			}
		}
	}
	return true
}
