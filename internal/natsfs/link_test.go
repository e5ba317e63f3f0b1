package natsfs

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// source is Go source, one parsed file a name.
type source map[string]*ast.File

// natsSource is nats-server's source in the two packages that are linked to,
// parsed once: "server/raft.go".
var natsSource = sync.OnceValues(func() (source, error) {
	dir, err := natsDir()
	if err != nil {
		return nil, err
	}
	src := source{}
	for _, pkg := range []string{"server", "conf"} {
		if err := src.parseDir(dir, pkg); err != nil {
			return nil, err
		}
	}
	return src, nil
})

func natsDir() (string, error) {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", serverModule).Output()
	if err != nil {
		return "", fmt.Errorf("find nats-server's source: %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}

func (s source) parseDir(root, pkg string) error {
	names, err := filepath.Glob(filepath.Join(root, pkg, "*.go"))
	if err != nil {
		return err
	}
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		if err := s.parse(pkg+"/"+filepath.Base(name), string(text)); err != nil {
			return err
		}
	}
	return nil
}

func (s source) parse(name, text string) error {
	f, err := parser.ParseFile(token.NewFileSet(), name, text, parser.ParseComments|parser.SkipObjectResolution)
	if err == nil {
		s[name] = f
	}
	return err
}

// decls calls each for the declarations of a package, in the order of files.
func (s source) decls(pkg string, each func(ast.Decl)) {
	for _, name := range slices.Sorted(maps.Keys(s)) {
		if strings.HasPrefix(name, pkg+"/") {
			for _, d := range s[name].Decls {
				each(d)
			}
		}
	}
}

// function finds "name", or "(*recv).name" for a method.
func (s source) function(pkg, name string) (found *ast.FuncDecl) {
	s.decls(pkg, func(d ast.Decl) {
		if f, ok := d.(*ast.FuncDecl); ok && functionName(f) == name {
			found = f
		}
	})
	return found
}

func functionName(f *ast.FuncDecl) string {
	if f.Recv == nil {
		return f.Name.Name
	}
	return "(" + types.ExprString(f.Recv.List[0].Type) + ")." + f.Name.Name
}

func (s source) typeExpr(pkg, name string) (found ast.Expr) {
	s.decls(pkg, func(d ast.Decl) {
		g, ok := d.(*ast.GenDecl)
		if !ok || g.Tok != token.TYPE {
			return
		}
		for _, spec := range g.Specs {
			if ts := spec.(*ast.TypeSpec); ts.Name.Name == name {
				found = ts.Type
			}
		}
	})
	return found
}

// fields lists a struct's fields as "name type".
func fields(e ast.Expr) (list []string) {
	st, ok := e.(*ast.StructType)
	if !ok {
		return nil
	}
	for _, f := range st.Fields.List {
		for _, n := range f.Names {
			list = append(list, n.Name+" "+types.ExprString(f.Type))
		}
	}
	return list
}

// iotas returns the constants of the group that starts with one of the type.
func (s source) iotas(pkg, typ string) map[string]int {
	values := map[string]int{}
	s.decls(pkg, func(d ast.Decl) {
		g, ok := d.(*ast.GenDecl)
		if !ok || g.Tok != token.CONST || len(g.Specs) == 0 {
			return
		}
		first := g.Specs[0].(*ast.ValueSpec)
		if id, ok := first.Type.(*ast.Ident); !ok || id.Name != typ || len(first.Values) != 1 || types.ExprString(first.Values[0]) != "iota" {
			return
		}
		for i, spec := range g.Specs {
			values[spec.(*ast.ValueSpec).Names[0].Name] = i
		}
	})
	return values
}

// signature lists the types of parameters and results, a receiver first.
type signature struct{ Params, Results []string }

func signatureOf(f *ast.FuncDecl) (sig signature) {
	if f.Recv != nil {
		sig.Params = typeList(f.Recv)
	}
	sig.Params = append(sig.Params, typeList(f.Type.Params)...)
	sig.Results = typeList(f.Type.Results)
	return sig
}

func typeList(l *ast.FieldList) (list []string) {
	if l == nil {
		return nil
	}
	for _, f := range l.List {
		for range max(1, len(f.Names)) {
			list = append(list, types.ExprString(f.Type))
		}
	}
	return list
}

// entry is one linknamed symbol of this package.
type entry struct {
	local, symbol string
	nats          string // its nats: line
}

func (e entry) pkg() string {
	if strings.Contains(e.symbol, serverModule+"/conf.") {
		return "conf"
	}
	return "server"
}

// ownSource parses this package, tests left out.
func ownSource(t *testing.T) source {
	t.Helper()
	src := source{}
	if err := src.parseDir("..", "natsfs"); err != nil {
		t.Fatal(err)
	}
	return src
}

// ownEntries collects every go:linkname of this package's source.
func ownEntries(own source) (entries []entry) {
	for _, f := range own {
		for _, group := range f.Comments {
			entries = append(entries, groupEntries(group)...)
		}
	}
	return entries
}

func groupEntries(group *ast.CommentGroup) (entries []entry) {
	var nats string
	for _, c := range group.List {
		if line, ok := strings.CutPrefix(c.Text, "//nats:"); ok {
			nats = line
		}
		if args, ok := strings.CutPrefix(c.Text, "//go:linkname "); ok {
			words := strings.Fields(args)
			e := entry{local: words[0], nats: nats}
			if len(words) > 1 {
				e.symbol = words[1]
			}
			entries = append(entries, e)
		}
	}
	return entries
}

// check compares an entry with nats-server's source and with this package's
// own declaration, and says what differs.
func check(e entry, nats, own source) error {
	if e.nats == "" {
		return fmt.Errorf("%s has no nats: line with the original declaration", e.local)
	}
	if name, ok := strings.CutPrefix(e.nats, "type *"); ok {
		return checkType(e, name, nats)
	}
	if text, ok := strings.CutPrefix(e.nats, "var "); ok {
		return checkVariable(e, text, nats, own)
	}
	f, err := parser.ParseFile(token.NewFileSet(), "", "package p\n"+e.nats, 0)
	if err != nil {
		return fmt.Errorf("%s: nats: line: %w", e.local, err)
	}
	want := f.Decls[0].(*ast.FuncDecl)
	if symbol := serverModule + "/" + e.pkg() + "." + functionName(want); e.symbol != symbol {
		return fmt.Errorf("%s is linked to %s, its nats: line is of %s", e.local, e.symbol, symbol)
	}
	real := nats.function(e.pkg(), functionName(want))
	if real == nil {
		return fmt.Errorf("nats-server has no %s", functionName(want))
	}
	if diff := cmp.Diff(signatureOf(want), signatureOf(real)); diff != "" {
		return fmt.Errorf("%s is not as declared in nats-server (- here, + there):\n%s", functionName(want), diff)
	}
	return checkDeclaration(e, signatureOf(real), nats, own)
}

func checkType(e entry, name string, nats source) error {
	if want := "type:*" + serverModule + "/server." + name; e.symbol != want {
		return fmt.Errorf("%s is linked to %s, not to %s", e.local, e.symbol, want)
	}
	if fields(nats.typeExpr("server", name)) == nil {
		return fmt.Errorf("nats-server has no struct type %s", name)
	}
	return nil
}

// checkVariable compares a package variable with its declaration in nats-server,
// "name = value", where the value is a constant of durations.
func checkVariable(e entry, text string, nats, own source) error {
	name, value, _ := strings.Cut(text, " = ")
	if want := serverModule + "/server." + name; e.symbol != want {
		return fmt.Errorf("%s is linked to %s, not to %s", e.local, e.symbol, want)
	}
	if got := nats.value("server", name); got != value {
		return fmt.Errorf("nats-server's %s is %q, not %q", name, got, value)
	}
	if got := nats.value("server", value); !strings.HasSuffix(got, "* time.Second") {
		return fmt.Errorf("nats-server's %s is %q, which is no duration", value, got)
	}
	if got := own.valueType("natsfs", e.local); got != "time.Duration" {
		return fmt.Errorf("%s is a %q here, not a time.Duration", e.local, got)
	}
	return nil
}

// spec finds a variable or constant of a package.
func (s source) spec(pkg, name string) (found *ast.ValueSpec, at int) {
	s.decls(pkg, func(d ast.Decl) {
		group, ok := d.(*ast.GenDecl)
		if !ok {
			return
		}
		for _, one := range group.Specs {
			v, ok := one.(*ast.ValueSpec)
			if !ok {
				continue
			}
			if i := slices.IndexFunc(v.Names, func(id *ast.Ident) bool { return id.Name == name }); i >= 0 {
				found, at = v, i
			}
		}
	})
	return found, at
}

// value prints what a variable or constant is declared as; empty without one.
func (s source) value(pkg, name string) string {
	if v, at := s.spec(pkg, name); v != nil && at < len(v.Values) {
		return types.ExprString(v.Values[at])
	}
	return ""
}

// valueType prints the type of a variable; empty where none is named.
func (s source) valueType(pkg, name string) string {
	if v, _ := s.spec(pkg, name); v != nil && v.Type != nil {
		return types.ExprString(v.Type)
	}
	return ""
}

// checkDeclaration compares the Go function under the directive with what the
// original becomes from outside its package.
func checkDeclaration(e entry, real signature, nats, own source) error {
	decl := own.function("natsfs", e.local)
	if decl == nil {
		return fmt.Errorf("%s has no declaration", e.local)
	}
	want := signature{Params: fromOutside(e, real.Params, nats), Results: fromOutside(e, real.Results, nats)}
	if diff := cmp.Diff(want, signatureOf(decl)); diff != "" {
		return fmt.Errorf("%s does not fit nats-server's declaration (- there, + here):\n%s", e.local, diff)
	}
	return nil
}

// fromOutside turns nats-server's types into those that this package may name.
func fromOutside(e entry, list []string, nats source) (out []string) {
	for _, typ := range list {
		name := strings.TrimPrefix(typ, "*")
		expr := nats.typeExpr(e.pkg(), name)
		switch {
		case expr == nil: // a basic type, or one of another package
			out = append(out, typ)
		case ast.IsExported(name):
			out = append(out, strings.Replace(typ, name, e.pkg()+"."+name, 1))
		case name != typ:
			out = append(out, "unsafe.Pointer")
		case name == "item":
			out = append(out, "confItem")
		default:
			out = append(out, underlying(expr))
		}
	}
	return out
}

// underlying prints a function type without its parameters' names.
func underlying(e ast.Expr) string {
	if f, ok := e.(*ast.FuncType); ok {
		return fmt.Sprintf("func(%s) (%s)", strings.Join(typeList(f.Params), ", "), strings.Join(typeList(f.Results), ", "))
	}
	return types.ExprString(e)
}

// checkFields compares the fields taken by name, and the lexer's item, with
// nats-server's source.
func checkFields(nats source) error {
	for _, w := range wantedFields {
		want := w.name + " " + strings.Replace(w.typ, "*server.", "*", 1)
		if !slices.Contains(fields(nats.typeExpr("server", w.owner)), want) {
			return fmt.Errorf("nats-server's %s has no field %q", w.owner, want)
		}
	}
	want := []string{"typ itemType", "val string", "line int", "pos int"}
	if diff := cmp.Diff(want, fields(nats.typeExpr("conf", "item"))); diff != "" {
		return fmt.Errorf("the lexer's item differs (- here, + there):\n%s", diff)
	}
	if got := types.ExprString(nats.typeExpr("conf", "itemType")); got != "int" {
		return fmt.Errorf("the lexer's itemType is %s", got)
	}
	return checkItemTypes(nats)
}

func checkItemTypes(nats source) error {
	got := nats.iotas("conf", "itemType")
	for name, want := range map[string]int{
		"itemError": itemError, "itemEOF": itemEOF, "itemKey": itemKey, "itemText": itemText, "itemString": itemString,
		"itemBool": itemBool, "itemInteger": itemInteger, "itemFloat": itemFloat, "itemDatetime": itemDatetime,
		"itemArrayStart": itemArrayStart, "itemArrayEnd": itemArrayEnd, "itemMapStart": itemMapStart, "itemMapEnd": itemMapEnd,
		"itemCommentStart": itemCommentStart, "itemVariable": itemVariable, "itemInclude": itemInclude,
	} {
		if v, ok := got[name]; !ok || v != want {
			return fmt.Errorf("the lexer's %s is %d, not %d", name, v, want)
		}
	}
	return nil
}

func checkAll(nats, own source) error {
	for _, e := range ownEntries(own) {
		if err := check(e, nats, own); err != nil {
			return err
		}
	}
	return checkFields(nats)
}

func TestLinkedSymbols(t *testing.T) {
	nats, err := natsSource()
	if err != nil {
		t.Fatal(err)
	}
	own := ownSource(t)
	entries := ownEntries(own)
	if len(entries) < 15 {
		t.Fatalf("only %d linknamed symbols found in this package's source", len(entries))
	}
	for _, e := range entries {
		t.Run(e.local, func(t *testing.T) {
			if err := check(e, nats, own); err != nil {
				t.Error(err)
			}
		})
	}
	t.Run("fields", func(t *testing.T) {
		if err := checkFields(nats); err != nil {
			t.Error(err)
		}
	})
	t.Run("own item", func(t *testing.T) {
		want := []string{"typ int", "val string", "line int", "pos int"}
		if diff := cmp.Diff(want, fields(own.typeExpr("natsfs", "confItem"))); diff != "" {
			t.Error(diff)
		}
	})
}

// TestLinkedSymbolsChange shows that the comparison sees a nats-server that
// changed: each case is a copy of its source with one change.
func TestLinkedSymbolsChange(t *testing.T) {
	tests := []struct{ name, file, old, new string }{
		{"parameter added", "server/raft.go", "func writeTermVote(dios *diskIOSemaphore, sd string, wtv []byte) error", "func writeTermVote(dios *diskIOSemaphore, sd string, wtv []byte, sync bool) error"},
		{"parameter type", "server/dios.go", "func newDiskIOSemaphore(n int)", "func newDiskIOSemaphore(n int32)"},
		{"result added", "server/filestore.go", "func (fs *fileStore) syncBlocks() {", "func (fs *fileStore) syncBlocks() error {"},
		{"result type", "server/filestore.go", "func (mb *msgBlock) lastChecksum() []byte", "func (mb *msgBlock) lastChecksum() [8]byte"},
		{"parameters swapped", "server/raft.go", "func writeTermVote(dios *diskIOSemaphore, sd string,", "func writeTermVote(sd string, dios *diskIOSemaphore,"},
		{"receiver by value", "server/dios.go", "func (d *diskIOSemaphore) cap()", "func (d diskIOSemaphore) cap()"},
		{"function renamed", "server/jetstream.go", "func (a *Account) lookupStream(", "func (a *Account) findStream("},
		{"function type", "server/jetstream.go", "type keyGen func(context []byte) ([]byte, error)", "type keyGen func(context string) ([]byte, error)"},
		{"field type", "server/filestore.go", "	werr        error\n	sips", "	werr        atomic.Value\n	sips"},
		{"field renamed", "server/filestore.go", "	lmb         *msgBlock", "	last        *msgBlock"},
		{"lock type", "server/filestore.go", "	mu          sync.RWMutex\n	fs          *fileStore", "	mu          sync.Mutex\n	fs          *fileStore"},
		{"type renamed", "server/filestore.go", "type fileStore struct", "type filesStore struct"},
		{"variable's value", "server/client.go", "var readLoopReportThreshold = readLoopReport", "var readLoopReportThreshold = int64(readLoopReport)"},
		{"variable's unit", "server/client.go", "	readLoopReport  = 2 * time.Second", "	readLoopReport  = 2000"},
		{"item type inserted", "conf/lex.go", "	itemEOF\n", "	itemNew\n	itemEOF\n"},
		{"item field added", "conf/lex.go", "	line int\n	pos  int\n}", "	line int\n	col  int\n	pos  int\n}"},
	}
	base, err := natsSource()
	if err != nil {
		t.Fatal(err)
	}
	dir, err := natsDir()
	if err != nil {
		t.Fatal(err)
	}
	own := ownSource(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			text, err := os.ReadFile(filepath.Join(dir, tt.file))
			if err != nil {
				t.Fatal(err)
			}
			if strings.Count(string(text), tt.old) != 1 {
				t.Fatalf("%s does not hold %q once", tt.file, tt.old)
			}
			doctored := maps.Clone(base)
			if err := doctored.parse(tt.file, strings.Replace(string(text), tt.old, tt.new, 1)); err != nil {
				t.Fatal(err)
			}
			if err := checkAll(doctored, own); err == nil {
				t.Error("the change was not seen")
			}
		})
	}
}

func TestLinkedSymbolWithoutEntry(t *testing.T) {
	nats, err := natsSource()
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct{ name, code string }{
		{"no nats line", "//go:linkname f " + serverModule + "/server.newDiskIOSemaphore\nfunc f(n int) unsafe.Pointer"},
		{"linked elsewhere", "//nats:func newDiskIOSemaphore(n int) *diskIOSemaphore\n//go:linkname f " + serverModule + "/server.removeAllWithRetry\nfunc f(n int) unsafe.Pointer"},
		{"own type differs", "//nats:func newDiskIOSemaphore(n int) *diskIOSemaphore\n//go:linkname f " + serverModule + "/server.newDiskIOSemaphore\nfunc f(n int64) unsafe.Pointer"},
		{"own result missing", "//nats:func newDiskIOSemaphore(n int) *diskIOSemaphore\n//go:linkname f " + serverModule + "/server.newDiskIOSemaphore\nfunc f(n int)"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			own := source{}
			if err := own.parse("natsfs/x.go", "package natsfs\n\n"+tt.code+"\n"); err != nil {
				t.Fatal(err)
			}
			if len(ownEntries(own)) != 1 {
				t.Fatal("the entry was not collected")
			}
			if err := checkAll(nats, own); err == nil {
				t.Error("the entry passed")
			}
		})
	}
}
