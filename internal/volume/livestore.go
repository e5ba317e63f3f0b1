package volume

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Bounds of the search for stores, so that a volume with millions of files does
// not hold a run up. What they cut off is told in Guard.Blind.
const (
	maxEntries = 4096  // taken of one directory
	maxFolders = 20000 // looked into, all together
	maxDepth   = 2     // below the mount point
)

// Guard is what was found of JetStream stores that a run would disturb.
type Guard struct {
	Stores []LiveStore `json:"stores,omitempty"`
	// Blind says where could not be looked; no store found there means nothing.
	Blind []string `json:"blind,omitempty"`
}

// LiveStore is a JetStream store on the volume, or a file of one.
type LiveStore struct {
	// Path is as the process that has it open sees it, or as we do.
	Path string `json:"path"`
	// Why says how it was found.
	Why string `json:"why"`
	// PID is the process that has it open; 0 when found as a directory.
	PID int `json:"pid,omitempty"`
}

// LiveStores looks for JetStream stores on the file system of dir: files of a
// store that some process has open, and store directories with streams in dir,
// its parents up to the mount point, and the directories down to two levels
// below the mount point. It reads names alone, follows no link and leaves out
// what lies in scratch directories of storebench. Past the deadline of ctx it looks
// into dir and its parents alone. An error means that dir itself cannot be looked
// at, or that ctx was cancelled; all else is told in Blind.
func LiveStores(ctx context.Context, dir string) (Guard, error) {
	path, err := resolve(dir)
	if err != nil {
		return Guard{}, err
	}
	begin := time.Now()
	s := search{ctx: ctx, seen: make(map[string]bool)}
	if err := s.openFiles(path); err != nil {
		return Guard{}, err
	}
	s.directories(path)
	s.tellUnread()
	err = ctx.Err()
	if errors.Is(err, context.DeadlineExceeded) {
		s.blind("the search for stores ended after %v: processes or directories were left out", time.Since(begin).Round(100*time.Millisecond))
		err = nil
	}
	slices.SortStableFunc(s.guard.Stores, func(a, b LiveStore) int { return cmp.Compare(a.Path, b.Path) })
	return s.guard, err
}

// search is one search under way. It lives no longer than LiveStores, which is
// why it may hold its context.
type search struct {
	ctx     context.Context
	guard   Guard
	seen    map[string]bool // directories looked into
	around  surroundings
	cut     bool // told that maxFolders was reached
	folders int

	unreadable  int    // directories that could not be searched
	firstUnread string // the first of them, and why
}

func (s *search) blind(format string, args ...any) {
	s.guard.Blind = append(s.guard.Blind, fmt.Sprintf(format, args...))
}

func (s *search) found(store LiveStore) {
	same := func(other LiveStore) bool { return other.Path == store.Path && other.PID == store.PID }
	if !slices.ContainsFunc(s.guard.Stores, same) {
		s.guard.Stores = append(s.guard.Stores, store)
	}
}

// surroundings is where on the volume to look.
type surroundings struct {
	mount string // the mount point; empty when unknown
	// foreign are the mount points of other file systems. They are known from
	// the mount table and never touched: one of them may be hung.
	foreign map[string]bool
}

// directories looks around path, which is resolved.
func (s *search) directories(path string) {
	around, err := surroundingsOf(path)
	if err != nil {
		s.blind("the mount point of %s is unknown: stores elsewhere on the volume were not looked for: %v", path, err)
	}
	s.around = around
	for at := path; ; at = filepath.Dir(at) {
		s.visit(at)
		if at == around.mount || at == filepath.Dir(at) {
			break
		}
	}
	if around.mount != "" {
		s.descend(around.mount, 0)
	}
}

// descend looks into dir and the directories below it on the same file system.
func (s *search) descend(dir string, depth int) {
	s.visit(dir)
	if depth == maxDepth {
		return
	}
	for _, name := range s.subdirectories(dir) {
		inner := filepath.Join(dir, name)
		if s.around.foreign[inner] {
			continue
		}
		if s.ctx.Err() != nil || s.full() {
			return
		}
		s.descend(inner, depth+1)
	}
}

// full counts a directory and reports whether there were too many.
func (s *search) full() bool {
	s.folders++
	if s.folders > maxFolders && !s.cut {
		s.cut = true
		s.blind("only the first %d directories were searched for stores", maxFolders)
	}
	return s.cut
}

// visit looks whether dir is a store, or holds one.
func (s *search) visit(dir string) {
	if s.seen[dir] {
		return
	}
	s.seen[dir] = true
	candidates := []string{filepath.Join(dir, "jetstream")}
	if filepath.Base(dir) == "jetstream" {
		candidates = append(candidates, dir)
	}
	for _, store := range candidates {
		if s.around.foreign[store] {
			continue
		}
		stream, ok := s.firstStream(store)
		if ok && !ours(store, s.around.mount) {
			s.found(LiveStore{Path: store, Why: "a directory with the JetStream stream " + stream})
		}
	}
}

// firstStream returns a stream of a store directory, as account/stream: streams
// are kept as <account>/streams/<stream>/msgs.
func (s *search) firstStream(store string) (string, bool) {
	info, err := os.Lstat(store)
	if errors.Is(err, fs.ErrPermission) {
		s.unread(filepath.Dir(store), err)
	}
	if err != nil || !info.IsDir() {
		return "", false
	}
	for _, account := range s.subdirectories(store) {
		streams := filepath.Join(store, account, "streams")
		info, err := os.Lstat(streams)
		if err != nil || !info.IsDir() {
			continue
		}
		for _, stream := range s.subdirectories(streams) {
			info, err := os.Lstat(filepath.Join(streams, stream, "msgs"))
			if err == nil && info.IsDir() {
				return account + "/" + stream, true
			}
		}
	}
	return "", false
}

// subdirectories lists the directories in dir, at most maxEntries of its
// entries looked at.
func (s *search) subdirectories(dir string) []string {
	f, err := os.Open(dir)
	if err != nil {
		s.unread(dir, err)
		return nil
	}
	defer f.Close()
	entries, err := f.ReadDir(maxEntries)
	if err != nil && !errors.Is(err, io.EOF) {
		s.unread(dir, err)
	}
	if len(entries) == maxEntries {
		s.unread(dir, fmt.Errorf("only the first %d entries were looked at", maxEntries))
	}
	var names []string
	for _, entry := range entries {
		if entry.IsDir() {
			names = append(names, entry.Name())
		}
	}
	return names
}

// unread keeps in mind that a directory could not be searched. Many cannot on
// a system's own disk; one line tells of all.
func (s *search) unread(dir string, err error) {
	if s.unreadable == 0 {
		if p, ok := errors.AsType[*fs.PathError](err); ok {
			err = p.Err
		}
		s.firstUnread = fmt.Sprintf("%s: %v", dir, err)
	}
	s.unreadable++
}

func (s *search) tellUnread() {
	if s.unreadable > 0 {
		s.blind("%d directories could not be searched for stores to their end (the first: %s)", s.unreadable, s.firstUnread)
	}
}

// ours reports whether path lies in a scratch directory, up to the mount point.
func ours(path, mount string) bool {
	for at := path; ; at = filepath.Dir(at) {
		if marked(at) {
			return true
		}
		if at == mount || at == filepath.Dir(at) {
			return false
		}
	}
}

// storeFile reports whether a path is that of a file that nats-server keeps
// open or writes in a store: a message block, or a Raft group's term and vote.
func storeFile(path string) bool {
	name := filepath.Base(path)
	if filepath.Ext(name) != ".blk" && name != "tav.idx" {
		return false
	}
	return slices.Contains(strings.Split(filepath.Dir(path), string(filepath.Separator)), "jetstream")
}
