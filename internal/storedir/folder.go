package storedir

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
)

// folder is an open directory of the store. It is known by descriptor, so that no link
// that appears while we read leads out of the store.
type folder struct {
	root *os.Root
	path string // below the store, for people
}

func (d folder) close() { _ = d.root.Close() } // nothing was written

func (d folder) below(name string) string { return path.Join(d.path, name) }

// batch is how many names of a directory are held at once.
const batch = 512

// each calls do for every name in the directory that is a directory or a regular file.
func (w *walk) each(d folder, do func(name string, info fs.FileInfo)) {
	list, err := d.root.Open(".")
	if err != nil {
		w.unread(d.path, err)
		return
	}
	defer list.Close()
	for w.ctx.Err() == nil {
		entries, err := list.ReadDir(batch)
		for _, entry := range entries {
			if info, ok := w.stat(d, entry.Name()); ok {
				do(entry.Name(), info)
			}
		}
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			w.unread(d.path, err)
			return
		}
	}
}

// stat looks at a name without following it. It counts a regular file.
func (w *walk) stat(d folder, name string) (fs.FileInfo, bool) {
	info, err := d.root.Lstat(name)
	switch {
	case err != nil:
		w.unread(d.below(name), err)
	case info.Mode().IsRegular():
		w.count(info.Size())
		return info, true
	case info.IsDir():
		return info, true
	case info.Mode()&fs.ModeSymlink != 0:
		w.store.Unread.add(d.below(name), "a link, which is not followed", 0)
	default:
		w.store.Unread.add(d.below(name), "not a regular file", 0)
	}
	return nil, false
}

// enter opens a directory below d.
func (w *walk) enter(d folder, name string) (folder, bool) {
	root, err := d.root.OpenRoot(name)
	if err != nil {
		w.unread(d.below(name), err)
		return folder{}, false
	}
	return folder{root, d.below(name)}, true
}

// within calls do for the directory below d, if it is there and is one.
func (w *walk) within(d folder, name string, do func(folder)) {
	if info, err := d.root.Lstat(name); err != nil || !info.IsDir() {
		return
	}
	if sub, ok := w.enter(d, name); ok {
		defer sub.close()
		do(sub)
	}
}

// read opens a regular file for reading and has it parsed. A file that is gone is no
// error; any other is noted.
func (w *walk) read(d folder, name string, parse func(in io.Reader, size int64) error) {
	err := w.tryRead(d, name, parse)
	if err != nil {
		w.unread(d.below(name), err)
	}
}

func (w *walk) tryRead(d folder, name string, parse func(in io.Reader, size int64) error) error {
	info, err := d.root.Lstat(name)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return errors.New("not a regular file")
	}
	f, err := d.root.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	if info, err = f.Stat(); err != nil {
		return err
	}
	return parse(f, info.Size())
}

// bytes reads a small file whole; one over limit is not read.
func (w *walk) bytes(d folder, name string, limit int64, parse func([]byte) error) {
	w.read(d, name, func(in io.Reader, size int64) error {
		if size > limit {
			return errors.New("too large to be what its name says")
		}
		data, err := io.ReadAll(io.LimitReader(in, limit))
		if err != nil {
			return err
		}
		return parse(data)
	})
}

// unread notes what could not be read; what has vanished was not there.
func (w *walk) unread(path string, err error) {
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	var at *fs.PathError
	if errors.As(err, &at) {
		err = at.Err
	}
	w.store.Unread.add(path, err.Error(), 0)
}
