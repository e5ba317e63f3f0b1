package volume

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

func createScratch(t *testing.T, dir, run string) *Scratch {
	t.Helper()
	s, err := CreateScratch(within(t), dir, Marker{Version: "1.2.3", RunID: run, Started: time.Unix(1e9, 5)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Release() })
	return s
}

// atOnce is a context that lets a lock be asked for once.
func atOnce() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

func TestCreateScratch(t *testing.T) {
	dir := t.TempDir()
	s := createScratch(t, dir, "run-1")
	if s.Path != filepath.Join(dir, "storebench-run-1") || len(s.Leftovers) != 0 || s.Lockless {
		t.Errorf("scratch %+v", s)
	}
	if info, err := os.Lstat(s.Path); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	data, err := os.ReadFile(filepath.Join(s.Path, MarkerName))
	if err != nil {
		t.Fatal(err)
	}
	var m Marker
	if err := json.Unmarshal(data, &m); err != nil {
		t.Fatal(err)
	}
	want := Marker{Magic: markerMagic, Version: "1.2.3", RunID: "run-1", Started: time.Unix(1e9, 5).UTC(),
		PID: os.Getpid(), BootID: bootID(), PIDNamespace: pidNamespace()}
	if diff := cmp.Diff(want, m); diff != "" || m.BootID == "" || m.PIDNamespace == "" {
		t.Errorf("marker (-want +got):\n%s", diff)
	}
	if err := s.Remove(within(t)); err != nil || exists(s.Path) {
		t.Errorf("remove: %v, still there: %t", err, exists(s.Path))
	}
}

func TestCreateScratchRefusesRunID(t *testing.T) {
	dir := t.TempDir()
	for _, id := range []string{"", ".", "..", "a/b", "../x", "-x", "a b", strings.Repeat("x", 65)} {
		if _, err := CreateScratch(within(t), dir, Marker{RunID: id}); err == nil {
			t.Errorf("run id %q was taken", id)
		}
	}
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestCreateScratchKeepsWhatIsThere(t *testing.T) {
	dir := t.TempDir()
	file := plant(t, dir, "storebench-run", "precious")
	if _, err := CreateScratch(within(t), dir, Marker{RunID: "run"}); !errors.Is(err, fs.ErrExist) {
		t.Errorf("error %v, want that it exists", err)
	}
	if !exists(file) {
		t.Error("somebody's file is gone")
	}
}

func TestLivingRunRefusesAnother(t *testing.T) {
	dir := t.TempDir()
	first := startChild(t, "create", dir)
	_, err := CreateScratch(within(t), dir, Marker{RunID: "second"})
	if !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), "run child, process ") {
		t.Errorf("beside a living run: %v", err)
	}
	if err := Clear(atOnce(), first.path); !errors.Is(err, ErrLocked) || !exists(first.path) {
		t.Errorf("clear of a living run: %v", err)
	}
	first.kill()
	second := createScratch(t, dir, "second")
	if len(second.Leftovers) != 1 || second.Leftovers[0].Path != first.path || !second.Leftovers[0].Removable() {
		t.Fatalf("leftovers %+v, want %s", second.Leftovers, first.path)
	}
	if err := Clear(within(t), first.path); err != nil || exists(first.path) {
		t.Errorf("clear of a dead run: %v", err)
	}
}

func TestWorkerHoldsTheScratchOfADeadRun(t *testing.T) {
	dir := t.TempDir()
	keeper := startChild(t, "create", dir)
	worker := startChild(t, "join", keeper.path)
	keeper.kill()
	found, err := Leftovers(within(t), dir)
	if err != nil || len(found) != 1 || !found[0].Locked || found[0].Removable() {
		t.Fatalf("leftovers %+v, %v; want one that is locked", found, err)
	}
	if err := Clear(atOnce(), keeper.path); !errors.Is(err, ErrLocked) {
		t.Errorf("clear under a living worker: %v", err)
	}
	cleared := make(chan error, 1)
	go func() { cleared <- Clear(within(t), keeper.path) }()
	worker.kill()
	if err := <-cleared; err != nil || exists(keeper.path) {
		t.Errorf("clear after the last process: %v", err)
	}
}

func TestTwoRunsAtOnce(t *testing.T) {
	dir := t.TempDir()
	var made, refused int
	var mu sync.Mutex
	var wg sync.WaitGroup
	for _, id := range []string{"a", "b", "c", "d"} {
		wg.Go(func() {
			s, err := CreateScratch(within(t), dir, Marker{RunID: id})
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				made++
				t.Cleanup(func() { _ = s.Release() })
			} else if errors.Is(err, ErrLocked) {
				refused++
			} else {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if made != 1 || refused != 3 {
		t.Errorf("%d runs started and %d were refused, want 1 and 3", made, refused)
	}
}

func TestJoin(t *testing.T) {
	dir := t.TempDir()
	s := createScratch(t, dir, "run")
	joined, err := Join(within(t), s.Path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(s.Marker, joined.Marker); diff != "" {
		t.Errorf("marker (-created +joined):\n%s", diff)
	}
	if err := s.Remove(atOnce()); !errors.Is(err, ErrLocked) {
		t.Errorf("remove beside another process: %v", err)
	}
	if err := errors.Join(joined.Release(), joined.Release()); err != nil {
		t.Errorf("release: %v", err)
	}
	if err := s.Remove(within(t)); err != nil {
		t.Errorf("remove: %v", err)
	}
	if _, err := Join(within(t), s.Path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("join of a cleared directory: %v", err)
	}
}

func TestForeignDirectoriesAreNeverTouched(t *testing.T) {
	genuine := func(path string) error {
		m, err := Marker{RunID: "x"}.complete()
		if err != nil {
			return err
		}
		data, err := json.Marshal(m)
		if err != nil {
			return err
		}
		return os.WriteFile(path, data, 0o600)
	}
	holding := func(text string) func(*testing.T, string) error {
		return func(_ *testing.T, dir string) error {
			return os.WriteFile(filepath.Join(dir, MarkerName), []byte(text), 0o600)
		}
	}
	tests := map[string]func(t *testing.T, dir string) error{
		"no marker":     func(*testing.T, string) error { return nil },
		"empty marker":  holding(""),
		"not JSON":      holding("storebench"),
		"another magic": holding(`{"magic":"x","run_id":"x"}`),
		"huge marker":   holding(`{"magic":"` + markerMagic + `"` + strings.Repeat(" ", markerLimit) + `}`),
		"marker a folder": func(_ *testing.T, dir string) error {
			return os.Mkdir(filepath.Join(dir, MarkerName), 0o700)
		},
		"marker a pipe": func(_ *testing.T, dir string) error {
			return unix.Mkfifo(filepath.Join(dir, MarkerName), 0o600)
		},
		"marker a link": func(t *testing.T, dir string) error {
			target := filepath.Join(t.TempDir(), "marker")
			return errors.Join(genuine(target), os.Symlink(target, filepath.Join(dir, MarkerName)))
		},
		"marker of another name": func(_ *testing.T, dir string) error {
			return genuine(filepath.Join(dir, "marker.json"))
		},
	}
	for name, prepare := range tests {
		t.Run(name, func(t *testing.T) {
			parent := t.TempDir()
			dir := filepath.Join(parent, "storebench-run")
			file := plant(t, dir, "precious")
			if err := prepare(t, dir); err != nil {
				t.Fatal(err)
			}
			if err := Clear(within(t), dir); !errors.Is(err, ErrNotScratch) {
				t.Errorf("clear: %v, want %v", err, ErrNotScratch)
			}
			if _, err := Join(within(t), dir); !errors.Is(err, ErrNotScratch) {
				t.Errorf("join: %v, want %v", err, ErrNotScratch)
			}
			if found, err := Leftovers(within(t), parent); err != nil || len(found) != 0 {
				t.Errorf("leftovers %+v, %v", found, err)
			}
			if !exists(file) {
				t.Error("somebody's file is gone")
			}
		})
	}
}

func TestLinkInPlaceOfAScratchIsRefused(t *testing.T) {
	s := createScratch(t, t.TempDir(), "run")
	if err := s.Release(); err != nil {
		t.Fatal(err)
	}
	parent := t.TempDir()
	link := filepath.Join(parent, "storebench-link")
	if err := os.Symlink(s.Path, link); err != nil {
		t.Fatal(err)
	}
	if err := Clear(within(t), link); err == nil || !exists(s.Path) {
		t.Errorf("clear followed a link: %v", err)
	}
	if _, err := Join(within(t), link); err == nil {
		t.Error("join followed a link")
	}
	if found, err := Leftovers(within(t), parent); err != nil || len(found) != 0 {
		t.Errorf("leftovers %+v, %v", found, err)
	}
}

func TestClearStaysInside(t *testing.T) {
	outside := t.TempDir()
	precious := plant(t, outside, "sub", "precious")
	s := createScratch(t, t.TempDir(), "run")
	plant(t, s.Path, "round", "deep", "1.blk")
	plant(t, s.Path, "round", MarkerName) // only the one at the top is kept to the end
	for link, target := range map[string]string{
		"to-dir": outside, "to-file": precious, "round/to-dir": filepath.Join(outside, "sub"), "dangling": "/nowhere/at/all",
	} {
		if err := os.Symlink(target, filepath.Join(s.Path, link)); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Release(); err != nil {
		t.Fatal(err)
	}
	if err := Clear(within(t), s.Path); err != nil || exists(s.Path) {
		t.Errorf("clear: %v", err)
	}
	if !exists(precious) {
		t.Error("a link was followed out")
	}
}

func TestClearInterruptedIsFoundAgain(t *testing.T) {
	dir := t.TempDir()
	s := createScratch(t, dir, "run")
	plant(t, s.Path, "a", "b")
	if err := s.Release(); err != nil {
		t.Fatal(err)
	}
	if err := Clear(atOnce(), s.Path); !errors.Is(err, context.Canceled) {
		t.Errorf("clear under an ended context: %v", err)
	}
	found, err := Leftovers(within(t), dir)
	if err != nil || len(found) != 1 || !found[0].Removable() {
		t.Fatalf("leftovers %+v, %v", found, err)
	}
	if err := Clear(within(t), s.Path); err != nil {
		t.Error(err)
	}
}

func TestClearRefusesMountInside(t *testing.T) {
	needMounts(t)
	tests := map[string]func(t *testing.T, at string) string{
		"another file system": mountTmpfs,
		"a bind mount of the same": func(t *testing.T, at string) string {
			return mountAt(t, at, "--bind", t.TempDir())
		},
	}
	for name, mount := range tests {
		t.Run(name, func(t *testing.T) {
			s := createScratch(t, t.TempDir(), "run")
			inner := mount(t, filepath.Join(s.Path, "round", "mounted"))
			precious := plant(t, inner, "precious")
			if err := s.Release(); err != nil {
				t.Fatal(err)
			}
			if err := Clear(within(t), s.Path); !errors.Is(err, ErrMountInside) {
				t.Errorf("clear: %v, want %v", err, ErrMountInside)
			}
			if !exists(precious) || !exists(filepath.Join(s.Path, MarkerName)) {
				t.Error("what is mounted, or the marker, is gone")
			}
		})
	}
}

// TestRemovable goes through what is known of a leftover: file systems without
// locks are not at hand everywhere.
func TestRemovable(t *testing.T) {
	tests := map[string]struct {
		left Leftover
		want bool
	}{
		"free":            {Leftover{}, true},
		"locked":          {Leftover{Locked: true}, false},
		"locked, dead":    {Leftover{Locked: true, Dead: true}, false},
		"lockless":        {Leftover{Lockless: true}, false},
		"lockless, dead":  {Leftover{Lockless: true, Dead: true}, true},
		"of another user": {Leftover{Unreadable: true}, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := test.left.Removable(); got != test.want {
				t.Errorf("removable %t, want %t", got, test.want)
			}
		})
	}
}

// withoutLocks opens a scratch directory by a descriptor that cannot be locked
// (O_PATH: flock answers EBADF, as NFS does).
func withoutLocks(t *testing.T, path string) *folder {
	t.Helper()
	d, err := openFolder(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.file.Close(); err != nil {
		t.Fatal(err)
	}
	if d.file, err = os.OpenFile(path, unix.O_PATH|unix.O_DIRECTORY, 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return d
}

func TestWithoutLocks(t *testing.T) {
	gone := startChild(t, "open", filepath.Join(t.TempDir(), "file"))
	gone.kill()
	tests := map[string]struct {
		pid     int
		boot    string // empty is this machine's
		locked  bool
		cleared bool
	}{
		"its process lives":   {pid: os.Getpid(), locked: true},
		"its process is dead": {pid: gone.cmd.Process.Pid, cleared: true},
		"of another machine":  {pid: gone.cmd.Process.Pid, boot: "x"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := createScratch(t, t.TempDir(), "run")
			if err := s.Release(); err != nil {
				t.Fatal(err)
			}
			d := withoutLocks(t, s.Path)
			rewriteMarker(t, d, func(m *Marker) {
				m.PID = test.pid
				if test.boot != "" {
					m.BootID = test.boot
				}
			})
			m, err := d.marker()
			if err != nil {
				t.Fatal(err)
			}
			state, err := d.state(m)
			if err != nil || !state.Lockless || state.Locked != test.locked {
				t.Errorf("state %+v, %v; want lockless, locked: %t", state, err, test.locked)
			}
			err = clearLeftover(within(t), d)
			if (err == nil) != test.cleared || err != nil && !errors.Is(err, ErrLocked) || exists(s.Path) == test.cleared {
				t.Errorf("clear: %v, still there: %t", err, exists(s.Path))
			}
		})
	}
}

func rewriteMarker(t *testing.T, d *folder, change func(*Marker)) {
	t.Helper()
	m, err := d.marker()
	if err != nil {
		t.Fatal(err)
	}
	change(&m)
	if err := errors.Join(d.root.Remove(MarkerName), d.writeMarker(m)); err != nil {
		t.Fatal(err)
	}
}

func TestOwnScratchGoesWithoutLocks(t *testing.T) {
	s := createScratch(t, t.TempDir(), "run")
	plant(t, s.Path, "a", "b")
	if err := s.Release(); err != nil {
		t.Fatal(err)
	}
	s.dir = withoutLocks(t, s.Path)
	if err := s.Remove(within(t)); err != nil || exists(s.Path) {
		t.Errorf("remove: %v", err)
	}
}

func TestMarkerDead(t *testing.T) {
	gone := startChild(t, "open", filepath.Join(t.TempDir(), "file"))
	gone.kill()
	here := Marker{BootID: bootID(), PIDNamespace: pidNamespace(), PID: gone.cmd.Process.Pid}
	tests := map[string]struct {
		change func(*Marker)
		want   bool
	}{
		"gone":              {func(*Marker) {}, true},
		"alive":             {func(m *Marker) { m.PID = os.Getpid() }, false},
		"another machine":   {func(m *Marker) { m.BootID = "x" }, false},
		"another container": {func(m *Marker) { m.PIDNamespace = "pid:[1]" }, false},
		"unknown machine":   {func(m *Marker) { m.BootID = "" }, false},
		"no process":        {func(m *Marker) { m.PID = 0 }, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			m := here
			test.change(&m)
			if got := m.dead(); got != test.want {
				t.Errorf("dead %t, want %t", got, test.want)
			}
		})
	}
}

func TestOpenBelow(t *testing.T) {
	dir := t.TempDir()
	c := startChild(t, "open", filepath.Join(dir, "file"))
	if !openBelow(dir) || openBelow(filepath.Join(dir, "fil")) {
		t.Error("an open file is below its directory and not below a name that it begins with")
	}
	c.kill()
	if openBelow(dir) {
		t.Error("the process is gone")
	}
}

func FuzzParseMarker(f *testing.F) {
	f.Add([]byte(`{"magic":"` + markerMagic + `","run_id":"x","pid":1}`))
	f.Add([]byte(`{"magic":null}`))
	f.Add([]byte(``))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := parseMarker(data)
		if err == nil && m.Magic != markerMagic || err != nil && !errors.Is(err, ErrNotScratch) {
			t.Errorf("marker %+v, error %v", m, err)
		}
	})
}

// TestCreateScratchBeside: where runs may share a directory, a living one is told
// and keeps nobody out.
func TestCreateScratchBeside(t *testing.T) {
	dir := t.TempDir()
	living := startChild(t, "create", dir)
	s, err := CreateScratchBeside(within(t), dir, Marker{RunID: "second"})
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Leftovers) != 1 || s.Leftovers[0].Path != living.path || !s.Leftovers[0].Locked {
		t.Errorf("leftovers %+v, want the living run's", s.Leftovers)
	}
	if err := s.Remove(within(t)); err != nil || exists(s.Path) || !exists(living.path) {
		t.Errorf("remove: %v; there: %t, the living one's: %t", err, exists(s.Path), exists(living.path))
	}
}

// TestInheritedLock: a process that inherits File keeps the directory from being
// cleared after its maker's end.
func TestInheritedLock(t *testing.T) {
	s := createScratch(t, t.TempDir(), "run")
	heir := exec.CommandContext(t.Context(), "cat")
	heir.ExtraFiles = []*os.File{s.File()}
	stdin, err := heir.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := heir.Start(); err != nil {
		t.Fatal(err)
	}
	if err := s.Release(); err != nil || s.File() != nil {
		t.Fatalf("release: %v, file %v", err, s.File())
	}
	if err := Clear(atOnce(), s.Path); !errors.Is(err, ErrLocked) || !exists(s.Path) {
		t.Errorf("clear beside an heir: %v", err)
	}
	_ = stdin.Close()
	if err := heir.Wait(); err != nil {
		t.Error(err)
	}
	if err := Clear(within(t), s.Path); err != nil || exists(s.Path) {
		t.Errorf("clear after it: %v", err)
	}
}
