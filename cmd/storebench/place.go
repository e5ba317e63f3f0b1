package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"time"

	"storebench/cmd/storebench/internal/engine"
)

// answerWait bounds the look at where an output goes, which may lie on a dead
// volume, and the opening of a pipe, which may have no reader.
const answerWait = 3 * time.Second

// place is where an output goes; the zero value is stdout.
type place struct {
	file string // absolute
	// open is a pipe, a device or a descriptor of the shell's. It is opened before
	// the run, because a worker, to which files are left, inherits none of the
	// shell's descriptors. A write to it takes as long as its reader does, as with
	// stdout. It is nil for a file.
	open *os.File
}

func (p place) String() string {
	if p.file == "" {
		return "stdout"
	}
	return p.file
}

// findPlace settles before the run whether a file can be written at its end.
func findPlace(ctx context.Context, file string) (place, error) {
	if file == "" || file == "-" {
		return place{}, nil
	}
	if number, ok := descriptor(file); ok {
		return inherited(number, file)
	}
	found, err := engine.FindOutput(ctx, file, answerWait)
	if ctx.Err() != nil {
		return place{}, codeError(exitInterrupted)
	}
	if err != nil || found.Regular {
		return place{file: found.Path}, err
	}
	f, err := openWithin(found.Path, answerWait)
	if err != nil {
		return place{}, usagef("-o %s: %w", file, err)
	}
	return place{found.Path, f}, nil
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

// openWithin opens a pipe or a device. An open that takes longer is left behind
// with its goroutine.
func openWithin(path string, wait time.Duration) (*os.File, error) {
	type answer struct {
		file *os.File
		err  error
	}
	answers := make(chan answer, 1)
	go func() {
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		answers <- answer{f, err}
	}()
	select {
	case a := <-answers:
		return a.file, a.err
	case <-time.After(wait):
		return nil, fmt.Errorf("it could not be opened within %v; a pipe needs a reader", wait)
	}
}
