package storedir

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"strconv"
	"strings"
	"time"
)

// log reads a directory of blocks. name is the store's: the stream's or the group's.
func (w *walk) log(d folder, l *Log, name string, encrypted bool, maxMessage int64) {
	var keys, state bool
	var damages []indexed
	w.each(d, func(entry string, info fs.FileInfo) {
		base, ext, _ := strings.Cut(entry, ".")
		index, err := strconv.ParseUint(base, 10, 32)
		switch {
		case err == nil && ext == "blk" && !info.IsDir():
			l.add(block{index, info.Size(), info.ModTime()}, maxMessage)
			if w.store.Deep == nil {
				return
			}
			if encrypted {
				w.store.Deep.Encrypted++
			} else if found := w.check(d, entry, info.Size(), name, index); found != nil && len(damages) < mostItems {
				damages = append(damages, indexed{*found, index})
			}
		case err == nil && ext == "key" && !info.IsDir():
			l.EncryptedBlocks++
			keys = true
		case entry == "index.db":
			state = true
		case entry == "thw.db", entry == "sched.db", entry == "sources.db":
			l.SideBytes += info.Size()
		default:
			w.leftover(d, entry, info, blockLeftover(entry))
		}
	})
	l.finish()
	w.damaged(damages, l.LastBlock)
	if state {
		w.state(d, l, name, encrypted || keys)
	}
}

func blockLeftover(name string) string {
	switch {
	case strings.HasSuffix(name, ".blk.tmp"):
		return "a compression or an erase that did not finish"
	case strings.HasSuffix(name, ".new"):
		return "a compaction that did not finish"
	case strings.HasSuffix(name, ".tmp"), strings.HasPrefix(name, "index.db."):
		return "a write that did not finish"
	case strings.HasSuffix(name, ".idx"), strings.HasSuffix(name, ".fss"):
		return "an index of nats-server 2.9"
	}
	return streamLeftover(name)
}

// A live server truncates a state file and writes it anew in place, so one that is wrong
// is read again.
const (
	stateTries = 3
	stateWait  = 50 * time.Millisecond
)

func (w *walk) state(d folder, l *Log, name string, encrypted bool) {
	var s State
	var err error
	for try := range stateTries {
		if try > 0 {
			time.Sleep(stateWait)
		}
		err = w.tryRead(d, "index.db", func(in io.Reader, size int64) (err error) {
			s, err = readState(in, size, name, encrypted)
			return err
		})
		if err == nil || !errors.Is(err, errHash) && !errors.Is(err, errShort) {
			break
		}
	}
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	if info, err := d.root.Lstat("index.db"); err == nil {
		s.Written = info.ModTime()
	}
	if err != nil {
		w.unread(d.below("index.db"), err)
		s.Outdated = err.Error()
	} else {
		w.outdated(d, l, &s)
	}
	l.State = &s
}

// outdated finds whether a start would take the state file (recoverFullState).
func (w *walk) outdated(d folder, l *Log, s *State) {
	if !s.Known {
		if late := l.LastWrite.Sub(s.Written); late > time.Second {
			s.Outdated, s.Guessed = "the last block was written after it", true
		}
		return
	}
	name := strconv.FormatUint(s.lastBlock, 10) + ".blk"
	var last [8]byte
	err := w.tryRead(d, name, func(in io.Reader, size int64) error {
		if size < int64(len(last)) {
			return nil
		}
		_, err := in.(io.ReaderAt).ReadAt(last[:], size-int64(len(last)))
		return err
	})
	switch {
	case errors.Is(err, fs.ErrNotExist) && l.Blocks == 0 && s.Msgs == 0:
	case errors.Is(err, fs.ErrNotExist):
		s.Outdated = "block " + name + ", the last one it knows, is missing"
	case err != nil:
		w.unread(d.below(name), err)
	case l.LastBlock > s.lastBlock:
		s.Outdated = "there are blocks after the last one it knows"
	case !bytes.Equal(last[:], s.checksum[:]):
		s.Outdated = "the last block has records that it does not know"
	}
}
