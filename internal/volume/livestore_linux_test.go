package volume

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

func liveStores(t *testing.T, dir string) Guard {
	t.Helper()
	guard, err := LiveStores(within(t), dir)
	if err != nil {
		t.Fatal(err)
	}
	return guard
}

// plantStore makes a store directory with one stream below dir.
func plantStore(t *testing.T, dir string) {
	t.Helper()
	plant(t, dir, "jetstream", "$G", "streams", "ORDERS", "msgs", "1.blk")
}

// TestLiveStoreDirectories needs a volume of its own: what else the machine
// holds must not matter.
func TestLiveStoreDirectories(t *testing.T) {
	tests := map[string]struct {
		store string // the directory that holds "jetstream", below the mount point
		dir   string // the target, below the mount point
		want  bool
	}{
		"in the target":         {"a/b/c/d", "a/b/c/d", true},
		"in a parent":           {"a/b/c", "a/b/c/d/e", true},
		"at the mount point":    {".", "a", true},
		"one level below it":    {"nats", "a", true},
		"two levels below it":   {"nats/data", "a", true},
		"target inside a store": {"a", "a/jetstream/$G/streams", true},
		"too deep elsewhere":    {"x/y/z/w", "a", false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			mount := mountExt4(t, "v", "loop")
			dir := filepath.Join(mount, test.dir)
			if err := os.MkdirAll(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			plantStore(t, filepath.Join(mount, test.store))
			var want []LiveStore
			if test.want {
				want = []LiveStore{{Path: filepath.Join(mount, test.store, "jetstream"), Why: "a directory with the JetStream stream $G/ORDERS"}}
			}
			if diff := cmp.Diff(want, liveStores(t, dir).Stores); diff != "" {
				t.Errorf("stores (-want +got):\n%s", diff)
			}
		})
	}
}

func TestLiveStoreLeavesOut(t *testing.T) {
	tests := map[string]func(t *testing.T, mount string){
		"a directory without streams": func(t *testing.T, mount string) {
			plant(t, mount, "jetstream", "$G", "notes")
			plant(t, mount, "a", "jetstream", "$SYS", "streams", "empty", "file")
		},
		"what lies in our scratch": func(t *testing.T, mount string) {
			plantStore(t, filepath.Join(createScratch(t, mount, "run").Path, "x"))
			plantStore(t, filepath.Join(mount, "storebench-run"))
		},
		"a link to a store": func(t *testing.T, mount string) {
			outside := t.TempDir()
			plantStore(t, outside)
			if err := os.Symlink(filepath.Join(outside, "jetstream"), filepath.Join(mount, "jetstream")); err != nil {
				t.Fatal(err)
			}
		},
		"a store on a volume mounted there": func(t *testing.T, mount string) {
			plantStore(t, mountTmpfs(t, filepath.Join(mount, "other")))
			mountTmpfs(t, filepath.Join(mount, "jetstream"))
			plantStore(t, mount)
		},
	}
	for name, prepare := range tests {
		t.Run(name, func(t *testing.T) {
			mount := mountExt4(t, "v", "loop")
			prepare(t, mount)
			if got := liveStores(t, mount).Stores; len(got) != 0 {
				t.Errorf("found %+v", got)
			}
		})
	}
}

func TestLiveStoreOpenFiles(t *testing.T) {
	tests := map[string]struct {
		file string // below the mount point, deeper than directories are searched
		want bool
	}{
		"message block":  {"a/b/c/d/jetstream/$G/streams/S/msgs/12.blk", true},
		"term and vote":  {"a/b/c/d/jetstream/$SYS/_js_/S-R3F-x/tav.idx", true},
		"not JetStream":  {"a/b/c/d/data/12.blk", false},
		"another file":   {"a/b/c/d/jetstream/$G/streams/S/meta.inf", false},
		"name with more": {"a/b/c/d/jetstream2/1.blk", false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			mount := mountExt4(t, "v", "loop")
			path := plant(t, mount, test.file)
			holder := startChild(t, "open", path)
			pid := holder.cmd.Process.Pid
			var want []LiveStore
			if test.want {
				want = []LiveStore{{Path: path, PID: pid, Why: "process " + strconv.Itoa(pid) + " has it open"}}
			}
			if diff := cmp.Diff(want, liveStores(t, mount).Stores); diff != "" {
				t.Errorf("stores (-want +got):\n%s", diff)
			}
			if got := liveStores(t, mountTmpfs(t, t.TempDir())).Stores; len(got) != 0 {
				t.Errorf("on another volume: %+v", got)
			}
		})
	}
}

func TestLiveStoreOpenFileInScratchIsOurs(t *testing.T) {
	mount := mountExt4(t, "v", "loop")
	s := createScratch(t, mount, "run")
	startChild(t, "open", plant(t, s.Path, "round", "jetstream", "1.blk"))
	if got := liveStores(t, mount).Stores; len(got) != 0 {
		t.Errorf("found %+v", got)
	}
}

func TestLiveStoreBounds(t *testing.T) {
	mount := mountAtMany(t)
	guard := liveStores(t, mount)
	if len(guard.Blind) == 0 {
		t.Error("entries were left out and nobody was told")
	}
}

// mountAtMany mounts a volume with more entries than are looked at.
func mountAtMany(t *testing.T) string {
	t.Helper()
	needMounts(t)
	mount := mountTmpfs(t, t.TempDir())
	for i := range maxEntries + 10 {
		if err := os.Mkdir(filepath.Join(mount, strconv.Itoa(i)), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return mount
}

// TestLiveStoreOfRealServer takes the names from nats-server itself.
func TestLiveStoreOfRealServer(t *testing.T) {
	mount := mountExt4(t, "v", "loop")
	dir := filepath.Join(mount, "a", "b", "c", "d")
	ns, err := server.NewServer(&server.Options{
		ServerName: "live", DontListen: true, JetStream: true, StoreDir: dir, JetStreamMaxStore: 8 << 20, NoLog: true, NoSigs: true})
	if err != nil {
		t.Fatal(err)
	}
	ns.Start()
	t.Cleanup(func() { ns.Shutdown(); ns.WaitForShutdown() })
	if !ns.ReadyForConnections(30 * time.Second) {
		t.Fatal("the server is not ready")
	}
	addStream(t, ns)
	// From the mount point the directory is too deep: the open block tells.
	found := liveStores(t, mount).Stores
	if !slices.ContainsFunc(found, func(s LiveStore) bool { return s.PID == os.Getpid() && filepath.Ext(s.Path) == ".blk" }) {
		t.Errorf("no open block among %+v", found)
	}
	found = liveStores(t, dir).Stores
	if !slices.ContainsFunc(found, func(s LiveStore) bool { return s.PID == 0 && s.Path == filepath.Join(dir, "jetstream") }) {
		t.Errorf("no store directory among %+v", found)
	}
}

// addStream makes a stream with a message in it, so that it has a block.
func addStream(t *testing.T, ns *server.Server) {
	t.Helper()
	nc, err := nats.Connect("", nats.InProcessServer(ns))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.CreateStream(within(t), jetstream.StreamConfig{Name: "S", Subjects: []string{"s"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := js.Publish(within(t), "s", []byte("message")); err != nil {
		t.Fatal(err)
	}
}

// TestLiveStoresLate: a search that has no time left finds what is in the target and
// above it, and tells that it ended early. One that nobody wants any more is an error.
func TestLiveStoresLate(t *testing.T) {
	mount := mountExt4(t, "v", "loop")
	dir := filepath.Join(mount, "a", "b")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	plantStore(t, filepath.Join(mount, "a"))
	plantStore(t, filepath.Join(mount, "elsewhere"))
	late, stop := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer stop()
	guard, err := LiveStores(late, dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(guard.Stores) != 1 || guard.Stores[0].Path != filepath.Join(mount, "a", "jetstream") {
		t.Errorf("stores %+v, want the one in the parent", guard.Stores)
	}
	told := func(blind string) bool { return strings.Contains(blind, "the search for stores ended after") }
	if !slices.ContainsFunc(guard.Blind, told) {
		t.Errorf("nobody was told that the search ended early: %q", guard.Blind)
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := LiveStores(cancelled, dir); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v of a search that was cancelled", err)
	}
}

func TestLiveStoresMissing(t *testing.T) {
	if _, err := LiveStores(within(t), filepath.Join(t.TempDir(), "no")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v", err)
	}
}
