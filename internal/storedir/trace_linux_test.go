package storedir

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"

	"storebench/internal/slowvolume/slowtest"
)

// tracedEnv names the store that TestTraced reads while TestNothingWritten watches it.
const tracedEnv = "STOREBENCH_TRACED_STORE"

func TestTraced(t *testing.T) {
	dir := os.Getenv(tracedEnv)
	if dir == "" {
		t.Skip("TestNothingWritten runs it")
	}
	if store := read(t, dir, Options{}); len(store.Streams) == 0 || store.Unread.Count != 0 {
		t.Errorf("%+v", store)
	}
}

// changing are the system calls that change a file or a directory, whatever they are
// given.
const changing = "creat,rename,renameat,renameat2,unlink,unlinkat,rmdir,mkdir,mkdirat,link,linkat,symlink,symlinkat,mknod,mknodat,truncate,ftruncate,fallocate," +
	"chmod,fchmod,fchmodat,chown,fchown,fchownat,utime,utimes,utimensat,futimesat,setxattr,fsetxattr,fsync,fdatasync,sync_file_range"

// TestNothingWritten watches the system calls of a reading: nothing below the store is
// opened for writing, and no call changes anything.
func TestNothingWritten(t *testing.T) {
	strace, err := exec.LookPath("strace")
	slowtest.Need(t, "strace", err)
	dir := t.TempDir()
	s, js := run(t, dir, server.NoCipher)
	fill(t, js)
	s.Shutdown()
	s.WaitForShutdown()
	file := filepath.Join(t.TempDir(), "trace")
	cmd := exec.CommandContext(t.Context(), strace, "-f", "-qq", "-y", "-e", "trace=open,openat,openat2,write,pwrite64,writev,"+changing, "-o", file, os.Args[0], "-test.run=^TestTraced$")
	cmd.Env = append(os.Environ(), tracedEnv+"="+dir)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	call := regexp.MustCompile(`^\d+ +(\w+)\(`)
	opens := 0
	for line := range strings.Lines(string(data)) {
		m := call.FindStringSubmatch(line)
		if m == nil || !strings.Contains(line, dir) {
			continue
		}
		if !strings.HasPrefix(m[1], "open") {
			t.Errorf("a call that changes: %s", line)
			continue
		}
		if opens++; !strings.Contains(line, "O_RDONLY") || strings.Contains(line, "O_CREAT") || strings.Contains(line, "O_TRUNC") {
			t.Errorf("not for reading alone: %s", line)
		}
	}
	if opens < 30 {
		t.Errorf("only %d files of the store were opened", opens)
	}
}
