package slowtest

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// What a killed run has mounted is taken down by the next run; what a living one has
// mounted is not.
func TestClearKilled(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	dir, err := os.MkdirTemp("", runPrefix)
	if err != nil {
		t.Fatal(err)
	}
	living, err := lockDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	mount := filepath.Join(dir, "volume")
	if err := os.Mkdir(mount, 0o755); err != nil {
		t.Fatal(err)
	}
	Need(t, "loop", unix.Mount("none", mount, "tmpfs", 0, "size=1m")) // both need root
	t.Cleanup(func() { _ = unix.Unmount(mount, unix.MNT_DETACH) })

	if err := clearKilled(); err != nil {
		t.Fatal(err)
	}
	if Leftovers(dir) == nil {
		t.Fatal("the mount of a living run is gone")
	}
	if err := unix.Close(living); err != nil { // as at the end of its process
		t.Fatal(err)
	}
	if err := clearKilled(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("the directory of a killed run is left: %v", err)
	}
	if err := Leftovers(dir); err != nil {
		t.Error(err)
	}
}
