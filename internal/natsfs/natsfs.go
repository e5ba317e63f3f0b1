// Package natsfs is the one door to nats-server's unexported disk code: the
// file store of a stream, its sync and state writes, the term and vote writes
// of Raft, and the I/O slots. What a probe times is nats-server's own code, not
// an imitation of it.
//
// The code is reached by go:linkname, its fields by reflection on its real
// types. The linker checks neither, so three things stand guard: CheckVersion
// refuses any nats-server but TestedVersion before a pointer is followed, it
// compares the fields with what this package expects, and a test compares every
// symbol and field with nats-server's source. An upgrade that moves something
// fails there and never reaches a user's memory.
//
// Nothing here can be interrupted once it is inside the kernel: a call on a
// hung disk returns when the disk does. Whoever needs a bound runs it in a
// process of its own.
package natsfs

import (
	"errors"
	"fmt"
	"time"
)

// The range and the default of nats-server's I/O slots (max_concurrent_io),
// from its dios.go.
const (
	MinSlots     = 4
	MaxSlots     = 8192
	DefaultSlots = 4096
)

// noBackgroundSync is a sync interval longer than any run, so that no sync but
// the probe's own falls into a measurement. The first sync of a store comes
// between half of it and the whole of it.
const noBackgroundSync = 48 * time.Hour

// ErrClosed says that the store, or the server that holds it, is closed.
var ErrClosed = errors.New("the store is closed")

// Cipher names how JetStream encrypts its blocks.
type Cipher string

// The ciphers of nats-server. The zero value means CipherNone.
const (
	CipherNone   Cipher = "none"
	CipherChaCha Cipher = "chacha"
	CipherAES    Cipher = "aes"
)

// Compression names how JetStream compresses a block once it is full.
type Compression string

// The compressions of nats-server. The zero value means CompressionNone.
const (
	CompressionNone Compression = "none"
	CompressionS2   Compression = "s2"
)

func (c Cipher) encrypts() bool { return c != "" && c != CipherNone }

func checkSlots(n int) error {
	if n < MinSlots || n > MaxSlots {
		return fmt.Errorf("%d I/O slots: nats-server takes %d to %d (max_concurrent_io)", n, MinSlots, MaxSlots)
	}
	return nil
}

func checkCipher(c Cipher) error {
	switch c {
	case "", CipherNone, CipherChaCha, CipherAES:
		return nil
	}
	return fmt.Errorf("unknown cipher %q: use %s, %s or %s", c, CipherNone, CipherChaCha, CipherAES)
}

func checkCompression(c Compression) error {
	switch c {
	case "", CompressionNone, CompressionS2:
		return nil
	}
	return fmt.Errorf("unknown compression %q: use %s or %s", c, CompressionNone, CompressionS2)
}
