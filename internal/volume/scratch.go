package volume

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// Scratch is the one directory on the volume that a run writes to, held by a
// shared lock on the directory itself. (A lock on a file would keep the exit
// status of a dead process back while the file system is stopped; one on the
// directory does not.) The lock goes with Release or with the process.
type Scratch struct {
	Path   string
	Marker Marker
	// Lockless: locks do not work here, or other machines that may use this
	// volume do not see them. Nothing then keeps two runs apart but care.
	Lockless bool
	// Leftovers are the other scratch directories that CreateScratch found; no
	// living run is known to hold them, unless it was asked to go beside those.
	Leftovers []Leftover

	dir *folder
}

// CreateScratch makes dir/storebench-<run id>, of mode 0700, with a durable
// marker, and takes the shared lock on it. Two runs that start at once see each
// other: the search for other runs and the creation happen under an exclusive
// lock on dir, waited for until ctx ends. The error wraps ErrLocked and names
// the run when another one is alive in dir. After an error nothing is left.
func CreateScratch(ctx context.Context, dir string, m Marker) (*Scratch, error) {
	return newScratch(ctx, dir, m, refuseLiving)
}

// CreateScratchBeside does the same in a directory that runs may share, since
// none of them measures it: those that are alive in dir are among the Leftovers.
func CreateScratchBeside(ctx context.Context, dir string, m Marker) (*Scratch, error) {
	return newScratch(ctx, dir, m, func([]Leftover) error { return nil })
}

func newScratch(ctx context.Context, dir string, m Marker, admit func(others []Leftover) error) (*Scratch, error) {
	m, err := m.complete()
	if err != nil {
		return nil, err
	}
	dir, err = resolve(dir)
	if err != nil {
		return nil, err
	}
	gate, err := lockGate(ctx, dir)
	if err != nil {
		return nil, err
	}
	defer gate.Close()
	others, err := findScratches(dir)
	if err != nil {
		return nil, err
	}
	if err := admit(others); err != nil {
		return nil, err
	}
	s, err := makeScratch(filepath.Join(dir, scratchPrefix+m.RunID), m)
	if err != nil {
		return nil, err
	}
	s.Leftovers = others
	return s, nil
}

// lockGate opens dir and takes its exclusive lock where there is one.
func lockGate(ctx context.Context, dir string) (*os.File, error) {
	gate, err := os.Open(dir)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", dir, err)
	}
	err = waitLock(ctx, gate, exclusive)
	if err != nil && !errors.Is(err, errNoLocks) {
		return nil, errors.Join(fmt.Errorf("wait for others that start in %s; try again: %w", dir, err), gate.Close())
	}
	return gate, nil
}

func refuseLiving(others []Leftover) error {
	for _, other := range others {
		if other.Locked {
			return fmt.Errorf("%s (%s): %w by a process that lives; wait for its end, or measure in another directory",
				other.Path, other.Marker, ErrLocked)
		}
	}
	return nil
}

// makeScratch takes the lock before the marker is written: a directory whose
// marker is seen without a lock is a leftover.
func makeScratch(path string, m Marker) (*Scratch, error) {
	if err := os.Mkdir(path, 0o700); err != nil {
		return nil, fmt.Errorf("create the scratch directory: %w", err)
	}
	s, err := claim(path, m)
	if err != nil {
		undo := errors.Join(removeIfThere(filepath.Join(path, MarkerName)), syscall.Rmdir(path))
		return nil, errors.Join(fmt.Errorf("make %s a scratch directory: %w", path, err), undo)
	}
	return s, nil
}

func claim(path string, m Marker) (*Scratch, error) {
	dir, err := openFolder(path)
	if err != nil {
		return nil, err
	}
	err = tryLock(dir.file, shared)
	noLocks := errors.Is(err, errNoLocks)
	if noLocks || err == nil {
		err = dir.writeMarker(m)
	}
	if err != nil {
		return nil, errors.Join(err, dir.Close())
	}
	return &Scratch{Path: path, Marker: m, Lockless: noLocks || sharedVolume(dir.file), dir: dir}, nil
}

func removeIfThere(path string) error {
	if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// Join opens the scratch directory of a run in one of its other processes and
// takes a shared lock of its own, waited for until ctx ends. The error wraps
// ErrNotScratch when the directory is not, or no longer, storebench's.
func Join(ctx context.Context, path string) (*Scratch, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("make %s absolute: %w", path, err)
	}
	dir, err := openFolder(path)
	if err != nil {
		return nil, fmt.Errorf("join the scratch directory: %w", err)
	}
	err = waitLock(ctx, dir.file, shared)
	noLocks := errors.Is(err, errNoLocks)
	var m Marker
	if noLocks || err == nil {
		// Only now: it may have been cleared while we waited.
		m, err = dir.marker()
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("join the scratch directory: %w", err), dir.Close())
	}
	return &Scratch{Path: path, Marker: m, Lockless: noLocks || sharedVolume(dir.file), dir: dir}, nil
}

// Release gives up this process's lock and leaves the directory as it is.
// A second call does nothing.
func (s *Scratch) Release() error {
	if s.dir == nil {
		return nil
	}
	err := s.dir.Close()
	s.dir = nil
	return err
}

// File is the open directory that carries this process's lock. A process that
// inherits it keeps the lock for as long as it lives, so that nobody clears what it
// may still write to. It is the Scratch's to close, and nil after Release.
func (s *Scratch) File() *os.File {
	if s.dir == nil {
		return nil
	}
	return s.dir.file
}

// Leftover is a scratch directory found in a target directory.
type Leftover struct {
	Path   string `json:"path"`
	Marker Marker `json:"marker"`
	// Locked: a process holds it, or, where locks say nothing, its process is
	// alive on this machine.
	Locked bool `json:"locked"`
	// Lockless: that nobody holds its lock proves nothing, because locks do not
	// work here or the run was on another machine.
	Lockless bool `json:"lockless"`
	// Dead: the run's process is provably gone from this machine, and no process
	// that can be looked at has a file of the directory open.
	Dead bool `json:"dead"`
	// Unreadable: it has the name of a scratch directory, but belongs to
	// another user, so that neither marker nor lock can be seen.
	Unreadable bool `json:"unreadable,omitempty"`
}

// Removable reports whether Clear may remove it without being asked by a
// person.
func (l Leftover) Removable() bool {
	return !l.Locked && !l.Unreadable && (!l.Lockless || l.Dead)
}

// Leftovers lists the scratch directories in dir, known by their markers, those
// of living runs included. It waits until ctx ends for runs that are starting.
func Leftovers(ctx context.Context, dir string) ([]Leftover, error) {
	dir, err := resolve(dir)
	if err != nil {
		return nil, err
	}
	gate, err := lockGate(ctx, dir)
	if err != nil {
		return nil, err
	}
	defer gate.Close()
	return findScratches(dir)
}

// findScratches asks every directory in dir for a marker. Whoever calls it
// holds dir's lock: asking takes each lock for a moment, which another search
// would mistake for a living run.
func findScratches(dir string) ([]Leftover, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("look for other scratch directories: %w", err)
	}
	var found []Leftover
	for _, entry := range entries {
		if !entry.IsDir() {
			continue
		}
		other, ok, err := examine(filepath.Join(dir, entry.Name()))
		if err != nil {
			return nil, err
		}
		if ok {
			found = append(found, other)
		}
	}
	return found, nil
}

// examine reports what a directory is, and ok when it is a scratch directory.
func examine(path string) (other Leftover, ok bool, err error) {
	d, err := openFolder(path)
	if errors.Is(err, fs.ErrPermission) && strings.HasPrefix(filepath.Base(path), scratchPrefix) {
		return Leftover{Path: path, Unreadable: true}, true, nil
	}
	if err != nil {
		return Leftover{}, false, nil // gone, or nobody's business
	}
	defer d.Close()
	m, err := d.marker()
	if err != nil {
		return Leftover{}, false, nil
	}
	other, err = d.state(m)
	return other, true, err
}

// state says who holds the directory, by its lock and by its marker.
func (d *folder) state(m Marker) (Leftover, error) {
	err := tryLock(d.file, exclusive)
	held, noLocks := errors.Is(err, ErrLocked), errors.Is(err, errNoLocks)
	if err != nil && !held && !noLocks {
		return Leftover{}, err
	}
	l := Leftover{Path: d.path, Marker: m, Locked: held, Dead: m.dead() && !openBelow(d.path)}
	l.Lockless = noLocks || (sharedVolume(d.file) && !m.sameMachine())
	if noLocks && m.sameMachine() && m.PIDNamespace == pidNamespace() && !l.Dead {
		l.Locked = true
	}
	return l, nil
}
