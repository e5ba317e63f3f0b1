// Package slowtest makes volumes with faults for tests. Where the machine
// cannot make one, the test is skipped with the reason, or fails when the
// environment variable STOREBENCH_REQUIRE names what is missing: "fuse",
// "loop", "strace" or "cgroup", several with commas.
package slowtest

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"storebench/internal/slowvolume"
)

// RequireEnv is the variable that turns a skip into a failure.
const RequireEnv = "STOREBENCH_REQUIRE"

// Block makes a block volume of 512 MiB, when config sets no other size, and
// closes it when the test ends.
func Block(t testing.TB, config slowvolume.BlockConfig) *slowvolume.Block {
	t.Helper()
	Need(t, "loop", slowvolume.CanBlock())
	if config.Size == 0 {
		config.Size = 512 << 20
	}
	b, err := slowvolume.NewBlock(t.Context(), config)
	if err != nil {
		t.Fatalf("make block volume: %v", err)
	}
	t.Cleanup(func() { closeVolume(t, b) })
	return b
}

// File makes a file volume over a temporary directory, when config sets no
// other, and closes it when the test ends.
func File(t testing.TB, config slowvolume.FileConfig) *slowvolume.File {
	t.Helper()
	Need(t, "fuse", slowvolume.CanFile())
	if config.Backing == "" {
		config.Backing = t.TempDir()
	}
	f, err := slowvolume.NewFile(t.Context(), config)
	if err != nil {
		t.Fatalf("make file volume: %v", err)
	}
	t.Cleanup(func() { closeVolume(t, f) })
	return f
}

// Faults parses the texts of faults and ends the test on a bad one.
func Faults(t testing.TB, texts ...string) []slowvolume.Fault {
	t.Helper()
	faults, err := slowvolume.ParseFaults(texts...)
	if err != nil {
		t.Fatal(err)
	}
	return faults
}

// Experiment runs tests that take minutes where RequireEnv is set, as in CI, or -run names
// some; else it says how to run them.
func Experiment(run func() int) func() int {
	return func() int {
		flag.Parse()
		if os.Getenv(RequireEnv) == "" && flag.Lookup("test.run").Value.String() == "" {
			fmt.Fprintln(os.Stderr, "not run: these tests take minutes; "+RequireEnv+"=fuse,loop runs them, and so does -run with their names")
			return 0
		}
		return run()
	}
}

// Need skips the test, or fails it when what is required, if err says why the
// machine does not have it.
func Need(t testing.TB, what string, err error) {
	t.Helper()
	switch {
	case err == nil:
	case slices.Contains(strings.Split(os.Getenv(RequireEnv), ","), what):
		t.Fatalf("%s is required by %s: %v", what, RequireEnv, err)
	default:
		t.Skipf("no %s: %v", what, err)
	}
}

func closeVolume(t testing.TB, v interface{ Close() error }) {
	t.Helper()
	if err := v.Close(); err != nil {
		t.Errorf("close volume: %v", err)
	}
}
