package results

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/klauspost/compress/zstd"
)

// toolName stands in every run document, so that a reader knows its own.
const toolName = "storebench"

// maxDocument bounds what a reader takes, in bytes after decompression: the
// largest run is a small part of it.
const maxDocument = 512 << 20

// document is a run as it is written: with its verdict and a sweep's matrix, for
// readers that judge nothing themselves. Read does not even look at them; Judge
// and Evaluate find them anew.
type document struct {
	*Run
	Matrix  *Matrix  `json:"matrix,omitempty"`
	Verdict *Verdict `json:"verdict,omitempty"`
}

// Encode returns the run document as indented JSON with the run's verdict and,
// of a sweep, its matrix.
func Encode(run *Run) ([]byte, error) {
	verdict := Judge(run)
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", " ")
	if err := enc.Encode(document{run, Evaluate(run), &verdict}); err != nil {
		return nil, fmt.Errorf("encode the run: %w", err)
	}
	return out.Bytes(), nil
}

// Compress returns data in zstd's format if the file's name ends in .zst, and
// as it is otherwise.
func Compress(name string, data []byte) ([]byte, error) {
	if !strings.HasSuffix(name, ".zst") {
		return data, nil
	}
	enc, err := zstd.NewWriter(nil)
	if err != nil {
		return nil, fmt.Errorf("compress %s: %w", name, err)
	}
	return enc.EncodeAll(data, nil), nil
}

// ErrDocument is in the error of a file that is no run document that this
// program can read.
var ErrDocument = errors.New("not a readable run document")

// Read reads a run document, compressed or not. name is for the error.
func Read(name string, in io.Reader) (*Run, error) {
	data, err := plain(in, maxDocument)
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %w", name, ErrDocument, err)
	}
	if err := recognise(data); err != nil {
		return nil, fmt.Errorf("%s: %w: %w", name, ErrDocument, err)
	}
	run := &Run{}
	if err := json.Unmarshal(data, run); err != nil {
		return nil, fmt.Errorf("%s: %w: %w", name, ErrDocument, explain(err, len(data)))
	}
	return run, nil
}

// plain reads all of in, at most limit bytes, and decompresses it where it is
// zstd's.
func plain(in io.Reader, limit int64) ([]byte, error) {
	buffered := bufio.NewReader(in)
	magic, _ := buffered.Peek(4)
	var source io.Reader = buffered
	if bytes.Equal(magic, []byte{0x28, 0xb5, 0x2f, 0xfd}) {
		dec, err := zstd.NewReader(buffered, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(uint64(limit)))
		if err != nil {
			return nil, err
		}
		defer dec.Close()
		source = dec
	}
	data, err := io.ReadAll(io.LimitReader(source, limit+1))
	switch {
	case errors.Is(err, zstd.ErrDecoderSizeExceeded), errors.Is(err, zstd.ErrWindowSizeExceeded), int64(len(data)) > limit:
		return nil, fmt.Errorf("it is larger than %d bytes, which no run is", limit)
	case err != nil:
		return nil, fmt.Errorf("it is cut short or damaged: %w", err)
	case len(bytes.TrimSpace(data)) == 0:
		return nil, errors.New("it is empty")
	}
	return data, nil
}

var errForeign = errors.New("it is JSON, but no run of storebench")

// recognise reads only what says whose document it is, so that a newer one is
// refused by its number and not by a field that moved.
func recognise(data []byte) error {
	var head struct {
		Schema *int `json:"schema"`
		Tool   struct {
			Name    string `json:"name"`
			Version string `json:"version"`
		} `json:"tool"`
	}
	err := json.Unmarshal(data, &head)
	var other *json.UnmarshalTypeError
	switch {
	case errors.As(err, &other):
		return errForeign
	case err != nil:
		return explain(err, len(data))
	case head.Tool.Name != toolName || head.Schema == nil:
		return errForeign
	case *head.Schema > Schema:
		return fmt.Errorf("its schema is %d (written by storebench %s), this program reads up to %d: use a newer storebench", *head.Schema, head.Tool.Version, Schema)
	case *head.Schema < 1:
		return fmt.Errorf("its schema is %d; there is none below 1", *head.Schema)
	}
	return nil
}

// explain tells a file cut short from one that is no JSON, and from one that
// somebody changed.
func explain(err error, length int) error {
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		if syntax.Offset >= int64(length) {
			return fmt.Errorf("it is cut short after %d bytes", length)
		}
		return fmt.Errorf("it is not JSON (byte %d: %w)", syntax.Offset, err)
	}
	var other *json.UnmarshalTypeError
	if errors.As(err, &other) {
		return fmt.Errorf("it was changed or damaged: at %s, byte %d, stands a %s that does not belong there", other.Field, other.Offset, other.Value)
	}
	return err
}
