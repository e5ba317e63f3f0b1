package volume

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"time"
)

// MarkerName is the file that makes a directory storebench's own.
const MarkerName = "storebench-scratch.json"

// markerMagic tells a marker from another JSON file of the same name.
const markerMagic = "storebench-scratch-1"

// markerLimit bounds in bytes what is read of a marker.
const markerLimit = 64 << 10

// scratchPrefix begins the name of every scratch directory.
const scratchPrefix = "storebench-"

// Marker says whose scratch directory it is.
type Marker struct {
	// Magic is set by CreateScratch.
	Magic string `json:"magic"`
	// Version is storebench's own.
	Version string    `json:"version"`
	RunID   string    `json:"run_id"`
	Started time.Time `json:"started"`
	// PID is the process that stands for the run: when it is gone, so is the
	// run. CreateScratch takes the calling process's when it is 0.
	PID int `json:"pid"`
	// BootID and PIDNamespace say where PID means something: on this start of
	// this machine, in this container. CreateScratch sets them; both are empty
	// where the operating system has none.
	BootID       string `json:"boot_id,omitempty"`
	PIDNamespace string `json:"pid_namespace,omitempty"`
}

// runIDs are safe as a part of a file name everywhere.
var runIDs = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$`)

// complete fills in what CreateScratch knows better than its caller.
func (m Marker) complete() (Marker, error) {
	if !runIDs.MatchString(m.RunID) {
		return m, fmt.Errorf("run id %q: want 1 to 64 letters, digits, - or _, the first a letter or digit", m.RunID)
	}
	m.Magic = markerMagic
	m.BootID = bootID()
	m.PIDNamespace = pidNamespace()
	if m.PID == 0 {
		m.PID = os.Getpid()
	}
	if m.Started.IsZero() {
		m.Started = time.Now()
	}
	m.Started = m.Started.UTC().Round(0)
	return m, nil
}

func (m Marker) String() string {
	return fmt.Sprintf("run %s, process %d, started %s", m.RunID, m.PID, m.Started.Format(time.RFC3339))
}

// sameMachine reports whether the run was on this machine since its last start,
// so that the locks of its processes are seen here.
func (m Marker) sameMachine() bool {
	return m.BootID != "" && m.BootID == bootID()
}

// dead reports whether the marker's process is provably gone.
func (m Marker) dead() bool {
	return m.sameMachine() && m.PIDNamespace != "" && m.PIDNamespace == pidNamespace() && !processLives(m.PID)
}

// folder is an opened directory: file carries its lock, and root reaches what
// is in it and nothing outside.
type folder struct {
	path string
	file *os.File
	root *os.Root
}

// openFolder opens the directory path itself; a symbolic link in its place is
// refused.
func openFolder(path string) (*folder, error) {
	before, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	if !before.IsDir() {
		return nil, &fs.PathError{Op: "open", Path: path, Err: errors.New("not a directory")}
	}
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, err
	}
	file, err := root.Open(".")
	if err != nil {
		return nil, errors.Join(err, root.Close())
	}
	d := &folder{path: path, file: file, root: root}
	after, err := file.Stat()
	if err == nil && !os.SameFile(before, after) {
		err = &fs.PathError{Op: "open", Path: path, Err: errors.New("replaced while it was opened")}
	}
	if err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

// Close also gives up the lock.
func (d *folder) Close() error {
	return errors.Join(d.root.Close(), d.file.Close())
}

// marker reads the marker through the opened directory. The error wraps
// ErrNotScratch when there is none, or one that is not ours.
func (d *folder) marker() (Marker, error) {
	m, err := d.readMarker()
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Marker{}, fmt.Errorf("%s: %w", d.path, ErrNotScratch)
	case err != nil:
		return Marker{}, fmt.Errorf("marker of %s: %w", d.path, err)
	default:
		return m, nil
	}
}

func (d *folder) readMarker() (Marker, error) {
	info, err := d.root.Lstat(MarkerName)
	if err != nil {
		return Marker{}, err
	}
	if !info.Mode().IsRegular() || info.Size() > markerLimit {
		return Marker{}, fmt.Errorf("%w: not a small regular file", ErrNotScratch)
	}
	// Without nonblock a pipe put there meanwhile would hold us for ever.
	f, err := d.root.OpenFile(MarkerName, os.O_RDONLY|nonblock, 0)
	if err != nil {
		return Marker{}, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, markerLimit+1))
	if err != nil {
		return Marker{}, err
	}
	return parseMarker(data)
}

func parseMarker(data []byte) (Marker, error) {
	var m Marker
	if len(data) > markerLimit {
		return Marker{}, fmt.Errorf("%w: too long", ErrNotScratch)
	}
	if err := json.Unmarshal(data, &m); err != nil {
		return Marker{}, fmt.Errorf("%w: %w", ErrNotScratch, err)
	}
	if m.Magic != markerMagic {
		return Marker{}, fmt.Errorf("%w: magic is %q", ErrNotScratch, m.Magic)
	}
	return m, nil
}

// writeMarker writes the marker in one call, so that nobody reads half of it,
// and syncs it, the directory and the directory above.
func (d *folder) writeMarker(m Marker) error {
	data, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return fmt.Errorf("encode the marker: %w", err)
	}
	f, err := d.root.OpenFile(MarkerName, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("create the marker: %w", err)
	}
	_, err = f.Write(append(data, '\n'))
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("write the marker: %w", err)
	}
	return errors.Join(syncDir(d.path), syncDir(filepath.Dir(d.path)))
}

// marked reports whether dir is a scratch directory of ours.
func marked(dir string) bool {
	d, err := openFolder(dir)
	if err != nil {
		return false
	}
	defer d.Close()
	_, err = d.marker()
	return err == nil
}
