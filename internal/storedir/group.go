package storedir

import (
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"strconv"
	"strings"
)

func (w *walk) groups(d folder, account string) {
	w.each(d, func(name string, info fs.FileInfo) {
		if !info.IsDir() {
			w.leftover(d, name, info, streamLeftover(name))
			return
		}
		w.within(d, name, func(d folder) {
			w.store.Groups = append(w.store.Groups, w.group(d, account, name))
		})
	})
}

// wanted says whether a group belongs to what was asked for.
func (w *walk) wanted(g Group) bool {
	if w.opts.Account == "" && w.opts.Stream == "" {
		return true
	}
	names := strings.Split(g.Asset, asset("", ""))
	return len(names) > 1 && fits(w.opts.Account, names[0]) && fits(w.opts.Stream, names[1])
}

func (w *walk) group(d folder, account, name string) Group {
	seen := w.seen()
	g := Group{Account: account, Name: name, Kind: kindOf(name)}
	encrypted := false
	w.each(d, func(entry string, info fs.FileInfo) {
		switch entry {
		case "meta.key":
			encrypted = true
		case "meta.inf", "meta.sum", "tav.idx", "peers.idx", "commit.idx", "snapshots", "msgs", "obs":
		default:
			w.leftover(d, entry, info, streamLeftover(entry))
		}
	})
	w.bytes(d, "meta.inf", maxMeta, func(data []byte) error { return g.describe(data, encrypted) })
	w.bytes(d, "tav.idx", maxPeers, func(data []byte) (err error) {
		g.Term, g.Voted, err = parseVote(data)
		return err
	})
	w.bytes(d, "peers.idx", maxPeers, func(data []byte) (err error) {
		g.Peers, err = parsePeers(data)
		return err
	})
	w.within(d, "snapshots", func(d folder) { w.snapshots(d, &g) })
	g.Log.BlockSize = mediumBlock
	if g.Meta() {
		g.Log.BlockSize = metaBlock
	}
	w.within(d, "msgs", func(d folder) { w.log(d, &g.Log, name, encrypted, maxRecord) })
	if s := g.Log.State; s != nil && s.Known {
		g.Entries = &s.Msgs
	}
	g.Files, g.Bytes = seen()
	return g
}

// kindOf tells a group's kind by its name.
func kindOf(name string) string {
	switch {
	case name == metaGroup:
		return "meta"
	case strings.HasPrefix(name, "S-"):
		return "stream"
	case strings.HasPrefix(name, "C-"):
		return "consumer"
	}
	return ""
}

// describe takes a group's asset from its meta.inf (since nats-server 2.10.4).
func (g *Group) describe(data []byte, encrypted bool) error {
	var meta struct {
		Metadata struct{ Account, Stream, Consumer string } `json:"metadata"`
	}
	if err := json.Unmarshal(data, &meta); err != nil && encrypted {
		return nil
	} else if err != nil {
		return fmt.Errorf("%w: not the JSON of a Raft group", errDamaged)
	}
	switch m := meta.Metadata; {
	case m.Consumer != "":
		g.Asset = asset(m.Account, m.Stream, m.Consumer)
	case m.Stream != "":
		g.Asset = asset(m.Account, m.Stream)
	}
	return nil
}

// snapshots reads the newest snapshot, snap.TERM.INDEX.
func (w *walk) snapshots(d folder, g *Group) {
	var newest string
	var term, index uint64
	w.each(d, func(entry string, info fs.FileInfo) {
		t, i, ok := snapshotName(entry)
		switch {
		case !ok:
			w.leftover(d, entry, info, streamLeftover(entry))
		case newest == "" || t > term || t == term && i > index:
			newest, term, index = entry, t, i
		}
	})
	if newest == "" {
		return
	}
	s := Snapshot{}
	w.read(d, newest, func(in io.Reader, size int64) (err error) {
		s, err = readSnapshot(in, size, g.Name)
		return err
	})
	if g.Meta() && s.Intact {
		w.readAssignments(d, newest)
	}
	if info, err := d.root.Lstat(newest); err == nil {
		s.Bytes, s.Written = info.Size(), info.ModTime()
		g.Snapshot = &s
	}
}

func snapshotName(name string) (term, index uint64, ok bool) {
	rest, found := strings.CutPrefix(name, "snap.")
	t, i, cut := strings.Cut(rest, ".")
	if !found || !cut {
		return 0, 0, false
	}
	term, err := strconv.ParseUint(t, 10, 64)
	if err != nil {
		return 0, 0, false
	}
	index, err = strconv.ParseUint(i, 10, 64)
	return term, index, err == nil
}
