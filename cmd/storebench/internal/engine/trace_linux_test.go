package engine_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

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
