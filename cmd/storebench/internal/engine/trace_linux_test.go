package engine_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"storebench/cmd/storebench/internal/programtest"
	"storebench/internal/slowvolume/slowtest"
)

// trace runs the program and returns its system calls of some kinds, one line
// each, as strace tells them with the paths of descriptors.
func trace(t *testing.T, calls string, args ...string) []string {
	t.Helper()
	strace, err := exec.LookPath("strace")
	slowtest.Need(t, "strace", err)
	file := filepath.Join(t.TempDir(), "trace")
	o := programtest.Finish(t, programtest.Command(t, strace, append([]string{"-f", "-qq", "-y", "--seccomp-bpf", "-e", "trace=" + calls, "-o", file, programtest.Path}, args...)...))
	if o.Code != 0 && o.Code != 4 { // so short a run may be inconclusive
		t.Fatalf("exit code %d\n%s\n%s", o.Code, o.Stdout, o.Stderr)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(string(data), "\n")
}

// count counts the lines that a pattern matches. A call that another thread
// interrupts stands in two lines; "resumed" ones hold no arguments.
func count(lines []string, pattern string) int {
	re, n := regexp.MustCompile(pattern), 0
	for _, line := range lines {
		if re.MatchString(line) {
			n++
		}
	}
	return n
}

// A voter writes its term and then its vote, each through an O_SYNC temporary
// file, a rename and an fsync of the directory; the role candidate does so once.
func TestStormWritesAsElectionsDo(t *testing.T) {
	const groups = 50
	for role, writes := range map[string]int{"voter": 2, "candidate": 1} {
		t.Run(role, func(t *testing.T) {
			lines := trace(t, "openat,rename,renameat,renameat2,fsync", "check", programtest.Target(t), "--profile", "quick", "--only", "election-storm",
				"--budget", "4s", "--set", "term-vote.groups="+strconv.Itoa(groups), "--set", "term-vote.role="+role)
			storms := count(lines, `openat\(.*S-R3F-00000/tav\.idx", .*O_CREAT`) // its file of an earlier term, once a storm
			if storms == 0 {
				t.Fatal("no storm was made")
			}
			for what, pattern := range map[string]string{
				"O_SYNC temporary files": `openat\(.*/S-R3F-\d+/tav\.idx\.tmp", .*O_SYNC`,
				"renames":                `rename.*/S-R3F-\d+/tav\.idx\.tmp", .*/S-R3F-\d+/tav\.idx"`,
				"directory fsyncs":       `fsync\(\d+<.*/S-R3F-\d+>`,
			} {
				if got, want := count(lines, pattern), storms*groups*writes; got != want {
					t.Errorf("%d %s in %d storms, want %d", got, what, storms, want)
				}
			}
		})
	}
}

// With sync_interval always each message is one pwrite and one fsync of its
// block; by default there is no fsync of a block at all.
func TestBlockWriteSyncsAsTheServerDoes(t *testing.T) {
	for mode, perMessage := range map[string]int{"always": 1, "default": 0} {
		t.Run(mode, func(t *testing.T) {
			doc := filepath.Join(t.TempDir(), "run.json")
			lines := trace(t, "pwrite64,write,fsync", "check", programtest.Target(t), "--profile", "quick", "--only", "block-write", "--sync", mode,
				"--budget", "4s", "--set", "block-write.rate=200", "-o", "json="+doc)
			writes := count(lines, `(pwrite64|write)\(\d+<[^>]*\.blk>`)
			syncs := count(lines, `fsync\(\d+<[^>]*\.blk>`)
			stored := int64(0)
			for _, m := range programtest.Document(t, doc).Measurements {
				for _, r := range m.Rounds {
					if m.Metric == "store" {
						stored += r.Distribution.Count()
					}
				}
			}
			if stored == 0 || int64(writes) < stored {
				t.Errorf("%d messages were measured and %d writes seen", stored, writes)
			}
			if syncs != writes*perMessage {
				t.Errorf("%d fsyncs for %d writes, want %d each", syncs, writes, perMessage)
			}
		})
	}
}

// TestInspectOnlyReads: inspect opens the files of a store for reading alone, and calls nothing
// that changes one.
func TestInspectOnlyReads(t *testing.T) {
	store := t.TempDir()
	writeStore(t, store)
	lines := trace(t, "openat,open,creat,unlink,unlinkat,rename,renameat,renameat2,truncate,ftruncate,write,pwrite64,mkdir,mkdirat,chmod,fchmod,fchmodat,utimensat",
		"inspect", store, "--deep", "-o", "json="+filepath.Join(t.TempDir(), "out.json"))
	of := regexp.QuoteMeta(store)
	if opened := count(lines, `openat\(.*`+of+`.*O_RDONLY`); opened < 10 {
		t.Fatalf("only %d files of the store were opened:\n%s", opened, strings.Join(lines, "\n"))
	}
	for what, pattern := range map[string]string{
		"opened for writing": `openat?\(.*` + of + `.*(O_WRONLY|O_RDWR|O_CREAT|O_TRUNC)`,
		"changed":            `(creat|unlink|unlinkat|rename|renameat2?|f?truncate|p?write(64)?|mkdir(at)?|f?chmod(at)?|utimensat)\([^)]*` + of,
	} {
		if n := count(lines, pattern); n != 0 {
			t.Errorf("%d files of the store were %s", n, what)
		}
	}
}

// writeStore makes a store by a real server, which is closed again.
func writeStore(t *testing.T, dir string) {
	t.Helper()
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: -1, JetStream: true, StoreDir: dir, NoLog: true, NoSigs: true})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	defer func() { s.Shutdown(); s.WaitForShutdown() }()
	if !s.ReadyForConnections(10 * time.Second) {
		t.Fatal("the server does not start")
	}
	nc, err := nats.Connect(s.ClientURL())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := nc.JetStream()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.AddStream(&nats.StreamConfig{Name: "S", Subjects: []string{"s.>"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := js.AddConsumer("S", &nats.ConsumerConfig{Durable: "c", AckPolicy: nats.AckExplicitPolicy}); err != nil {
		t.Fatal(err)
	}
	for i := range 100 {
		if _, err := js.Publish("s."+strconv.Itoa(i), make([]byte, 100)); err != nil {
			t.Fatal(err)
		}
	}
}
