package profiles

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// Default is the name of the profile that is used when none is asked for.
const Default = "raft"

//go:embed *.yaml
var builtin embed.FS

// extension is that of a profile's file.
const extension = ".yaml"

// maxFile bounds a profile's file; the built-in ones have some 10 KiB.
const maxFile = 1 << 20

// Names returns the names of the built-in profiles, sorted.
func Names() []string {
	// The pattern is a constant and the files are in memory.
	files, _ := fs.Glob(builtin, "*"+extension)
	for i, f := range files {
		files[i] = strings.TrimSuffix(f, extension)
	}
	slices.Sort(files)
	return files
}

// Load returns the built-in profile of a name, else the one in a file. A file
// with a built-in name is reached as ./raft. The error says what is wrong with
// the file and, where it can, on which line.
func Load(nameOrPath string) (*Profile, error) {
	if slices.Contains(Names(), nameOrPath) {
		data, err := builtin.ReadFile(nameOrPath + extension)
		if err != nil {
			return nil, fmt.Errorf("read the built-in profile %s: %w", nameOrPath, err)
		}
		return Parse(nameOrPath+extension, data)
	}
	data, err := readFile(nameOrPath)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, unknownProfile(nameOrPath)
	}
	if err != nil {
		return nil, err
	}
	return Parse(nameOrPath, data)
}

func unknownProfile(name string) error {
	return fmt.Errorf("profile %q is neither built in nor a file (%s): %w",
		name, profileHint(name), fs.ErrNotExist)
}

func profileHint(name string) string {
	all := "built in are " + strings.Join(Names(), ", ")
	if near := Nearest(name, Names()); near != "" {
		return "did you mean " + near + "? " + all
	}
	return all
}

// readFile reads a whole file of a bounded size; a pipe is good enough.
func readFile(path string) (data []byte, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open profile: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("look at profile: %w", err)
	}
	if info.IsDir() {
		return nil, fmt.Errorf("profile %s is a directory; name a file in it", path)
	}
	data, err = io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("read profile: %w", err)
	}
	if len(data) > maxFile {
		return nil, fmt.Errorf("profile %s is over %d bytes; is it the right file?", path, maxFile)
	}
	return data, nil
}

// Parse reads and validates the profile in data. It refuses unknown keys,
// keys that come twice and values of a wrong type, then what Validate refuses,
// then steps that cannot be done within the budget: each fault with file and
// line, and all of one kind joined, so that one does not hide among what
// merely follows from another.
func Parse(file string, data []byte) (*Profile, error) {
	root, err := document(file, data)
	if err != nil {
		return nil, err
	}
	r := newReader(file)
	p := r.profile(root)
	for _, faults := range []func() []*FieldError{p.faults, p.overBudget} {
		if err := r.err(); err != nil {
			return nil, err
		}
		r.check(faults())
	}
	if err := r.err(); err != nil {
		return nil, err
	}
	return p, nil
}

// overBudget says that the steps cannot be done in time.
func (p *Profile) overBudget() []*FieldError {
	need := p.Measuring()
	if need <= time.Duration(p.Budget) {
		return nil
	}
	return []*FieldError{{Field: "budget", Reason: fmt.Sprintf(
		"is %s, but the steps measure for %s in all; raise it, shorten steps or take fewer rounds", p.Budget, Duration(need))}}
}

// document returns the root of the only YAML document in data.
func document(file string, data []byte) (*yaml.Node, error) {
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var doc, more yaml.Node
	err := decoder.Decode(&doc)
	switch {
	case errors.Is(err, io.EOF), err == nil && isNull(&doc):
		return nil, &fileError{file: file, err: errors.New("the profile is empty; `storebench profiles show raft` prints one to start from")}
	case err != nil:
		return nil, syntaxError(file, err)
	}
	if err := decoder.Decode(&more); err == nil {
		return nil, &fileError{file: file, line: more.Line, err: errors.New("a second YAML document begins; keep one profile a file")}
	} else if !errors.Is(err, io.EOF) {
		return nil, syntaxError(file, err)
	}
	return resolve(doc.Content[0]), nil
}

func isNull(doc *yaml.Node) bool {
	return len(doc.Content) == 0 || doc.Content[0].ShortTag() == "!!null"
}

// syntaxError puts the line that the YAML parser names where ours stand.
func syntaxError(file string, err error) error {
	message := strings.TrimPrefix(err.Error(), "yaml: ")
	e := &fileError{file: file}
	if rest, ok := strings.CutPrefix(message, "line "); ok {
		number, reason, _ := strings.Cut(rest, ": ")
		if line, err := strconv.Atoi(number); err == nil {
			e.line, message = line, reason
		}
	}
	e.err = fmt.Errorf("not YAML: %s", message)
	return e
}
