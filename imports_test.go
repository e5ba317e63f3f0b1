// Package storebench_test holds the whole project to its own rules: who may
// import whom, what may be called where, and that the README's commands work.
package storebench_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"storebench/probes"
)

// module is the path of this module, and of the ones that the tests plant.
const module = "storebench"

// rooms says for each part of the project which other parts it may import. A
// package belongs to the longest of these paths that leads to it, and packages
// of one room may import each other.
var rooms = map[string][]string{
	"internal/measure":    nil,
	"internal/volume":     nil,
	"internal/natsfs":     nil,
	"internal/serverlog":  nil,
	"internal/storedir":   nil,
	"internal/slowvolume": nil,

	"internal/load":        {"internal/measure"},
	"internal/cause":       {"internal/measure"},
	"internal/natscluster": {"internal/serverlog"},

	"profiles":       {"internal/measure"},
	"probes":         {"internal/load", "internal/measure", "internal/volume", "internal/natsfs", "internal/natscluster", "internal/serverlog"},
	"results":        {"profiles", "internal/measure", "internal/volume", "internal/cause"},
	"results/render": {"results", "profiles", "internal/measure", "internal/volume", "internal/cause"},

	"cmd/storebench/internal/engine": {"probes", "profiles", "results", "internal/measure", "internal/volume"},
	"cmd/storebench/internal/doctor": {"results", "internal/cause", "internal/volume", "internal/serverlog", "internal/storedir"},
	"cmd/storebench":                 {anyRoom},
}

const anyRoom = "*"

// systems are those that the project builds for; files differ among them.
var systems = []string{"linux", "darwin", "windows"}

func TestImports(t *testing.T) {
	for _, system := range systems {
		t.Run(system, func(t *testing.T) {
			packages := list(t, ".", system)
			if len(packages) < 10 {
				t.Fatalf("go list found %d packages only", len(packages))
			}
			for _, breach := range importBreaches(packages) {
				t.Error(breach)
			}
		})
	}
}

func TestSource(t *testing.T) {
	breaches, err := sourceBreaches(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, breach := range breaches {
		t.Error(breach)
	}
}

// goPackage is what go list says of a package.
type goPackage struct {
	ImportPath                         string
	GoFiles                            []string
	Imports, TestImports, XTestImports []string
	Error                              *struct{ Err string }
}

// list asks go list for the packages of the module in dir as system has them.
func list(t *testing.T, dir, system string) []goPackage {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-e",
		"-json=ImportPath,GoFiles,Imports,TestImports,XTestImports,Error", "./...")
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "GOOS="+system, "GOFLAGS=", "CGO_ENABLED=0", "GOWORK=off")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.String())
	}
	var packages []goPackage
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p goPackage
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return packages
		} else if err != nil {
			t.Fatalf("go list: %v", err)
		}
		packages = append(packages, p)
	}
}

// importBreaches holds packages against the table. What only tests import is
// held against the one rule that has no exception: cmd is the top.
func importBreaches(packages []goPackage) []string {
	var breaches []string
	for _, p := range packages {
		from := within(p.ImportPath)
		if p.Error != nil {
			breaches = append(breaches, fmt.Sprintf("%s cannot be read: %s", from, p.Error.Err))
		}
		room, known := roomOf(from)
		if !known && len(p.GoFiles) > 0 {
			breaches = append(breaches, from+" is in no room: say in the table what it may import")
			continue
		}
		for _, path := range p.Imports {
			if to, ours := ourRoom(path); ours && !mayImport(room, to) {
				breaches = append(breaches, fmt.Sprintf("%s imports %s", from, within(path)))
			}
		}
		for _, path := range slices.Concat(p.TestImports, p.XTestImports) {
			if underCmd(within(path)) && !underCmd(from) {
				breaches = append(breaches, fmt.Sprintf("a test of %s imports %s", from, within(path)))
			}
		}
	}
	return breaches
}

// within is an import path without the module's own.
func within(path string) string { return strings.TrimPrefix(path, module+"/") }

func underCmd(path string) bool { return path == "cmd" || strings.HasPrefix(path, "cmd/") }

// ourRoom is the room of an import, and whether it is one of this module.
func ourRoom(path string) (room string, ours bool) {
	if path != module && !strings.HasPrefix(path, module+"/") {
		return "", false
	}
	room, _ = roomOf(within(path))
	return room, true
}

func roomOf(path string) (room string, known bool) {
	for candidate := range rooms {
		if (path == candidate || strings.HasPrefix(path, candidate+"/")) && len(candidate) > len(room) {
			room = candidate
		}
	}
	return room, room != ""
}

func mayImport(from, to string) bool {
	return from == to || slices.Contains(rooms[from], to) || slices.Contains(rooms[from], anyRoom)
}

// The exceptions to the rules on source. A helper process of a test volume is
// the running program itself and must end where it is served.
var (
	unsafeRoom = "internal/natsfs"
	mayExit    = map[string]string{"internal/slowvolume/server_linux.go": "ServeIfChild"}
)

// sourceBreaches reads every Go file below dir, those of all systems included.
func sourceBreaches(dir string) ([]string, error) {
	var breaches []string
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		name := entry.Name()
		switch {
		case err != nil:
			return err
		case entry.IsDir() && path != dir && (name == "testdata" || name == "vendor" || strings.HasPrefix(name, ".")):
			return fs.SkipDir
		case entry.IsDir() || filepath.Ext(name) != ".go":
			return nil
		}
		found, err := fileBreaches(dir, path)
		breaches = append(breaches, found...)
		return err
	})
	return breaches, err
}

func fileBreaches(dir, path string) ([]string, error) {
	rel, err := filepath.Rel(dir, path)
	if err != nil {
		return nil, err
	}
	rel = filepath.ToSlash(rel)
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, path, nil, parser.ParseComments)
	if err != nil {
		return nil, err
	}
	at := func(node ast.Node) string { return fmt.Sprintf("%s:%d", rel, files.Position(node.Pos()).Line) }
	var breaches []string
	if room, _ := roomOf(rel); room != unsafeRoom {
		breaches = unsafeBreaches(file, at)
	}
	if !underCmd(rel) && !strings.HasSuffix(rel, "_test.go") {
		breaches = append(breaches, callBreaches(file, mayExit[rel], at)...)
	}
	return breaches, nil
}

func unsafeBreaches(file *ast.File, at func(ast.Node) string) []string {
	var breaches []string
	for _, spec := range file.Imports {
		if spec.Path.Value == `"unsafe"` {
			breaches = append(breaches, at(spec)+" imports unsafe")
		}
	}
	for _, group := range file.Comments {
		for _, comment := range group.List {
			if strings.HasPrefix(comment.Text, "//go:linkname ") {
				breaches = append(breaches, at(comment)+" uses go:linkname")
			}
		}
	}
	return breaches
}

// callBreaches finds what ends the program or writes to its stdout; exits names
// a function that may do the former.
func callBreaches(file *ast.File, exits string, at func(ast.Node) string) []string {
	imported := importNames(file)
	var breaches []string
	for _, decl := range file.Decls {
		function, _ := decl.(*ast.FuncDecl)
		ast.Inspect(decl, func(node ast.Node) bool {
			call, ok := node.(*ast.CallExpr)
			if !ok {
				return true
			}
			name := calledName(call, imported)
			if name == "os.Exit" && function != nil && exits != "" && function.Name.Name == exits {
				return true
			}
			if forbidden(name) {
				breaches = append(breaches, at(call)+" calls "+name)
			}
			return true
		})
	}
	return breaches
}

func forbidden(name string) bool {
	for _, prefix := range []string{"fmt.Print", "log.Fatal", "log.Panic"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return slices.Contains([]string{"os.Exit", "syscall.Exit", "panic", "print", "println"}, name)
}

// importNames maps the names that a file uses for packages to their paths.
func importNames(file *ast.File) map[string]string {
	names := map[string]string{}
	for _, spec := range file.Imports {
		path, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			continue // the parser took it, so it is quoted
		}
		name := path[strings.LastIndexByte(path, '/')+1:]
		if spec.Name != nil {
			name = spec.Name.Name
		}
		names[name] = path
	}
	return names
}

// calledName is path.Function for a call into another package, the bare name
// for one without a qualifier.
func calledName(call *ast.CallExpr, imported map[string]string) string {
	switch f := call.Fun.(type) {
	case *ast.Ident:
		return f.Name
	case *ast.SelectorExpr:
		if x, ok := f.X.(*ast.Ident); ok && imported[x.Name] != "" {
			return imported[x.Name] + "." + f.Sel.Name
		}
	}
	return ""
}

// TestPlantedBreaches shows that the rules above find what they are for.
func TestPlantedBreaches(t *testing.T) {
	tests := []struct {
		name, file, source string
		imports, calls     []string
	}{
		{"a healthy probe", "probes/p.go", "package probes\nimport _ \"storebench/internal/load\"\n", nil, nil},
		{"the ground reaches up", "internal/measure/m.go", "package measure\nimport _ \"storebench/probes\"\n",
			[]string{"internal/measure imports probes"}, nil},
		{"a probe sees a profile", "probes/p.go", "package probes\nimport _ \"storebench/profiles\"\n",
			[]string{"probes imports profiles"}, nil},
		{"rendering sees a probe", "results/render/r.go", "package render\nimport _ \"storebench/probes\"\n",
			[]string{"results/render imports probes"}, nil},
		{"only on windows", "profiles/p_windows.go", "package profiles\nimport _ \"storebench/internal/natsfs\"\n",
			[]string{"profiles imports internal/natsfs"}, nil},
		{"a new room", "util/u.go", "package util\n",
			[]string{"util is in no room: say in the table what it may import"}, nil},
		{"a test looks into cmd", "results/r_test.go", "package results\nimport _ \"storebench/cmd/storebench\"\n",
			[]string{"a test of results imports cmd/storebench"}, nil},
		{"unsafe in a test", "results/r_test.go", "package results\nimport _ \"unsafe\"\n",
			nil, []string{"results/r_test.go:2 imports unsafe"}},
		{"linkname", "probes/p.go", "package probes\n\n//go:linkname now runtime.nanotime\nfunc now() int64\n",
			nil, []string{"probes/p.go:3 uses go:linkname"}},
		{"unsafe where it belongs", "internal/natsfs/n.go", "package natsfs\nimport _ \"unsafe\"\n", nil, nil},
		{"printing", "profiles/p.go", "package profiles\nimport say \"fmt\"\nfunc f() { say.Println() }\n",
			nil, []string{"profiles/p.go:3 calls fmt.Println"}},
		{"ending", "profiles/p.go", "package profiles\nimport (\"log\"; \"os\")\nfunc f() { os.Exit(1) }\nvar _ = func() { log.Fatalf(\"\"); panic(1) }\n",
			nil, []string{"profiles/p.go:3 calls os.Exit", "profiles/p.go:4 calls log.Fatalf", "profiles/p.go:4 calls panic"}},
		{"ending where it is documented", "internal/slowvolume/server_linux.go", "package slowvolume\nimport \"os\"\nfunc ServeIfChild() { os.Exit(0) }\nfunc g() { os.Exit(0) }\n",
			nil, []string{"internal/slowvolume/server_linux.go:4 calls os.Exit"}},
		{"cmd may end and print", "cmd/storebench/main.go", "package main\nimport (\"fmt\"; \"os\")\nfunc main() { fmt.Println(); os.Exit(1) }\n", nil, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dir := plant(t, test.file, test.source)
			system := "linux"
			if strings.Contains(test.file, "windows") {
				system = "windows"
			}
			if diff := cmp.Diff(test.imports, importBreaches(list(t, dir, system))); diff != "" {
				t.Errorf("imports (-want +got):\n%s", diff)
			}
			calls, err := sourceBreaches(dir)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.calls, calls); diff != "" {
				t.Errorf("source (-want +got):\n%s", diff)
			}
		})
	}
}

// plant makes a module of empty packages in which one file is as given.
func plant(t *testing.T, file, source string) string {
	t.Helper()
	dir := t.TempDir()
	files := map[string]string{"go.mod": "module " + module + "\n\ngo 1.26\n", file: source}
	for _, room := range []string{"internal/load", "internal/natsfs", "probes", "profiles", "results"} {
		files[room+"/doc.go"] = "package " + room[strings.LastIndexByte(room, '/')+1:] + "\n"
	}
	if underCmd(within(file)) || strings.Contains(source, module+"/cmd/") {
		files["cmd/storebench/doc.go"] = "package main\n"
	}
	for name, text := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestResultsKnowNoProbe: what is judged and told goes by what a run document declares. So
// nothing in results or results/render decides by the name of a probe, a metric or a parameter.
func TestResultsKnowNoProbe(t *testing.T) {
	names := map[string]bool{}
	for _, name := range probes.Names() {
		names[name] = true
		probe, err := probes.New(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range probe.Info().Metrics {
			names[m.Name] = true
		}
		for _, p := range probes.Parameters(probe) {
			names[p.Name] = true
		}
	}
	for _, pattern := range []string{"results/*.go", "results/render/*.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatal(pattern, err)
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			set := token.NewFileSet()
			parsed, err := parser.ParseFile(set, file, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(parsed, func(n ast.Node) bool {
				for _, literal := range deciding(n) {
					if text, err := strconv.Unquote(literal.Value); err == nil && names[text] {
						t.Errorf("%s decides by the name %q", set.Position(literal.Pos()), text)
					}
				}
				return true
			})
		}
	}
}

// deciding are the strings that a node compares something with, or looks something up by.
func deciding(n ast.Node) (literals []*ast.BasicLit) {
	add := func(exprs ...ast.Expr) {
		for _, e := range exprs {
			if l, ok := e.(*ast.BasicLit); ok && l.Kind == token.STRING {
				literals = append(literals, l)
			}
		}
	}
	switch n := n.(type) {
	case *ast.BinaryExpr:
		if n.Op == token.EQL || n.Op == token.NEQ {
			add(n.X, n.Y)
		}
	case *ast.IndexExpr:
		add(n.Index)
	case *ast.CaseClause:
		add(n.List...)
	case *ast.ValueSpec: // a constant that something is compared with
		add(n.Values...)
	}
	return literals
}
