package natscluster

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"testing"
	"time"

	"storebench/internal/natsfs"
	"storebench/internal/slowvolume/slowtest"
)

// patience is how long what has to happen may take. It tells what never happens.
const patience = time.Minute

// holderCommand is a process that holds a cluster of the Options in JSON on its
// stdin: it writes the numbers of its servers' processes and waits for its end.
const holderCommand = "hold-cluster"

// TestMain makes this test binary three programs: a server of a cluster, the holder
// of one, and the tests.
func TestMain(m *testing.M) {
	var err error
	switch role(os.Args) {
	case Command:
		err = Serve(os.Stdin, os.Stdout, natsfs.ServeNode)
	case holderCommand:
		err = holdCluster()
	default:
		os.Exit(slowtest.RunBeside(m.Run))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

func role(args []string) string {
	if len(args) < 2 {
		return ""
	}
	return args[1]
}

func holdCluster() error {
	var opts Options
	ctx, stop := context.WithTimeout(context.Background(), patience)
	defer stop()
	in := json.NewDecoder(os.Stdin)
	if err := in.Decode(&opts); err != nil {
		return err
	}
	c, err := Start(ctx, opts)
	if err != nil {
		return err
	}
	if _, err := c.WaitFormed(ctx); err != nil {
		return err
	}
	var pids []int
	for _, n := range c.Nodes() {
		pids = append(pids, n.PID())
	}
	if err := json.NewEncoder(os.Stdout).Encode(pids); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, in.Buffered())
	if err == nil {
		_, err = io.Copy(io.Discard, os.Stdin)
	}
	return err
}
