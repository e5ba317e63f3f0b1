package serverlog

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
)

// Read gives each line of the log of a server whose clock showed UTC.
func Read(r io.Reader, each func(Event)) error { return Parser{}.Read(r, each) }

// Read gives each line of a log as an event, in their order, until the log ends
// or reading it fails. It gives a line as soon as it is whole, so it can follow a
// running server through a pipe; a last line without an end is given as well, and
// blank ones are not. It holds one line of at most MaxLine bytes.
func (p Parser) Read(r io.Reader, each func(Event)) error {
	in := bufio.NewReaderSize(r, MaxLine)
	for {
		line, err := in.ReadSlice('\n')
		if len(bytes.TrimSpace(line)) > 0 {
			each(p.Parse(string(line)))
		}
		for errors.Is(err, bufio.ErrBufferFull) {
			_, err = in.ReadSlice('\n')
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read the server's log: %w", err)
		}
	}
}
