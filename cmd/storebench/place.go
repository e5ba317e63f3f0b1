package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"time"
)

// answerWait bounds each look at where an output goes: it may lie on a dead
// volume, and a pipe may have no reader.
const answerWait = 3 * time.Second

// place is where an output goes; the zero value is stdout.
type place struct {
	file string // absolute
	// open is a pipe, a device, a descriptor of the shell's, or a file in a
	// directory that takes no other (a container's termination log). It is opened
	// before the run, because a worker, to which files are left, inherits none of
	// the shell's descriptors. A write to it takes as long as its reader does, as
	// with stdout. It is nil for a file.
	open *os.File
}

func (p place) String() string {
	if p.file == "" {
		return "stdout"
	}
	return p.file
}

// findPlace settles before the run whether a file can be written at its end.
func findPlace(file string) (place, error) {
	if file == "" || file == "-" {
		return place{}, nil
	}
	if number, ok := descriptor(file); ok {
		return inherited(number, file)
	}
	found, err := answerOf(func() (target, error) { return lookAt(file) })
	if errors.Is(err, errNoAnswer) {
		return place{}, usagef("-o %s: its directory did not answer within %v", file, answerWait)
	}
	if err != nil || found.regular {
		return place{file: found.path}, err
	}
	f, err := answerOf(func() (*os.File, error) { return os.OpenFile(found.path, os.O_WRONLY, 0) })
	if errors.Is(err, errNoAnswer) {
		return place{}, usagef("-o %s: it could not be opened within %v; a pipe needs a reader", file, answerWait)
	}
	if err != nil {
		return place{}, usagef("-o: %s cannot be written: %w", file, err)
	}
	return place{found.path, f}, nil
}

// descriptor returns the number of the shell's descriptor that a path names. A
// worker that opened such a path would find a descriptor of its own there.
func descriptor(file string) (number int, ok bool) {
	if runtime.GOOS == "windows" {
		return 0, false
	}
	path := filepath.Clean(file)
	for i, name := range []string{"/dev/stdin", "/dev/stdout", "/dev/stderr"} {
		if path == name {
			return i, true
		}
	}
	dir, name := filepath.Split(path)
	if dir != "/dev/fd/" && dir != "/proc/self/fd/" {
		return 0, false
	}
	number, err := strconv.Atoi(name)
	return number, err == nil && number >= 0
}

// inherited is the place behind a descriptor of the shell's.
func inherited(number int, file string) (place, error) {
	if number == 1 {
		return place{}, nil
	}
	f := os.NewFile(uintptr(number), file)
	if _, err := f.Stat(); err != nil {
		return place{}, usagef("-o: %s cannot be written: %w", file, err)
	}
	return place{"/dev/fd/" + strconv.Itoa(number), f}, nil
}

// target is what was found under the name of an output.
type target struct {
	path    string // absolute
	regular bool   // a file that can be replaced, or nothing yet
}

// lookAt says what a file is and whether it could be written.
func lookAt(file string) (target, error) {
	path, err := filepath.Abs(file)
	if err != nil {
		return target{}, usagef("-o %s: %w", file, err)
	}
	path = resolved(path)
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return target{path: path}, refuseKind(file, info.Mode())
	}
	dir := filepath.Dir(path)
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return target{}, usagef("-o: the directory %s of %s does not exist; make it first", dir, file)
	}
	probe, err := os.CreateTemp(dir, ".storebench-*")
	if err == nil {
		return target{path, true}, errors.Join(probe.Close(), os.Remove(probe.Name()))
	}
	if _, missing := os.Stat(path); missing != nil {
		return target{}, usagef("-o: %s cannot be written: %w", file, err)
	}
	return target{path: path}, nil // nothing can stand beside it, so it is written in place
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

var errNoAnswer = errors.New("no answer")

// answerOf runs ask for at most answerWait. An ask that hangs is left behind
// with its goroutine: a system call on a dead volume cannot be ended.
func answerOf[T any](ask func() (T, error)) (T, error) {
	type answer struct {
		value T
		err   error
	}
	answers := make(chan answer, 1)
	go func() {
		value, err := ask()
		answers <- answer{value, err}
	}()
	select {
	case a := <-answers:
		return a.value, a.err
	case <-time.After(answerWait):
		var none T
		return none, errNoAnswer
	}
}
