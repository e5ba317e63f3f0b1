package storedir

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// plant writes files below a directory, with their directories.
func plant(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestFind(t *testing.T) {
	dir := t.TempDir()
	plant(t, dir, map[string]string{"pv/nats/jetstream/A/streams/S/meta.inf": "{}", "other/file": ""})
	store := filepath.Join(dir, "pv", "nats", "jetstream")
	if err := os.MkdirAll(filepath.Join(dir, "new", "jetstream"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"pv/nats": store, "pv/nats/jetstream": store, "new": filepath.Join(dir, "new", "jetstream")} {
		if got, err := Find(filepath.Join(dir, name)); err != nil || got != want {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	for name, meant := range map[string]string{"pv": store, "pv/nats/jetstream/A": store, "pv/nats/jetstream/A/streams/S": store, "other": "", "other/file": ""} {
		var not *NotStoreError
		if _, err := Find(filepath.Join(dir, name)); !errors.As(err, &not) || not.Meant != meant {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Find(filepath.Join(dir, "missing")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a directory that is missing: %v", err)
	}
}

// TestBad reads a store of garbage: all is told and nothing stops the reading.
func TestBad(t *testing.T) {
	dir := t.TempDir()
	plant(t, dir, map[string]string{
		"A/streams/GARBAGE/meta.inf":              "\x00not JSON",
		"A/streams/GARBAGE/msgs/index.db":         strings.Repeat("g", 100),
		"A/streams/GARBAGE/msgs/1.blk":            "short",
		"A/streams/SHORT/meta.inf":                `{"retention":"limits","num_replicas":3,"max_bytes":100000}`,
		"A/streams/SHORT/msgs/index.db":           "x",
		"A/streams/SHORT/msgs/7.blk.tmp":          "left",
		"A/streams/SHORT/obs/C/o.dat":             "\x16\x02\xff",
		"A/streams/SHORT/msgs/odd":                "",
		"A/streams/NOMETA/msgs/1.blk":             "",
		"A/streams/.GONE/msgs/1.blk":              "12345",
		"SYS/_js_/S-R3F-x/tav.idx":                "123",
		"SYS/_js_/S-R3F-x/peers.idx":              "\x00\x00\x00\x00\xff\xff\xff\xff",
		"SYS/_js_/S-R3F-x/snapshots/snap.1.5":     strings.Repeat("s", 64),
		"SYS/_js_/S-R3F-x/snapshots/snap.1.5.tmp": "left",
	})
	store := read(t, dir, Options{})
	for _, path := range []string{
		"A/streams/GARBAGE/meta.inf", "A/streams/GARBAGE/msgs/index.db", "A/streams/SHORT/msgs/index.db", "A/streams/SHORT/obs/C/o.dat",
		"SYS/_js_/S-R3F-x/tav.idx", "SYS/_js_/S-R3F-x/peers.idx", "SYS/_js_/S-R3F-x/snapshots/snap.1.5",
	} {
		requireItem(t, "unread", store.Unread, path)
	}
	for _, path := range []string{"A/streams/SHORT/msgs/7.blk.tmp", "A/streams/SHORT/msgs/odd", "A/streams/NOMETA", "A/streams/.GONE", "SYS/_js_/S-R3F-x/snapshots/snap.1.5.tmp"} {
		requireItem(t, "leftovers", store.Leftovers, path)
	}
	if len(store.Streams) != 3 || len(store.Groups) != 1 || store.Groups[0].Snapshot == nil || store.Groups[0].Snapshot.Intact {
		t.Errorf("streams %+v, groups %+v", store.Streams, store.Groups)
	}
	if only := read(t, dir, Options{Account: "A", Stream: "S*"}); len(only.Streams) != 1 || len(only.Groups) != 0 {
		t.Errorf("what was not asked for: %+v", only)
	}
}

func requireItem(t *testing.T, what string, list List, path string) {
	t.Helper()
	for _, item := range list.Items {
		if item.Path == path && item.Why != "" {
			return
		}
	}
	t.Errorf("%s has no %s: %+v", what, path, list.Items)
}

// TestLinks: a link in a store is told and not followed, wherever it leads.
func TestLinks(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("links need a privilege on Windows")
	}
	dir, outside := t.TempDir(), t.TempDir()
	plant(t, dir, map[string]string{"A/streams/S/meta.inf": "{}", "A/streams/S/msgs/1.blk": "1234"})
	plant(t, outside, map[string]string{"meta.inf": "{}", "msgs/1.blk": strings.Repeat("x", 1000)})
	for name, target := range map[string]string{"A/streams/OUT": outside, "A/streams/IN": "S", "A/streams/S/msgs/2.blk": filepath.Join(outside, "msgs", "1.blk")} {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	store := read(t, dir, Options{})
	for _, path := range []string{"A/streams/OUT", "A/streams/IN", "A/streams/S/msgs/2.blk"} {
		requireItem(t, "unread", store.Unread, path)
	}
	if len(store.Streams) != 1 || store.Bytes != 6 || store.Streams[0].Log.Blocks != 1 {
		t.Errorf("a link was followed: %+v", store)
	}
}

// TestNewer: a state file of a later format is told as such.
func TestNewer(t *testing.T) {
	body := append([]byte{stateMagic, stateMaxVersion + 1}, make([]byte, 40)...)
	hash, err := newHash("S")
	if err != nil {
		t.Fatal(err)
	}
	hash.Write(body)
	data := hash.Sum(body)
	if s, err := readState(bytes.NewReader(data), int64(len(data)), "S", false); !errors.Is(err, errNewer) || !s.Intact || s.Version != 5 {
		t.Errorf("%+v, %v", s, err)
	}
}

// versions is a state file as the servers of each version write it: a stream of one
// subject with two messages in one block, and one in the middle deleted.
func versions(version byte) []byte {
	u, v := binary.AppendUvarint, binary.AppendVarint
	b := []byte{stateMagic, version}
	b = v(u(u(u(b, 2), 90), 1), 1e18)           // messages, bytes, first, its time
	b = v(u(b, 3), 1e18+5)                      // last, its time
	b = append(u(u(b, 1), 3), "a.b"...)         // one subject
	b = u(u(u(b, 2), 1), 1)                     // its messages, blocks
	b = u(b, 1)                                 // one block
	b = v(u(v(u(u(u(b, 1), 120), 1), 0), 3), 5) // index, bytes, first, last
	b = u(b, 1)                                 // deleted
	if version >= 2 {
		b = u(b, 0)
	}
	if version >= 3 {
		b = u(b, 0)
	}
	words, set := 32, byte(2)
	if version == 1 {
		words, set = 64, 1
	}
	b = append(b, 22, set)
	b = binary.LittleEndian.AppendUint32(b, 1)
	b = binary.LittleEndian.AppendUint32(b, 1)
	b = append(b, make([]byte, 8+8*words+2)...)
	b = append(u(b, 1), "checksum"...)
	hash, err := newHash("S")
	if err != nil {
		return nil
	}
	hash.Write(b)
	return hash.Sum(b)
}

func TestVersions(t *testing.T) {
	for version := byte(1); version <= stateMaxVersion; version++ {
		data := versions(version)
		s, err := readState(bytes.NewReader(data), int64(len(data)), "S", false)
		if err != nil || s.Msgs != 2 || s.First != 1 || s.Last != 3 || s.Deleted != 1 || s.Subjects != 1 || s.Blocks != 1 || s.lastBlock != 1 || string(s.checksum[:]) != "checksum" {
			t.Errorf("version %d: %+v, %v", version, s, err)
		}
		for cut := range data {
			if s, err := readState(bytes.NewReader(data[:cut]), int64(cut), "S", false); err == nil || s.Known {
				t.Errorf("version %d cut to %d bytes is taken", version, cut)
			}
		}
	}
}

func FuzzState(f *testing.F) {
	for version := byte(1); version <= stateMaxVersion; version++ {
		f.Add(versions(version))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := readState(bytes.NewReader(data), int64(len(data)), "S", false)
		if s.Known && (err != nil || !s.Intact) {
			t.Errorf("%+v, %v", s, err)
		}
		// The same behind a hash that is right, so that the fields are reached.
		hash, _ := newHash("S")
		hash.Write(data)
		whole := hash.Sum(bytes.Clone(data))
		if s, err := readState(bytes.NewReader(whole), int64(len(whole)), "S", false); err == nil && (s.Subjects > uint64(len(whole)) || s.Blocks > uint64(len(whole))) {
			t.Errorf("%+v", s)
		}
	})
}

func FuzzConsumer(f *testing.F) {
	f.Add([]byte("\x16\x02\x01\x01\x06\x06\x01\x02\x00\x00\x00\x00"))
	f.Add([]byte("\x16\x01\x01\x01\x06\x06\x00\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := parseConsumer(data)
		if (s == nil) == (err == nil) {
			t.Errorf("%+v, %v", s, err)
		}
		if s != nil && s.Pending+s.Redelivered > uint64(len(data)) {
			t.Errorf("more entries than bytes: %+v", s)
		}
	})
}

func FuzzRaftFiles(f *testing.F) {
	f.Add([]byte("\x01\x00\x00\x00\x00\x00\x00\x006DVFpukC"))
	f.Add(make([]byte, 64))
	f.Fuzz(func(t *testing.T, data []byte) {
		if _, voted, err := parseVote(data); err == nil && voted != "" && len(voted) != 8 {
			t.Errorf("a peer %q", voted)
		}
		if n, err := parsePeers(data); err == nil && n*8 > len(data) {
			t.Errorf("%d peers in %d bytes", n, len(data))
		}
		if s, err := readSnapshot(bytes.NewReader(data), int64(len(data)), "G"); err == nil && !s.Intact {
			t.Errorf("%+v", s)
		}
		a := assignments{map[string]*Config{}, map[string]string{}}
		a.add(data)
		if term, index, ok := snapshotName("snap." + string(data)); ok && term+index == 0 && !bytes.Contains(data, []byte("0")) {
			t.Errorf("%q is %d and %d", data, term, index)
		}
	})
}

func FuzzBlock(f *testing.F) {
	f.Add(make([]byte, 64))
	f.Add([]byte("cmp\x01\x20\xff\x06\x00\x00S2sTwO12345678"))
	f.Add([]byte("\x1e\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x0012345678"))
	f.Fuzz(func(t *testing.T, data []byte) {
		records, found, err := checkBlock(bytes.NewReader(data), int64(len(data)), "S-1")
		if err != nil {
			t.Error(err)
		}
		if found == nil && records == 0 && len(data) > 0 && !bytes.HasPrefix(data, []byte("cmp\x01")) {
			t.Errorf("%d bytes without a record are taken", len(data))
		}
	})
}

// TestVanishing: files that a live server removes while they are read are no error.
func TestVanishing(t *testing.T) {
	dir := many(t, 3000)
	store, err := Read(t.Context(), dir, Options{Deep: true, Progress: func(files, _ int64) {
		// Called after 1,024 files, in the midst of the directory.
		if err := os.RemoveAll(filepath.Join(dir, "A", "streams", "S", "msgs")); err != nil {
			t.Error(err)
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	if store.Unread.Count != 0 {
		t.Errorf("what has vanished is told as unread: %+v", store.Unread.Items[0])
	}
	if l := store.Streams[0].Log; l.Blocks == 0 || l.Blocks == 3000 {
		t.Errorf("%d blocks of 3,000, of which most vanished", l.Blocks)
	}
}
