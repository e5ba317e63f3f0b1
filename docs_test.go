package storebench_test

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// pages are the README and all of docs.
func pages(t *testing.T) map[string]string {
	t.Helper()
	names, err := filepath.Glob("docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, name := range append(names, "README.md", "CONTRIBUTING.md") {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all[name] = string(text)
	}
	return all
}

// TestDocumentedCommands holds every command of storebench that a page shows against the
// program: the command exists, takes its flags, and their values can be read.
func TestDocumentedCommands(t *testing.T) {
	program := filepath.Join(t.TempDir(), "storebench")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, "./cmd/storebench").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	count := 0
	for name, text := range pages(t) {
		for _, words := range storebenchCommands(text) {
			count++
			args := append(withHelp(words[1:]), "--help")
			if at := slices.Index(words, "--"); at >= 0 {
				args = withHelp(words[1:at])
				args = append(args, "--help")
			}
			if out, err := exec.CommandContext(t.Context(), program, args...).CombinedOutput(); err != nil {
				t.Errorf("%s: %s: %v\n%s", name, strings.Join(words, " "), err, out)
			}
		}
	}
	if count < 40 {
		t.Errorf("only %d commands were found", count)
	}
}

// withHelp leaves out what a page writes for something else.
func withHelp(words []string) []string {
	return slices.DeleteFunc(slices.Clone(words), func(word string) bool { return word == "…" || word == "..." })
}

// TestPagesBegin: each page says first what it is for, and has a command that can be pasted.
func TestPagesBegin(t *testing.T) {
	without := []string{"docs/glossary.md"} // words alone
	for name, text := range pages(t) {
		if !strings.HasPrefix(text, "# ") {
			t.Errorf("%s does not begin with a title", name)
		}
		if !regexp.MustCompile(`(?m)^(    |\$ |)(\./)?(storebench|go|bash|scripts/|STOREBENCH_)`).MatchString(text) && !slices.Contains(without, name) {
			t.Errorf("%s has no command", name)
		}
	}
}

// TestLinks: what a page links to within the project is there.
func TestLinks(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)#:]+)(?:#[^)]*)?\)`)
	for name, text := range pages(t) {
		for _, found := range link.FindAllStringSubmatch(text, -1) {
			if _, err := os.Stat(filepath.Join(filepath.Dir(name), found[1])); err != nil {
				t.Errorf("%s links to %s: %v", name, found[1], err)
			}
		}
	}
}

// storebenchCommands are the commands of the program in a page's code: indented lines and
// blocks, without pipes and redirections.
func storebenchCommands(page string) (all [][]string) {
	code := false
	for line := range strings.Lines(page) {
		line = strings.TrimRight(line, "\n")
		if strings.HasPrefix(line, "```") {
			code = !code && !strings.HasPrefix(line, "```text")
			continue
		}
		if !code && !strings.HasPrefix(line, "    ") {
			continue
		}
		for part := range strings.SplitSeq(strings.TrimPrefix(strings.TrimSpace(line), "$ "), "|") {
			part, _, _ = strings.Cut(part, "#")
			part, _, _ = strings.Cut(part, ";")
			part, _, _ = strings.Cut(part, " > ")
			words := shellWords(part)
			if len(words) > 1 && (words[0] == "storebench" || words[0] == "./storebench") {
				all = append(all, words)
			}
		}
	}
	return all
}

// shellWords splits a command at blanks outside of quotes, as a shell does.
func shellWords(line string) (words []string) {
	var word strings.Builder
	quote, inWord := rune(0), false
	for _, r := range line {
		switch {
		case quote != 0 && r == quote:
			quote = 0
		case quote == 0 && (r == '"' || r == '\''):
			quote, inWord = r, true
		case quote == 0 && r == ' ':
			if inWord {
				words = append(words, word.String())
			}
			word.Reset()
			inWord = false
		default:
			word.WriteRune(r)
			inWord = true
		}
	}
	if inWord {
		words = append(words, word.String())
	}
	return words
}

// TestArchitecture holds the page's table of imports against the one that is tested.
func TestArchitecture(t *testing.T) {
	text := pages(t)["docs/architecture.md"]
	_, table, found := strings.Cut(text, "<!-- imports: begin -->\n| room | may import |\n|---|---|\n")
	table, _, closed := strings.Cut(table, "<!-- imports: end -->")
	if !found || !closed {
		t.Fatal("the table of imports is not there")
	}
	got := map[string]string{}
	for line := range strings.Lines(table) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), " | ")
		if len(cells) != 2 {
			t.Fatalf("%q is no row of two cells", line)
		}
		got[strings.Trim(strings.TrimSpace(cells[0]), "`")] = strings.TrimSpace(cells[1])
	}
	want := map[string]string{}
	for room, imports := range rooms {
		var names []string
		for _, name := range imports {
			names = append(names, fmt.Sprintf("`%s`", name))
		}
		switch {
		case slices.Equal(imports, []string{anyRoom}):
			want[room] = "anything"
		case len(imports) == 0:
			want[room] = "nothing"
		default:
			want[room] = strings.Join(names, ", ")
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-tested +page):\n%s", diff)
	}
	for _, room := range slices.Sorted(maps.Keys(rooms)) {
		if _, err := os.Stat(room); err == nil && !strings.Contains(text, "| `"+room+"/` |") {
			t.Errorf("the page has no line on %s", room)
		}
	}
}
