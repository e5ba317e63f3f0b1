package storedir

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// ErrNoStore is returned for a directory that is no JetStream store.
var ErrNoStore = errors.New("no JetStream store")

// The names of a store's directories and files.
const (
	jetstreamDir = "jetstream"
	streamsDir   = "streams"
	raftDir      = "_js_"
	metaGroup    = "_meta_"
	messagesDir  = "msgs"
	consumersDir = "obs"
	snapshotsDir = "snapshots"
	metaFile     = "meta.inf"
	metaSumFile  = "meta.sum"
	keyFile      = "meta.key"
	stateFile    = "index.db"
	consumerFile = "o.dat"
	termFile     = "tav.idx"
	blockSuffix  = ".blk"
)

// Find returns the directory jetstream of a store: dir itself, or the one below it. The error
// says what was looked for, and names the store that is meant where one is near.
func Find(dir string) (string, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	info, err := os.Stat(abs)
	switch {
	case err != nil:
		return "", err
	case !info.IsDir():
		return "", fmt.Errorf("%s is a file: name the store_dir of a nats-server", dir)
	}
	for _, candidate := range []string{filepath.Join(abs, jetstreamDir), abs} {
		if isStore(candidate) {
			return candidate, nil
		}
	}
	return "", fmt.Errorf("%w in %s: neither it nor the directory jetstream in it has accounts with streams or Raft groups (ACCOUNT/streams, ACCOUNT/_js_)%s", ErrNoStore, dir, near(abs))
}

// isStore says whether a directory has an account with streams or Raft groups.
func isStore(dir string) bool {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return false
	}
	for _, e := range entries {
		if e.IsDir() && (exists(dir, e.Name(), streamsDir) || exists(dir, e.Name(), raftDir)) {
			return true
		}
	}
	return false
}

func exists(parts ...string) bool {
	_, err := os.Lstat(filepath.Join(parts...))
	return err == nil
}

// near names a store that dir is a part of, or that lies right below it.
func near(dir string) string {
	for up, n := filepath.Dir(dir), 0; n < 4; up, n = filepath.Dir(up), n+1 {
		if isStore(up) {
			return fmt.Sprintf("; it is a part of the store %s", up)
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return ""
	}
	for _, e := range entries {
		if below := filepath.Join(dir, e.Name(), jetstreamDir); isStore(below) {
			return fmt.Sprintf("; there is one in %s", below)
		}
	}
	return ""
}
