package storedir

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/minio/highwayhash"
	"github.com/nats-io/nats-server/v2/server/avl"
)

// The state file of nats-server's file store, index.db (recoverFullState in filestore.go).
const (
	checksumBytes   = highwayhash.Size64
	stateMagic      = 11
	minStateVersion = 1 // 2.10
	maxStateVersion = 4 // 2.14
	minStateBytes   = 32
	maxStateBytes   = 1 << 30
)

var (
	errChecksum = errors.New("its checksum does not fit: damaged, or being written")
	errShort    = errors.New("it is cut short")
	errNewer    = errors.New("it is of another version than 2.10 to 2.15 write")
)

// sealed says whether the hash at the end of a file's bytes is that of the rest, under the
// name of its store. Encrypted files have it too: it is over the bytes as they lie there.
func sealed(data []byte, name string) bool {
	if len(data) < checksumBytes {
		return false
	}
	key := sha256.Sum256([]byte(name))
	hash, err := highwayhash.NewDigest64(key[:])
	if err != nil {
		return false
	}
	body := data[:len(data)-checksumBytes]
	hash.Write(body)
	return bytes.Equal(hash.Sum(nil), data[len(body):])
}

// parseState reads the state of a plain store of that name. A file whose hash fits and whose
// contents do not is of a version that is not known here.
func parseState(data []byte, name string) (*State, error) {
	if len(data) < minStateBytes {
		return nil, errShort
	}
	if !sealed(data, name) {
		return nil, errChecksum
	}
	return decodeState(data[:len(data)-checksumBytes])
}

// decodeState reads the state without its hash.
func decodeState(data []byte) (*State, error) {
	if len(data) < 2 || data[0] != stateMagic || data[1] < minStateVersion || data[1] > maxStateVersion {
		return nil, errNewer
	}
	r := varints{rest: data[2:]}
	s := &State{Version: int(data[1]), Messages: r.uint(), Bytes: r.uint(), First: r.uint()}
	s.FirstTime = moment(r.int())
	s.Last = r.uint()
	s.LastTime = moment(r.int())
	s.Subjects = r.uint()
	r.subjects(s.Subjects, s.Version)
	s.Blocks = r.uint()
	r.blocks(s.Blocks, s.Version)
	s.lastBlock = uint32(r.uint())
	copy(s.checksum[:], r.bytes(checksumBytes))
	if r.err != nil {
		return nil, r.err
	}
	if s.Messages > 0 && s.Last >= s.First {
		if span := s.Last - s.First + 1; span > s.Messages {
			s.Deletes = span - s.Messages
		}
	}
	return s, nil
}

func moment(ns int64) time.Time {
	if ns == 0 {
		return time.Time{}
	}
	return time.Unix(0, ns).UTC()
}

// varints reads numbers one after the other; after the first fault all are 0.
type varints struct {
	rest []byte
	err  error
}

func (r *varints) uint() uint64 {
	v, n := binary.Uvarint(r.rest)
	return advance(r, v, n)
}

func (r *varints) int() int64 {
	v, n := binary.Varint(r.rest)
	return advance(r, v, n)
}

func advance[T uint64 | int64](r *varints, v T, n int) T {
	if r.err != nil {
		return 0
	}
	if n <= 0 {
		r.err = errShort
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

func (r *varints) bytes(n uint64) []byte {
	if r.err == nil && n > uint64(len(r.rest)) {
		r.err = errShort
	}
	if r.err != nil {
		return nil
	}
	taken := r.rest[:n]
	r.rest = r.rest[n:]
	return taken
}

// subjects steps over as many subjects with their counts.
func (r *varints) subjects(n uint64, version int) {
	for i := uint64(0); i < n && r.err == nil; i++ {
		if len(r.bytes(r.uint())) == 0 {
			continue // an empty one has no counts
		}
		total, _ := r.uint(), r.uint() // and its first block
		if total > 1 || version >= 4 {
			r.uint() // its last block
		}
	}
}

// blocks steps over as many blocks.
func (r *varints) blocks(n uint64, version int) {
	for i := uint64(0); i < n && r.err == nil; i++ {
		for _, signed := range []bool{false, false, false, true, false, true} { // index, bytes, first and last with their times
			if signed {
				r.int()
			} else {
				r.uint()
			}
		}
		deleted := r.uint()
		if version >= 2 {
			r.uint() // messages with a time to live
		}
		if version >= 3 {
			r.uint() // schedules
		}
		if deleted > 0 && r.err == nil {
			r.deletes()
		}
	}
}

// deletes steps over the set of a block's deleted sequences.
func (r *varints) deletes() {
	defer func() { // the decoder is made for what was written by it
		if recover() != nil {
			r.err = errShort
		}
	}()
	_, n, err := avl.Decode(r.rest)
	if err != nil || n <= 0 || n > len(r.rest) {
		r.err = fmt.Errorf("its set of deleted messages cannot be read: %w", errors.Join(err, errShort))
		return
	}
	r.rest = r.rest[n:]
}

// The state of a consumer, o.dat (encodeConsumerState in store.go).
const (
	consumerMagic   = 22
	consumerVersion = 2
)

// parsePending reads how many messages a consumer has delivered that are not acknowledged.
func parsePending(data []byte) (uint64, error) {
	if len(data) < 2 || data[0] != consumerMagic || data[1] != consumerVersion {
		return 0, errNewer
	}
	r := varints{rest: data[2:]}
	for range 4 { // acknowledgement floor and delivered, each of consumer and stream
		r.uint()
	}
	pending := r.uint()
	return pending, r.err
}
