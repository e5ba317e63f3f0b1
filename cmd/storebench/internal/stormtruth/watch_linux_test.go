package stormtruth

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Files that a Raft group writes durably: to NAME.tmp with O_SYNC, then a rename and
// an fsync of the directory (writeFileWithSync in nats-server's filestore.go).
const (
	termVote = "tav.idx"
	peers    = "peers.idx"
	snapshot = "snapshots" // a directory, whose files have names of their own
)

// writes are those of one file of a group.
type writes struct {
	began, ended         int
	firstBegan, firstEnd time.Time
	lastEnd              time.Time
}

// watch sees the durable writes of Raft groups without taking part in them.
type watch struct {
	events *os.File
	read   sync.WaitGroup
	mu     sync.Mutex
	groups map[string]map[string]*writes // by group and file
	places map[int32]place
	err    error
}

// place is a directory that is watched.
type place struct{ group, file string }

// watchGroups begins to watch the directories of groups.
func watchGroups(t *testing.T, dirs []string) *watch {
	t.Helper()
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		t.Fatal(err)
	}
	w := &watch{events: os.NewFile(uintptr(fd), "inotify"), groups: map[string]map[string]*writes{}, places: map[int32]place{}}
	t.Cleanup(w.end)
	for _, dir := range dirs {
		group := filepath.Base(dir)
		w.groups[group] = map[string]*writes{termVote: {}, peers: {}, snapshot: {}}
		for at, file := range map[string]string{dir: "", filepath.Join(dir, snapshot): snapshot} {
			descriptor, err := unix.InotifyAddWatch(fd, at, unix.IN_CREATE|unix.IN_MOVED_TO|unix.IN_ONLYDIR)
			if err != nil {
				t.Fatalf("watch a directory of %s: %v", group, err)
			}
			w.places[int32(descriptor)] = place{group, file}
		}
	}
	w.read.Go(w.follow)
	return w
}

func (w *watch) end() {
	_ = w.events.Close()
	w.read.Wait()
}

// follow reads events until the file is closed.
func (w *watch) follow() {
	buffer := make([]byte, 1<<16)
	for {
		n, err := w.events.Read(buffer)
		if err != nil {
			return
		}
		w.mu.Lock()
		for rest := buffer[:n]; len(rest) >= unix.SizeofInotifyEvent; {
			descriptor, mask := int32(binary.NativeEndian.Uint32(rest)), binary.NativeEndian.Uint32(rest[4:])
			end := unix.SizeofInotifyEvent + int(binary.NativeEndian.Uint32(rest[12:]))
			name, _, _ := bytes.Cut(rest[unix.SizeofInotifyEvent:end], []byte{0})
			w.note(descriptor, mask, string(name), time.Now())
			rest = rest[end:]
		}
		w.mu.Unlock()
	}
}

func (w *watch) note(descriptor int32, mask uint32, name string, at time.Time) {
	p, known := w.places[descriptor]
	if !known || mask&(unix.IN_Q_OVERFLOW|unix.IN_IGNORED) != 0 {
		w.err = fmt.Errorf("events were lost (mask %#x)", mask)
		return
	}
	name, temporary := strings.CutSuffix(name, ".tmp")
	if p.file != "" {
		name = p.file
	}
	one := w.groups[p.group][name]
	switch {
	case one == nil: // another file
	case temporary && mask&unix.IN_CREATE != 0:
		if one.began++; one.began == 1 {
			one.firstBegan = at
		}
	case !temporary && mask&unix.IN_MOVED_TO != 0:
		if one.ended++; one.ended == 1 {
			one.firstEnd = at
		}
		one.lastEnd = at
	}
}

// sum is what all groups have written of one file so far.
type sum struct {
	writes, inFlight int
	first, last      time.Time     // the begin of the first write, the rename of the last
	started          time.Duration // from there until each group has written its first
}

func (s sum) span() time.Duration { return s.last.Sub(s.first) }

func (w *watch) sum(t *testing.T, file string) (s sum) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil {
		t.Fatal(w.err)
	}
	var firsts time.Time
	for _, files := range w.groups {
		one := files[file]
		if one.began == 0 {
			continue
		}
		s.writes, s.inFlight = s.writes+one.ended, s.inFlight+one.began-one.ended
		if s.first.IsZero() || one.firstBegan.Before(s.first) {
			s.first = one.firstBegan
		}
		s.last, firsts = later(s.last, one.lastEnd), later(firsts, one.firstEnd)
	}
	s.started = firsts.Sub(s.first)
	return s
}

// of is how often a group has written a file.
func (w *watch) of(group, file string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.groups[group][file].ended
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
