package serverlog

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
)

// Read gives each line of the log of a server whose clock showed UTC.
func Read(r io.Reader, each func(Event)) error { return Parser{}.Read(r, each) }

// Read gives each line of a log as an event, in their order, until the log ends
// or reading it fails. It gives a line as soon as it is whole, so it can follow a
// running server through a pipe; a last line without an end is given as well, and
// blank ones are not. What containerd wrote as several parts is one line again. It
// holds one line of at most MaxLine bytes, and of its parts as many again.
func (p Parser) Read(r io.Reader, each func(Event)) error {
	in := bufio.NewReaderSize(r, readSize)
	var parts partial
	give := func(line []byte) {
		first, more := p.unwrap(string(line))
		each(p.read(first))
		for _, w := range more {
			each(p.read(w))
		}
	}
	for {
		line, err := nextLine(in)
		if line = parts.join(line); len(bytes.TrimSpace(line)) > 0 {
			give(line)
		}
		if err == nil {
			continue
		}
		if rest := parts.rest(); len(rest) > 0 {
			give(rest)
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		return fmt.Errorf("read the server's log: %w", err)
	}
}

// readSize is how much is read at once; longer lines are put together.
const readSize = 64 << 10

// nextLine is the next line as far as MaxLine, valid until the next call.
func nextLine(in *bufio.Reader) ([]byte, error) {
	line, err := in.ReadSlice('\n')
	if !errors.Is(err, bufio.ErrBufferFull) {
		return line, err
	}
	long := bytes.Clone(line)
	for errors.Is(err, bufio.ErrBufferFull) {
		line, err = in.ReadSlice('\n')
		long = append(long, line[:min(len(line), MaxLine-len(long))]...)
	}
	return long, err
}

// partial holds what containerd cut into parts: all but the last are marked P.
type partial struct{ held []byte }

var partPattern = regexp.MustCompile(`^(\S{20,40} std(?:out|err) )([PF]) `)

// join is the whole line that ends with this one; nil while parts are missing. The
// parts of the two streams may alternate, but nats-server uses one.
func (p *partial) join(line []byte) []byte {
	if p.held == nil && !bytes.Contains(line[:min(len(line), 64)], []byte(" P ")) {
		return line
	}
	m := partPattern.FindSubmatchIndex(line)
	if m == nil {
		return line
	}
	more := line[m[1]:]
	if line[m[4]] == 'P' {
		more = bytes.TrimRight(more, "\r\n")
		if p.held == nil {
			p.held = append(append([]byte{}, line[:m[4]]...), "F "...)
		}
		p.held = append(p.held, more[:min(len(more), MaxLine-len(p.held))]...)
		return nil
	}
	if p.held == nil {
		return line
	}
	whole := append(p.held, more[:min(len(more), MaxLine-len(p.held))]...)
	p.held = nil
	return whole
}

// rest is what was held when the log ended.
func (p *partial) rest() []byte {
	held := p.held
	p.held = nil
	return held
}
