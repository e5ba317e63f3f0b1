package storedir

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/minio/highwayhash"
)

// State is what a state file (index.db) says. Of an encrypted one only Bytes, Written
// and Intact are known.
type State struct {
	Bytes   int64     `json:"bytes"`
	Written time.Time `json:"written"`
	// Intact says that its checksum is right.
	Intact  bool `json:"intact"`
	Version int  `json:"version,omitempty"`
	// Outdated says why a start would not use it, and read every block; empty when it would.
	Outdated string `json:"outdated,omitempty"`
	// Guessed says that Outdated rests on times of files alone, as with an encrypted log.
	Guessed bool `json:"guessed,omitempty"`
	// Known says that the fields below are.
	Known     bool      `json:"known"`
	Msgs      uint64    `json:"messages"`
	MsgBytes  uint64    `json:"message_bytes"`
	First     uint64    `json:"first_seq"`
	Last      uint64    `json:"last_seq"`
	FirstTime time.Time `json:"first_time,omitzero"`
	LastTime  time.Time `json:"last_time,omitzero"`
	Subjects  uint64    `json:"subjects"`
	// Deleted is the number of interior deletes.
	Deleted uint64 `json:"deleted"`
	Blocks  uint64 `json:"blocks"`

	lastBlock uint64  // the last block when it was written
	checksum  [8]byte // of that block's last record
}

// Errors of a state file. errNewer is a format of a later nats-server.
var (
	errDamaged = errors.New("damaged")
	errHash    = errors.New("checksum does not match")
	errNewer   = errors.New("of a newer format than nats-server 2.15 writes")
	errShort   = errors.New("too short")
)

const (
	stateMagic      = 11
	stateMaxVersion = 4
	stateMinLength  = 32
	hashLength      = highwayhash.Size64
	maxVarint       = binary.MaxVarintLen64
)

// newHash is the hash that nats-server keys with a name: of a store, a block, a group.
func newHash(name string) (*highwayhash.Digest64, error) {
	key := sha256.Sum256([]byte(name))
	return highwayhash.NewDigest64(key[:])
}

// readState reads a state file of size bytes in one pass and bounded memory: a file with
// a million subjects is as large as all of them. name is the store's: the stream's or the
// Raft group's. The error says what is wrong with the file; s is what is known of it
// all the same.
func readState(in io.Reader, size int64, name string, encrypted bool) (s State, err error) {
	s.Bytes = size
	if size < stateMinLength {
		return s, errShort
	}
	hash, err := newHash(name)
	if err != nil {
		return s, err
	}
	body := bufio.NewReaderSize(io.TeeReader(io.LimitReader(in, size-hashLength), hash), 64<<10)
	var malformed error
	if !encrypted {
		malformed = s.parse(&fields{in: body, left: size - hashLength})
	}
	if _, err := io.Copy(io.Discard, body); err != nil {
		return s, err
	}
	var want [hashLength]byte
	if _, err := io.ReadFull(in, want[:]); err != nil {
		return State{Bytes: size}, errShort
	}
	if !bytes.Equal(hash.Sum(nil), want[:]) {
		return State{Bytes: size}, errHash
	}
	s.Intact = true
	if malformed != nil {
		return State{Bytes: size, Intact: true, Version: s.Version}, malformed
	}
	s.Known = !encrypted
	return s, nil
}

// parse reads what lies before the hash (recoverFullState in filestore.go).
func (s *State) parse(in *fields) error {
	magic, version := in.byte(), in.byte()
	switch {
	case in.err != nil || magic != stateMagic || version == 0:
		return errDamaged
	case version > stateMaxVersion:
		s.Version = int(version)
		return errNewer
	}
	s.Version = int(version)
	s.Msgs, s.MsgBytes, s.First = in.uvarint(), in.uvarint(), in.uvarint()
	s.FirstTime = moment(in.varint())
	s.Last, s.LastTime = in.uvarint(), moment(in.varint())
	s.Subjects = in.count()
	for range s.Subjects {
		in.subject(version)
		if in.err != nil {
			return in.err
		}
	}
	s.Blocks = in.count()
	for range s.Blocks {
		in.block(version)
		if in.err != nil {
			return in.err
		}
	}
	s.lastBlock = in.uvarint()
	in.read(s.checksum[:])
	if s.Last > s.First && s.Last-s.First+1 >= s.Msgs {
		s.Deleted = s.Last - s.First + 1 - s.Msgs
	}
	return in.err
}

func moment(ns int64) time.Time {
	if ns == 0 {
		return time.Time{}
	}
	return time.Unix(0, ns).UTC()
}

// fields reads the numbers of a state file. After an error it reads zeros.
type fields struct {
	in   *bufio.Reader
	left int64 // bytes
	err  error
}

func (f *fields) read(to []byte) {
	if f.err != nil {
		return
	}
	n, err := io.ReadFull(f.in, to)
	f.left -= int64(n)
	if err != nil {
		f.err = errDamaged
	}
}

func (f *fields) skip(n uint64) {
	if f.err != nil {
		return
	}
	if n > uint64(f.left) {
		f.err = errDamaged
		return
	}
	done, err := io.CopyN(io.Discard, f.in, int64(n))
	f.left -= done
	if err != nil {
		f.err = errDamaged
	}
}

func (f *fields) byte() byte {
	var b [1]byte
	f.read(b[:])
	return b[0]
}

func (f *fields) uvarint() uint64 {
	if f.err != nil {
		return 0
	}
	ahead, _ := f.in.Peek(int(min(maxVarint, f.left)))
	v, n := binary.Uvarint(ahead)
	f.advance(n)
	return v
}

func (f *fields) varint() int64 {
	if f.err != nil {
		return 0
	}
	ahead, _ := f.in.Peek(int(min(maxVarint, f.left)))
	v, n := binary.Varint(ahead)
	f.advance(n)
	return v
}

func (f *fields) advance(n int) {
	if n <= 0 {
		f.err = errDamaged
		return
	}
	f.skip(uint64(n))
}

// count is a number of things that take at least a byte each.
func (f *fields) count() uint64 {
	n := f.uvarint()
	if f.err == nil && n > uint64(f.left) {
		f.err = errDamaged
		return 0
	}
	return n
}

// subject skips one subject with its totals.
func (f *fields) subject(version byte) {
	length := f.uvarint()
	if length == 0 {
		return
	}
	f.skip(length)
	total := f.uvarint()
	f.uvarint() // its first block
	if total > 1 || version >= 4 {
		f.uvarint() // its last block
	}
}

// block skips one block with its delete set.
func (f *fields) block(version byte) {
	for range 2 { // index, bytes
		f.uvarint()
	}
	for range 2 { // first, last
		f.uvarint()
		f.varint()
	}
	deleted := f.uvarint()
	if version >= 2 {
		f.uvarint() // messages with a TTL
	}
	if version >= 3 {
		f.uvarint() // schedules
	}
	if deleted > 0 {
		f.deleteSet()
	}
}

// deleteSet skips the sequences deleted in a block (avl.Decode).
func (f *fields) deleteSet() {
	var head [10]byte
	f.read(head[:])
	var words uint64
	switch {
	case f.err != nil:
		return
	case head[0] == 22 && head[1] == 1:
		words = 64
	case head[0] == 22 && head[1] == 2:
		words = 32
	default:
		f.err = fmt.Errorf("%w: no delete set", errDamaged)
		return
	}
	nodes := uint64(binary.LittleEndian.Uint32(head[2:]))
	f.skip(nodes * ((words+1)*8 + 2))
}
