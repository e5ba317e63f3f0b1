package storedir

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Options say what of a store is read.
type Options struct {
	// Account and Stream say which are looked into; nil for all. Raft groups are always.
	Account, Stream func(name string) bool
	// Deep reads the blocks of streams and checks every record.
	Deep bool
	// MaxRead is how many bytes a second that may read; 0 for no bound.
	MaxRead int64
	// Progress, unless nil, is told from time to time how many files and bytes were met.
	Progress func(files, bytes int64)
}

// Read reads the store whose directory jetstream is at dir, as Find returns it. What cannot be
// read is listed in the store; an error means that nothing could be, or that ctx ended.
func Read(ctx context.Context, dir string, o Options) (*Store, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	w := &walk{ctx: ctx, root: root, options: o, store: &Store{Path: dir}}
	if o.Deep {
		w.store.Deep = &Deep{}
	}
	for _, account := range w.entries(".") {
		switch {
		case !account.IsDir():
			w.leftover(account.Name(), "a file beside the accounts", account)
		case strings.HasPrefix(account.Name(), ".") || strings.HasPrefix(account.Name(), "_test_"):
			w.leftover(account.Name(), "a directory that no account has", account)
		default:
			w.account(account.Name())
		}
	}
	slices.SortStableFunc(w.store.Streams, func(a, b Stream) int { return strings.Compare(a.Account+"\x00"+a.Name, b.Account+"\x00"+b.Name) })
	slices.SortStableFunc(w.store.Groups, func(a, b Group) int { return strings.Compare(a.Name, b.Name) })
	return w.store, ctx.Err()
}

// walk reads a store through its root, which no link leads out of.
type walk struct {
	ctx     context.Context
	root    *os.Root
	options Options
	store   *Store
}

// entries are those of a directory, in the order of the file system; nothing where it is gone.
func (w *walk) entries(dir string) (all []fs.DirEntry) {
	w.each(dir, func(e fs.DirEntry) { all = append(all, e) })
	return all
}

// each calls visit for the entries of a directory, a bounded number at a time. Links are
// listed, and not followed.
func (w *walk) each(dir string, visit func(fs.DirEntry)) {
	const batch = 1024
	d, err := w.root.Open(dir)
	if err != nil {
		w.unread(dir, err)
		return
	}
	defer d.Close()
	for w.ctx.Err() == nil {
		entries, err := d.ReadDir(batch)
		for _, e := range entries {
			w.count(e)
			switch kind := e.Type(); {
			case kind&fs.ModeSymlink != 0:
				w.store.Unread = append(w.store.Unread, Unread{path.Join(dir, e.Name()), "a link; it is not followed"})
			case kind.IsDir(), kind.IsRegular():
				visit(e)
			default:
				w.leftover(path.Join(dir, e.Name()), "neither a file nor a directory", e)
			}
		}
		if err != nil {
			if !errors.Is(err, io.EOF) {
				w.unread(dir, err)
			}
			return
		}
	}
}

func (w *walk) count(e fs.DirEntry) {
	const often = 1 << 12
	if !e.Type().IsRegular() {
		return
	}
	w.store.Files++
	if info, err := e.Info(); err == nil {
		w.store.Bytes += info.Size()
	}
	if w.options.Progress != nil && w.store.Files%often == 0 {
		w.options.Progress(w.store.Files, w.store.Bytes)
	}
}

// unread lists what could not be read; a file that is gone is none of it.
func (w *walk) unread(name string, err error) {
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		return
	}
	if pathErr, ok := errors.AsType[*fs.PathError](err); ok {
		err = pathErr.Err
	}
	w.store.Unread = append(w.store.Unread, Unread{name, err.Error()})
}

func (w *walk) leftover(name, what string, e fs.DirEntry) {
	l := Leftover{Path: name, What: what}
	if info, err := e.Info(); err == nil {
		l.Since = info.ModTime().UTC()
		if info.Mode().IsRegular() {
			l.Bytes = info.Size()
		}
	}
	w.store.Leftovers = append(w.store.Leftovers, l)
}

// file reads a small file; nil where it is gone or cannot be read.
func (w *walk) file(name string, most int64) []byte {
	f, err := w.root.Open(name)
	if err != nil {
		w.unread(name, err)
		return nil
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, most+1))
	w.store.ReadBytes += int64(len(data))
	switch {
	case err != nil:
		w.unread(name, err)
		return nil
	case int64(len(data)) > most:
		w.unread(name, fmt.Errorf("larger than %d bytes", most))
		return nil
	}
	return data
}

// size is that of a file, and when it was written; 0 where it is gone.
func (w *walk) size(name string) (int64, time.Time) {
	info, err := w.root.Lstat(name)
	if err != nil || !info.Mode().IsRegular() {
		return 0, time.Time{}
	}
	return info.Size(), info.ModTime().UTC()
}

func (w *walk) account(name string) {
	for _, e := range w.entries(name) {
		at := path.Join(name, e.Name())
		switch {
		case e.Name() == raftDir:
			w.groups(at)
		case e.Name() == streamsDir:
			if w.options.Account == nil || w.options.Account(name) {
				w.streams(name, at)
			}
		default:
			w.leftover(at, "a server made it and should have removed it", e)
		}
	}
}

func (w *walk) streams(account, dir string) {
	for _, e := range w.entries(dir) {
		at := path.Join(dir, e.Name())
		switch {
		case !e.IsDir():
			w.leftover(at, "a file beside the streams", e)
		case strings.HasPrefix(e.Name(), "."):
			w.leftover(at, "a stream that was being removed", e)
		case w.options.Stream != nil && !w.options.Stream(e.Name()):
			w.store.LeftOut++
		default:
			w.stream(account, e.Name(), at)
		}
	}
}

// The most that is read of a file that holds a configuration.
const maxMeta = 4 << 20

func (w *walk) stream(account, name, dir string) {
	s := Stream{Account: account, Name: name}
	for _, e := range w.entries(dir) {
		at := path.Join(dir, e.Name())
		switch e.Name() {
		case metaFile:
			s.Created, s.Config = parseMeta(w.file(at, maxMeta))
		case keyFile:
			size, _ := w.size(at)
			s.Cipher = cipherOf(size)
		case messagesDir:
			s.Blocks = w.blocks(at)
		case consumersDir:
			s.Consumers = w.consumers(at)
		case metaSumFile, "sources.db", "batches":
		default:
			w.leftover(at, "no version writes it here for good", e)
		}
	}
	if _, written := w.size(path.Join(dir, metaFile)); written.IsZero() {
		w.store.Unread = append(w.store.Unread, Unread{dir, "a stream without " + metaFile + ": no server opens it"})
	}
	s.StateFile, s.State = w.state(path.Join(dir, messagesDir), name, s.Cipher, s.Blocks)
	w.newest(s.Blocks.Written)
	if w.options.Deep {
		w.deep(path.Join(dir, messagesDir), &s)
	}
	w.store.Streams = append(w.store.Streams, s)
}

func (w *walk) newest(t time.Time) {
	if t.After(w.store.NewestTime) {
		w.store.NewestTime = t
	}
}

// cipherOf tells the cipher by the length of a key file: a nonce, a seed of 32 bytes and a
// tag of 16 (genEncryptionKey in filestore.go).
func cipherOf(size int64) Cipher {
	switch size {
	case 24 + 32 + 16:
		return ChaCha
	case 16 + 32 + 16, 12 + 32 + 16:
		return AES
	}
	return Unknown
}

// parseMeta reads a plain meta.inf; of an encrypted one nothing is known.
func parseMeta(data []byte) (time.Time, *Config) {
	var meta struct {
		Created time.Time
		Config
	}
	if len(data) == 0 || data[0] != '{' || json.Unmarshal(data, &meta) != nil {
		return time.Time{}, nil
	}
	return meta.Created.UTC(), &meta.Config
}

// blocks adds up the files of a directory of messages.
func (w *walk) blocks(dir string) Blocks {
	b := Blocks{}
	sizes := map[int]int{} // blocks by the power of two that they are under
	w.each(dir, func(e fs.DirEntry) {
		name := e.Name()
		number, isBlock := strings.CutSuffix(name, blockSuffix)
		index, err := strconv.ParseUint(number, 10, 32)
		info, infoErr := e.Info()
		switch {
		case isBlock && err == nil && infoErr == nil && info.Mode().IsRegular():
			b.add(uint32(index), info.Size(), info.ModTime().UTC())
			sizes[power(info.Size())]++
		case isBlock || name == stateFile || name == "thw.db" || name == "sched.db" || strings.HasSuffix(name, ".key"):
		case infoErr == nil:
			w.leftover(path.Join(dir, name), leftoverWords(name), e)
		}
	})
	for size, n := range sizes {
		if size <= power(b.Largest)-3 {
			b.Small += n
		}
	}
	if b.Count > 1 && power(b.LastBytes) <= power(b.Largest)-3 {
		b.Small--
	}
	return b
}

// power is the power of two that a size is under.
func power(size int64) (n int) {
	for ; size > 0; size >>= 1 {
		n++
	}
	return n
}

func (b *Blocks) add(index uint32, size int64, written time.Time) {
	if b.Count == 0 || index < b.First {
		b.First = index
	}
	if b.Count == 0 || index > b.Last {
		b.Last, b.LastBytes = index, size
	}
	b.Count++
	b.Bytes += size
	b.Largest = max(b.Largest, size)
	if written.After(b.Written) {
		b.Written = written
	}
}

// leftoverWords say where a file beside blocks comes from.
func leftoverWords(name string) string {
	switch {
	case strings.HasSuffix(name, ".tmp"), strings.HasSuffix(name, ".new"):
		return "a block or state that was being replaced"
	case strings.HasSuffix(name, ".idx"), strings.HasSuffix(name, ".fss"):
		return "a file of nats-server before 2.10"
	case strings.HasPrefix(name, stateFile+"."):
		return "a state of nats-server up to 2.10.15 that was being written"
	}
	return "no version writes it here for good"
}

// state reads index.db. One that is being written is read again.
func (w *walk) state(dir, name string, cipher Cipher, blocks Blocks) (StateFile, *State) {
	at := path.Join(dir, stateFile)
	var f StateFile
	var err error
	for range stateTries {
		f.Bytes, f.Written = w.size(at)
		if f.Written.IsZero() {
			f.Trouble = "missing"
			if blocks.Count == 0 {
				f.Trouble = ""
			}
			return f, nil
		}
		data := w.file(at, maxStateBytes)
		if cipher != "" {
			if err = errChecksum; sealed(data, name) {
				f.Outdated = laterBlock(blocks, f.Written)
				return f, nil // its contents need the key
			}
			continue
		}
		var s *State
		if s, err = parseState(data, name); err == nil {
			f.Outdated = w.outdated(dir, s, blocks)
			return f, s
		}
		if !errors.Is(err, errChecksum) && !errors.Is(err, errShort) {
			break
		}
	}
	f.Trouble = err.Error()
	return f, nil
}

// stateTries is how often a state file is read whose checksum does not fit.
const stateTries = 3

// laterBlock is all that can be said of an encrypted store: its blocks were written some time
// after its state.
func laterBlock(blocks Blocks, written time.Time) bool {
	const apart = 10 * time.Second
	return blocks.Written.Sub(written) > apart
}

// outdated says whether the blocks go on behind a state: as nats-server does at a start, by
// the last checksum of the block that was the last one, and by later blocks.
func (w *walk) outdated(dir string, s *State, blocks Blocks) bool {
	if blocks.Count == 0 {
		return s.Messages > 0
	}
	if blocks.Last > s.lastBlock {
		return true
	}
	f, err := w.root.Open(path.Join(dir, strconv.FormatUint(uint64(s.lastBlock), 10)+blockSuffix))
	if err != nil {
		return s.Messages > 0
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || info.Size() < checksumBytes {
		return err == nil && s.checksum != [checksumBytes]byte{}
	}
	var last [checksumBytes]byte
	if _, err := f.ReadAt(last[:], info.Size()-checksumBytes); err != nil {
		return false // it is being written
	}
	w.store.ReadBytes += checksumBytes
	return last != s.checksum
}

func (w *walk) consumers(dir string) (all []Consumer) {
	for _, e := range w.entries(dir) {
		at := path.Join(dir, e.Name())
		if !e.IsDir() {
			w.leftover(at, "a file beside the consumers", e)
			continue
		}
		c := Consumer{Name: e.Name()}
		c.Bytes, c.Written = w.size(path.Join(at, consumerFile))
		if c.Bytes > 0 {
			if pending, err := parsePending(w.file(path.Join(at, consumerFile), maxConsumer)); err == nil {
				c.Pending = &pending
			}
		}
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b Consumer) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// maxConsumer is the most that is read of a consumer's state; ones of 58 MB were seen.
const maxConsumer = 256 << 20
