package volume

import (
	"bufio"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// childTask names, in the environment, what the test binary does when a test
// starts it again as another process.
const childTask = "STOREBENCH_VOLUME_TEST_CHILD"

func TestMain(m *testing.M) {
	if task := os.Getenv(childTask); task != "" {
		os.Exit(runChild(task, os.Args[1]))
	}
	os.Exit(m.Run())
}

// runChild holds something, says so on stdout, and waits for its end.
func runChild(task, path string) int {
	err := os.ErrInvalid
	switch task {
	case "create":
		var s *Scratch
		if s, err = CreateScratch(context.Background(), path, Marker{RunID: "child"}); err == nil {
			path = s.Path
		}
	case "join":
		_, err = Join(context.Background(), path)
	case "open":
		var f *os.File
		if f, err = os.Create(path); err == nil {
			defer f.Close()
		}
	}
	if err != nil {
		_, _ = io.WriteString(os.Stdout, "error: "+err.Error()+"\n")
		return 1
	}
	_, _ = io.WriteString(os.Stdout, "holds "+path+"\n")
	_, _ = io.Copy(io.Discard, os.Stdin)
	return 0
}

// child is another process of the test binary that holds something.
type child struct {
	cmd  *exec.Cmd
	path string
}

func startChild(t *testing.T, task, path string) *child {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe, path)
	cmd.Env = append(os.Environ(), childTask+"="+task)
	if _, err := cmd.StdinPipe(); err != nil { // its end is the child's
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c := &child{cmd: cmd}
	t.Cleanup(c.kill)
	line, err := bufio.NewReader(out).ReadString('\n')
	held, ok := strings.CutPrefix(strings.TrimSpace(line), "holds ")
	if !ok {
		t.Fatalf("child %s: %q, %v", task, line, err)
	}
	c.path = held
	return c
}

// kill ends the child at once, as kill -9 does, and waits until it is gone.
func (c *child) kill() {
	_ = c.cmd.Process.Kill()
	_ = c.cmd.Wait()
}

// within bounds a test that would otherwise wait for ever.
func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// needMounts skips a test that mounts something where that is impossible; where
// the environment says that loop devices must be there, it fails.
func needMounts(t *testing.T) {
	t.Helper()
	missing := ""
	if os.Getuid() != 0 {
		missing = "not root"
	} else if _, err := os.Stat("/dev/loop-control"); err != nil {
		missing = err.Error()
	} else if _, err := exec.LookPath("mkfs.ext4"); err != nil {
		missing = err.Error()
	}
	if missing == "" {
		return
	}
	if strings.Contains(os.Getenv("STOREBENCH_REQUIRE"), "loop") {
		t.Fatal("mounts are required and impossible: " + missing)
	}
	t.Skip("mounts are impossible: " + missing)
}

func command(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
}

// mountAt mounts on dir, which is made, until the test ends.
func mountAt(t *testing.T, dir string, args ...string) string {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	command(t, "mount", append(args, dir)...)
	t.Cleanup(func() {
		if exec.Command("umount", dir).Run() != nil {
			command(t, "umount", "-l", dir)
		}
	})
	return dir
}

func mountTmpfs(t *testing.T, dir string) string {
	t.Helper()
	return mountAt(t, dir, "-t", "tmpfs", "-o", "size=64m", "tmpfs")
}

// ext4Image makes an image of 16 MiB in dir.
func ext4Image(t *testing.T, dir string, args ...string) string {
	t.Helper()
	image := filepath.Join(dir, "image")
	if err := os.WriteFile(image, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(image, 16<<20); err != nil {
		t.Fatal(err)
	}
	command(t, "mkfs.ext4", append(args, "-q", "-F", image)...)
	return image
}

// mountExt4 mounts a fresh image with the options on a directory of the name.
func mountExt4(t *testing.T, name, options string) string {
	t.Helper()
	needMounts(t)
	image := ext4Image(t, t.TempDir())
	return mountAt(t, filepath.Join(t.TempDir(), name), "-o", options, image)
}

// plant writes a file and the directories above it.
func plant(t *testing.T, elements ...string) string {
	t.Helper()
	path := filepath.Join(elements...)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("planted"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
