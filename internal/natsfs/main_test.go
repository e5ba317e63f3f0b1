package natsfs

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"storebench/internal/slowvolume"
	"storebench/internal/slowvolume/slowtest"
)

// TestMain also makes the test binary a process that another test kills, where
// its environment says so.
func TestMain(m *testing.M) {
	slowvolume.ServeIfChild()
	if dir := os.Getenv(writerEnv); dir != "" {
		writeUntilKilled(dir)
		return
	}
	if dir := os.Getenv(publishDir); dir != "" {
		if err := publish(dir, os.Getenv(publishAlways) != ""); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	os.Exit(slowtest.RunBeside(m.Run))
}

// killedAfter runs this test binary with an environment that makes it a writer,
// kills it once it has told so many acknowledged messages, and returns how many it
// told: it goes on for a while before it dies, and what it told counts.
func killedAfter(t *testing.T, messages uint64, env ...string) (acknowledged uint64) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env, cmd.Stderr = append(os.Environ(), env...), os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if acknowledged, err = strconv.ParseUint(lines.Text(), 10, 64); err != nil {
			t.Fatal(err)
		}
		if acknowledged == messages {
			_ = cmd.Process.Kill()
		}
	}
	_ = cmd.Wait() // it was killed
	if acknowledged < messages {
		t.Fatalf("the writer ended after %d messages, want %d", acknowledged, messages)
	}
	return acknowledged
}
