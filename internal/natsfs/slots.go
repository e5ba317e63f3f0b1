package natsfs

import (
	"encoding/binary"
	"fmt"
	"time"
	"unsafe"
)

// SlotWaits is how operations waited for an I/O slot since the slots were made,
// from nats-server's own counters. A wait still under way is in Waiters alone.
type SlotWaits struct {
	Slots   int           // how many there are
	Waiters int64         // waiting at this moment
	Waits   uint64        // waits that ended
	Wait    time.Duration // their sum
	MaxWait time.Duration // the longest of them
}

// Sub is what was waited since earlier. The longest wait is known since the slots
// were made alone: it is 0 when no wait has ended since.
func (w SlotWaits) Sub(earlier SlotWaits) SlotWaits {
	w.Waits, w.Wait = w.Waits-earlier.Waits, w.Wait-earlier.Wait
	if w.Waits == 0 {
		w.MaxWait = 0
	}
	return w
}

// Slots is a set of nats-server's I/O slots outside a server: at most so many
// of the operations below are inside the kernel at once. It is safe for
// concurrent use.
type Slots struct {
	sem unsafe.Pointer // *diskIOSemaphore
}

// NewSlots makes n slots; n is MinSlots to MaxSlots.
func NewSlots(n int) (*Slots, error) {
	if err := CheckVersion(); err != nil {
		return nil, err
	}
	if err := checkSlots(n); err != nil {
		return nil, err
	}
	return &Slots{sem: newDiskIOSemaphore(n)}, nil
}

// Waits returns the counters. They are read one by one, so a wait that ends
// meanwhile may be in some of them.
func (s *Slots) Waits() SlotWaits {
	stats := diskIOWaitStats(s.sem)
	return SlotWaits{
		Slots:   slotsCap(s.sem),
		Waiters: stats.Waiters,
		Waits:   stats.Waits,
		Wait:    time.Duration(stats.WaitTime),
		MaxWait: time.Duration(stats.MaxWaitTime),
	}
}

// WriteTermVote writes a Raft group's term and vote (as TermVote makes them) to
// tav.idx in dir, as nats-server does in an election whatever its sync mode: a
// temporary file written with O_SYNC, a rename, and an fsync of dir (not on
// Windows), all under one slot. When it returns nil the write is durable.
// Concurrent writes need directories of their own.
func (s *Slots) WriteTermVote(dir string, termVote []byte) error {
	if err := writeTermVote(s.sem, dir, termVote); err != nil {
		return fmt.Errorf("write term and vote: %w", err)
	}
	return nil
}

// PeerIDLen is the length of a Raft peer's name in bytes, and so of a vote.
const PeerIDLen = 8

// TermVote is the content of tav.idx: the term in 8 bytes, little endian, and
// then the peer that was voted for; vote is empty when there was no vote yet.
// The encoding is that of nats-server's (*raft).writeTermVote.
func TermVote(term uint64, vote string) []byte {
	return append(binary.LittleEndian.AppendUint64(make([]byte, 0, 8+len(vote)), term), vote...)
}

// VoterTermVotes is what a voter writes in an election, one write after the
// other: the new term without a vote, then its vote for the candidate
// (processVoteRequest in nats-server's raft.go).
type VoterTermVotes struct {
	NewTerm []byte
	Vote    []byte
}

// Voter returns the two writes of a voter for candidate, a name of PeerIDLen
// bytes, in term.
func Voter(term uint64, candidate string) VoterTermVotes {
	return VoterTermVotes{NewTerm: TermVote(term, ""), Vote: TermVote(term, candidate)}
}
