package natsfs

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// defaultSyncInterval is nats-server's, since 2.10 (filestore.go).
const defaultSyncInterval = 2 * time.Minute

// Config is what a nats.conf says about the disk.
type Config struct {
	// JetStream says whether the configuration turns JetStream on.
	JetStream bool
	// StoreDir is store_dir as written, empty if it is not set. The server keeps
	// its data in the directory jetstream below it.
	StoreDir   string
	SyncAlways bool
	// SyncInterval is the time between two syncs, with nats-server's default of
	// 2 minutes where it is not set.
	SyncInterval time.Duration
	// Slots is max_concurrent_io, 0 if it is not set. Servers before 2.12.14 and
	// 2.14.4 do not know it.
	Slots int
	// Cipher is the one in force: a cipher without a key encrypts nothing, and a
	// key without a cipher means chacha.
	Cipher Cipher
	// Notes are what the user should know of how nats-server reads the file.
	Notes []string
}

// ReadConfig reads a nats-server configuration file with nats-server's own
// parser: included files, variables and the environment work as there. Only what
// stands in Config is looked at, so that certificates and the like need not be
// here.
//
// No error and no note holds a value of the file, nor the name of a variable or
// of a file that could not be read: any of them may be a secret. Errors name the
// file, the line and the position instead.
func ReadConfig(path string) (Config, error) {
	values, err := parseConfig(path)
	if err != nil {
		return Config{}, err
	}
	r := configReader{path: path}
	r.cfg.SyncInterval = defaultSyncInterval
	if err := r.readTop(values); err != nil {
		return Config{}, err
	}
	r.cfg.Cipher = r.cipherInForce()
	return r.cfg, nil
}

// configReader gathers the values while the keys are walked.
type configReader struct {
	path   string
	cfg    Config
	keyed  bool   // there is an encryption key
	cipher Cipher // as configured
}

// placed is a value with its place, as nats-server's parser hands it out.
type placed interface {
	Value() any
	Line() int
	Position() int
	SourceFile() string
}

// setting is a key with its value.
type setting struct {
	key   string // lower case
	value any
	place string // file:line:position
}

// settings returns m's keys, in order, so that of two errors always the same
// one is told.
func (r *configReader) settings(m map[string]any) []setting {
	all := make([]setting, 0, len(m))
	for _, key := range slices.Sorted(maps.Keys(m)) {
		s := setting{key: strings.ToLower(key), value: m[key], place: r.path}
		if t, ok := s.value.(placed); ok {
			s.value = t.Value()
			s.place = place(t.SourceFile(), t.Line(), t.Position())
		}
		all = append(all, s)
	}
	return all
}

// place prints a place of the parser. Its positions count from 0 on the first
// line and from 1 on the others.
func place(file string, line, pos int) string {
	if line == 1 {
		pos++
	}
	return fmt.Sprintf("%s:%d:%d", filepath.Clean(file), line, max(pos, 1))
}

// wants says what the key takes, and nothing of what it has.
func (s setting) wants(what string) error {
	return fmt.Errorf("%s: %s must be %s", s.place, s.key, what)
}

func (s setting) text() (string, error) {
	if v, ok := s.value.(string); ok {
		return v, nil
	}
	return "", s.wants("a string; put it in quotes")
}

func (s setting) bool() (bool, error) {
	if v, ok := s.value.(bool); ok {
		return v, nil
	}
	return false, s.wants("true or false")
}

func (r *configReader) readTop(m map[string]any) error {
	for _, s := range r.settings(m) {
		var err error
		switch s.key {
		case "store_dir", "storedir":
			err = r.readStoreDir(s)
		case "jetstream":
			err = r.readJetStream(s)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *configReader) readStoreDir(s setting) error {
	if r.cfg.StoreDir != "" {
		return fmt.Errorf("%s: %s is set twice; nats-server refuses that", s.place, s.key)
	}
	dir, err := s.text()
	r.cfg.StoreDir = dir
	return err
}

func (r *configReader) readJetStream(s setting) error {
	switch v := s.value.(type) {
	case bool:
		r.cfg.JetStream = v
		return nil
	case string:
		switch strings.ToLower(v) {
		case "enabled", "enable":
			r.cfg.JetStream = true
			return nil
		case "disabled", "disable":
			r.cfg.JetStream = false
			return nil
		}
	case map[string]any:
		r.cfg.JetStream = true
		return r.readJetStreamMap(v)
	}
	return s.wants("true, false, enabled, disabled or a block in braces")
}

func (r *configReader) readJetStreamMap(m map[string]any) error {
	for _, s := range r.settings(m) {
		if err := r.readJetStreamKey(s); err != nil {
			return err
		}
	}
	return nil
}

func (r *configReader) readJetStreamKey(s setting) (err error) {
	switch s.key {
	case "store", "store_dir", "storedir":
		return r.readStoreDir(s)
	case "enable", "enabled":
		r.cfg.JetStream, err = s.bool()
	case "sync", "sync_interval":
		return r.readSync(s)
	case "max_concurrent_io":
		return r.readSlots(s)
	case "key", "ek", "encryption_key":
		var key string
		key, err = s.text()
		r.keyed = r.keyed || key != ""
	case "cipher":
		return r.readCipher(s)
	case "tpm":
		return r.readTPM(s)
	}
	return err
}

// readSync follows nats-server: a string is "always" or a duration, a number is
// seconds.
func (r *configReader) readSync(s setting) error {
	const wanted = `"always" or a positive duration such as "2m", in quotes`
	switch v := s.value.(type) {
	case string:
		if strings.EqualFold(v, "always") {
			r.cfg.SyncAlways = true
			return nil
		}
		// Its error would show the value.
		d, err := time.ParseDuration(v)
		if err != nil || d < 0 {
			return s.wants(wanted)
		}
		r.setSyncInterval(d)
	case int64:
		if v < 0 || v > math.MaxInt64/int64(time.Second) {
			return s.wants(wanted)
		}
		r.setSyncInterval(time.Duration(v) * time.Second)
		r.cfg.Notes = append(r.cfg.Notes, fmt.Sprintf(
			"%s: %s is not in quotes, so nats-server takes it as a number of seconds (an m means a million)", s.place, s.key))
	default:
		return s.wants(wanted)
	}
	return nil
}

// setSyncInterval knows that a store takes 0 for its default.
func (r *configReader) setSyncInterval(d time.Duration) {
	if d > 0 {
		r.cfg.SyncInterval = d
	}
}

func (r *configReader) readSlots(s setting) error {
	n, ok := s.value.(int64)
	if !ok || n < MinSlots || n > MaxSlots {
		return s.wants(fmt.Sprintf("a whole number from %d to %d", MinSlots, MaxSlots))
	}
	r.cfg.Slots = int(n)
	return nil
}

func (r *configReader) readCipher(s setting) error {
	v, err := s.text()
	if err != nil {
		return err
	}
	switch strings.ToLower(v) {
	case "chacha", "chachapoly":
		r.cipher = CipherChaCha
	case "aes":
		r.cipher = CipherAES
	default:
		return s.wants("chacha or aes")
	}
	return nil
}

// readTPM reads the block that has the key in a trusted platform module.
func (r *configReader) readTPM(s setting) error {
	m, ok := s.value.(map[string]any)
	if !ok {
		return s.wants("a block in braces")
	}
	for _, t := range r.settings(m) {
		switch t.key {
		case "keys_file":
			file, err := t.text()
			if err != nil {
				return err
			}
			r.keyed = r.keyed || file != ""
		case "cipher":
			if err := r.readCipher(t); err != nil {
				return err
			}
		}
	}
	return nil
}

// cipherInForce: nats-server's zero value of the cipher is chacha.
func (r *configReader) cipherInForce() Cipher {
	switch {
	case !r.keyed:
		return CipherNone
	case r.cipher == "":
		return CipherChaCha
	}
	return r.cipher
}

var errConfigInvalid = errors.New("not valid as a nats-server configuration")
