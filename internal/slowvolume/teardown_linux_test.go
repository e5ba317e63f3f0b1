package slowvolume_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"storebench/internal/slowvolume"
	"storebench/internal/slowvolume/slowtest"
)

// gone looks for what is left of a block volume that was made in dir.
func gone(dir string, server int) error {
	err := slowtest.Leftovers(dir)
	if cmdline, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", server)); strings.Contains(string(cmdline), "slowvolume") {
		err = errors.Join(err, fmt.Errorf("server %d runs", server))
	}
	return err
}

func TestCloseLeavesNothing(t *testing.T) {
	for _, tc := range []struct {
		name   string
		faults []string
		before func(*testing.T, *slowvolume.Block)
	}{
		{"healthy", nil, func(*testing.T, *slowvolume.Block) {}},
		{"hanging", []string{"hang after 0s"}, nil},
		{"stopped", nil, func(t *testing.T, b *slowvolume.Block) {
			if err := b.Stop(); err != nil {
				t.Fatal(err)
			}
		}},
		{"failing", []string{"error EIO on write", "error EIO on read", "error EIO on flush"}, nil},
		{"server killed", nil, killServer},
		{"server killed while stopped", nil, func(t *testing.T, b *slowvolume.Block) {
			if err := b.Stop(); err != nil {
				t.Fatal(err)
			}
			killServer(t, b)
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Setenv("TMPDIR", t.TempDir())
			b := slowtest.Block(t, slowvolume.BlockConfig{})
			f := create(t, filepath.Join(b.Path(), "log"), 0)
			if err := b.SetFaults(slowtest.Faults(t, tc.faults...)...); err != nil {
				t.Fatal(err)
			}
			if tc.before != nil {
				tc.before(t, b)
			}
			writeInBackground(t, f)
			if err := b.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
			if err := b.Close(); err != nil {
				t.Errorf("close again: %v", err)
			}
			if err := gone(os.Getenv("TMPDIR"), b.ServerPID()); err != nil {
				t.Error(err)
			}
			if err := empty(os.Getenv("TMPDIR")); err != nil {
				t.Error(err)
			}
			if err := b.SetFaults(); err == nil {
				t.Error("a closed volume takes faults")
			}
		})
	}
}

// writeInBackground writes, syncs and closes the file, while the volume goes
// down.
func writeInBackground(t *testing.T, f *os.File) {
	t.Helper()
	began, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		close(began)
		_ = appendSync(f, 1<<20) // it may fail
		_ = f.Close()
	}()
	<-began
	t.Cleanup(func() { <-done })
}

// killServer kills a server. What is done on its volume fails then, and does
// not hang.
func killServer(t *testing.T, b *slowvolume.Block) {
	t.Helper()
	f, err := os.OpenFile(filepath.Join(b.Path(), "log"), os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := syscall.Kill(b.ServerPID(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if err := appendSync(f, 4096); err == nil {
		t.Error("fsync without a server succeeds")
	}
}

// An application that does not let go makes Close say so, and the volume goes
// when the application does.
func TestCloseOfUsedVolume(t *testing.T) {
	if testing.Short() {
		t.Skip("it waits for a volume in use")
	}
	t.Setenv("TMPDIR", t.TempDir())
	slowtest.Need(t, "loop", slowvolume.CanBlock())
	b, err := slowvolume.NewBlock(t.Context(), slowvolume.BlockConfig{Size: 64 << 20})
	if err != nil {
		t.Fatal(err)
	}
	f := create(t, filepath.Join(b.Path(), "open"), 0)
	if err := b.Close(); err == nil {
		t.Error("close of a used volume says nothing")
	}
	f.Close()
	backing := filepath.Join("/sys/block", b.Device(), "loop/backing_file")
	eventually(t, 10*time.Second, func() error {
		err := gone(os.Getenv("TMPDIR"), b.ServerPID())
		if of, _ := os.ReadFile(backing); strings.TrimSpace(string(of)) == "/disk" { // its FUSE mount is detached
			err = errors.Join(err, fmt.Errorf("%s is in use", b.Device()))
		}
		return err
	})
}

// beVictim makes a volume in a program that will be killed. The first line
// that it prints is the server's process id.
func beVictim(what string) string {
	fail := func(err error) string { return "error: " + err.Error() }
	faults, err := slowvolume.ParseFaults("flush 1ms")
	if err != nil {
		return fail(err)
	}
	b, err := slowvolume.NewBlock(context.Background(), slowvolume.BlockConfig{Size: 64 << 20, Faults: faults})
	if err != nil {
		return fail(err)
	}
	if what == "stopped" {
		if err := b.Stop(); err != nil {
			return fail(err)
		}
	}
	return strconv.Itoa(b.ServerPID())
}

// startVictim starts a program that makes a volume in dir.
func startVictim(t *testing.T, what, dir string, env ...string) (*exec.Cmd, *bufio.Reader) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe")
	cmd.Env = append(append(os.Environ(), victimEnv+"="+what, "TMPDIR="+dir), env...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, bufio.NewReader(out)
}

func kill(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // it was killed
}

// A program that is killed cannot clean up, and leaves nothing all the same.
func TestKilledProgramLeavesNothing(t *testing.T) {
	slowtest.Need(t, "loop", slowvolume.CanBlock())
	for _, what := range []string{"running", "stopped"} {
		t.Run(what, func(t *testing.T) {
			dir := t.TempDir()
			cmd, out := startVictim(t, what, dir)
			line, _ := out.ReadString('\n')
			server, err := strconv.Atoi(strings.TrimSpace(line))
			if err != nil {
				t.Fatalf("victim says %q", line)
			}
			if gone(dir, server) == nil {
				t.Error("the victim has made no volume")
			}
			kill(t, cmd)
			eventually(t, 30*time.Second, func() error { return gone(dir, server) })
			eventually(t, 10*time.Second, func() error { return empty(dir) })
		})
	}
}

// slowMount is a mount(8) that takes its time. It has the device open meanwhile,
// which else would go with the program that made it.
const slowMount = `#!/bin/sh
exec 3<"$3"
: >"$0.began"
sleep 1
exec "$REAL_MOUNT" "$@"
`

// mount(8) may outlive the program that started it, and mount what the keeper is
// already taking down.
func TestKilledWhileMounting(t *testing.T) {
	slowtest.Need(t, "loop", slowvolume.CanBlock())
	mount, err := exec.LookPath("mount")
	if err != nil {
		t.Fatal(err)
	}
	dir, bin := t.TempDir(), t.TempDir()
	slow := filepath.Join(bin, "mount")
	if err := os.WriteFile(slow, []byte(slowMount), 0o755); err != nil {
		t.Fatal(err)
	}
	cmd, _ := startVictim(t, "running", dir, "REAL_MOUNT="+mount, "PATH="+bin+":"+os.Getenv("PATH"))
	eventually(t, 30*time.Second, func() error { _, err := os.Stat(slow + ".began"); return err })
	kill(t, cmd)
	eventually(t, 30*time.Second, func() error { return gone(dir, 0) })
	eventually(t, 10*time.Second, func() error { return empty(dir) })
}

func empty(dir string) error {
	left, err := os.ReadDir(dir)
	if err == nil && len(left) > 0 {
		err = fmt.Errorf("left in the temporary directory: %v", left)
	}
	return err
}

func TestPlainVolumes(t *testing.T) {
	slowtest.Need(t, "fuse", slowvolume.CanFile())
	for _, tc := range []struct {
		name string
		make func(context.Context) (*slowvolume.Plain, error)
		want string // in the line of /proc/mounts
	}{
		{"tmpfs", func(ctx context.Context) (*slowvolume.Plain, error) {
			return slowvolume.NewTmpfs(ctx, "", 8<<20)
		}, "size=8192k"},
		{"overlay volatile", func(ctx context.Context) (*slowvolume.Plain, error) {
			return slowvolume.NewOverlayVolatile(ctx, "", t.TempDir())
		}, "volatile"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p, err := tc.make(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			mounts, err := os.ReadFile("/proc/self/mounts")
			if err != nil {
				t.Error(err)
			}
			found := false
			for line := range strings.Lines(string(mounts)) {
				found = found || strings.Contains(line, " "+p.Path()+" ") && strings.Contains(line, tc.want)
			}
			if !found {
				t.Errorf("not mounted with %s", tc.want)
			}
			if err := os.WriteFile(filepath.Join(p.Path(), "f"), []byte("x"), 0o600); err != nil {
				t.Error(err)
			}
			if err := p.Close(); err != nil {
				t.Error(err)
			}
			if _, err := os.Stat(p.Path()); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("the directory is left: %v", err)
			}
		})
	}
}

// A throttled process waits, one outside of the cgroup does not.
func TestCgroupThrottles(t *testing.T) {
	slowtest.Need(t, "cgroup", slowvolume.CanThrottle())
	b := slowtest.Block(t, slowvolume.BlockConfig{})
	c, err := slowvolume.NewCgroup(b.Device(), slowvolume.Throttle{WriteIOPS: 50})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	script := `echo $$ > "$1/cgroup.procs" && exec dd if=/dev/zero of="$2/data" bs=4k count=40 oflag=direct status=none`
	run := func(cgroup string) time.Duration {
		began := time.Now()
		if out, err := exec.CommandContext(t.Context(), "sh", "-c", script, "sh", cgroup, b.Path()).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return time.Since(began)
	}
	// 40 writes at 50 a second, less what the kernel lets through at once.
	without, with := run(filepath.Dir(c.Dir())), run(c.Dir())
	if with < 500*time.Millisecond || with < 2*without {
		t.Errorf("%v without, %v with the throttle", without, with)
	}
	sleeper := exec.CommandContext(t.Context(), "sleep", "60")
	if err := sleeper.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = sleeper.Process.Kill(); _ = sleeper.Wait() }()
	if err := c.Add(sleeper.Process.Pid); err != nil {
		t.Error(err)
	}
	if err := c.Close(); err != nil {
		t.Errorf("close with a process inside: %v", err)
	}
	if _, err := os.Stat(c.Dir()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("cgroup is left: %v", err)
	}
}

// TestCPUQuota: a program in the cgroup gets no more of the processors than it may.
func TestCPUQuota(t *testing.T) {
	c, err := slowvolume.NewCPUQuota(0.1)
	slowtest.Need(t, "cgroup", err)
	defer c.Close()
	const script = `echo $$ > "$0/cgroup.procs" && exec timeout 1 sh -c 'while :; do :; done'`
	used := func(cgroup string) time.Duration {
		cmd := exec.CommandContext(t.Context(), "sh", "-c", script, cgroup)
		_ = cmd.Run() // timeout ends it
		return cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	}
	without, with := used(filepath.Dir(c.Dir())), used(c.Dir())
	if with < 20*time.Millisecond || with > without/2 {
		t.Errorf("a second took %v of processors without, %v with the quota", without, with)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(c.Dir()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("cgroup is left: %v", err)
	}
}
