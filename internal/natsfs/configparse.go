package natsfs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/conf"
)

// maxConfigFiles bounds how many files a configuration may include, each time
// counted: the parser reads a file again for every include of it.
const maxConfigFiles = 1000

// parseConfig parses a file. All errors are made here, from places alone: the
// parser's own messages show values.
func parseConfig(path string) (map[string]any, error) {
	w := includeWalk{}
	if err := w.visit(path); err != nil {
		return nil, err
	}
	values, err := parseFile(path)
	if err == nil {
		return values, nil
	}
	// The parser does not say in which file it failed. An included file is
	// parsed on its own, so the innermost that fails alone is the one.
	for _, file := range w.order {
		if _, err := parseFile(file); err != nil {
			return nil, parserError(file, err)
		}
	}
	return nil, parserError(path, err)
}

// parseFile runs nats-server's parser, which panics on some malformed files.
func parseFile(path string) (values map[string]any, err error) {
	defer func() {
		if recover() != nil {
			values, err = nil, errConfigInvalid
		}
	}()
	return conf.ParseFileWithChecks(path)
}

// variableLine finds the line of a variable in the parser's message. The name
// may be anything, so the last match counts.
var variableLine = regexp.MustCompile(`(?s)^variable reference for '.*' on line ([0-9]{1,6}) (?:can not be found|could not be parsed)`)

// parserError makes an error without values from one of the parser's.
func parserError(file string, err error) error {
	if m := variableLine.FindStringSubmatch(err.Error()); m != nil && lineExists(file, m[1]) {
		return fmt.Errorf("%s:%s: a variable on this line is not set or not readable: set it in the environment, or quote the value if its $ belongs to it", file, m[1])
	}
	return fmt.Errorf("%s: %w", file, errConfigInvalid)
}

// lineExists guards against a number that comes from a value.
func lineExists(file, line string) bool {
	data, err := os.ReadFile(file)
	n, convErr := strconv.Atoi(line)
	return err == nil && convErr == nil && n <= strings.Count(string(data), "\n")+1
}

// includeWalk visits a file and all that it includes before the parser does.
type includeWalk struct {
	stack []string // the file being read and those that include it
	order []string // all files, the innermost first
	count int
}

// errUnreadable marks an error of reading the file itself.
type errUnreadable struct{ reason error }

func (e errUnreadable) Error() string { return "read configuration: " + e.reason.Error() }
func (e errUnreadable) Unwrap() error { return e.reason }

func (w *includeWalk) visit(path string) error {
	data, err := readRegular(path)
	if err != nil {
		if len(w.stack) > 0 {
			return errUnreadable{err} // the name comes from the file
		}
		return fmt.Errorf("%s: %w", path, errUnreadable{err})
	}
	items, err := scanConfig(path, string(data))
	if err != nil {
		return err
	}
	w.stack = append(w.stack, filepath.Clean(path))
	defer func() { w.stack = w.stack[:len(w.stack)-1] }()
	for _, it := range items {
		if err := w.include(path, it); err != nil {
			return err
		}
	}
	w.order = append(w.order, path)
	return nil
}

func (w *includeWalk) include(path string, it confItem) error {
	at := place(path, it.line, it.pos)
	// The parser joins, so that even an absolute name is below the directory.
	file := filepath.Join(filepath.Dir(path), it.val)
	if slices.Contains(w.stack, file) {
		return fmt.Errorf("%s: this file includes itself; remove one of the includes", at)
	}
	if w.count++; w.count > maxConfigFiles {
		return fmt.Errorf("%s: over %d included files", at, maxConfigFiles)
	}
	err := w.visit(file)
	if unreadable, ok := errors.AsType[errUnreadable](err); ok {
		return fmt.Errorf("%s: the file included here cannot be read: %w", at, unreadable.reason)
	}
	return err
}

// readRegular reads a file; its errors do not name it.
func readRegular(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err == nil && !info.Mode().IsRegular() {
		// It is read more than once, and a pipe may never end.
		return nil, errors.New("not a regular file")
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

// scanConfig runs nats-server's lexer over a file. It returns the includes, or
// an error with the place of the first thing that is not valid.
func scanConfig(path, data string) (includes []confItem, err error) {
	var it confItem
	defer func() {
		if recover() != nil {
			includes, err = nil, fmt.Errorf("%s: %w", place(path, max(it.line, 1), it.pos), errConfigInvalid)
		}
	}()
	lexer := confLex(data)
	for {
		it = confNextItem(lexer)
		switch it.typ {
		case itemEOF:
			return includes, nil
		case itemError:
			return nil, fmt.Errorf("%s: %w: %s", place(path, it.line, it.pos), errConfigInvalid, lexerReason(it.val))
		case itemInclude:
			includes = append(includes, it)
		case itemInteger, itemFloat, itemDatetime:
			if !validNumber(it) {
				return nil, fmt.Errorf("%s: a number or date here is out of its range; put it in quotes if it is text", place(path, it.line, it.pos))
			}
		}
	}
}

// lexerReason says what is wrong without the text that is.
func lexerReason(message string) string {
	if strings.HasPrefix(message, "Unexpected EOF") {
		return "the file ends, or holds a zero byte, inside a block, a value or a key"
	}
	return "unexpected character or missing value"
}

// validNumber does the parser's own conversions, whose errors name no place.
func validNumber(it confItem) bool {
	var err error
	switch it.typ {
	case itemInteger:
		digits := strings.TrimRightFunc(it.val, func(r rune) bool { return r < '0' || r > '9' })
		_, err = strconv.ParseInt(digits, 10, 64)
	case itemFloat:
		_, err = strconv.ParseFloat(it.val, 64)
	case itemDatetime:
		_, err = time.Parse("2006-01-02T15:04:05Z", it.val)
	}
	return err == nil
}
