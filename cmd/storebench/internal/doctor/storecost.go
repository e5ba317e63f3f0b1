package doctor

import (
	"fmt"
	"slices"
	"time"

	"storebench/internal/storedir"
)

// Cost is what the server will do with the store one day, in files and bytes.
type Cost struct {
	Name  string `json:"name"` // "restart-killed"; stable
	Title string `json:"title"`
	// Files are opened, Bytes read or written, Syncs are the synced writes among it.
	Files int64 `json:"files"`
	Bytes int64 `json:"bytes"`
	Syncs int64 `json:"syncs,omitempty"`
	// Seconds is at Volume.RecoveryRate; nil without one.
	Seconds *float64 `json:"seconds,omitempty"`
	Note    string   `json:"note"`
}

// costs are what this store will cost, from its files and the code of nats-server 2.15.
func costs(store *storedir.Store, on Volume) []Cost {
	sum := total(store)
	clean, killed := sum.restart()
	list := []Cost{clean, killed, sum.fullState(), sum.sync()}
	if n := len(store.Groups); n > 0 {
		list = append(list, election(n, on))
	}
	list = append(list, catchup(store))
	for i, c := range list {
		if on.RecoveryRate > 0 && slices.Contains([]string{"restart-clean", "restart-killed"}, c.Name) {
			seconds := float64(c.Bytes) / on.RecoveryRate
			list[i].Seconds = &seconds
		}
	}
	return list
}

// totals are sums over all logs of a store: its streams' and its Raft groups'.
type totals struct {
	logs, blocks, blockBytes int64
	stateFiles, stateBytes   int64
	largestState             int64
	tailBytes                int64 // of the last blocks, as far as a clean start reads them
	outdatedBytes            int64 // of the blocks that a start now would read
	outdated                 int64 // logs
	keys                     int64
	otherFiles, otherBytes   int64 // consumers' states, side files, snapshots, configurations
}

func total(store *storedir.Store) totals {
	var t totals
	for _, s := range store.Streams {
		t.add(s.Log)
		t.otherFiles += s.Files - s.Log.Blocks - s.Log.EncryptedBlocks - 1
		for _, c := range s.Consumers {
			t.otherBytes += c.StateBytes
		}
	}
	for _, g := range store.Groups {
		t.add(g.Log)
		t.otherFiles += max(g.Files-g.Log.Blocks-g.Log.EncryptedBlocks-1, 0)
		if g.Snapshot != nil {
			t.otherBytes += g.Snapshot.Bytes
		}
	}
	return t
}

func (t *totals) add(l storedir.Log) {
	if l.Blocks == 0 && l.State == nil {
		return
	}
	t.logs++
	t.blocks += l.Blocks
	t.blockBytes += l.BlockBytes
	t.keys += l.EncryptedBlocks
	t.otherBytes += l.SideBytes
	t.tailBytes += min(8, l.LastBlockBytes)
	if l.EncryptedBlocks > 0 {
		t.tailBytes += l.LastBlockBytes
	}
	if l.State == nil || l.State.Outdated != "" {
		t.outdated++
		t.outdatedBytes += l.BlockBytes
	}
	if l.State != nil {
		t.stateFiles++
		t.stateBytes += l.State.Bytes
		t.largestState = max(t.largestState, l.State.Bytes)
	}
}

func (t totals) restart() (clean, killed Cost) {
	clean = Cost{
		Name: "restart-clean", Title: "restart after a clean stop",
		Files: t.stateFiles + t.logs + t.otherFiles, Bytes: t.stateBytes + t.tailBytes + t.otherBytes,
		Note: "reads the state files, the end of each last block (an encrypted one whole), consumers and snapshots",
	}
	killed = Cost{
		Name: "restart-killed", Title: "restart after a kill, at worst",
		Files: t.blocks + t.keys + t.otherFiles, Bytes: t.blockBytes + t.otherBytes,
		Note: fmt.Sprintf("reads every block; as the state files are now, those of %d of %d logs: %s", t.outdated, t.logs, size(t.outdatedBytes)),
	}
	return clean, killed
}

func (t totals) fullState() Cost {
	return Cost{
		Name: "full-state", Title: "WriteFullState of all logs", Files: t.stateFiles, Bytes: t.stateBytes,
		Note: "every 2 to 2.5 min for each log that was written to, and at a stop; the largest file " + size(t.largestState),
	}
}

func (t totals) sync() Cost {
	return Cost{
		Name: "sync", Title: "periodic sync, at least", Files: 2 * t.logs, Bytes: 0, Syncs: 2 * t.logs,
		Note: "when all logs were written to within sync_interval (2 min): an fsync of each last block and of each state file, and of every other block written to",
	}
}

func election(groups int, on Volume) Cost {
	n := 2 * int64(groups)
	note := "each voter writes its term and its vote, 2 synced writes a group; at 10 ms each "
	if on.Slots > 0 {
		note += fmt.Sprintf("%s with %d slots", short(electionTime(groups, on.Slots, slowWrite)), on.Slots)
	} else {
		note += fmt.Sprintf("%s with 4 slots, %s with 16 and %s with 4,096", short(electionTime(groups, 4, slowWrite)), short(electionTime(groups, 16, slowWrite)), short(electionTime(groups, 4096, slowWrite)))
	}
	return Cost{Name: "election-storm", Title: fmt.Sprintf("election of %s", counted(int64(groups), "group")), Files: n, Bytes: 16 * n, Syncs: n, Note: note}
}

func catchup(store *storedir.Store) Cost {
	c := Cost{Name: "catchup", Title: "catch-up of the largest stream", Note: "no stream has messages"}
	for _, s := range store.Streams {
		if s.Log.BlockBytes > c.Bytes {
			c.Files, c.Bytes = s.Log.Blocks, s.Log.BlockBytes
			c.Note = s.Account + " > " + s.Name + ": read on the node that has it, sent over the route, written on the other"
		}
	}
	return c
}

// sentence is a cost as a person reads it.
func (c Cost) sentence() string {
	text := counted(c.Files, "file")
	if c.Bytes > 0 {
		text += ", " + size(c.Bytes)
	}
	if c.Syncs > 0 {
		text += ", " + counted(c.Syncs, "synced write")
	}
	if c.Seconds != nil {
		text += ", " + short(time.Duration(*c.Seconds*float64(time.Second))) + " at the throughput of the run's recovery"
	}
	return text + "; " + c.Note
}
