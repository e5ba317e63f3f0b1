package natsfs

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/nats-io/nats-server/v2/server"
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

// ReadConfig reads a nats-server configuration file as nats-server does: included files,
// variables and the environment work as there. Only what stands in Config is looked at, so
// that certificates and the like need not be here. A variable that is not set, or an included
// file that cannot be read, is an error where a value of Config hangs on it, and else a note.
//
// No error and no note holds a value of the file, nor the name of a variable or
// of a file that could not be read: any of them may be a secret. They name the
// file, the line and the position instead.
func ReadConfig(path string) (Config, error) {
	var tree configTree
	whole, err := tree.file(path)
	if unreadable, ok := errors.AsType[unreadableError](err); ok {
		return Config{}, fmt.Errorf("%s: %w", path, unreadable)
	}
	if err != nil {
		return Config{}, err
	}
	var r configReader
	r.cfg.SyncInterval = defaultSyncInterval
	if err := r.readTop(whole); err != nil {
		return Config{}, err
	}
	if r.cfg.Cipher, err = r.cipherInForce(); err != nil {
		return Config{}, err
	}
	r.noteHoles(tree.holes)
	return r.cfg, nil
}

// configReader gathers the values while the keys are walked.
type configReader struct {
	cfg       Config
	jetStream string // the place of the setting that turns it on or off
	keyed     bool   // there is an encryption key
	keyHole   *hole  // whether there is one hangs on this
	cipher    Cipher // as configured
}

func (r *configReader) note(format string, args ...any) {
	r.cfg.Notes = append(r.cfg.Notes, fmt.Sprintf(format, args...))
}

// noteHoles says what could not be read and did not matter.
func (r *configReader) noteHoles(holes []hole) {
	byReason := map[string][]string{}
	var reasons []string
	for _, h := range holes {
		if byReason[h.reason] == nil {
			reasons = append(reasons, h.reason)
		}
		byReason[h.reason] = append(byReason[h.reason], h.place)
	}
	for _, reason := range reasons {
		r.note("%s: %s; nothing that is needed here hangs on it", strings.Join(byReason[reason], ", "), reason)
	}
}

// sorted returns the settings of a block in order, so that of two errors always the same
// one is told.
func (b *block) sorted() []setting {
	var all []setting
	for _, key := range slices.Sorted(maps.Keys(b.settings)) {
		all = append(all, b.settings[key])
	}
	return all
}

// wants says what the key takes, and nothing of what it has.
func (s setting) wants(what string) error {
	if h, ok := s.value.(hole); ok {
		return fmt.Errorf("%s: %s is needed, and its value is %s", s.place, s.key, h.reason)
	}
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

// byteOrderMark begins a file that some editors of Windows write.
const byteOrderMark = "\ufeff"

func (r *configReader) readTop(whole *block) error {
	for _, s := range whole.sorted() {
		var err error
		switch s.key {
		case "store_dir", "storedir":
			err = r.readStoreDir(s)
		case "jetstream":
			r.jetStream = s.place
			if s.twice {
				r.note("%s: jetstream is set more than once; nats-server takes the last one alone", s.place)
			}
			err = r.readJetStream(s)
		default:
			r.noteKey(s)
		}
		if err != nil {
			return err
		}
	}
	if len(whole.holes) > 0 && r.jetStream == "" {
		return fmt.Errorf("%s: %s, and nothing else says whether JetStream is on", whole.holes[0].place, whole.holes[0].reason)
	}
	switch {
	case r.jetStream != "" && !r.cfg.JetStream:
		r.note("%s: this turns JetStream off", r.jetStream)
	case r.cfg.JetStream && r.cfg.StoreDir == "":
		r.note("%s: JetStream is on and has no store_dir: nats-server stores below the temporary directory, which is emptied from time to time", r.jetStream)
	}
	return nil
}

// noteKey warns of keys beside JetStream's that are not what somebody meant by them.
func (r *configReader) noteKey(s setting) {
	switch {
	case strings.HasPrefix(s.key, byteOrderMark):
		r.note("%s: the file begins with a byte-order mark, which nats-server takes for a part of the first key: save it without", s.place)
	case s.key == "sync_always":
		r.note("%s: sync_always is no key of nats-server, which refuses the file: write sync_interval: always into the jetstream block", s.place)
	}
}

func (r *configReader) readStoreDir(s setting) error {
	if r.cfg.StoreDir != "" {
		return fmt.Errorf("%s: %s is set twice; nats-server refuses that", s.place, s.key)
	}
	dir, err := s.text()
	if strings.ContainsFunc(dir, unicode.IsControl) {
		return fmt.Errorf(`%s: %s holds a control character: a \ within double quotes is an escape; write / or \\`, s.place, s.key)
	}
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
	case *block:
		r.cfg.JetStream = true
		return r.readJetStreamBlock(v)
	}
	return s.wants("true, false, enabled, disabled or a block in braces")
}

func (r *configReader) readJetStreamBlock(b *block) error {
	if len(b.holes) > 0 {
		return fmt.Errorf("%s: %s, and it belongs to the jetstream block", b.holes[0].place, b.holes[0].reason)
	}
	for _, s := range b.sorted() {
		if err := r.readJetStreamKey(s); err != nil {
			return err
		}
	}
	return nil
}

// jetStreamKeys are those of the jetstream block that say nothing of what is read here
// (parseJetStream in nats-server's opts.go).
var jetStreamKeys = []string{
	"strict", "max_memory_store", "max_mem_store", "max_mem", "max_file_store", "max_file", "domain",
	"prev_key", "prev_ek", "prev_encryption_key", "extension_hint", "limits", "unique_tag",
	"max_outstanding_catchup", "max_buffered_size", "max_buffered_msgs", "request_queue_limit", "info_queue_limit",
	"meta_compact", "meta_compact_size", "meta_compact_sync",
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
		return r.readKey(s)
	case "cipher":
		return r.readCipher(s)
	case "tpm":
		return r.readTPM(s)
	default:
		r.noteJetStreamKey(s)
	}
	return err
}

// noteJetStreamKey warns of keys that nats-server refuses.
func (r *configReader) noteJetStreamKey(s setting) {
	switch {
	case slices.Contains(jetStreamKeys, s.key):
	case s.key == "sync_always":
		r.note("%s: sync_always is no key of nats-server, which refuses the file: write sync_interval: always", s.place)
	case strings.HasPrefix(s.key, "{"):
		r.note("%s: this looks like a template that was not rendered: render it first (helm template), or take the file from the running pod", s.place)
	default:
		r.note("%s: nats-server v%s refuses %s in the jetstream block: it does not know it", s.place, server.VERSION, shownKey(s.key))
	}
}

// readKey reads whether there is an encryption key. One that is empty encrypts nothing.
func (r *configReader) readKey(s setting) error {
	if h, ok := s.value.(hole); ok {
		r.keyHole = &h
		return nil
	}
	key, err := s.text()
	if err == nil && key == "" {
		r.note("%s: %s is empty, so nats-server encrypts nothing, without a word", s.place, s.key)
	}
	r.keyed = r.keyed || key != ""
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
	b, ok := s.value.(*block)
	if !ok {
		return s.wants("a block in braces")
	}
	for _, t := range b.sorted() {
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
func (r *configReader) cipherInForce() (Cipher, error) {
	switch {
	case !r.keyed && r.keyHole != nil:
		return "", fmt.Errorf("%s: whether the store is encrypted hangs on %s: set it, or take the key out of a copy of the file and say --cipher chacha, aes or none", r.keyHole.place, r.keyHole.reason)
	case !r.keyed:
		return CipherNone, nil
	case r.cipher == "":
		return CipherChaCha, nil
	}
	return r.cipher, nil
}
