package engine

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"storebench/internal/slowvolume"
	"storebench/internal/slowvolume/slowtest"
	"storebench/internal/volume"
)

// fewFiles is a volume that few files fit on.
func fewFiles(t *testing.T) string {
	t.Helper()
	slowtest.Need(t, "loop", slowvolume.CanBlock())
	dir := t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=16m,nr_inodes=64", "tmpfs", dir).CombinedOutput(); err != nil {
		t.Fatalf("mount: %v\n%s", err, out)
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", dir).CombinedOutput(); err != nil {
			t.Errorf("umount: %v\n%s", err, out)
		}
	})
	return dir
}

// fill makes files in dir until no more fit on its volume.
func fill(t *testing.T, dir string) {
	t.Helper()
	for i := 0; ; i++ {
		err := os.WriteFile(filepath.Join(dir, strconv.Itoa(i)), nil, 0o600)
		if errors.Is(err, syscall.ENOSPC) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestVolumeFullOfLeftovers: what fills a volume is removed although nothing more can be
// made there; a volume that others filled is refused.
func TestVolumeFullOfLeftovers(t *testing.T) {
	dir := fewFiles(t)
	abandon := func() {
		s, err := volume.CreateScratch(t.Context(), dir, volume.Marker{RunID: "other"})
		if err != nil {
			t.Fatal(err)
		}
		fill(t, s.Path)
		if err := s.Release(); err != nil {
			t.Fatal(err)
		}
	}
	abandon()
	if all, err := Clean(t.Context(), dir); err != nil || len(all) != 1 || len(entries(t, dir)) != 0 {
		t.Fatalf("clean: %+v, %v; it holds %v", all, err, entries(t, dir))
	}
	abandon()
	step := raftStep("raft", placeAll, smallPeer)
	e := opened(t, engineOf(t, Options{}, dir, step))
	requireNote(t, e, "removed "+dir)
	e.close()
	fill(t, dir)
	err := openApart(t, engineOf(t, Options{}, dir, step))
	if !errors.Is(err, ErrUsage) || !strings.Contains(err.Error(), "no room for one more file") {
		t.Errorf("error %v of a volume that others filled, want ErrUsage and why", err)
	}
}
