package doctor

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"storebench/internal/storedir"
	"storebench/results"
)

// Thresholds of the rules; each rule's Source says where its own comes from.
const (
	electionBound  = 4 * time.Second // the shortest election timeout
	slowWrite      = 10 * time.Millisecond
	fewestSlots    = 4 // of a server up to 2.12.13 and 2.14.3 on at most 4 cores
	highCardinal   = 1_000_000
	manyAssets     = 1000
	manyEncrypted  = 1000
	fewBlocks      = 100
	largeConsumer  = 1 << 20
	staleState     = time.Hour
	freeShare      = 0.05
	maxFilePortion = 0.75
)

// storeRules are asked one after another; a rule that does not fit returns nil.
var storeRules = []func(*storedir.Store, Volume) *StoreFinding{
	damagedBlocks, damagedSnapshots, tooManyGroups, fullVolume, damagedState, staleStates, tooManySubjects,
	smallBlocks, oversizedBlocks, manyEncryptedBlocks, manyConsumers, largeConsumerStates, shrinkingLimit, leftovers,
}

// chosen are the streams that fit, named with a figure, the largest figure first.
func chosen(store *storedir.Store, figure func(storedir.Stream) (n int64, text string)) []string {
	type row struct {
		n    int64
		text string
	}
	var rows []row
	for _, s := range store.Streams {
		if n, text := figure(s); n > 0 {
			rows = append(rows, row{n, s.Account + " > " + s.Name + ": " + text})
		}
	}
	slices.SortStableFunc(rows, func(a, b row) int { return cmp.Compare(b.n, a.n) })
	var where []string
	for _, r := range rows {
		where = append(where, r.text)
	}
	return where
}

func damagedBlocks(store *storedir.Store, _ Volume) *StoreFinding {
	if store.Deep == nil || store.Deep.Damaged == 0 {
		return nil
	}
	status := results.Warn
	var where []string
	for _, d := range store.Deep.Damages {
		text := fmt.Sprintf("%s at byte %s, after sequence %s: %v", d.Path, number(d.Offset), number(int64(d.After)), d.Why)
		if d.Last {
			text += " (the last block)"
		} else {
			status = results.Fail
		}
		where = append(where, text)
	}
	return &StoreFinding{
		Name: "block-damaged", Status: status, Where: where,
		What:      counted(store.Deep.Damaged, "block") + " with a record that is wrong",
		Threshold: "each record's own checksum, read twice; in a log's last block a warning, as a write under way or cut short by a kill looks the same",
		Source:    "rebuildStateFromBufLocked and msgFromBufEx in filestore.go",
		Reason:    "nats-server drops the rest of the block from the first wrong record on when it reads it",
		Change:    "with replicas, see that the others are current and have the stream made anew on this node; without, restore from a backup; look for I/O errors (dmesg)",
	}
}

func damagedSnapshots(store *storedir.Store, _ Volume) *StoreFinding {
	var where []string
	for _, g := range store.Groups {
		if s := g.Snapshot; s != nil && !s.Intact {
			where = append(where, g.Name+" "+g.Asset)
		}
	}
	if where == nil {
		return nil
	}
	return &StoreFinding{
		Name: "snapshot-damaged", Status: results.Fail, Where: where,
		What:      counted(int64(len(where)), "Raft snapshot") + " with a wrong checksum",
		Threshold: "none", Source: "loadLastSnapshot in nats-server's raft.go",
		Reason: "a start does not take it, and the group's state must come from another node",
		Change: "see that the other replicas are current before this server restarts; check the volume for I/O errors (dmesg)",
	}
}

// electionTime is how long the votes of all groups take at once: a voter writes its term
// and then its vote, each with a slot held.
func electionTime(groups, slots int, write time.Duration) time.Duration {
	rounds := (2*groups + slots - 1) / slots
	return time.Duration(rounds) * write
}

func tooManyGroups(store *storedir.Store, on Volume) *StoreFinding {
	slots, status := on.Slots, results.Fail
	if slots == 0 {
		slots, status = fewestSlots, results.Warn
	}
	groups := len(store.Groups)
	took := electionTime(groups, slots, slowWrite)
	if took <= electionBound {
		return nil
	}
	what := fmt.Sprintf("%s with %s: an election of all of them takes %s when a synced write takes %s", counted(int64(groups), "Raft group"), counted(int64(slots), "I/O slot"), short(took), short(slowWrite))
	if on.Slots == 0 {
		what += "; servers since 2.12.14 and 2.14.4 have 4,096 slots (--max-concurrent-io says how many this one has)"
	}
	return &StoreFinding{
		Name: "groups-for-slots", Status: status, What: what,
		Threshold: "2 writes × groups × 10 ms ÷ slots < 4 s, the shortest election timeout",
		Reason:    "votes wait for slots, elections time out and start anew, and each makes the next slower",
		Source:    "processVoteRequest and writeTermVote in raft.go; nats-server issue 8434 (1,900 groups, 6 slots)",
		Change:    "nats-server 2.12.14 or 2.14.4 and later, or max_concurrent_io there; fewer replicated consumers; storebench check measures the write itself",
	}
}

func fullVolume(store *storedir.Store, on Volume) *StoreFinding {
	if on.Free == nil {
		return nil
	}
	var largest int64
	for _, s := range store.Streams {
		largest = max(largest, s.Log.BlockSize)
	}
	noInodes := on.Free.InodesKnown && on.Free.Inodes < 1000
	if need := int64(float64(store.Bytes) * freeShare); on.Free.Bytes >= max(need, 2*largest) && !noInodes {
		return nil
	}
	what := size(on.Free.Bytes) + " are free beside a store of " + size(store.Bytes)
	if noInodes {
		what += ", and " + counted(on.Free.Inodes, "inode")
	}
	return &StoreFinding{
		Name: "volume-full", Status: results.Fail, What: what,
		Threshold: "free: 5 % of the store, two blocks and 1,000 inodes",
		Reason:    "a write that finds no space disables JetStream on the server; compaction and compression need room for a second copy of a block",
		Source:    "handleOutOfSpace in jetstream.go; compact and recompressOnDiskIfNeeded in filestore.go",
		Change:    "a larger volume, or max_bytes and max_age on the largest streams",
	}
}

func damagedState(store *storedir.Store, _ Volume) *StoreFinding {
	where := chosen(store, func(s storedir.Stream) (int64, string) {
		if st := s.Log.State; st != nil && !st.Intact {
			return 1 + s.Log.BlockBytes, st.Outdated
		}
		return 0, ""
	})
	if where == nil {
		return nil
	}
	return &StoreFinding{
		Name: "state-damaged", Status: results.Warn, Where: where,
		What:      counted(int64(len(where)), "state file") + " that no start takes",
		Threshold: "the file's own checksum, read three times", Source: "recoverFullState in filestore.go",
		Reason: "the next start reads every block of these streams",
		Change: "stop the server with SIGTERM before a restart, which writes them anew; look for I/O errors",
	}
}

func staleStates(store *storedir.Store, _ Volume) *StoreFinding {
	where := chosen(store, func(s storedir.Stream) (int64, string) {
		st := s.Log.State
		if st == nil {
			if s.Log.BlockBytes == 0 || store.ReadAt.Sub(s.Log.LastWrite) < staleState {
				return 0, ""
			}
			return s.Log.BlockBytes, "no state file; a start reads " + size(s.Log.BlockBytes)
		}
		late := s.Log.LastWrite.Sub(st.Written)
		if !st.Intact || st.Outdated == "" || late < staleState {
			return 0, ""
		}
		return s.Log.BlockBytes, fmt.Sprintf("%s behind; a start reads %s", short(late), size(s.Log.BlockBytes))
	})
	if where == nil {
		return nil
	}
	return &StoreFinding{
		Name: "state-stale", Status: results.Warn, Where: where,
		What:      counted(int64(len(where)), "stream") + " whose state file is behind the blocks by an hour or more",
		Threshold: "1 h; a healthy server writes it every 2 to 2.5 min", Source: "syncBlocks, _writeFullState and recoverFullState in filestore.go",
		Reason: "a server that is killed reads every block of these streams at its next start",
		Change: "stop with SIGTERM and wait (terminationGracePeriodSeconds); see whether WriteFullState is skipped or slow (storebench logs)",
	}
}

func tooManySubjects(store *storedir.Store, _ Volume) *StoreFinding {
	where := chosen(store, func(s storedir.Stream) (int64, string) {
		st := s.Log.State
		if st == nil || max(st.Subjects, st.Deleted) <= highCardinal {
			return 0, ""
		}
		return int64(max(st.Subjects, st.Deleted)), fmt.Sprintf("%s subjects, %s interior deletes", number(int64(st.Subjects)), number(int64(st.Deleted)))
	})
	if where == nil {
		return nil
	}
	return &StoreFinding{
		Name: "state-too-big", Status: results.Warn, Where: where,
		What:      counted(int64(len(where)), "stream") + " with more than 1,000,000 subjects or interior deletes",
		Threshold: "1,000,000 (highCardinalityThreshold)", Source: "_writeFullState in filestore.go, 2.10 to 2.15",
		Reason: "the periodic WriteFullState is skipped, so a server that is killed reads every block; a stop writes the state all the same, and takes long",
		Change: "fewer distinct subjects in a stream, or several streams; a stream of its own for messages that are deleted out of order; give a stop time",
	}
}

func smallBlocks(store *storedir.Store, _ Volume) *StoreFinding {
	where := chosen(store, func(s storedir.Stream) (int64, string) {
		l := s.Log
		tiny := l.BlockSize > 0 && l.BlockSize < 1<<20
		if l.Blocks < fewBlocks || !tiny && 2*l.Small < l.Blocks {
			return 0, ""
		}
		return l.Blocks, fmt.Sprintf("%s blocks, mean %s, block size %s", number(l.Blocks), size(l.BlockBytes/l.Blocks), size(l.BlockSize))
	})
	if where == nil {
		return nil
	}
	return &StoreFinding{
		Name: "small-blocks", Status: results.Warn, Where: where,
		What:      counted(int64(len(where)), "stream") + " with many small blocks",
		Threshold: "100 blocks, half of them under a tenth of the stream's block size, or a block size under 1 MiB",
		Source:    "autoTuneFileStorageBlockSize in stream.go: max_bytes (or max_msgs × message size) under 128,000 gives blocks of 32,000 bytes",
		Reason:    "each block is a file to open at a start and to sync every 2 min, and an entry in the state file",
		Change:    "a larger max_bytes; the same max_age for all messages of a stream in place of TTLs and purges by subject",
	}
}

func oversizedBlocks(store *storedir.Store, _ Volume) *StoreFinding {
	where := chosen(store, func(s storedir.Stream) (int64, string) {
		return s.Log.Oversized, fmt.Sprintf("%s, the largest %s, block size %s", counted(s.Log.Oversized, "block"), size(s.Log.Largest), size(s.Log.BlockSize))
	})
	if where == nil {
		return nil
	}
	return &StoreFinding{
		Name: "oversized-blocks", Status: results.Warn, Where: where,
		What:      counted(int64(len(where)), "stream") + " with blocks larger than this configuration makes",
		Threshold: "block size + the largest message (max_msg_size, else 1 MiB)", Source: "newMsgBlockForWrite and writeMsgRecord in filestore.go",
		Reason: "the blocks were made under another configuration, or max_payload is raised; each is read whole into memory",
		Change: "none is needed when the stream's limits were changed",
	}
}

func manyEncryptedBlocks(store *storedir.Store, _ Volume) *StoreFinding {
	var total, bytes int64
	for _, s := range store.Streams {
		if s.Cipher != storedir.Plain {
			total, bytes = total+s.Log.Blocks, bytes+s.Log.BlockBytes
		}
	}
	if total < manyEncrypted {
		return nil
	}
	return &StoreFinding{
		Name: "encrypted-blocks", Status: results.Warn,
		Where: chosen(store, func(s storedir.Stream) (int64, string) {
			if s.Cipher == storedir.Plain {
				return 0, ""
			}
			return s.Log.Blocks, fmt.Sprintf("%s blocks, %s, %s", number(s.Log.Blocks), size(s.Log.BlockBytes), s.Cipher)
		}),
		What:      fmt.Sprintf("%s encrypted blocks of %s", number(total), size(bytes)),
		Threshold: "1,000 blocks, a rule of thumb", Source: "lastChecksum in filestore.go; maximumEncryptedBlockSize (2 MiB) makes four times the files",
		Reason: "each block has a key file to read, and a start reads and decrypts each stream's last block whole, after a kill every block",
		Change: "encrypt the volume in place of the store where that is allowed; max_bytes on the stream gives blocks of 4 or 8 MiB",
	}
}

func manyConsumers(store *storedir.Store, _ Volume) *StoreFinding {
	where := chosen(store, func(s storedir.Stream) (int64, string) {
		if n := int64(len(s.Consumers)); n >= manyAssets {
			return n, counted(n, "consumer")
		}
		return 0, ""
	})
	groups := len(store.Groups)
	if where == nil && groups <= manyAssets {
		return nil
	}
	return &StoreFinding{
		Name: "many-consumers", Status: results.Warn, Where: where,
		What:      fmt.Sprintf("%s with 1,000 consumers or more, %s on this server", counted(int64(len(where)), "stream"), counted(int64(groups), "Raft group")),
		Threshold: "1,000 consumers of a stream, 1,000 Raft groups (HA assets) of a server", Source: "nats audit's check of 1,000 HA assets a server",
		Reason: "each replicated consumer is a Raft group with a log, a vote and a state of its own, and each state is written up to 10 times a second",
		Change: "one consumer with several filter_subjects in place of many; inactive_threshold; mem_storage and num_replicas: 1 for consumers that can be made anew",
	}
}

func largeConsumerStates(store *storedir.Store, _ Volume) *StoreFinding {
	where := chosen(store, func(s storedir.Stream) (int64, string) {
		var worst storedir.Consumer
		for _, c := range s.Consumers {
			if c.StateBytes > worst.StateBytes {
				worst = c
			}
		}
		if worst.StateBytes < largeConsumer {
			return 0, ""
		}
		return worst.StateBytes, "consumer " + worst.Name + ", " + size(worst.StateBytes)
	})
	if where == nil {
		return nil
	}
	return &StoreFinding{
		Name: "consumer-state-large", Status: results.Warn, Where: where,
		What:      counted(int64(len(where)), "stream") + " with a consumer whose state is over 1 MiB",
		Threshold: "1 MiB, a rule of thumb", Source: "flushLoop and writeState of consumerFileStore; nats-server issue 5423 (58 MB)",
		Reason: "the whole file is written anew up to 10 times a second while messages are delivered and acknowledged",
		Change: "a lower max_ack_pending; see why messages stay unacknowledged",
	}
}

func shrinkingLimit(store *storedir.Store, on Volume) *StoreFinding {
	if on.Free == nil || float64(store.Bytes) <= maxFilePortion*float64(on.Free.Bytes) {
		return nil
	}
	return &StoreFinding{
		Name: "max-file-store", Status: results.Warn,
		What:      fmt.Sprintf("the store (%s) is larger than 75 %% of what is free (%s)", size(store.Bytes), size(on.Free.Bytes)),
		Threshold: "the store < 75 % of the free space", Source: "diskAvailable in disk_avail.go; the Helm chart sets max_file_store for this reason",
		Reason: "without max_file_store in nats.conf the next start takes 75 % of the space that is free then as the limit, less than is stored already",
		Change: "set max_file_store in nats.conf, if it is not",
	}
}

func leftovers(store *storedir.Store, _ Volume) *StoreFinding {
	l := store.Leftovers
	if l.Count == 0 {
		return nil
	}
	var where []string
	for _, item := range l.Items[:min(len(l.Items), mostWhere)] {
		where = append(where, item.Path+": "+item.Why)
	}
	return &StoreFinding{
		Name: "leftovers", Status: results.Warn, Where: where,
		What:      counted(l.Count, "leftover") + " of " + size(l.Bytes),
		Threshold: "none; a live server has some for an instant", Source: "the file names of nats-server 2.10 to 2.15",
		Reason: "work that a kill cut short, or files of another program; they take space and may be staged data",
		Change: "look again after a minute; keep them until the streams are known to be complete",
	}
}
