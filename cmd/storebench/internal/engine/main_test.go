package engine_test

import (
	"flag"
	"fmt"
	"os"
	"testing"

	"storebench/cmd/storebench/internal/engine"
	"storebench/cmd/storebench/internal/programtest"
)

// TestMain makes the test binary a worker as well, for the tests that run a part
// of the engine alone: a worker is the running program.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == engine.WorkerCommand {
		if err := engine.Serve(os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	// Those that run at a time wait for hung volumes, and hardly compute.
	if err := flag.Set("test.parallel", "8"); err != nil {
		panic(err)
	}
	os.Exit(programtest.Main(m.Run))
}
