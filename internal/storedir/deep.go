package storedir

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"github.com/klauspost/compress/s2"
)

// Deep is what reading the blocks themselves showed.
type Deep struct {
	Blocks  int64 `json:"blocks"`
	Bytes   int64 `json:"bytes"`
	Records int64 `json:"records"`
	// Encrypted blocks cannot be checked without the key.
	Encrypted int64 `json:"encrypted_blocks"`
	// Damaged is how many blocks have a record that is wrong, Damages the first of them.
	Damaged int64    `json:"damaged_blocks"`
	Damages []Damage `json:"damages,omitempty"`
}

// Damage is the first record of a block that is wrong.
type Damage struct {
	Path string `json:"path"`
	// Offset is where the record begins, in a compressed block after decompression.
	Offset int64 `json:"offset"`
	// After is the sequence of the last good record before it, 0 when it is the first.
	After uint64 `json:"after_seq"`
	Why   string `json:"why"`
	// Last says that it is the last block of its log, where a write that is under way, or
	// that a kill cut short, looks the same.
	Last bool `json:"last_block"`
}

// The layout of a record (msgFromBufEx in filestore.go).
const (
	recordHead    = 22
	recordHeaders = 1 << 31
	minRecord     = recordHead + hashLength
	notSequence   = 3 << 62 // erased or skipped, tombstone
)

// check reads a block and notes the first record that is wrong. A block that is replaced
// or written to while it is read is read once more.
func (w *walk) check(d folder, file string, size int64, store string, index uint64) *Damage {
	deep := w.store.Deep
	var found *Damage
	for range 2 {
		records := int64(0)
		err := w.tryRead(d, file, func(in io.Reader, size int64) (err error) {
			records, found, err = checkBlock(paced{w, in}, size, fmt.Sprintf("%s-%d", store, index))
			return err
		})
		switch {
		case errors.Is(err, fs.ErrNotExist) || w.ctx.Err() != nil:
			return nil
		case err != nil:
			w.unread(d.below(file), err)
			return nil
		}
		if found == nil {
			deep.Records += records
			break
		}
	}
	deep.Blocks++
	deep.Bytes += size
	if found != nil {
		found.Path = d.below(file)
	}
	return found
}

// damaged notes damages of a log once its last block is known.
func (w *walk) damaged(list []indexed, last uint64) {
	for _, at := range list {
		at.Last = at.index == last
		w.store.Deep.Damaged++
		if len(w.store.Deep.Damages) < mostItems {
			w.store.Deep.Damages = append(w.store.Deep.Damages, at.Damage)
		}
	}
}

// indexed is a damage and its block.
type indexed struct {
	Damage
	index uint64
}

// checkBlock walks the records of a block of size bytes whose hash is keyed with key. The
// error is of reading; a record that is wrong is a Damage.
func checkBlock(in io.Reader, size int64, key string) (records int64, found *Damage, err error) {
	whole := bufio.NewReaderSize(in, 64<<10)
	body, err := unpacked(whole, size)
	if err != nil {
		return 0, &Damage{Why: err.Error()}, nil
	}
	hash, err := newHash(key)
	if err != nil {
		return 0, nil, err
	}
	r := recordReader{in: body, hash: hash}
	for {
		length, seq, err := r.next()
		switch {
		case errors.Is(err, io.EOF):
			return records, nil, nil
		case errors.Is(err, errRecord):
			return records, &Damage{Offset: r.offset, After: r.last, Why: err.Error()}, nil
		case err != nil:
			return records, nil, err
		}
		records++
		r.offset += length
		if seq&notSequence == 0 {
			r.last = seq
		}
	}
}

// unpacked undoes the S2 compression of a block that has it: "cmp", 1, a size, an S2
// stream, and the last record's checksum as it is.
func unpacked(in *bufio.Reader, size int64) (*bufio.Reader, error) {
	head, _ := in.Peek(4 + binary.MaxVarintLen64)
	if !bytes.HasPrefix(head, []byte("cmp\x01")) {
		return in, nil
	}
	_, n := binary.Uvarint(head[4:])
	if n <= 0 || int64(4+n+hashLength) > size {
		return nil, fmt.Errorf("%w: the head of a compressed block", errRecord)
	}
	_, _ = in.Discard(4 + n) // it was there a moment ago
	packed := io.LimitReader(in, size-int64(4+n+hashLength))
	return bufio.NewReaderSize(io.MultiReader(s2.NewReader(packed), in), 64<<10), nil
}

var errRecord = errors.New("no record")

type recordReader struct {
	in   *bufio.Reader
	hash interface {
		io.Writer
		Reset()
		Sum([]byte) []byte
	}
	offset int64
	last   uint64
}

// next reads a record without holding it, however large it is. io.EOF ends a block.
func (r *recordReader) next() (length int64, seq uint64, err error) {
	var head [recordHead]byte
	if _, err := io.ReadFull(r.in, head[:]); err != nil {
		return 0, 0, short(err, true)
	}
	raw := binary.LittleEndian.Uint32(head[:])
	length, seq = int64(raw&^recordHeaders), binary.LittleEndian.Uint64(head[4:])
	subject := int64(binary.LittleEndian.Uint16(head[20:]))
	rest := length - recordHead - hashLength - subject
	headers := raw&recordHeaders != 0
	if headers {
		rest -= 4
	}
	if length < minRecord || length > maxRecord || rest < 0 {
		return 0, 0, fmt.Errorf("%w: a length of %d", errRecord, length)
	}
	r.hash.Reset()
	_, _ = r.hash.Write(head[4:20]) // a hash takes all
	if _, err := io.CopyN(r.hash, r.in, subject); err != nil {
		return 0, 0, short(err, false)
	}
	if headers {
		var size [4]byte // not in the hash
		if _, err := io.ReadFull(r.in, size[:]); err != nil {
			return 0, 0, short(err, false)
		}
		if n := int64(binary.LittleEndian.Uint32(size[:])); n > rest {
			return 0, 0, fmt.Errorf("%w: headers of %d bytes", errRecord, n)
		}
	}
	if _, err := io.CopyN(r.hash, r.in, rest); err != nil {
		return 0, 0, short(err, false)
	}
	var want [hashLength]byte
	if _, err := io.ReadFull(r.in, want[:]); err != nil {
		return 0, 0, short(err, false)
	}
	if !bytes.Equal(r.hash.Sum(nil), want[:]) {
		return 0, 0, fmt.Errorf("%w: checksum does not match", errRecord)
	}
	return length, seq, nil
}

// short tells the end of a block, which may be between records alone, from other errors.
func short(err error, between bool) error {
	switch {
	case errors.Is(err, io.EOF) && between:
		return io.EOF
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("%w: it is cut short", errRecord)
	case errors.Is(err, s2.ErrCorrupt), errors.Is(err, s2.ErrCRC), errors.Is(err, s2.ErrUnsupported), errors.Is(err, s2.ErrTooLarge):
		return fmt.Errorf("%w: the compression is damaged", errRecord)
	}
	return err
}

// paced reads no faster than the walk may.
type paced struct {
	w  *walk
	in io.Reader
}

func (p paced) Read(to []byte) (int, error) {
	if err := p.w.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := p.in.Read(to)
	p.w.paced += int64(n)
	if rate := p.w.opts.MaxRead; rate > 0 {
		due := time.Duration(float64(p.w.paced) / float64(rate) * float64(time.Second))
		if wait := due - time.Since(p.w.store.ReadAt); wait > 0 {
			select {
			case <-time.After(wait):
			case <-p.w.ctx.Done():
			}
		}
	}
	return n, err
}
