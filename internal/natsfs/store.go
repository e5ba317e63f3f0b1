package natsfs

import (
	"errors"
	"fmt"
	"reflect"
	"time"
	"unsafe"

	"github.com/nats-io/nats-server/v2/server"
)

// Store is the file store of one stream. Its methods are safe for concurrent
// use, as nats-server's are, but for LastChecksum.
type Store struct {
	ss     server.StreamStore
	fs     unsafe.Pointer // the same store as *fileStore
	layout layout
	dir    string
	cfg    StoreConfig
	alone  bool   // opened by OpenStore
	opened uint64 // its last sequence at that time
}

// StoreConfig says how a store on its own is opened. For an existing one, Name,
// Cipher and Key are those that it was made with.
type StoreConfig struct {
	// Name is the stream's; the blocks' checksums depend on it.
	Name string
	// Subjects are the stream's. A Raft log has none: its messages have the empty
	// subject, and its state holds no subjects.
	Subjects []string
	// MaxBytes is the size that the store holds, in bytes; 0 is without bound.
	MaxBytes    int64
	Compression Compression
	Cipher      Cipher
	Key         Key // needed with a cipher
	SyncAlways  bool
	// BlockSize in bytes; 0 is nats-server's choice. Its meta log takes 1 MB,
	// its Raft logs 4 MB.
	BlockSize uint64
	// AsyncFlush leaves writes to the flush loop, as replicated streams do.
	AsyncFlush bool
}

// OpenStore opens or makes the store in dir without a server, and recovers what
// is in it. Such a store has 4,096 slots of its own, that no counter shows,
// and writes no log; so a caveat that nats-server would log stays unseen.
func OpenStore(dir string, cfg StoreConfig) (*Store, error) { return openStore(nil, dir, cfg) }

// OpenStore opens or makes a store on its own that takes the slots of this
// server and writes its log. It is none of the server's streams, so close it
// before the server.
func (s *Server) OpenStore(dir string, cfg StoreConfig) (*Store, error) {
	return openStore(s.ns, dir, cfg)
}

func openStore(ns *server.Server, dir string, cfg StoreConfig) (*Store, error) {
	if err := CheckVersion(); err != nil {
		return nil, err
	}
	l, err := loadLayout()
	if err != nil {
		return nil, err
	}
	if err := cfg.check(); err != nil {
		return nil, fmt.Errorf("open store %q: %w", cfg.Name, err)
	}
	var keyGen func([]byte) ([]byte, error)
	if cfg.Cipher.encrypts() {
		keyGen = cfg.Key.keyGen()
	}
	files := cfg.files(dir)
	l.setServer(&files, ns)
	fs, err := newFileStoreWithCreated(files, cfg.stream(), time.Now().UTC(), keyGen, nil)
	if err != nil {
		return nil, fmt.Errorf("open store in %s: %w", dir, err)
	}
	ss, ok := fileStorePointer(fs).Interface().(server.StreamStore)
	if !ok {
		return nil, fmt.Errorf("nats-server %s: its file store is no stream store", server.VERSION)
	}
	s, err := newStore(ss, dir, cfg)
	if err != nil {
		return nil, err
	}
	s.alone, s.opened = true, s.State().LastSeq
	return s, nil
}

func (c StoreConfig) check() error {
	if c.Name == "" {
		return errors.New("it needs the name of its stream")
	}
	if c.Cipher.encrypts() && c.Key.IsZero() {
		return fmt.Errorf("cipher %s needs a key", c.Cipher)
	}
	return errors.Join(checkCipher(c.Cipher), checkCompression(c.Compression))
}

func (c StoreConfig) files(dir string) server.FileStoreConfig {
	compression := server.NoCompression
	if c.Compression == CompressionS2 {
		compression = server.S2Compression
	}
	return server.FileStoreConfig{
		StoreDir:     dir,
		BlockSize:    c.BlockSize,
		SyncInterval: noBackgroundSync,
		SyncAlways:   c.SyncAlways,
		AsyncFlush:   c.AsyncFlush && !c.SyncAlways,
		Cipher:       storeCipher(c.Cipher),
		Compression:  compression,
	}
}

func (c StoreConfig) stream() server.StreamConfig {
	return server.StreamConfig{
		Name:        c.Name,
		Subjects:    c.Subjects,
		MaxBytes:    c.MaxBytes,
		Discard:     server.DiscardOld,
		Storage:     server.FileStorage,
		Replicas:    1,
		Compression: c.files("").Compression,
	}
}

// newStore wraps ss, after making sure that it is the type whose fields are
// known.
func newStore(ss server.StreamStore, dir string, cfg StoreConfig) (*Store, error) {
	l, err := loadLayout()
	if err != nil {
		return nil, err
	}
	v := reflect.ValueOf(ss)
	if want := fileStorePointer(nil).Type(); v.Type() != want {
		return nil, fmt.Errorf("store of stream %q is a %s, not a %s: the stream is not in files", cfg.Name, v.Type(), want)
	}
	return &Store{ss: ss, fs: v.UnsafePointer(), layout: l, dir: dir, cfg: cfg}, nil
}

// Dir is the store's directory; its blocks are in msgs below it.
func (s *Store) Dir() string { return s.dir }

// Alone says whether OpenStore opened it, so that Close closes it.
func (s *Store) Alone() bool { return s.alone }

// Config is what OpenStore needs to open this store again.
func (s *Store) Config() StoreConfig { return s.cfg }

// StoreMsg stores a message; hdr may be nil. By default it is then in the page
// cache, with SyncAlways it is durable. An earlier write error comes back from
// every later call, as in nats-server. Nothing is allocated or locked here
// beyond what nats-server does.
func (s *Store) StoreMsg(subject string, hdr, msg []byte) error {
	_, _, err := s.ss.StoreMsg(subject, hdr, msg, 0)
	return err
}

// RemoveMsg deletes a message as a client's delete does: it writes a tombstone
// into the last block and leaves an interior delete in the stream's state. It
// says whether the message was there.
func (s *Store) RemoveMsg(seq uint64) (bool, error) {
	removed, err := s.ss.RemoveMsg(seq)
	if err != nil {
		return removed, fmt.Errorf("remove message %d of stream %q: %w", seq, s.cfg.Name, err)
	}
	return removed, nil
}

// SyncBlocks does what nats-server does every sync_interval (2 minutes by
// default): an fsync of each block written since the last one, under that
// block's lock, then one of index.db under the store's lock, and the compaction
// of blocks that became sparse. When it returns nil all that was stored before
// is durable. nats-server keeps a failed sync to itself as the store's write
// error; it is returned here, now and from then on.
func (s *Store) SyncBlocks() error {
	storeSyncBlocks(s.fs)
	if err := s.writeErr(); err != nil {
		return fmt.Errorf("sync blocks of stream %q: %w", s.cfg.Name, err)
	}
	// A closed store syncs nothing and says nothing.
	if storeIsClosed(s.fs) {
		return fmt.Errorf("sync blocks of stream %q: %w", s.cfg.Name, ErrClosed)
	}
	return nil
}

func (s *Store) writeErr() error {
	lock := s.layout.lockOfStore(s.fs)
	lock.RLock()
	defer lock.RUnlock()
	return s.layout.writeErr(s.fs)
}

// WriteFullState writes the stream's state to index.db as nats-server does every
// 2 to 2.5 minutes: in place, without an fsync. It does nothing when the state is
// clean or another call is running, and fails above 1,000,000 subjects or
// interior deletes.
func (s *Store) WriteFullState() error {
	return s.fullState(storeWriteFullState)
}

// ForceWriteFullState is WriteFullState as nats-server does it at its stop: it
// waits for a running one and writes however large the state is. It, too, does
// nothing when the state is clean.
func (s *Store) ForceWriteFullState() error {
	return s.fullState(storeForceWriteFullState)
}

func (s *Store) fullState(write func(unsafe.Pointer) error) error {
	if storeIsClosed(s.fs) {
		return fmt.Errorf("write state of stream %q: %w", s.cfg.Name, ErrClosed)
	}
	if err := write(s.fs); err != nil {
		return fmt.Errorf("write state of stream %q: %w", s.cfg.Name, err)
	}
	return nil
}

// LastChecksum reads the checksum of the last message from the last block's
// file, as recovery does: 8 bytes of a plain block; of an encrypted one its key
// and the whole block, which is decrypted. An empty block has a checksum of
// zeros. The time that it takes is the caller's to measure.
//
// nats-server's function changes the block's byte count and its cipher stream
// while it reads. So it is refused on a store of a server and on one that
// stored something since OpenStore; nothing else may use the store meanwhile.
func (s *Store) LastChecksum() ([8]byte, error) {
	var sum [8]byte
	if !s.alone {
		return sum, fmt.Errorf("last checksum of stream %q: the store belongs to a server; close it and open the store again", s.cfg.Name)
	}
	if storeIsClosed(s.fs) {
		return sum, fmt.Errorf("last checksum of stream %q: %w", s.cfg.Name, ErrClosed)
	}
	if s.State().LastSeq != s.opened {
		return sum, fmt.Errorf("last checksum of stream %q: the store was written to since it was opened; close it and open it again", s.cfg.Name)
	}
	lock := s.layout.lockOfStore(s.fs)
	lock.RLock()
	defer lock.RUnlock()
	mb := s.layout.lastBlock(s.fs)
	if mb == nil {
		return sum, fmt.Errorf("last checksum of stream %q: it has no block; store a message first", s.cfg.Name)
	}
	got, file := s.blockChecksum(mb)
	if len(got) != len(sum) {
		return sum, fmt.Errorf("last checksum of stream %q: nats-server could not read or decrypt %s", s.cfg.Name, file)
	}
	return [8]byte(got), nil
}

func (s *Store) blockChecksum(mb unsafe.Pointer) (sum []byte, file string) {
	lock := s.layout.lockOfBlock(mb)
	lock.Lock()
	defer lock.Unlock()
	return blockLastChecksum(mb), s.layout.fileOfBlock(mb)
}

// StoreState is what a store holds.
type StoreState struct {
	Msgs     uint64
	Bytes    uint64 // records as stored, deleted ones left out
	FirstSeq uint64
	LastSeq  uint64
	Blocks   int
}

// State returns what the store holds.
func (s *Store) State() StoreState {
	var st server.StreamState
	s.ss.FastState(&st)
	return StoreState{
		Msgs: st.Msgs, Bytes: st.Bytes, FirstSeq: st.FirstSeq, LastSeq: st.LastSeq,
		Blocks: storeNumMsgBlocks(s.fs),
	}
}

// AwaitReaders returns once a reader that comes now has had the store's lock:
// at once while nobody writes, else as late as any reader that comes with it.
func (s *Store) AwaitReaders() { _ = s.writeErr() }

// Abandon closes the store and does not write its state, which leaves its files
// as a kill of the server would: what was acknowledged is in its blocks, and
// index.db is older. It works on the store of a server, too; close that server
// afterwards. Messages that an AsyncFlush store still holds are written.
func (s *Store) Abandon() error {
	if err := storeStop(s.fs, false, false); err != nil {
		return fmt.Errorf("abandon store of stream %q: %w", s.cfg.Name, err)
	}
	return nil
}

// Close writes the state of a store that OpenStore opened and closes it,
// without an fsync. The store of a server is closed with the server.
func (s *Store) Close() error {
	if !s.alone {
		return fmt.Errorf("close store of stream %q: it belongs to a server; close that", s.cfg.Name)
	}
	// Stopping writes the state as well, but keeps a failure to itself.
	err := s.ForceWriteFullState()
	if errors.Is(err, ErrClosed) {
		return err
	}
	if stopErr := s.ss.Stop(); stopErr != nil {
		err = errors.Join(err, fmt.Errorf("close store of stream %q: %w", s.cfg.Name, stopErr))
	}
	return err
}
