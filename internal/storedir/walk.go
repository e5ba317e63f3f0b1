package storedir

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"time"
)

// Options say what of a store is read.
type Options struct {
	// Account and Stream are patterns (path.Match) of names, empty for all. With one of
	// them, only the Raft groups that are known to belong to such streams are kept.
	Account, Stream string
	// Progress is called now and then with the files and bytes seen; nil is fine.
	Progress func(files, bytes int64)
	// Deep reads every block that is not encrypted, at most MaxRead bytes/s (0: no limit).
	Deep    bool
	MaxRead int64
}

// walk is one reading of a store.
type walk struct {
	ctx   context.Context
	opts  Options
	store *Store
	known assignments
	paced int64 // bytes of blocks read
}

// Read reads the store that Find returned. What cannot be read is in Unread and no
// error; an error means that nothing was read, or that ctx ended.
func Read(ctx context.Context, dir string, opts Options) (*Store, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	w := &walk{ctx: ctx, opts: opts, store: &Store{Dir: dir, ReadAt: time.Now()}}
	w.known = assignments{map[string]*Config{}, map[string]string{}}
	if opts.Deep {
		w.store.Deep = &Deep{}
	}
	top := folder{root: root}
	defer top.close()
	w.each(top, func(name string, info fs.FileInfo) {
		if !info.IsDir() {
			w.store.Leftovers.add(name, "no version writes this file here", info.Size())
			return
		}
		w.within(top, name, func(d folder) { w.account(d, name) })
	})
	w.assign()
	return w.store, ctx.Err()
}

// count counts a regular file.
func (w *walk) count(size int64) {
	w.store.Files++
	w.store.Bytes += size
	if w.opts.Progress != nil && w.store.Files%1024 == 0 {
		w.opts.Progress(w.store.Files, w.store.Bytes)
	}
}

// seen returns how many files and bytes were counted since it was called.
func (w *walk) seen() func() (files, bytes int64) {
	files, bytes := w.store.Files, w.store.Bytes
	return func() (int64, int64) { return w.store.Files - files, w.store.Bytes - bytes }
}

func fits(pattern, name string) bool {
	if pattern == "" {
		return true
	}
	ok, err := path.Match(pattern, name)
	return ok && err == nil
}

func (w *walk) account(d folder, account string) {
	w.each(d, func(name string, info fs.FileInfo) {
		switch {
		case name == "streams" && info.IsDir():
			if fits(w.opts.Account, account) {
				w.within(d, name, func(d folder) { w.streams(d, account) })
			}
		case name == "_js_" && info.IsDir():
			w.within(d, name, func(d folder) { w.groups(d, account) })
		default:
			w.leftover(d, name, info, accountLeftover(name))
		}
	})
}

func accountLeftover(name string) string {
	switch name {
	case "__snapshots__":
		return "the staging of a backup or a restore"
	case "templates":
		return "stream templates, which nats-server 2.12 was the last to have"
	case ".snap-staging":
		return "the staging of a restore"
	}
	return "no version writes this here"
}

// leftover notes a file, or a directory with all below it.
func (w *walk) leftover(d folder, name string, info fs.FileInfo, why string) {
	size := info.Size()
	if info.IsDir() {
		seen := w.seen()
		w.within(d, name, w.countAll)
		_, size = seen()
	}
	w.store.Leftovers.add(d.below(name), why, size)
}

// countAll counts the files below a directory.
func (w *walk) countAll(d folder) {
	w.each(d, func(name string, info fs.FileInfo) {
		if info.IsDir() {
			w.within(d, name, w.countAll)
		}
	})
}

func (w *walk) streams(d folder, account string) {
	w.each(d, func(name string, info fs.FileInfo) {
		switch {
		case !info.IsDir():
			w.leftover(d, name, info, "no version writes this file here")
		case strings.HasPrefix(name, "."):
			w.leftover(d, name, info, "a stream that was being deleted")
		case fits(w.opts.Stream, name):
			w.within(d, name, func(d folder) { w.stream(d, account, name) })
		}
	})
}

func (w *walk) stream(d folder, account, name string) {
	seen := w.seen()
	s := Stream{Account: account, Name: name}
	var key, meta, messages bool
	w.each(d, func(entry string, info fs.FileInfo) {
		switch entry {
		case "meta.inf":
			meta = true
		case "meta.key":
			key, s.Cipher = true, cipherOf(info.Size())
		case "msgs":
			messages = true
		case "meta.sum", "obs", "sources.db":
		case "batches":
			w.within(d, entry, w.countAll)
		default:
			w.leftover(d, entry, info, streamLeftover(entry))
		}
	})
	if meta {
		w.bytes(d, "meta.inf", maxMeta, func(data []byte) (err error) {
			s.Config, err = parseConfig(data, key)
			return err
		})
	} else {
		w.store.Leftovers.add(d.path, "a stream's directory without meta.inf: nats-server does not load it", 0)
	}
	var maxMessage int64 = maxRecord
	if s.Config != nil {
		s.Log.BlockSize, maxMessage = s.Config.blockSize(key), s.Config.messageSize()
	}
	if messages {
		w.within(d, "msgs", func(d folder) { w.log(d, &s.Log, name, key, maxMessage) })
	}
	w.within(d, "obs", func(d folder) { w.consumers(d, &s) })
	s.Files, s.Bytes = seen()
	w.store.Streams = append(w.store.Streams, s)
}

const (
	maxMeta   = 16 << 20 // bytes of a meta.inf
	maxRecord = 32 << 20 // bytes of a message's record, by every version
)

func streamLeftover(name string) string {
	switch {
	case strings.HasSuffix(name, ".tmp"):
		return "a write that did not finish"
	case strings.HasPrefix(name, "_test_"):
		return "the test file of a start that did not finish"
	case name == "__msgs__" || name == "__new_msgs__":
		return "a purge that did not finish"
	}
	return "no version writes this here"
}

// cipherOf tells a cipher by the size of its key file.
func cipherOf(size int64) Cipher {
	switch size {
	case 72:
		return ChaCha
	case 64:
		return AES
	}
	return Unknown
}

// parseConfig reads a stream's meta.inf. An encrypted one gives nothing; what it begins
// with tells nothing, since that is random.
func parseConfig(data []byte, encrypted bool) (*Config, error) {
	// The names in the file are StreamConfig's in stream.go; Replicas is num_replicas.
	var in struct {
		Retention   string `json:"retention"`
		Replicas    int    `json:"num_replicas"`
		Compression string `json:"compression"`
		MaxBytes    int64  `json:"max_bytes"`
		MaxMsgs     int64  `json:"max_msgs"`
		MaxMsgsPer  int64  `json:"max_msgs_per_subject"`
		MaxMsgSize  int64  `json:"max_msg_size"`
	}
	if err := json.Unmarshal(data, &in); err != nil && encrypted {
		return nil, nil
	} else if err != nil {
		return nil, fmt.Errorf("%w: not the JSON of a stream", errDamaged)
	}
	c := Config(in)
	c.Compression = cmp.Or(c.Compression, "none")
	return &c, nil
}

func (w *walk) consumers(d folder, s *Stream) {
	w.each(d, func(name string, info fs.FileInfo) {
		if !info.IsDir() {
			w.leftover(d, name, info, streamLeftover(name))
			return
		}
		w.within(d, name, func(d folder) { s.Consumers = append(s.Consumers, w.consumer(d, name)) })
	})
	slices.SortFunc(s.Consumers, func(a, b Consumer) int { return cmp.Compare(a.Name, b.Name) })
}

func (w *walk) consumer(d folder, name string) Consumer {
	c := Consumer{Name: name}
	encrypted := false
	w.each(d, func(entry string, info fs.FileInfo) {
		switch entry {
		case "o.dat":
			c.StateBytes = info.Size()
		case "meta.key":
			encrypted = true
		case "meta.inf", "meta.sum":
		default:
			w.leftover(d, entry, info, streamLeftover(entry))
		}
	})
	if c.StateBytes > 0 && !encrypted {
		w.bytes(d, "o.dat", maxConsumerState, func(data []byte) (err error) {
			c.State, err = parseConsumer(data)
			return err
		})
	}
	return c
}

// assign completes streams and groups with what the meta snapshot knows, gives every
// stream its Raft group, and drops the groups that were not asked for.
func (w *walk) assign() {
	of := map[string]string{}
	for i := range w.store.Groups {
		g := &w.store.Groups[i]
		if g.Asset == "" {
			g.Asset = w.known.assets[g.Name]
		}
		if g.Kind == "stream" {
			of[g.Asset] = g.Name
		}
	}
	w.store.Groups = slices.DeleteFunc(w.store.Groups, func(g Group) bool { return !w.wanted(g) })
	for i := range w.store.Streams {
		s := &w.store.Streams[i]
		name := asset(s.Account, s.Name)
		s.Group = of[name]
		if s.Config == nil && s.Cipher != Plain {
			s.Config = w.known.configs[name]
		}
	}
	slices.SortFunc(w.store.Streams, func(a, b Stream) int {
		return cmp.Or(cmp.Compare(b.Bytes, a.Bytes), cmp.Compare(a.Account, b.Account), cmp.Compare(a.Name, b.Name))
	})
	slices.SortFunc(w.store.Groups, func(a, b Group) int {
		return cmp.Or(cmp.Compare(b.Bytes, a.Bytes), cmp.Compare(a.Name, b.Name))
	})
}

// asset is how people write a stream or a consumer.
func asset(names ...string) string { return strings.Join(names, " > ") }
