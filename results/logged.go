package results

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// The lines about a run document in a log.
const (
	logBegin = "-----BEGIN STOREBENCH RUN-----"
	logEnd   = "-----END STOREBENCH RUN-----"
)

// logLine is how many characters of a document stand on a line of a log.
const logLine = 120

// Logged returns the run document as lines of text, for a log that a container
// leaves behind: compressed, in base64, between a first and a last line. FromLog
// takes it out again.
func Logged(run *Run) ([]byte, error) {
	data, err := Encode(run)
	if err != nil {
		return nil, err
	}
	packed, err := Compress(".zst", data)
	if err != nil {
		return nil, err
	}
	text := base64.StdEncoding.EncodeToString(packed)
	var out bytes.Buffer
	fmt.Fprintln(&out, logBegin)
	for part := range slices.Chunk([]byte(text), logLine) {
		fmt.Fprintf(&out, "%s\n", part)
	}
	fmt.Fprintln(&out, logEnd)
	return out.Bytes(), nil
}

// Collected is a run document found in a log, or why it could not be read.
type Collected struct {
	Line int   // of the log, where it begins
	Run  *Run  // nil where it could not be read
	Err  error // why it could not; nil where Run is there
}

// FromLog returns every run document in a log, among whatever else is in it.
// Lines may begin with what kubectl logs puts there (--prefix, --timestamps),
// and the lines of several pods may stand among each other when they have
// prefixes. A document that is cut short or damaged has an error of its own; the
// error of FromLog is that of reading.
func FromLog(name string, in io.Reader) ([]Collected, error) {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, maxLogLine)
	open := map[string]*block{}
	var found []*block
	for number := 1; lines.Scan(); number++ {
		line := strings.TrimRight(lines.Text(), "\r ")
		source := sourceOf(line)
		b := open[source]
		switch {
		case strings.HasSuffix(line, logBegin):
			b = &block{line: number}
			open[source] = b
			found = append(found, b)
		case b == nil:
		case strings.HasSuffix(line, logEnd):
			b.ended = true
			delete(open, source)
		default:
			b.text.WriteString(line[strings.LastIndexByte(line, ' ')+1:])
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	var all []Collected
	for _, b := range found {
		run, err := b.run(fmt.Sprintf("%s, line %d", name, b.line))
		all = append(all, Collected{b.line, run, err})
	}
	return all, nil
}

// maxLogLine is the longest line of a log that is read, in bytes: other programs
// write longer ones than we.
const maxLogLine = 16 << 20

// block is a run document on its way out of a log.
type block struct {
	line  int
	text  strings.Builder
	ended bool
}

var errCut = errors.New("the log ends, or another run begins, before its last line: fetch the whole log (kubectl logs --tail=-1)")

func (b *block) run(name string) (*Run, error) {
	if !b.ended {
		return nil, fmt.Errorf("%s: %w: %w", name, ErrDocument, errCut)
	}
	packed, err := base64.StdEncoding.DecodeString(b.text.String())
	if err != nil {
		return nil, fmt.Errorf("%s: %w: a line is missing or damaged: %w", name, ErrDocument, err)
	}
	return Read(name, bytes.NewReader(packed))
}

// sourceOf is the prefix that kubectl logs --prefix gives the lines of a pod.
func sourceOf(line string) string {
	if !strings.HasPrefix(line, "[") {
		return ""
	}
	prefix, _, closed := strings.Cut(line, "] ")
	if !closed {
		return ""
	}
	return prefix
}
