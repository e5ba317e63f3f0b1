package doctor

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"storebench/internal/storedir"
	"storebench/internal/volume"
	"storebench/results"
)

// Inspection is what a store is made of, what is wrong with it, and what it will cost.
type Inspection struct {
	Status   results.Status  `json:"status"`
	Findings []StoreFinding  `json:"findings"`
	Costs    []Cost          `json:"costs"`
	Store    *storedir.Store `json:"store"`
	Volume   volume.Facts    `json:"volume"`
	At       time.Time       `json:"at"`
}

// StoreFinding is something about a store that costs or breaks something.
type StoreFinding struct {
	Name   string         `json:"name"` // "stale-state"; stable
	Status results.Status `json:"status"`
	What   string         `json:"what"` // with the figure and its threshold
	Of     []string       `json:"of"`   // the streams, groups or files
	Why    string         `json:"why"`
	Source string         `json:"source"`
	Do     string         `json:"do"`
}

// Cost is what a server will do with the store.
type Cost struct {
	Event string `json:"event"`
	Files int64  `json:"files,omitempty"`
	Bytes int64  `json:"bytes,omitempty"`
	Syncs int64  `json:"syncs,omitempty"`
	// Seconds is an estimate from a saved run of the volume; 0 without one.
	Seconds float64 `json:"seconds,omitempty"`
	Note    string  `json:"note,omitempty"`
}

// Inspect judges a store. run is a saved run of its volume, or nil.
func Inspect(store *storedir.Store, v volume.Facts, run *results.Run, now time.Time) *Inspection {
	i := &Inspection{Status: results.Pass, Store: store, Volume: v, At: now.UTC()}
	for _, rule := range storeRules {
		if f := rule(i); f != nil {
			i.Findings = append(i.Findings, *f)
		}
	}
	slices.SortStableFunc(i.Findings, func(a, b StoreFinding) int { return int(b.Status) - int(a.Status) })
	for _, f := range i.Findings {
		i.Status = max(i.Status, f.Status) // pass, warn and fail stand in this order
	}
	i.Costs = costsOf(store, ratesOf(run))
	return i
}

// storeRules each look for one thing.
var storeRules = []func(*Inspection) *StoreFinding{
	damagedRecords, noConfiguration, fullVolume, damagedState, staleState, skippedState, manyGroups, smallBlocks, largeBlocks, manyConsumers, largeConsumers, orphanedGroups, leftovers,
}

// The thresholds, with their sources beside the rules.
const (
	maxStateEntries = 1_000_000 // subjects or interior deletes
	staleAfter      = 10 * time.Minute
	manyGroupsFrom  = 500
	manyBlocks      = 100
	manyConsumersOf = 1000
	largeConsumer   = 8 << 20
	defaultPayload  = 1 << 20
	lowSpace        = 0.10
	almostFull      = 0.03
)

// streamsWith are the names of the streams for which something is so.
func (i *Inspection) streamsWith(is func(s *storedir.Stream) bool) (names []string) {
	for n := range i.Store.Streams {
		if s := &i.Store.Streams[n]; is(s) {
			names = append(names, s.Account+" > "+s.Name)
		}
	}
	return names
}

func damagedRecords(i *Inspection) *StoreFinding {
	if i.Store.Deep == nil || len(i.Store.Deep.Damage) == 0 {
		return nil
	}
	var of []string
	for _, d := range i.Store.Deep.Damage {
		of = append(of, fmt.Sprintf("%s at byte %s, sequence %d: %s", d.Path, number(d.Offset), d.Sequence, d.Reason))
	}
	return &StoreFinding{
		Name: "damaged-records", Status: results.Fail, Of: of,
		What:   fmt.Sprintf("%s of %s records cannot be what was written", number(int64(len(of))+i.Store.Deep.More), number(i.Store.Deep.Records)),
		Why:    "nats-server drops such messages, or all behind them in the block, when it reads the block the next time",
		Source: "msgBlock.rebuildStateLocked in filestore.go",
		Do:     "stop this server, keep a copy of the directory, and let the other replicas fill the stream anew; then look for the cause in the kernel's log (dmesg)",
	}
}

func noConfiguration(i *Inspection) *StoreFinding {
	var of []string
	for _, u := range i.Store.Unread {
		if strings.HasPrefix(u.Reason, "a stream without") {
			of = append(of, u.Path)
		}
	}
	if len(of) == 0 {
		return nil
	}
	return &StoreFinding{
		Name: "no-configuration", Status: results.Fail, Of: of, What: counted(int64(len(of)), "stream") + " without meta.inf",
		Why: "a server passes such a directory over at its start: its messages are there and nobody serves them", Source: "enableJetStream in jetstream.go",
		Do: "take meta.inf and meta.sum from a backup or a snapshot, or restore the stream (nats stream restore)",
	}
}

func fullVolume(i *Inspection) *StoreFinding {
	whole, free := float64(i.Volume.SizeBytes), float64(i.Volume.AvailableBytes)
	if whole <= 0 || free >= lowSpace*whole {
		return nil
	}
	f := &StoreFinding{
		Name: "little-space", Status: results.Warn, Of: []string{i.Volume.MountPoint},
		What:   fmt.Sprintf("%s of %s are free (%.0f %%); warned below %.0f %%", size(int64(free)), size(int64(whole)), 100*free/whole, 100*lowSpace),
		Why:    "a write that finds no space is a critical write error: since nats-server 2.14.0 it ends the store; Raft logs and snapshots need room too",
		Source: "setWriteErr in filestore.go", Do: "free space, lower max_bytes of the largest streams, or take a larger volume",
	}
	if free < almostFull*whole {
		f.Status = results.Fail
	}
	return f
}

func damagedState(i *Inspection) *StoreFinding {
	of := i.streamsWith(func(s *storedir.Stream) bool { return s.StateFile.Trouble != "" && s.StateFile.Trouble != "missing" })
	if len(of) == 0 {
		return nil
	}
	return &StoreFinding{
		Name: "damaged-state", Status: results.Warn, Of: of, What: counted(int64(len(of)), "state file") + " (index.db) of no use to a start",
		Why: "the next start reads every block of these streams", Source: "recoverFullState in filestore.go",
		Do: "run it again, since a live server writes them in place; if it stays, expect a slow start, and stop the server cleanly when you restart it",
	}
}

func staleState(i *Inspection) *StoreFinding {
	var bytes int64
	of := i.streamsWith(func(s *storedir.Stream) bool {
		stale := s.StateFile.Trouble == "missing" || s.StateFile.Outdated && s.Blocks.Written.Sub(s.StateFile.Written) > staleAfter
		if stale {
			bytes += s.Blocks.Bytes
		}
		return stale
	})
	if len(of) == 0 {
		return nil
	}
	return &StoreFinding{
		Name: "stale-state", Status: results.Warn, Of: of,
		What:   fmt.Sprintf("%s without a state file, or with one that is more than %s behind its blocks", counted(int64(len(of)), "stream"), short(staleAfter)),
		Why:    fmt.Sprintf("after a kill the next start reads every block of these streams: %s", size(bytes)),
		Source: "WriteFullState runs every 2 to 2.5 minutes (syncBlocks in filestore.go)",
		Do:     "look for \"WriteFullState\" in the log (storebench logs): it may be slow, or be skipped; stop the server cleanly when you restart it",
	}
}

func skippedState(i *Inspection) *StoreFinding {
	of := i.streamsWith(func(s *storedir.Stream) bool {
		return s.State != nil && (s.State.Subjects > maxStateEntries || s.State.Deletes > maxStateEntries)
	})
	if len(of) == 0 {
		return nil
	}
	return &StoreFinding{
		Name: "state-not-written", Status: results.Warn, Of: of,
		What:   fmt.Sprintf("%s with more than %s subjects or interior deletes", counted(int64(len(of)), "stream"), number(maxStateEntries)),
		Why:    "nats-server does not write the state of such a stream while it runs, so a start after a kill reads every block",
		Source: "highCardinalityThreshold in _writeFullState, filestore.go",
		Do:     "spread the subjects over several streams; for a KV with deletes, compact it or lower its history",
	}
}

func manyGroups(i *Inspection) *StoreFinding {
	n := len(i.Store.Groups)
	if n < manyGroupsFrom {
		return nil
	}
	return &StoreFinding{
		Name: "many-groups", Status: results.Warn, Of: []string{fmt.Sprintf("%s Raft groups", number(int64(n)))},
		What:   fmt.Sprintf("%s Raft groups; from %s on an election storm is worth a check", number(int64(n)), number(manyGroupsFrom)),
		Why:    "when all vote at once, each makes a durable write; behind 4 to 16 I/O slots (before 2.12.14 and 2.14.4) they stand in line",
		Source: "minElectionTimeout 4 s in raft.go",
		Do:     fmt.Sprintf("storebench check on a volume of this kind with --set term-vote.groups=%d and --server-version; fewer replicated consumers make fewer groups", n),
	}
}

func smallBlocks(i *Inspection) *StoreFinding {
	of := i.streamsWith(func(s *storedir.Stream) bool { return s.Blocks.Small >= manyBlocks })
	if len(of) == 0 {
		return nil
	}
	return &StoreFinding{
		Name: "small-blocks", Status: results.Warn, Of: of,
		What:   fmt.Sprintf("%s with %d and more blocks of less than an eighth of the largest", counted(int64(len(of)), "stream"), manyBlocks),
		Why:    "each is a file to open at a start, and an entry in the state; a small max_bytes, or a KV with deletes and times to live, leaves them",
		Source: "block sizes in newFileStoreWithCreated, filestore.go",
		Do:     "raise max_bytes, or leave it out; fewer, larger streams have fewer blocks",
	}
}

func largeBlocks(i *Inspection) *StoreFinding {
	of := i.streamsWith(func(s *storedir.Stream) bool {
		most := int64(8<<20 + defaultPayload)
		if s.Config != nil && s.Config.MaxMsgSize > defaultPayload {
			most = 8<<20 + int64(s.Config.MaxMsgSize)
		}
		return s.Blocks.Largest > most+most/8
	})
	if len(of) == 0 {
		return nil
	}
	return &StoreFinding{
		Name: "large-blocks", Status: results.Warn, Of: of, What: counted(int64(len(of)), "stream") + " with blocks larger than 8 MiB and a message",
		Why: "a block passes its size only by a message that is larger than it: these streams hold very large messages, or the block is not nats-server's", Source: "defaultLargeBlockSize in filestore.go",
		Do: "put large objects into an object store bucket, which cuts them; storebench inspect --deep reads the blocks",
	}
}

func manyConsumers(i *Inspection) *StoreFinding {
	of := i.streamsWith(func(s *storedir.Stream) bool { return len(s.Consumers) >= manyConsumersOf })
	if len(of) == 0 {
		return nil
	}
	return &StoreFinding{
		Name: "many-consumers", Status: results.Warn, Of: of, What: fmt.Sprintf("%s with %s and more consumers", counted(int64(len(of)), "stream"), number(manyConsumersOf)),
		Why: "each busy consumer rewrites its whole state up to 10 times a second, and each replicated one is a Raft group", Source: "consumerFileStore.flushLoop in filestore.go",
		Do: "share consumers between clients, give them an inactive threshold, or keep their state in memory (mem_storage)",
	}
}

func largeConsumers(i *Inspection) *StoreFinding {
	var of []string
	for _, s := range i.Store.Streams {
		for _, c := range s.Consumers {
			if c.Bytes > largeConsumer {
				of = append(of, fmt.Sprintf("%s > %s > %s: %s", s.Account, s.Name, c.Name, size(c.Bytes)))
			}
		}
	}
	if len(of) == 0 {
		return nil
	}
	return &StoreFinding{
		Name: "large-consumer-state", Status: results.Warn, Of: of, What: fmt.Sprintf("%s with a state of more than %s", counted(int64(len(of)), "consumer"), size(largeConsumer)),
		Why: "it is written whole each time, up to 10 times a second; one of 58 MB was reported (nats-server issue 5423)", Source: "consumerFileStore.flushLoop in filestore.go",
		Do: "lower max_ack_pending, and find out why so many messages are delivered and not acknowledged",
	}
}

func orphanedGroups(i *Inspection) *StoreFinding {
	have := map[string]bool{}
	for _, s := range i.Store.Streams {
		have[s.Account+" > "+s.Name] = true
		for _, c := range s.Consumers {
			have[s.Account+" > "+s.Name+" > "+c.Name] = true
		}
	}
	var of []string
	for _, g := range i.Store.Groups {
		if g.Of != "" && !g.Memory && !have[g.Of] && i.Store.LeftOut == 0 {
			of = append(of, g.Name+" of "+g.Of)
		}
	}
	if len(of) == 0 {
		return nil
	}
	return &StoreFinding{
		Name: "orphaned-groups", Status: results.Warn, Of: of, What: fmt.Sprintf("%s of streams or consumers that are not here", counted(int64(len(of)), "Raft group")),
		Why: "nats-server keeps their directories since 2.11; they cost room and time at a start", Source: "checkForNRGOrphans, removed in 2.11",
		Do: "compare with nats server report jetstream; a stopped server's directories of assets that are gone may be moved away",
	}
}

func leftovers(i *Inspection) *StoreFinding {
	var of []string
	var bytes int64
	for _, l := range i.Store.Leftovers {
		if i.At.Sub(l.Since) > staleAfter { // a younger one is in use
			of = append(of, l.Path+": "+l.What)
			bytes += l.Bytes
		}
	}
	if len(of) == 0 {
		return nil
	}
	return &StoreFinding{
		Name: "leftovers", Status: results.Warn, Of: of, What: fmt.Sprintf("%s older than %s and of no use (%s)", counted(int64(len(of)), "leftover"), short(staleAfter), size(bytes)),
		Why: "a killed server leaves what it was writing", Source: "docs/on-call.md",
		Do: "a clean restart removes most; move the rest away while the server is stopped",
	}
}

// Unreadable says whether a part of the store could not be read. A link that is not followed
// is none of it.
func (i *Inspection) Unreadable() bool {
	return slices.ContainsFunc(i.Store.Unread, func(u storedir.Unread) bool { return !strings.HasPrefix(u.Reason, "a link") })
}
