package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"storebench/internal/slowvolume"
	"storebench/internal/slowvolume/slowtest"
	"storebench/internal/volume"
)

// TestMain makes this test binary three programs. With slowvolume's variable
// set it is a helper of a test volume. Under the name storebench, which is how
// testscript copies it into the scripts' PATH, it is the real program; its
// workers are then the same file with the hidden command, as in production. Under its
// own name it runs the tests.
func TestMain(m *testing.M) {
	slowvolume.ServeIfChild()
	testscript.Main(m, map[string]func(){"storebench": main})
}

// TestScripts runs the command line as a shell would. The scripts' own commands:
//
//	exits CODE[,CODE...] PROGRAM [ARG...]  it must end with one of these codes; "same" is the one before
//	empty DIR...                           nothing may lie in them, hidden files included
//	contains FILE|stdout|stderr TEXT       TEXT must be in it as it stands
//	hold DIR                               a living run holds a scratch directory in DIR until the script ends
//	abandon DIR                            a dead run has left its scratch directory in DIR
//	tmpfs DIR BYTES                        mounts a file system in memory on DIR until the script ends
//	interrupt DIR PROGRAM [ARG...]         Ctrl-C once a round is under way in DIR; the exit code must be 130
//
// $VOLUME is a directory, empty and the script's own, on a file system that no
// other test puts a JetStream store on.
func TestScripts(t *testing.T) {
	takeTurn(t)
	root := ownVolume(t)
	testscript.Run(t, testscript.Params{
		Dir:                filepath.Join("testdata", "script"),
		RequireUniqueNames: true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("HOME", filepath.Join(env.WorkDir, "home"))
			env.Setenv("XDG_STATE_HOME", filepath.Join(env.WorkDir, "state"))
			dir, err := os.MkdirTemp(root, "script-")
			env.Setenv("VOLUME", dir)
			env.Values[lastCode{}] = new(int)
			return err
		},
		Condition: condition,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": cmdExits, "empty": cmdEmpty, "contains": cmdContains, "hold": cmdHold,
			"abandon": cmdAbandon, "tmpfs": cmdTmpfs, "interrupt": cmdInterrupt,
		},
	})
}

// turn is taken once: a second lock would wait for the first.
var turn = sync.OnceValue(func() error { return slowtest.TakeTurn(slowtest.Alone) })

// takeTurn waits until other packages' tests leave the machine to this one's.
func takeTurn(t *testing.T) {
	t.Helper()
	if err := turn(); err != nil {
		t.Fatal(err)
	}
}

// ownVolume returns a directory on a file system that this test alone uses: a
// check refuses one with live JetStream data, and the tests of other packages
// run real servers in the temporary directory at the same time. Where no disk
// can be mounted it is the kernel's shared memory; the verdict there is a
// failure, which no script minds.
func ownVolume(t *testing.T) string {
	t.Helper()
	can, err := canMount()
	if err != nil {
		t.Fatal(err)
	}
	if can {
		block, err := slowvolume.NewBlock(t.Context(), slowvolume.BlockConfig{Size: 1 << 30})
		if err != nil {
			t.Fatalf("make a volume: %v", err)
		}
		t.Cleanup(func() {
			if err := block.Close(); err != nil {
				t.Errorf("close the volume: %v", err)
			}
		})
		return block.Path()
	}
	t.Logf("no loop device (%v): the scripts run in memory", slowvolume.CanBlock())
	dir, err := os.MkdirTemp("/dev/shm", "storebench-test-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// condition adds to testscript's own: root, mount (file systems can be mounted).
func condition(name string) (bool, error) {
	switch name {
	case "root":
		return os.Geteuid() == 0, nil
	case "mount":
		return canMount()
	}
	return false, fmt.Errorf("unknown condition %q", name)
}

// canMount says whether this machine can mount a file system of ours. It is an
// error that it cannot where the environment requires loop devices.
func canMount() (bool, error) {
	err := slowvolume.CanBlock()
	if err != nil && slices.Contains(strings.Split(os.Getenv(slowtest.RequireEnv), ","), "loop") {
		return false, fmt.Errorf("loop is required by %s: %w", slowtest.RequireEnv, err)
	}
	return err == nil, nil
}

// lastCode is the key of a script's last exit code.
type lastCode struct{}

func cmdExits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE[,CODE...] PROGRAM [ARG...]")
	}
	last := ts.Value(lastCode{}).(*int)
	wanted := strings.Split(strings.ReplaceAll(args[0], "same", strconv.Itoa(*last)), ",")
	code, err := codeOf(ts.Exec(args[1], args[2:]...))
	ts.Check(err)
	*last = code
	if !slices.Contains(wanted, strconv.Itoa(code)) {
		ts.Fatalf("%s: exit code %d, want %s\n%s", args[1], code, strings.Join(wanted, " or "), ts.ReadFile("stderr"))
	}
}

// codeOf is the exit code in what running a program returned.
func codeOf(err error) (int, error) {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0, nil
	case errors.As(err, &exit) && exit.ExitCode() >= 0:
		return exit.ExitCode(), nil
	}
	return 0, err
}

func cmdEmpty(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: empty DIR...")
	}
	for _, dir := range args {
		entries, err := os.ReadDir(ts.MkAbs(dir))
		ts.Check(err)
		for _, entry := range entries {
			if entry.Name() != "lost+found" {
				ts.Fatalf("%s holds %s", dir, entry.Name())
			}
		}
	}
}

func cmdContains(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: contains FILE|stdout|stderr TEXT")
	}
	if text := ts.ReadFile(args[0]); strings.Contains(text, args[1]) == neg {
		ts.Fatalf("%s: that %q is in it must be %v:\n%s", args[0], args[1], !neg, text)
	}
}

// scratchOf makes a scratch directory of another run in a script's directory.
func scratchOf(ts *testscript.TestScript, args []string) *volume.Scratch {
	if len(args) != 1 {
		ts.Fatalf("usage: hold|abandon DIR")
	}
	scratch, err := volume.CreateScratch(context.Background(), ts.MkAbs(args[0]), volume.Marker{Version: "test", RunID: "other-run"})
	ts.Check(err)
	return scratch
}

func cmdHold(ts *testscript.TestScript, _ bool, args []string) {
	scratch := scratchOf(ts, args)
	ts.Defer(func() { ts.Check(scratch.Remove(context.Background())) })
}

func cmdAbandon(ts *testscript.TestScript, _ bool, args []string) {
	scratch := scratchOf(ts, args)
	ts.Check(os.WriteFile(filepath.Join(scratch.Path, "data"), []byte("left behind"), 0o600))
	ts.Check(scratch.Release())
}

func cmdTmpfs(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: tmpfs DIR BYTES")
	}
	bytes, err := strconv.ParseInt(args[1], 10, 64)
	ts.Check(err)
	mounted, err := slowvolume.NewTmpfs(context.Background(), ts.MkAbs(args[0]), bytes)
	ts.Check(err)
	ts.Defer(func() { ts.Check(mounted.Close()) })
}

// roundWait bounds the wait for a run's first round; it is no measure of speed.
const roundWait = time.Minute

func cmdInterrupt(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: interrupt DIR PROGRAM [ARG...]")
	}
	cmd := exec.Command(args[1], args[2:]...)
	cmd.Dir, cmd.Env = ts.MkAbs("."), append(os.Environ(), "XDG_STATE_HOME="+ts.Getenv("XDG_STATE_HOME"))
	cmd.Stdout, cmd.Stderr = ts.Stdout(), ts.Stderr()
	ts.Check(cmd.Start())
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	ts.Check(roundBegins(ts.MkAbs(args[0]), ended))
	ts.Check(cmd.Process.Signal(os.Interrupt))
	code, err := codeOf(<-ended)
	ts.Check(err)
	if code != exitInterrupted {
		ts.Fatalf("exit code %d after Ctrl-C, want %d", code, exitInterrupted)
	}
}

// roundBegins waits until a file of a round lies in a scratch directory in dir.
func roundBegins(dir string, ended <-chan error) error {
	tick, late := time.NewTicker(time.Millisecond), time.NewTimer(roundWait)
	defer tick.Stop()
	defer late.Stop()
	for {
		select {
		case <-tick.C:
		case err := <-ended:
			return fmt.Errorf("it ended before it began a round: %w", err)
		case <-late.C:
			return fmt.Errorf("no round began within %v", roundWait)
		}
		if found, err := filepath.Glob(filepath.Join(dir, "storebench-*", "*", "*")); err != nil || len(found) > 0 {
			return err
		}
	}
}
