package storedir

import (
	"bufio"
	"bytes"
	"errors"
	"testing"

	"github.com/minio/highwayhash"
)

// FuzzParse: no bytes make the parsers of a store's files panic, hang or take memory without
// bound.
func FuzzParse(f *testing.F) {
	f.Add([]byte{stateMagic, 4, 3, 200, 1, 1, 0, 3, 0, 1, 1, 'a', 3, 1, 1, 1, 1, 200, 1, 1, 0, 3, 0, 0, 0, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8})
	f.Add([]byte{stateMagic, 1, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1})
	f.Add([]byte{consumerMagic, consumerVersion, 1, 1, 4, 4, 3})
	f.Add(bytes.Repeat([]byte{30, 0, 0, 0}, 20))
	f.Fuzz(func(t *testing.T, data []byte) {
		if s, err := decodeState(data); err == nil && s.Deletes > s.Last {
			t.Errorf("%+v", s)
		}
		_, _ = parsePending(data)
		_, _ = parseMeta(data)
		_ = groupOf(data)
		hasher, err := highwayhash.NewDigest64(make([]byte, 32))
		if err != nil {
			t.Fatal(err)
		}
		in := bufio.NewReader(bytes.NewReader(data))
		for n := 0; ; n++ {
			if _, _, err := record(in, hasher); err != nil {
				break
			}
			if n > len(data) {
				t.Fatal("it does not end")
			}
		}
	})
}

func TestParseStateRefuses(t *testing.T) {
	for _, data := range [][]byte{nil, make([]byte, 100), append([]byte{stateMagic, 9}, make([]byte, 100)...)} {
		if _, err := parseState(data, "S"); err == nil {
			t.Errorf("%d bytes were read", len(data))
		}
	}
	if _, err := decodeState([]byte{stateMagic, maxStateVersion + 1}); !errors.Is(err, errNewer) {
		t.Errorf("a newer version: %v", err)
	}
}
