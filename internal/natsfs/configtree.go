package natsfs

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/conf"
)

// block is what stands between two braces, or in a whole file.
type block struct {
	settings map[string]setting // by the key as written
	// holes are the places of included files that could not be read: their keys may be
	// missing.
	holes []hole
}

// setting is a key with its value: a string, a bool, an int64, a float64, a time.Time, a
// []any, a *block, or a hole.
type setting struct {
	key   string // lower case
	value any
	place string // file:line:position of the key
	twice bool   // an earlier one of the same name does not count
}

// hole stands for what could not be known: a variable that is not set, an included file
// that cannot be read.
type hole struct{ place, reason string }

// maxConfigFiles bounds how many files a configuration may include, each time counted.
const maxConfigFiles = 1000

// configTree reads configuration files by the items of nats-server's lexer, as its parser
// does (conf/parse.go), and goes on where that would stop: where a variable is not set or
// an included file cannot be read there is a hole. Errors hold places, and no value.
type configTree struct {
	reading []string // the files under way, the outermost first
	files   int      // that were included
	// Holes are all that were met, in the order of the files.
	holes []hole
}

// file reads a file and all that it includes.
func (t *configTree) file(path string) (*block, error) {
	data, err := readRegular(path)
	if err != nil {
		return nil, unreadableError{err}
	}
	t.reading = append(t.reading, filepath.Clean(path))
	defer func() { t.reading = t.reading[:len(t.reading)-1] }()
	f := fileReader{tree: t, path: path, whole: &block{settings: map[string]setting{}}}
	f.open = []*unclosed{{block: f.whole}}
	return f.whole, f.read(string(data))
}

// unreadableError is why a file could not be read.
type unreadableError struct{ reason error }

func (e unreadableError) Error() string { return "read configuration: " + e.reason.Error() }
func (e unreadableError) Unwrap() error { return e.reason }

// readRegular reads a file; its errors do not name it.
func readRegular(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err == nil && !info.Mode().IsRegular() {
		return nil, errors.New("not a regular file") // a pipe may never end
	}
	var data []byte
	if err == nil {
		data, err = os.ReadFile(path)
	}
	if pathErr, ok := errors.AsType[*fs.PathError](err); ok {
		err = pathErr.Err
	}
	return data, err
}

// unclosed is a block or a list that is not closed yet.
type unclosed struct {
	block *block // nil for a list
	list  []any
	key   *setting // of the block, that has no value yet
}

// fileReader reads one file.
type fileReader struct {
	tree  *configTree
	path  string
	whole *block
	open  []*unclosed // the innermost last
}

func (f *fileReader) top() *unclosed { return f.open[len(f.open)-1] }

// read walks over the items of a file's text. nats-server's lexer panics on some texts.
func (f *fileReader) read(text string) (err error) {
	var it confItem
	defer func() {
		if recover() != nil {
			err = f.invalid(it, text, "")
		}
	}()
	lexer := confLex(text)
	for {
		it = confNextItem(lexer)
		switch it.typ {
		case itemEOF:
			if key := f.top().key; key != nil && key.key != "}" { // JSON ends so
				return f.invalid(it, text, "a key has no value")
			}
			return nil
		case itemError:
			return f.invalid(it, text, lexerReason(it.val))
		}
		if err := f.item(it); err != nil {
			return err
		}
	}
}

// errConfigInvalid is what every file has that nats-server would not read.
var errConfigInvalid = errors.New("not valid as a nats-server configuration")

// invalid says where a file is not valid, why, and what it may be instead.
func (f *fileReader) invalid(it confItem, text, reason string) error {
	parts := []string{place(f.path, max(it.line, 1), it.pos), errConfigInvalid.Error()}
	if reason != "" {
		parts = append(parts, reason)
	}
	if hint := foreign(text); hint != "" {
		parts = append(parts, hint)
	}
	return invalidError(strings.Join(parts, ": "))
}

type invalidError string

func (e invalidError) Error() string        { return string(e) }
func (e invalidError) Is(target error) bool { return target == errConfigInvalid }

// item takes one item of the file.
func (f *fileReader) item(it confItem) error {
	switch it.typ {
	case itemText, itemCommentStart:
	case itemKey:
		if f.top().key != nil {
			return noValue(*f.top().key)
		}
		f.top().key = &setting{key: it.val, place: place(f.path, it.line, it.pos)}
	case itemMapStart:
		f.open = append(f.open, &unclosed{block: &block{settings: map[string]setting{}}})
	case itemArrayStart:
		f.open = append(f.open, &unclosed{list: []any{}})
	case itemMapEnd, itemArrayEnd:
		return f.close(it)
	case itemInclude:
		return f.include(it)
	case itemVariable:
		return f.set(it, f.variable(it))
	default:
		value, ok := scalar(it)
		if !ok {
			return fmt.Errorf("%s: a number or date here is out of its range; put it in quotes if it is text", place(f.path, it.line, it.pos))
		}
		return f.set(it, value)
	}
	return nil
}

// close ends a block or a list and makes it the value of what it stands in.
func (f *fileReader) close(it confItem) error {
	ended := f.top()
	switch {
	case len(f.open) == 1 || (ended.block != nil) != (it.typ == itemMapEnd):
		return f.invalid(it, "", "a brace or bracket too many")
	case ended.key != nil:
		return noValue(*ended.key)
	}
	f.open = f.open[:len(f.open)-1]
	if ended.block != nil {
		return f.set(it, ended.block)
	}
	return f.set(it, ended.list)
}

// noValue is what an unfilled placeholder leaves. nats-server takes the end of the block for
// the value, and so does not see the block.
func noValue(s setting) error {
	return fmt.Errorf("%s: %s has no value, and nats-server would not see the block that it stands in: fill it in, or take the line out", s.place, shownKey(s.key))
}

// plainKey is a key that surely is no secret.
var plainKey = regexp.MustCompile(`^[a-z][a-z_]*$`)

// shownKey is a key as an error may show it.
func shownKey(key string) string {
	if plainKey.MatchString(key) {
		return key
	}
	return "a key"
}

// foreign says what else a text looks like than a configuration; empty where it looks like
// nothing else.
func foreign(text string) string {
	switch {
	case configMap.MatchString(text):
		return "this is a Kubernetes ConfigMap: take the file out of it (kubectl get configmap NAME -o jsonpath='{.data.nats\\.conf}' > nats.conf)"
	case strings.Contains(text, "{{"):
		return "this looks like a template that was not rendered: render it first (helm template), or take the file from the running pod"
	}
	return ""
}

var configMap = regexp.MustCompile(`(?m)^kind:\s*ConfigMap\s*$`)

// set gives a value to the key before it, or adds it to the list.
func (f *fileReader) set(it confItem, value any) error {
	at := f.top()
	switch {
	case at.block == nil:
		at.list = append(at.list, value)
		return nil
	case at.key == nil:
		return f.invalid(it, "", "a value without a key")
	}
	s := *at.key
	at.key = nil
	s.value = value
	at.block.put(s)
	return nil
}

// put adds a setting; of two with one name the later counts, as for nats-server.
func (b *block) put(s setting) {
	name := s.key
	_, s.twice = b.settings[name]
	s.key = strings.ToLower(name)
	b.settings[name] = s
}

// include reads a file into the block in which it is included.
func (f *fileReader) include(it confItem) error {
	at := place(f.path, it.line, it.pos)
	// nats-server joins, so that even an absolute name is below the directory.
	file := filepath.Join(filepath.Dir(f.path), it.val)
	if slices.Contains(f.tree.reading, file) {
		return fmt.Errorf("%s: this file includes itself; remove one of the includes", at)
	}
	if f.tree.files++; f.tree.files > maxConfigFiles {
		return fmt.Errorf("%s: over %d included files", at, maxConfigFiles)
	}
	if f.top().block == nil {
		return f.invalid(it, "", "an include within a list")
	}
	included, err := f.tree.file(file)
	if unreadable, ok := errors.AsType[unreadableError](err); ok {
		reason := "the file included here cannot be read: " + unreadable.reason.Error()
		if filepath.IsAbs(it.val) {
			reason += "; nats-server looks for it below the directory of the file that includes it, even when its name is absolute"
		}
		f.top().block.holes = append(f.top().block.holes, f.hole(hole{at, reason}))
		return nil
	}
	if err != nil {
		return err
	}
	for name, s := range included.settings {
		s.key = name
		f.top().block.put(s)
	}
	f.top().block.holes = append(f.top().block.holes, included.holes...)
	return nil
}

// hole keeps what could not be known.
func (f *fileReader) hole(h hole) hole {
	f.tree.holes = append(f.tree.holes, h)
	return h
}

// bcryptPrefix begins passwords that nats-server takes for text although they begin with $.
const bcryptPrefix = "2a$"

// variable is the value of a variable: of the nearest block that has a key of that name
// before this place, else of the environment.
func (f *fileReader) variable(it confItem) any {
	if strings.HasPrefix(it.val, bcryptPrefix) {
		return "$" + it.val
	}
	for _, c := range slices.Backward(f.open) {
		if c.block == nil {
			continue
		}
		if s, found := c.block.settings[it.val]; found {
			return s.value
		}
	}
	reason := "a variable that is not set here"
	if strings.ContainsAny(it.val, "/{}") {
		reason += " (nats-server takes all that follows the $ for its name, slashes and braces too: write the value out, in quotes)"
	}
	text, set := os.LookupEnv(it.val)
	if !set {
		return f.hole(hole{place(f.path, it.line, it.pos), reason})
	}
	const key = "value"
	values, err := conf.Parse(key + "=" + text) // as nats-server reads one of the environment
	if err != nil {
		return f.hole(hole{place(f.path, it.line, it.pos), "a variable of the environment that nats-server cannot read: put quotes into it"})
	}
	return values[key]
}

// scalar converts an item as nats-server's parser does.
func scalar(it confItem) (value any, ok bool) {
	var err error
	switch it.typ {
	case itemString:
		value = it.val
	case itemBool:
		switch strings.ToLower(it.val) {
		case "true", "yes", "on":
			value = true
		default:
			value = false
		}
	case itemInteger:
		value, err = integer(it.val)
	case itemFloat:
		value, err = strconv.ParseFloat(it.val, 64)
	case itemDatetime:
		value, err = time.Parse("2006-01-02T15:04:05Z", it.val)
	default:
		return nil, false
	}
	return value, err == nil
}

// suffixes multiply a whole number; with a b or an i they are powers of 1024.
const suffixes = "kmgtpe"

// integer reads a whole number with its suffix. One that is too large wraps around, as for
// nats-server.
func integer(text string) (int64, error) {
	digits := strings.TrimRightFunc(text, func(r rune) bool { return r < '0' || r > '9' })
	n, err := strconv.ParseInt(digits, 10, 64)
	suffix := strings.ToLower(strings.TrimSpace(text[len(digits):]))
	if err != nil || suffix == "" {
		return n, err
	}
	base := int64(1000)
	if len(suffix) > 1 {
		base = 1024
	}
	for range strings.IndexByte(suffixes, suffix[0]) + 1 {
		n *= base
	}
	return n, nil
}

// lexerReason says what is wrong without the text that is.
func lexerReason(message string) string {
	switch {
	case strings.HasPrefix(message, "Unexpected EOF"):
		return "the file ends, or holds a zero byte, inside a block, a value or a key"
	case strings.HasPrefix(message, "Floats must start with a digit"):
		return "a value that begins with a dot: put it in quotes"
	case strings.HasPrefix(message, "Expected value but found new line"):
		return "a key has no value"
	}
	return "unexpected character or missing value"
}

// place prints a place of the lexer. Its positions count from 0 on the first
// line and from 1 on the others.
func place(file string, line, pos int) string {
	if line == 1 {
		pos++
	}
	return fmt.Sprintf("%s:%d:%d", filepath.Clean(file), line, min(max(pos, 1), math.MaxInt32))
}
