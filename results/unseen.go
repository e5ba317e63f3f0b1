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
		fmt.Sprintf("credits, throttles or neighbours that show only after longer than the %v of this run: %s longer", took, longer),
		"a power cut: a cache that acknowledges a flush and loses it looks healthy here (docs/limits.md)",
	}
	if run.Volume.Device.Name == "" {
		unseen = append(unseen, "what the device does: no block device of this volume is in /proc/diskstats, so a cause below the file system cannot be named")
	}
	if !run.observedWithheld() {
		unseen = append(unseen, "when this machine withheld its processors: rounds of this run have no such figures, so nothing that is slow is excused by it")
	}
	if run.Raft != nil {
		return append(unseen, "the network between servers: those of the Raft groups were processes of one machine, and shared its processors")
	}
	return append(unseen, "the Raft layer above the disk: elections and proposals are driven through nats-server's own disk code, without its network")
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
