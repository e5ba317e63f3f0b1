package storedir

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"io"
	"time"
)

// metaGroup is the group that holds the cluster's assignments.
const metaGroup = "_meta_"

// Snapshot is a Raft group's newest snapshot. It lies in clear also in an encrypted store.
type Snapshot struct {
	Term    uint64    `json:"term"`
	Index   uint64    `json:"index"`
	Bytes   int64     `json:"bytes"`
	Written time.Time `json:"written"`
	Intact  bool      `json:"intact"`
	// Stream is what a stream's snapshot says of the stream as of then.
	Stream *SnapshotState `json:"stream,omitempty"`
}

// SnapshotState is a stream's state in a snapshot.
type SnapshotState struct {
	Msgs  uint64 `json:"messages"`
	Bytes uint64 `json:"bytes"`
	First uint64 `json:"first_seq"`
	Last  uint64 `json:"last_seq"`
}

const (
	snapshotHead      = 20 // term, index, length of the peers
	streamStateMagic  = 42
	maxPeers          = 1 << 16 // bytes; a peer takes 8
	snapshotMinLength = snapshotHead + hashLength
)

// readSnapshot reads a snapshot of size bytes of a group in bounded memory
// (loadLastSnapshot in raft.go).
func readSnapshot(in io.Reader, size int64, group string) (s Snapshot, err error) {
	s.Bytes = size
	if size < snapshotMinLength {
		return s, errShort
	}
	hash, err := newHash(group)
	if err != nil {
		return s, err
	}
	body := bufio.NewReader(io.TeeReader(io.LimitReader(in, size-hashLength), hash))
	s.head(body, size-hashLength)
	if _, err := io.Copy(io.Discard, body); err != nil {
		return s, err
	}
	var want [hashLength]byte
	if _, err := io.ReadFull(in, want[:]); err != nil {
		return Snapshot{Bytes: size}, errShort
	}
	if !bytes.Equal(hash.Sum(nil), want[:]) {
		return Snapshot{Bytes: size}, errHash
	}
	s.Intact = true
	return s, nil
}

// head reads what comes first, and a stream's state behind it.
func (s *Snapshot) head(in *bufio.Reader, left int64) {
	f := &fields{in: in, left: left}
	var head [snapshotHead]byte
	f.read(head[:])
	s.Term = binary.LittleEndian.Uint64(head[:])
	s.Index = binary.LittleEndian.Uint64(head[8:])
	peers := binary.LittleEndian.Uint32(head[16:])
	if peers > maxPeers {
		return
	}
	f.skip(uint64(peers))
	if magic, version := f.byte(), f.byte(); f.err != nil || magic != streamStateMagic || version == 0 || version > 2 {
		return
	}
	state := SnapshotState{Msgs: f.uvarint(), Bytes: f.uvarint(), First: f.uvarint(), Last: f.uvarint()}
	if f.err == nil {
		s.Stream = &state
	}
}

// parseVote reads a tav.idx: the term, and the peer voted for in it.
func parseVote(data []byte) (term uint64, voted string, err error) {
	switch len(data) {
	case 8:
	case 16:
		voted = string(data[8:])
	default:
		return 0, "", errDamaged
	}
	return binary.LittleEndian.Uint64(data), voted, nil
}

// parsePeers reads how many peers a peers.idx names.
func parsePeers(data []byte) (int, error) {
	if len(data) < 8 {
		return 0, errShort
	}
	n := binary.LittleEndian.Uint32(data[4:])
	if uint64(n)*8 > uint64(len(data)-8) {
		return 0, errDamaged
	}
	return int(n), nil
}
