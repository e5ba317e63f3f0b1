package storedir

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/klauspost/compress/s2"
	"github.com/minio/highwayhash"
)

// Deep is what reading every record found.
type Deep struct {
	Blocks    int64    `json:"blocks"`
	Records   int64    `json:"records"`
	Bytes     int64    `json:"bytes"`                      // read
	Encrypted int64    `json:"encrypted_blocks,omitempty"` // that say nothing without their key
	Damage    []Damage `json:"damage,omitempty"`
	More      int64    `json:"more_damage,omitempty"` // that is not listed
}

// Damage is a record whose checksum does not fit, or where no record can be.
type Damage struct {
	Path     string `json:"path"`   // of the block
	Offset   int64  `json:"offset"` // in the block, once decompressed
	Sequence uint64 `json:"sequence,omitempty"`
	Reason   string `json:"reason"`
}

// maxDamage is how much of it is listed.
const maxDamage = 100

// The record of a message block (writeMsgRecordLocked in filestore.go).
const (
	recordHead   = 4 + 8 + 8 + 2 // length, sequence, time, subject's length
	minRecord    = recordHead + checksumBytes
	maxRecord    = 32 << 20
	hasHeaders   = 1 << 31
	notMessage   = 3 << 62 // erased, skipped, or a tombstone
	compressedS2 = 1
)

// deep reads the blocks of a stream. One that is written meanwhile may end within a record.
func (w *walk) deep(dir string, s *Stream) {
	w.each(dir, func(e fs.DirEntry) {
		number, isBlock := strings.CutSuffix(e.Name(), blockSuffix)
		index, err := strconv.ParseUint(number, 10, 32)
		if !isBlock || err != nil || w.ctx.Err() != nil {
			return
		}
		at := path.Join(dir, e.Name())
		if s.Cipher != "" {
			w.store.Deep.Encrypted++
			return
		}
		f, err := w.root.Open(at)
		if err != nil {
			w.unread(at, err)
			return
		}
		defer f.Close()
		w.store.Deep.Blocks++
		if err := w.records(&paced{walk: w, from: f}, at, s, uint32(index)); err != nil {
			w.unread(at, err)
		}
	})
}

// paced reads no more bytes a second than it may.
type paced struct {
	walk  *walk
	from  io.Reader
	start time.Time
	read  int64
}

func (p *paced) Read(buf []byte) (int, error) {
	if err := p.walk.ctx.Err(); err != nil {
		return 0, err
	}
	if p.start.IsZero() {
		p.start = time.Now()
	}
	const most = 1 << 20
	n, err := p.from.Read(buf[:min(len(buf), most)])
	p.read += int64(n)
	p.walk.store.Deep.Bytes += int64(n)
	if rate := p.walk.options.MaxRead; rate > 0 {
		due := p.start.Add(time.Duration(float64(p.read) / float64(rate) * float64(time.Second)))
		if wait := time.Until(due); wait > 0 {
			select {
			case <-p.walk.ctx.Done():
			case <-time.After(wait):
			}
		}
	}
	return n, err
}

// records walks over a block. An error is one of reading, and none of what was read.
func (w *walk) records(from io.Reader, at string, s *Stream, index uint32) error {
	in := bufio.NewReaderSize(from, 256<<10)
	head, err := in.Peek(4)
	if err == nil && bytes.HasPrefix(head, []byte("cmp")) && head[3] == compressedS2 {
		s.Blocks.Compressed++
		var header [4]byte
		if _, err := io.ReadFull(in, header[:]); err != nil {
			return err
		}
		if _, err := binary.ReadUvarint(in); err != nil {
			w.damage(Damage{Path: at, Reason: "its compression has no length"})
			return nil
		}
		// The checksum of the last record stands behind what is compressed, as it is.
		in = bufio.NewReaderSize(io.MultiReader(s2.NewReader(withoutEnd(in, checksumBytes)), in), 256<<10)
	}
	key := sha256.Sum256([]byte(s.Name + "-" + strconv.FormatUint(uint64(index), 10)))
	hasher, err := highwayhash.NewDigest64(key[:])
	if err != nil {
		return err
	}
	for offset := int64(0); ; {
		n, d, err := record(in, hasher)
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case errors.Is(err, errTail) && index == s.Blocks.Last: // it is being written
			return nil
		case errors.Is(err, errTail):
			w.damage(Damage{Path: at, Offset: offset, Sequence: d.Sequence, Reason: d.Reason})
			return nil
		case err != nil && w.ctx.Err() != nil:
			return nil
		case err != nil:
			w.damage(Damage{Path: at, Offset: offset, Reason: "it cannot be read on: " + plainError(err)})
			return nil
		case d.Reason != "":
			d.Path, d.Offset = at, offset
			w.damage(d)
		}
		w.store.Deep.Records++
		offset += n
	}
}

func plainError(err error) string {
	if pathErr, ok := errors.AsType[*fs.PathError](err); ok {
		err = pathErr.Err
	}
	return err.Error()
}

func (w *walk) damage(d Damage) {
	if len(w.store.Deep.Damage) == maxDamage {
		w.store.Deep.More++
		return
	}
	w.store.Deep.Damage = append(w.store.Deep.Damage, d)
}

// errTail says that no further record can be found in a block.
var errTail = errors.New("no record")

// record reads the next record. A record whose checksum does not fit has a reason.
func record(in *bufio.Reader, hasher hash.Hash64) (n int64, d Damage, err error) {
	var head [recordHead]byte
	if _, err := io.ReadFull(in, head[:]); err != nil {
		if errors.Is(err, io.ErrUnexpectedEOF) {
			d.Reason, err = "it ends within a record", errTail
		}
		return 0, d, err
	}
	little := binary.LittleEndian
	length, sequence := little.Uint32(head[:]), little.Uint64(head[4:])
	headers := length&hasHeaders != 0
	length &^= hasHeaders
	subject := int64(little.Uint16(head[20:]))
	d.Sequence = sequence &^ notMessage
	if length < minRecord || length > maxRecord || subject > int64(length)-minRecord {
		d.Reason = fmt.Sprintf("a record of %d bytes with a subject of %d cannot be", length, subject)
		return 0, d, errTail
	}
	body := make([]byte, length-recordHead)
	if _, err := io.ReadFull(in, body); err != nil {
		if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
			d.Reason, err = "it ends within a record", errTail
		}
		return 0, d, err
	}
	sum := body[len(body)-checksumBytes:]
	body = body[:len(body)-checksumBytes]
	hasher.Reset()
	hasher.Write(head[4:20])
	hasher.Write(body[:subject])
	rest := body[subject:]
	if headers {
		if len(rest) < 4 {
			d.Reason = "its headers are cut short"
			return int64(length), d, nil
		}
		rest = rest[4:]
	}
	hasher.Write(rest)
	if !bytes.Equal(hasher.Sum(nil), sum) {
		d.Reason = "its checksum does not fit"
	}
	return int64(length), d, nil
}

// withoutEnd leaves the last n bytes of a stream in it.
func withoutEnd(in *bufio.Reader, n int) io.Reader { return &trimmed{in, n} }

type trimmed struct {
	in *bufio.Reader
	n  int
}

func (t *trimmed) Read(buf []byte) (int, error) {
	ahead, err := t.in.Peek(len(buf) + t.n)
	if len(ahead) <= t.n {
		if err == nil || errors.Is(err, bufio.ErrBufferFull) {
			err = io.EOF
		}
		return 0, err
	}
	n := copy(buf, ahead[:len(ahead)-t.n])
	_, discardErr := t.in.Discard(n)
	return n, discardErr
}
