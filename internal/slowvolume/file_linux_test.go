package slowvolume_test

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"storebench/internal/slowvolume"
	"storebench/internal/slowvolume/slowtest"
)

// fileCalls are system calls on a file volume, each with its own files.
func fileCalls(t *testing.T, dir string) map[string]func() error {
	t.Helper()
	at := func(name string) string { return filepath.Join(dir, name) }
	log := create(t, at("log"), 0)
	d, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { log.Close(); d.Close() })
	return map[string]func() error{
		"write":    func() error { _, err := log.WriteAt([]byte("x"), 0); return err },
		"read":     func() error { _, err := log.ReadAt(make([]byte, 1), 0); return err },
		"fsync":    log.Sync,
		"fsyncdir": d.Sync,
		"open": func() error {
			f, err := os.Open(at("log"))
			if err == nil {
				err = f.Close()
			}
			return err
		},
		"create": func() error {
			f, err := os.OpenFile(at("new"), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
			if err == nil {
				err = f.Close()
			}
			return err
		},
		"rename": func() error { return os.Rename(at("new"), at("renamed")) },
		"unlink": func() error { return os.Remove(at("renamed")) },
	}
}

// callOrder is an order in which each call finds what it needs.
var callOrder = []string{"write", "read", "fsync", "fsyncdir", "open", "create", "rename", "unlink"}

func TestFileDelaysByCall(t *testing.T) {
	v := slowtest.File(t, slowvolume.FileConfig{Uncached: true})
	calls := fileCalls(t, v.Path())
	for _, slow := range callOrder {
		t.Run(slow, func(t *testing.T) {
			if err := v.SetFaults(slowtest.Faults(t, slow+" 100ms")...); err != nil {
				t.Fatal(err)
			}
			for _, name := range callOrder {
				began := time.Now()
				if err := calls[name](); err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				took := time.Since(began)
				if name == slow && took < 100*time.Millisecond {
					t.Errorf("%s took %v", name, took)
				}
				if name != slow && took > 90*time.Millisecond {
					t.Logf("%s took %v: another's fault, or a busy machine", name, took)
				}
			}
		})
	}
}

func TestFileErrorsByCall(t *testing.T) {
	v := slowtest.File(t, slowvolume.FileConfig{Uncached: true})
	calls := fileCalls(t, v.Path())
	for _, bad := range callOrder {
		t.Run(bad, func(t *testing.T) {
			if err := v.SetFaults(slowtest.Faults(t, "error EIO on "+bad+" 1")...); err != nil {
				t.Fatal(err)
			}
			for _, name := range callOrder {
				err := calls[name]()
				if want := name == bad; errors.Is(err, syscall.EIO) != want {
					t.Errorf("%s returned %v", name, err)
				}
				if name == bad { // the fault strikes once; then it works
					err = calls[name]()
				}
				if err != nil {
					t.Errorf("%s returned %v", name, err)
				}
			}
		})
	}
}

func TestFileFull(t *testing.T) {
	v := slowtest.File(t, slowvolume.FileConfig{Faults: slowtest.Faults(t, "full after 64KiB")})
	f := create(t, filepath.Join(v.Path(), "f"), 0)
	defer f.Close()
	for i := range 20 {
		_, err := f.Write(make([]byte, 4096))
		if full := i >= 16; errors.Is(err, syscall.ENOSPC) != full {
			t.Errorf("write %d returned %v", i, err)
		}
	}
}

func TestFileReadOnly(t *testing.T) {
	v := slowtest.File(t, slowvolume.FileConfig{})
	path := filepath.Join(v.Path(), "f")
	f := create(t, path, 0)
	defer f.Close()
	if err := v.SetFaults(slowtest.Faults(t, "readonly")...); err != nil {
		t.Fatal(err)
	}
	for name, do := range map[string]func() error{
		"write":    func() error { _, err := f.Write([]byte("x")); return err },
		"open":     func() error { _, err := os.OpenFile(path, os.O_RDWR, 0); return err },
		"create":   func() error { _, err := os.Create(path + "2"); return err },
		"mkdir":    func() error { return os.Mkdir(path+"3", 0o755) },
		"rename":   func() error { return os.Rename(path, path+"4") },
		"unlink":   func() error { return os.Remove(path) },
		"symlink":  func() error { return os.Symlink("f", path+"5") },
		"link":     func() error { return os.Link(path, path+"6") },
		"truncate": func() error { return os.Truncate(path, 9) },
	} {
		if err := do(); !errors.Is(err, syscall.EROFS) {
			t.Errorf("%s returned %v", name, err)
		}
	}
	if _, err := os.ReadFile(path); err != nil {
		t.Errorf("read: %v", err)
	}
}

// O_SYNC is one write and one fsync, whether or not the kernel caches.
func TestFileSyncedWritesCountOnce(t *testing.T) {
	for name, uncached := range map[string]bool{"cached": false, "uncached": true} {
		for flagName, flag := range map[string]int{"O_SYNC": unix.O_SYNC, "O_DSYNC": unix.O_DSYNC} {
			t.Run(name+" "+flagName, func(t *testing.T) {
				v := slowtest.File(t, slowvolume.FileConfig{Uncached: uncached})
				f := create(t, filepath.Join(v.Path(), "f"), flag)
				defer f.Close()
				before := counts(t, v)
				for range 10 {
					if _, err := f.Write(make([]byte, 100)); err != nil {
						t.Fatal(err)
					}
				}
				if c := counts(t, v).Sub(before); c.Writes != 10 || c.Flushes != 10 {
					t.Errorf("counted %+v", c)
				}
			})
		}
	}
}

func TestFileDirectoryFsync(t *testing.T) {
	v := slowtest.File(t, slowvolume.FileConfig{Faults: slowtest.Faults(t, "fsyncdir nothing")})
	d, err := os.Open(v.Path())
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if err := d.Sync(); err != nil {
		t.Error(err)
	}
	if c := counts(t, v); c.DirFlushes != 1 || c.Flushes != 0 {
		t.Errorf("counted %+v", c)
	}
	if _, err := d.ReadDir(-1); err != nil {
		t.Errorf("read the directory: %v", err)
	}
}

// The files really lie in the backing directory.
func TestFileBacking(t *testing.T) {
	backing := t.TempDir()
	v := slowtest.File(t, slowvolume.FileConfig{Backing: backing})
	if err := os.MkdirAll(filepath.Join(v.Path(), "a", "b"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(v.Path(), "a", "b", "f"), []byte("hello"), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join(backing, "a", "b", "f"))
	if err != nil || string(got) != "hello" {
		t.Errorf("got %q, %v", got, err)
	}
	// A tree below must have the faults too.
	if err := v.SetFaults(slowtest.Faults(t, "error EIO on unlink")...); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(v.Path(), "a", "b", "f")); !errors.Is(err, syscall.EIO) {
		t.Errorf("unlink below returned %v", err)
	}
}

func TestNewFileRefuses(t *testing.T) {
	slowtest.Need(t, "fuse", slowvolume.CanFile())
	dir := t.TempDir()
	for name, config := range map[string]slowvolume.FileConfig{
		"no backing":              {Backing: filepath.Join(dir, "missing")},
		"fault of a block volume": {Backing: dir, Faults: slowtest.Faults(t, "lie")},
		"no mount point":          {Backing: dir, Dir: filepath.Join(dir, "missing")},
	} {
		if v, err := slowvolume.NewFile(t.Context(), config); err == nil {
			t.Errorf("%s: accepted, %v", name, v.Close())
		}
	}
}
