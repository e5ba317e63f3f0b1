package doctor

import (
	"slices"

	"storebench/internal/storedir"
	"storebench/results"
)

// rates are what a volume does a second, by a saved run; 0 is unknown.
type rates struct {
	read, write float64 // bytes
	groups      float64 // Raft groups elected
}

// ratesOf are those of a run, of the figures that it measured for just that.
func ratesOf(run *results.Run) (r rates) {
	if run == nil {
		return r
	}
	for _, m := range run.Measurements {
		var values []float64
		for _, round := range m.Rounds {
			if d := round.Distribution; d != nil && d.Count() > 0 && round.Elapsed > 0 && m.Metric == "election" {
				values = append(values, float64(d.Count())/round.Elapsed)
			}
			if round.Value != nil {
				values = append(values, *round.Value)
			}
		}
		if len(values) == 0 || run.StepOf(m).Informative {
			continue
		}
		slices.Sort(values)
		middle := values[len(values)/2]
		switch {
		case m.Probe == "recovery" && m.Metric == "throughput":
			r.read = middle
		case m.Probe == "raw-sync" && m.Metric == "throughput":
			r.write = middle
		case m.Probe == "term-vote" && m.Metric == "election":
			r.groups = middle
		}
	}
	return r
}

// costsOf are what a server will do with a store, in files and bytes, and in seconds where a
// saved run says how quick the volume is.
func costsOf(store *storedir.Store, r rates) []Cost {
	clean := Cost{Event: "restart after a clean stop", Note: "states, last blocks of encrypted streams, consumers, snapshots"}
	killed := Cost{Event: "restart after a kill, now", Note: "every block of streams whose state is behind"}
	states := Cost{Event: "state files, every 2 to 2.5 minutes", Note: "WriteFullState of every stream that changed"}
	syncs := Cost{Event: "periodic sync, every 2 minutes", Note: "at most, when every stream and Raft log was written to"}
	storm := Cost{Event: "election storm of all Raft groups", Syncs: int64(len(store.Groups)), Files: int64(len(store.Groups))}
	largest := Cost{Event: "catch-up of the largest stream"}
	for _, s := range store.Streams {
		files, bytes := int64(2+len(s.Consumers)*2), s.StateFile.Bytes
		if s.Cipher != "" {
			bytes += s.Blocks.LastBytes
		}
		for _, c := range s.Consumers {
			bytes += c.Bytes
		}
		clean.add(files, bytes)
		killed.add(files, bytes)
		if s.StateFile.Outdated || s.StateFile.Trouble != "" {
			killed.add(int64(s.Blocks.Count), s.Blocks.Bytes)
		}
		states.add(1, s.StateFile.Bytes)
		syncs.Syncs++
		if s.Blocks.Bytes > largest.Bytes {
			largest.Bytes, largest.Files, largest.Note = s.Blocks.Bytes, int64(s.Blocks.Count), s.Account+" > "+s.Name
		}
	}
	for _, g := range store.Groups {
		clean.add(4, g.Snapshot+g.State.Bytes)
		killed.add(4, g.Snapshot+g.Log.Bytes)
		syncs.Syncs++
	}
	for _, c := range []*Cost{&clean, &killed} {
		c.Seconds = over(c.Bytes, r.read)
	}
	largest.Seconds = over(largest.Bytes, r.write)
	if r.groups > 0 {
		storm.Seconds = float64(len(store.Groups)) / r.groups
	}
	return []Cost{clean, killed, states, syncs, storm, largest}
}

func (c *Cost) add(files, bytes int64) { c.Files, c.Bytes = c.Files+files, c.Bytes+bytes }

func over(bytes int64, rate float64) float64 {
	if rate <= 0 {
		return 0
	}
	return float64(bytes) / rate
}
