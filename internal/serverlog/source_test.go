package serverlog

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

const natsModule = "github.com/nats-io/nats-server/v2"

// natsSource is what nats-server's source says: for each string in it the
// functions that it is the first argument of, "fs.warn", and "" where it is none.
type natsSource map[string][]string

// natsDir is where the module of this build lies: DIR/v2@VERSION.
var natsDir = sync.OnceValues(func() (string, error) {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", natsModule).Output()
	if err != nil {
		return "", fmt.Errorf("find nats-server's source: %w", err)
	}
	return strings.TrimSpace(string(out)), nil
})

// newestSource is the source of the nats-server that go.mod names.
var newestSource = sync.OnceValues(func() (natsSource, error) {
	dir, err := natsDir()
	if err != nil {
		return nil, err
	}
	return readSource(dir)
})

func readSource(dir string) (natsSource, error) {
	src := natsSource{}
	for _, pattern := range []string{"main.go", "server/*.go", "logger/*.go"} {
		names, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			text, err := os.ReadFile(name)
			if err != nil {
				return nil, err
			}
			if err := src.add(name, text); err != nil {
				return nil, err
			}
		}
	}
	return src, nil
}

func (s natsSource) add(name string, text []byte) error {
	file, err := parser.ParseFile(token.NewFileSet(), name, text, parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CallExpr:
			if len(n.Args) > 0 {
				s.note(n.Args[0], types.ExprString(n.Fun))
			}
		case *ast.BasicLit:
			s.note(n, "")
		}
		return true
	})
	return nil
}

func (s natsSource) note(e ast.Expr, caller string) {
	if lit, ok := e.(*ast.BasicLit); ok && lit.Kind == token.STRING {
		if text, err := strconv.Unquote(lit.Value); err == nil && !slices.Contains(s[text], caller) {
			s[text] = append(s[text], caller)
		}
	}
}

// callers are the functions through which each speaker logs, as the source names
// them; the server's own go by many names.
var callers = map[string]*regexp.Regexp{
	store.before:      regexp.MustCompile(`^(mb\.)?fs\.(warn|error|rateLimitWarn)$`),
	raft.before:       regexp.MustCompile(`^(n\.)?(warn|error)$`),
	connection.before: regexp.MustCompile(`^c\.(Noticef|Warnf|Errorf|rateLimitFormatWarnf)$`),
	server.before:     regexp.MustCompile(`^(s|js\.srv|mset\.srv|o\.srv|srv)\.\w*(Notice|Warn|Error|Fatal)f$|^fmt\.(Errorf|Sprintf)$`),
}

// check says what is wrong with a rule, for a nats-server with that source.
func (s natsSource) check(r rule) error {
	if r.by.outside {
		return s.checkOutside(r)
	}
	found, ok := s[r.format]
	if !ok {
		return fmt.Errorf("nats-server has no %q any more", r.format)
	}
	pattern := callers[r.by.before]
	if !slices.ContainsFunc(found, pattern.MatchString) {
		return fmt.Errorf("nats-server says %q by %q, which is not %s", r.format, found, pattern)
	}
	return nil
}

// checkOutside is for what is printed without the log. The words of Go's own
// runtime stand elsewhere.
func (s natsSource) checkOutside(r rule) error {
	needs := map[string][]string{
		"nats-server: v%s": {"nats-server: v%s\n"},
		"nats-server: %s":  {"nats-server", "%s: %s"},
		"panic: %v":        nil,
		"fatal error: %s":  nil,
	}
	texts, known := needs[r.format]
	if !known {
		return fmt.Errorf("say where %q comes from", r.format)
	}
	for _, text := range texts {
		if s[text] == nil {
			return fmt.Errorf("nats-server has no %q any more", text)
		}
	}
	return nil
}

// checkAround looks for what stands around every line: the level, and what the
// speakers of rules.go put before their own.
func (s natsSource) checkAround() error {
	for _, text := range []string{
		"[INF] ", "[WRN] ", "[ERR] ", "[FTL] ", "[DBG] ", "[TRC] ", "[\x1b[%sm%s\x1b[0m] ", "[%d] ",
		"Filestore [%s] %s", "RAFT [%s - %s] %s", "%s - %s", "%s - %s%s", "%s - Account:%s",
		"%s - cid:%d", "%s - rid:%d", "%s - lid%s:%d", "%s - %q - %q",
	} {
		if s[text] == nil {
			return fmt.Errorf("nats-server has no %q any more", text)
		}
	}
	return nil
}

// TestRulesInSource holds every rule against nats-server's own source, so that
// an upgrade which changes a line is seen here and not by a line that is missed.
func TestRulesInSource(t *testing.T) {
	src, err := newestSource()
	if err != nil {
		t.Fatal(err)
	}
	if err := src.checkAround(); err != nil {
		t.Error(err)
	}
	for _, r := range rules {
		err := src.check(r)
		switch {
		case r.until == "" && err != nil:
			t.Errorf("%s: %v: name the last version that had it, and add the line that took its place", r.kind, err)
		case r.until != "" && err == nil:
			t.Errorf("%s: nats-server has %q: the rule needs no version", r.kind, r.format)
		}
	}
}

// TestOldRulesInSource holds the rules of older versions against those of them
// that are in the module cache; nothing is fetched for it.
func TestOldRulesInSource(t *testing.T) {
	for _, r := range rules {
		if r.until == "" {
			continue
		}
		t.Run(r.until+" "+r.format, func(t *testing.T) {
			if err := oldSource(t, r.until).check(r); err != nil {
				t.Error(err)
			}
		})
	}
}

var oldSources = map[string]natsSource{}

// oldSource reads another version's source, or skips the test.
func oldSource(t *testing.T, version string) natsSource {
	t.Helper()
	dir, err := natsDir()
	if err != nil {
		t.Fatal(err)
	}
	root, _, _ := strings.Cut(dir, "@")
	if dir = root + "@" + version; oldSources[version] == nil {
		if _, err := os.Stat(dir); err != nil {
			t.Skipf("the module cache holds no nats-server %s", version)
		}
		if oldSources[version], err = readSource(dir); err != nil {
			t.Fatal(err)
		}
	}
	return oldSources[version]
}

// TestSourceChange shows that the comparison sees a line that changed: each case
// is a file of nats-server's with one change, read over none.
func TestSourceChange(t *testing.T) {
	tests := []struct{ name, file, old, new, format string }{
		{"word", "server/filestore.go", "WriteFullState took %v (%d bytes)", "WriteFullState took: %v (%d bytes)", "WriteFullState took %v (%d bytes)"},
		{"verb", "server/client.go", `"Readloop processing time: %v"`, `"Readloop processing time: %d"`, "Readloop processing time: %v"},
		{"speaker", "server/raft.go", `n.warn("Resetting WAL state")`, `n.debug("Resetting WAL state")`, "Resetting WAL state"},
		{"level", "server/server.go", `s.Noticef("Server is ready")`, `s.Debugf("Server is ready")`, "Server is ready"},
	}
	dir, err := natsDir()
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := ruleOf(t, tt.format)
			text, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(tt.file)))
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(string(text), tt.old) {
				t.Fatalf("%s does not hold %q", tt.file, tt.old)
			}
			as, changed := natsSource{}, natsSource{}
			if err := as.add(tt.file, text); err != nil {
				t.Fatal(err)
			}
			if err := changed.add(tt.file, []byte(strings.ReplaceAll(string(text), tt.old, tt.new))); err != nil {
				t.Fatal(err)
			}
			if err := as.check(r); err != nil {
				t.Error(err)
			}
			if changed.check(r) == nil {
				t.Error("the change was not seen")
			}
		})
	}
}

func ruleOf(t *testing.T, format string) rule {
	t.Helper()
	i := slices.IndexFunc(rules, func(r rule) bool { return r.format == format })
	if i < 0 {
		t.Fatalf("no rule has the format %q", format)
	}
	return rules[i]
}

// TestRulesAreSound: a word for each verb, and a known kind.
func TestRulesAreSound(t *testing.T) {
	words := []string{"subject", "took", "count", "bytes", "mark", "-"}
	for _, r := range rules {
		fields := strings.Fields(r.fields)
		if verbs := verbPattern.FindAllString(r.format, -1); len(verbs) != len(fields) {
			t.Errorf("%q has %d verbs and %d words", r.format, len(verbs), len(fields))
		}
		for _, f := range fields {
			if !slices.Contains(words, f) && !strings.HasPrefix(f, "=") {
				t.Errorf("%q: no such word: %s", r.format, f)
			}
		}
		if r.kind == "" || r.kind == Other || r.kind == Died {
			t.Errorf("%q is of the kind %q", r.format, r.kind)
		}
	}
}
