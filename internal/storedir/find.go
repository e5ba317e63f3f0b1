package storedir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// NotStoreError says that a directory is no JetStream store.
type NotStoreError struct {
	Dir string
	// Meant is the store that lies above or below, empty when there is none.
	Meant string
}

func (e *NotStoreError) Error() string {
	if e.Meant != "" {
		return fmt.Sprintf("%s is not a JetStream store, but %s is: use that path", e.Dir, e.Meant)
	}
	return fmt.Sprintf("%s is not a JetStream store: looked for ACCOUNT/streams and ACCOUNT/_js_ in it, and in a directory jetstream below it (the store_dir of nats.conf)", e.Dir)
}

// storeName is the directory that nats-server makes in its store_dir.
const storeName = "jetstream"

// mostLooked bounds how many directories are looked at to find a store that was not named.
const mostLooked = 1000

// Find returns the directory of the accounts: dir itself, or jetstream in it. The error
// is a NotStoreError when dir is neither.
func Find(dir string) (string, error) {
	info, err := os.Stat(dir)
	if err != nil {
		return "", err
	}
	if !info.IsDir() {
		return "", &NotStoreError{Dir: dir}
	}
	below := filepath.Join(dir, storeName)
	if isStore(dir) {
		return dir, nil
	}
	if link, err := os.Lstat(below); err == nil && link.Mode()&fs.ModeSymlink != 0 {
		if target, err := filepath.EvalSymlinks(below); err == nil && isStore(target) {
			return "", &NotStoreError{Dir: dir, Meant: target}
		}
	} else if isStore(below) || isEmpty(below) {
		return below, nil
	}
	if isEmpty(dir) && filepath.Base(dir) == storeName {
		return dir, nil
	}
	if _, err := os.ReadDir(dir); errors.Is(err, fs.ErrPermission) {
		return "", err
	}
	return "", &NotStoreError{Dir: dir, Meant: meant(dir)}
}

// isStore says whether a directory holds accounts. It follows no link below it.
func isStore(dir string) bool {
	for _, account := range directories(dir) {
		for _, name := range []string{"streams", "_js_"} {
			if info, err := os.Lstat(filepath.Join(dir, account, name)); err == nil && info.IsDir() {
				return true
			}
		}
	}
	return false
}

func isEmpty(dir string) bool {
	entries, err := os.ReadDir(dir)
	return err == nil && len(entries) == 0
}

// meant looks for a store above dir, as when an account or a stream was named, and two
// levels below.
func meant(dir string) string {
	if full, err := filepath.Abs(dir); err == nil {
		for above := filepath.Dir(full); above != filepath.Dir(above); above = filepath.Dir(above) {
			if isStore(above) {
				return above
			}
		}
	}
	looked := 0
	for _, child := range directories(dir) {
		for _, path := range []string{filepath.Join(dir, child), filepath.Join(dir, child, storeName)} {
			if looked++; looked > mostLooked {
				return ""
			}
			if isStore(path) {
				return path
			}
		}
	}
	return ""
}

// directories are the first names in dir that are directories.
func directories(dir string) (names []string) {
	f, err := os.Open(dir)
	if err != nil {
		return nil
	}
	defer f.Close()
	entries, _ := f.ReadDir(mostLooked) // what was read until an error
	for _, entry := range entries {
		if entry.IsDir() {
			names = append(names, entry.Name())
		}
	}
	return names
}
