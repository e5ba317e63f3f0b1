package natsfs

import (
	"crypto/rand"
	"encoding/hex"
)

// globalAccount is the account that a server without accounts puts its streams
// in; it takes part in the derivation of their keys.
const globalAccount = "$G"

// Key is an encryption key made for one run. It never shows itself: every print
// of it is a placeholder, and it has no exported field that could be encoded.
type Key struct {
	secret *[32]byte
}

// NewKey makes a random key.
func NewKey() Key {
	var b [32]byte
	// It never returns an error; without randomness the program ends.
	_, _ = rand.Read(b[:])
	return Key{secret: &b}
}

// IsZero says whether the key was never made.
func (k Key) IsZero() bool { return k.secret == nil }

// String hides the key.
func (k Key) String() string { return "[key]" }

// GoString hides the key from %#v.
func (k Key) GoString() string { return k.String() }

// text is the key as nats-server's configuration would hold it.
func (k Key) text() string { return hex.EncodeToString(k.secret[:]) }

// keyGen derives the keys of the streams in the global account, with
// nats-server's own function.
func (k Key) keyGen() func([]byte) ([]byte, error) {
	return serverKeyGen(nil, k.text(), globalAccount)
}
