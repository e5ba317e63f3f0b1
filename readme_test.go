package storebench_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"storebench/internal/slowvolume"
	"storebench/internal/slowvolume/slowtest"
)

func TestMain(m *testing.M) {
	slowvolume.ServeIfChild()
	os.Exit(m.Run())
}

// fullEnv set to 1 runs the README's first command as it stands, for as long
// as the default profile takes; otherwise it gets a budget of a few seconds.
const fullEnv = "STOREBENCH_README_FULL"

// TestReadmeQuickStart runs what the README tells a new user to type: the two
// commands of its quick start, and no third one that nobody tries.
func TestReadmeQuickStart(t *testing.T) {
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	commands, err := quickStart(string(text))
	if err != nil {
		t.Fatal(err)
	}
	if len(commands) != 2 {
		t.Fatalf("the quick start has %d commands, want check and test: %q", len(commands), commands)
	}
	t.Run("check", func(t *testing.T) { runCheck(t, strings.Fields(commands[0])) })
	t.Run("test", func(t *testing.T) { listTests(t, commands[1]) })
}

// quickStart returns the commands of the first sh block below the heading
// "Quick start", without comments.
func quickStart(readme string) ([]string, error) {
	_, section, found := strings.Cut("\n"+readme, "\n## Quick start\n")
	if !found {
		return nil, errors.New(`the README has no heading "## Quick start"`)
	}
	section, _, _ = strings.Cut(section, "\n## ")
	_, block, found := strings.Cut(section, "\n```sh\n")
	block, _, closed := strings.Cut(block, "\n```")
	if !found || !closed {
		return nil, errors.New("the quick start has no sh block")
	}
	var commands []string
	for line := range strings.Lines(block) {
		line = strings.TrimSpace(line)
		if line != "" && !strings.HasPrefix(line, "#") {
			commands = append(commands, line)
		}
	}
	return commands, nil
}

// goRunExit is how go run, whose own exit code is 1 for every failure, tells
// the program's.
var goRunExit = regexp.MustCompile(`(?m)^exit status (\d+)$`)

// runCheck runs the check with its directory replaced. The verdict is the
// machine's; that there is one, and that nothing stays, is the README's promise.
func runCheck(t *testing.T, words []string) {
	want := []string{"go", "run", "./cmd/storebench", "check"}
	if len(words) != len(want)+1 || !slices.Equal(words[:len(want)], want) {
		t.Fatalf("the first command is %q, want %q and a directory", words, want)
	}
	if !filepath.IsAbs(words[4]) && !strings.HasPrefix(words[4], ".") {
		t.Errorf("%s is no directory that a user could name", words[4])
	}
	dir := checkDir(t)
	args := []string{"run", "./cmd/storebench", "check", dir}
	if os.Getenv(fullEnv) != "1" {
		args = append(args, "--budget", "5s")
	}
	cmd := exec.CommandContext(t.Context(), "go", args...)
	cmd.Env = newUser(t)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if err != nil && strings.Contains(stderr.String(), "JetStream data lies on the same volume") {
		t.Skipf("another process has a JetStream store on the volume of the temporary directory: %s", stderr.String())
	}
	code := "0"
	if m := goRunExit.FindStringSubmatch(stderr.String()); err != nil && m != nil {
		code = m[1]
	} else if err != nil {
		t.Fatalf("%s: %v\n%s", cmd, err, stderr.String())
	}
	if !slices.Contains([]string{"0", "3", "4"}, code) || !strings.Contains(stdout.String(), "VERDICT") {
		t.Errorf("exit code %s, want a verdict\n%s\n%s", code, stdout.String(), stderr.String())
	}
	left, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range left {
		t.Errorf("%s was left behind", entry.Name())
	}
}

// checkDir is a new directory, where possible on a volume of its own: the
// tests of other packages run JetStream servers in the temporary directory
// meanwhile, and a check refuses to run beside them.
func checkDir(t *testing.T) string {
	t.Helper()
	if slowvolume.CanBlock() != nil {
		return t.TempDir()
	}
	dir := filepath.Join(slowtest.Block(t, slowvolume.BlockConfig{Size: 3 << 30}).Path(), "nats")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// newUser is an environment with an empty home directory. Go's own caches stay
// where they are.
func newUser(t *testing.T) []string {
	t.Helper()
	env := append(os.Environ(), "HOME="+t.TempDir(), "XDG_STATE_HOME="+t.TempDir())
	for _, name := range []string{"GOCACHE", "GOMODCACHE", "GOPATH", "GOENV"} {
		value, err := exec.CommandContext(t.Context(), "go", "env", name).Output()
		if err != nil {
			t.Fatalf("go env %s: %v", name, err)
		}
		env = append(env, name+"="+strings.TrimSpace(string(value)))
	}
	return env
}

// listTests recognises the command that runs all tests. It only lists what
// that would run, since this test is one of them.
func listTests(t *testing.T, command string) {
	if command != "go test ./..." {
		t.Fatalf("the second command is %q, want go test ./...", command)
	}
	out, err := exec.CommandContext(t.Context(), "go", "list", "./...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	packages := strings.Fields(string(out))
	for _, name := range []string{"storebench", "storebench/cmd/storebench", "storebench/probes", "storebench/internal/natsfs"} {
		if !slices.Contains(packages, name) {
			t.Errorf("%s is not among the packages that are tested: %q", name, packages)
		}
	}
}

func TestQuickStart(t *testing.T) {
	const block = "```sh\n# first\ngo run x\n\ngo test y # all\n```\n"
	tests := []struct {
		name, readme string
		want         []string
	}{
		{"as it should be", "# x\n\n## Quick start\n\nType:\n\n" + block, []string{"go run x", "go test y # all"}},
		{"at the start", "## Quick start\n\n" + block, []string{"go run x", "go test y # all"}},
		{"no heading", "# x\n\n" + block, nil},
		{"the block is another section's", "## Quick start\n\nnothing\n\n## More\n\n" + block, nil},
		{"the block does not end", "## Quick start\n\n```sh\ngo run x\n", nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := quickStart(test.readme)
			if (err == nil) != (test.want != nil) {
				t.Errorf("error %v", err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("commands (-want +got):\n%s", diff)
			}
		})
	}
}
