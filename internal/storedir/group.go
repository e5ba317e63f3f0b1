package storedir

import (
	"encoding/binary"
	"encoding/json"
	"path"
	"strings"
)

// groups reads the Raft groups of an account, the system's.
func (w *walk) groups(dir string) {
	for _, e := range w.entries(dir) {
		at := path.Join(dir, e.Name())
		if !e.IsDir() {
			w.leftover(at, "a file beside the Raft groups", e)
			continue
		}
		w.group(e.Name(), at)
	}
}

func (w *walk) group(name, dir string) {
	g := Group{Name: name, Kind: groupKind(name), Memory: groupInMemory(name)}
	encrypted := false
	for _, e := range w.entries(dir) {
		at := path.Join(dir, e.Name())
		switch e.Name() {
		case termFile:
			if data := w.file(at, maxMeta); len(data) >= 8 {
				g.Term = binary.LittleEndian.Uint64(data)
			}
		case metaFile:
			g.Of = groupOf(w.file(at, maxMeta))
		case keyFile:
			encrypted = true
		case messagesDir:
			g.Log = w.blocks(at)
		case snapshotsDir:
			w.snapshot(&g, at)
		case metaSumFile, "peers.idx", "commit.idx", consumersDir:
		default:
			w.leftover(at, "no version writes it here for good", e)
		}
	}
	cipher := Cipher("")
	if encrypted {
		cipher = ChaCha // whatever the streams have
	}
	var state *State
	if !g.Memory {
		g.State, state = w.state(path.Join(dir, messagesDir), name, cipher, g.Log)
	}
	if state != nil && !g.State.Outdated {
		g.Entries = &state.Messages
	}
	w.newest(g.Log.Written)
	w.store.Groups = append(w.store.Groups, g)
}

// snapshot is the newest one.
func (w *walk) snapshot(g *Group, dir string) {
	for _, e := range w.entries(dir) {
		info, err := e.Info()
		if err == nil && strings.HasPrefix(e.Name(), "snap.") && info.ModTime().After(g.Snapped) {
			g.Snapshot, g.Snapped = info.Size(), info.ModTime().UTC()
		}
	}
}

// groupKind tells what a Raft group is of by its name: S-R3F-xxxxxxxx, C-R3M-xxxxxxxx
// (groupNameForStream in jetstream_cluster.go).
func groupKind(name string) string {
	switch {
	case name == metaGroup:
		return "meta"
	case strings.HasPrefix(name, "C-"):
		return "consumer"
	}
	return "stream"
}

func groupInMemory(name string) bool {
	parts := strings.Split(name, "-")
	return len(parts) > 2 && strings.HasSuffix(parts[1], "M")
}

// groupOf reads what a group is of, which its file tells since 2.10.4.
func groupOf(data []byte) string {
	var meta struct {
		Metadata struct{ Account, Stream, Consumer string }
	}
	if len(data) == 0 || data[0] != '{' || json.Unmarshal(data, &meta) != nil {
		return ""
	}
	var parts []string
	for _, part := range []string{meta.Metadata.Account, meta.Metadata.Stream, meta.Metadata.Consumer} {
		if part != "" {
			parts = append(parts, part)
		}
	}
	return strings.Join(parts, " > ")
}
