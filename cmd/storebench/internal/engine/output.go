package engine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// Output is what lies under the name of a file that a report is to go to.
type Output struct {
	Path string `json:"path"` // absolute, with links followed
	// Regular says that it is a file, or nothing yet: Save writes it. What else
	// there is (a pipe, a device) is the caller's to open.
	Regular bool `json:"regular,omitempty"`
}

// FindOutput looks through a worker at where a report is to go, as the user named
// it, and whether it can be written there. What it must not be written into, and a
// directory that gives no answer within wait, is an ErrUsage.
func FindOutput(ctx context.Context, file string, wait time.Duration) (Output, error) {
	var found Output
	err := call(ctx, "output", task{Output: &outputTask{File: file}}, wait, func(ev event) {
		if ev.Output != nil {
			found = *ev.Output
		}
	})
	if errors.Is(err, errNoAnswer) {
		return Output{}, usagef("-o %s: its directory did not answer within %v", file, wait)
	}
	return found, asUserError(err)
}

// lookAt says what a file is and whether it could be written.
func lookAt(file string) (Output, error) {
	path, err := filepath.Abs(file)
	if err != nil {
		return Output{}, usagef("-o %s: %w", file, err)
	}
	path = resolved(path)
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return Output{Path: path}, refuseKind(file, info.Mode())
	}
	dir := filepath.Dir(path)
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return Output{}, usagef("-o: the directory %s of %s does not exist; make it first", dir, file)
	}
	probe, err := os.CreateTemp(dir, ".storebench-*")
	if err == nil {
		return Output{path, true}, errors.Join(probe.Close(), os.Remove(probe.Name()))
	}
	if takesNoFile(err) && writable(path) == nil {
		return Output{path, true}, nil
	}
	return Output{}, usagef("-o: %s cannot be written: %w", file, err)
}

// resolved is where links lead, so that one file under two names is found out.
func resolved(path string) string {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		return real
	}
	if dir, err := filepath.EvalSymlinks(filepath.Dir(path)); err == nil {
		return filepath.Join(dir, filepath.Base(path))
	}
	return path
}

// refuseKind refuses what a report must not be written into.
func refuseKind(file string, mode fs.FileMode) error {
	switch {
	case mode.IsDir():
		return usagef("-o: %s is a directory; name a file", file)
	case mode&fs.ModeDevice != 0 && mode&fs.ModeCharDevice == 0:
		return usagef("-o: %s is a disk, which a report would overwrite; name a file", file)
	}
	return nil
}

// takesNoFile says whether an error is that of a directory in which nothing can be
// made, as that of a container's termination log.
func takesNoFile(err error) bool {
	return errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS)
}

// writable says why a file that is there cannot be written, and leaves it as it is.
func writable(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	return f.Close()
}

// Save writes a file through a worker, so that a hung volume under the user's
// home cannot keep the program. It returns within wait.
func Save(ctx context.Context, path string, data []byte, wait time.Duration) error {
	return call(ctx, "save", task{Save: &saveTask{Path: path, Data: data}}, wait, func(event) {})
}

// save writes a regular file whole or not at all: beside the old one, then a
// rename, so that a full disk or a kill leaves the old one. Where nothing can
// stand beside it, it is written in place, as a device or a pipe is.
func save(t saveTask) error {
	path := resolved(t.Path)
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return writeInto(path, t.Data)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("make the directory for %s: %w", path, err)
	}
	beside := filepath.Join(filepath.Dir(path), fmt.Sprintf(".storebench-%d.tmp", os.Getpid()))
	f, err := os.OpenFile(beside, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o666) // less the umask
	if takesNoFile(err) && writable(path) == nil {
		return writeInto(path, t.Data)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if info, err := os.Stat(path); err == nil {
		_ = f.Chmod(info.Mode().Perm()) // a replaced file stays as private as it was, as far as we may
	}
	_, err = f.Write(t.Data)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(beside, path)
	}
	if errors.Is(err, syscall.EBUSY) { // something is mounted on it, as on a file of a container's host
		return errors.Join(writeInto(path, t.Data), os.Remove(beside))
	}
	if err != nil {
		return errors.Join(fmt.Errorf("write %s: %w", path, err), os.Remove(beside))
	}
	return nil
}

func writeInto(path string, data []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}
