package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"storebench/cmd/storebench/internal/programtest"
	"storebench/internal/slowvolume"
	"storebench/internal/slowvolume/slowtest"
)

// A volume is used, its faults are changed by typing, and Ctrl-C takes it away.
func TestSimulate(t *testing.T) {
	slowtest.Need(t, "loop", slowvolume.CanBlock())
	temp := t.TempDir()
	dir := filepath.Join(temp, "slow")
	if err := os.MkdirAll(filepath.Join(dir, "lost+found"), 0o700); err != nil {
		t.Fatal(err)
	}
	cmd := programtest.Command(t, "storebench", "simulate", dir, "--fault", "flush 1ms", "--every", "1h")
	cmd.Env = append(cmd.Env, "TMPDIR="+temp)
	takeTurn(t)
	typed, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(stderr)
	says := func(want string) {
		t.Helper()
		for lines.Scan() {
			if strings.Contains(lines.Text(), want) {
				return
			}
		}
		t.Fatalf("it ends and has not said %q", want)
	}
	types := func(line string) {
		t.Helper()
		if _, err := fmt.Fprintln(typed, line); err != nil {
			t.Fatal(err)
		}
	}
	says("is mounted on " + dir + " (flush 1ms)")
	types("flush 20ms")
	says("now flush 20ms")
	for _, mistake := range []string{"flsuh 1ms", "flush 1ms; readonly"} {
		types(mistake)
		says("unchanged: ")
	}
	began := time.Now()
	if err := writeSync(filepath.Join(dir, "file")); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took < 20*time.Millisecond {
		t.Errorf("a write with fsync took %v: the faults are gone", took)
	}
	types("")
	says("now no faults")

	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	for lines.Scan() {
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("after Ctrl-C: %v", err)
	}
	if err := errors.Join(slowtest.Leftovers(temp), processesOf(temp)); err != nil {
		t.Errorf("left behind: %v", err)
	}
	if left, err := filepath.Glob(filepath.Join(temp, "*")); err != nil || len(left) != 1 {
		t.Errorf("left in the temporary directory: %v, %v", left, err)
	}
	programtest.Empty(t, dir)
}

func writeSync(path string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	_, err = f.WriteString("a message")
	return errors.Join(err, f.Sync(), f.Close())
}

// processesOf looks for processes with that temporary directory.
func processesOf(temp string) error {
	found, err := filepath.Glob("/proc/[0-9]*/environ")
	errs := []error{err}
	for _, path := range found {
		if variables, _ := os.ReadFile(path); bytes.Contains(variables, []byte("TMPDIR="+temp+"\x00")) {
			errs = append(errs, fmt.Errorf("process %s", filepath.Base(filepath.Dir(path))))
		}
	}
	return errors.Join(errs...)
}
