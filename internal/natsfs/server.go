package natsfs

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	serverName = "storebench"
	// maxStore lets every stream's max_bytes pass: the room on the volume is
	// the engine's care, and without an explicit size nats-server would ask the
	// volume for it.
	maxStore = 1 << 60
	// maxMemory is what memory streams may take; there are none.
	maxMemory = 64 << 20
	// requestTimeout bounds a stream's creation when the context has no
	// deadline. It waits for the disk, so the client's own 5 s are too few.
	requestTimeout = time.Minute
)

// Options say what server to open.
type Options struct {
	// StoreDir is the directory that nats-server makes its directory jetstream in.
	StoreDir string
	// Slots is max_concurrent_io, MinSlots to MaxSlots; 0 means DefaultSlots.
	Slots int
	// Cipher encrypts the blocks.
	Cipher Cipher
	// Key is what to encrypt with: that of the server which made what lies in
	// StoreDir. Without one a new key is made.
	Key Key
	// SyncAlways is sync_interval: always, an fsync for each stored message.
	// Without it nothing is synced but by the caller.
	SyncAlways bool
}

// Server is a nats-server in this process that opens no port. It is safe for
// concurrent use. It has its own slots; other parts of nats-server (buffer
// pools, memory figures) are shared by all servers of the process.
type Server struct {
	ns    *server.Server
	nc    *nats.Conn
	js    jetstream.JetStream
	log   *logLines
	slots *Slots
	opts  Options
	key   Key

	closing sync.Once
	closed  chan struct{}
}

// Open starts a server and waits until JetStream runs. When ctx ends first, as
// on a hung disk, the start goes on unseen and the server is shut down when it
// comes back.
func Open(ctx context.Context, opts Options) (*Server, error) {
	if err := CheckVersion(); err != nil {
		return nil, err
	}
	opts.Slots = cmp.Or(opts.Slots, DefaultSlots)
	opts.Cipher = cmp.Or(opts.Cipher, CipherNone)
	if err := opts.check(); err != nil {
		return nil, err
	}
	s := &Server{log: &logLines{}, opts: opts, closed: make(chan struct{})}
	if s.key = opts.Key; opts.Cipher.encrypts() && s.key.IsZero() {
		s.key = NewKey()
	}
	ns, err := server.NewServer(s.natsOptions())
	if err != nil {
		return nil, fmt.Errorf("make nats-server: %w", err)
	}
	ns.SetLoggerV2(s.log, false, false, false)
	s.ns = ns
	s.slots = &Slots{sem: serverSlots(ns)}
	if err := s.start(ctx); err != nil {
		return nil, err
	}
	if err := s.connect(); err != nil {
		return nil, errors.Join(err, s.Close(ctx))
	}
	return s, nil
}

func (o Options) check() error {
	if o.StoreDir == "" {
		// nats-server would silently take the temporary directory.
		return errors.New("open nats-server: no store directory given")
	}
	if err := checkSlots(o.Slots); err != nil {
		return fmt.Errorf("open nats-server: %w", err)
	}
	if err := checkCipher(o.Cipher); err != nil {
		return fmt.Errorf("open nats-server: %w", err)
	}
	return nil
}

func (s *Server) natsOptions() *server.Options {
	o := &server.Options{
		ServerName:             serverName,
		DontListen:             true,
		NoSigs:                 true, // its handler ends the process
		JetStream:              true,
		DisableJetStreamBanner: true,
		StoreDir:               s.opts.StoreDir,
		JetStreamMaxStore:      maxStore,
		JetStreamMaxMemory:     maxMemory,
		JetStreamConcurrentIOs: s.opts.Slots,
		SyncInterval:           noBackgroundSync,
		SyncAlways:             s.opts.SyncAlways,
	}
	if s.opts.Cipher.encrypts() {
		o.JetStreamKey = s.key.text()
		o.JetStreamCipher = storeCipher(s.opts.Cipher)
	}
	return o
}

// start runs the server's start, which reads and writes the store directory,
// until it is done or ctx ends.
func (s *Server) start(ctx context.Context) error {
	if ctx.Err() != nil {
		return fmt.Errorf("start nats-server in %s: %w", s.opts.StoreDir, context.Cause(ctx))
	}
	started := make(chan struct{})
	go func() {
		defer close(started)
		s.ns.Start()
	}()
	select {
	case <-started:
	case <-ctx.Done():
		go func() {
			<-started
			s.ns.Shutdown()
		}()
		return fmt.Errorf("start nats-server in %s (does the volume hang?): %w", s.opts.StoreDir, context.Cause(ctx))
	}
	if line := s.log.fatalLine(); line != "" {
		return errors.Join(fmt.Errorf("start nats-server in %s: %s", s.opts.StoreDir, line), s.Close(ctx))
	}
	return nil
}

func (s *Server) connect() error {
	nc, err := nats.Connect("", nats.InProcessServer(s.ns), nats.Name(serverName), nats.NoReconnect(), nats.Timeout(requestTimeout))
	if err != nil {
		return fmt.Errorf("connect to the embedded nats-server: %w", err)
	}
	s.nc = nc
	s.js, err = jetstream.New(nc, jetstream.WithDefaultTimeout(requestTimeout))
	if err != nil {
		return fmt.Errorf("use JetStream of the embedded nats-server: %w", err)
	}
	return nil
}

// Warnings returns the newest warnings and errors that the server logged, at
// most 200, oldest first, each with its level in front: "[WRN] …".
func (s *Server) Warnings() []string { return s.log.all() }

// SlotWaits returns how the server's operations waited for its I/O slots.
func (s *Server) SlotWaits() SlotWaits { return s.slots.Waits() }

// Close shuts the server down: its stores write their state and close. When ctx
// ends first the shutdown goes on unseen and Close returns an error; it may be
// called again to wait on.
func (s *Server) Close(ctx context.Context) error {
	s.closing.Do(func() {
		go func() {
			defer close(s.closed)
			if s.nc != nil {
				s.nc.Close()
			}
			s.ns.Shutdown()
			s.ns.WaitForShutdown()
		}()
	})
	select {
	case <-s.closed:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("close nats-server in %s (does the volume hang?): %w", s.opts.StoreDir, context.Cause(ctx))
	}
}

// StreamConfig says what stream to make: one replica, in files, old messages
// discarded when it is full.
type StreamConfig struct {
	Name     string
	Subjects []string
	// MaxBytes is the size that the stream holds, in bytes; 0 is without bound.
	MaxBytes    int64
	Compression Compression
	// Duplicates is the window in which a message's id is remembered, 100 ms at
	// least; 0 is nats-server's 2 minutes. A server that starts reads all messages
	// of that time again.
	Duplicates time.Duration
}

// CreateStream makes a stream through the normal client and returns its real
// file store. What is stored there goes past the server's own entrance, so
// nobody must publish to the stream's subjects meanwhile.
func (s *Server) CreateStream(ctx context.Context, cfg StreamConfig) (*Store, error) {
	if err := checkCompression(cfg.Compression); err != nil {
		return nil, fmt.Errorf("create stream %q: %w", cfg.Name, err)
	}
	if cfg.MaxBytes < 0 {
		return nil, fmt.Errorf("create stream %q: max bytes %d is below 0", cfg.Name, cfg.MaxBytes)
	}
	if _, err := s.js.CreateStream(ctx, cfg.client()); err != nil {
		return nil, fmt.Errorf("create stream %q: %w", cfg.Name, err)
	}
	return s.Stream(cfg)
}

// Stream returns the real file store of a stream that the server has: one that
// it made, or recovered at its start.
func (s *Server) Stream(cfg StreamConfig) (*Store, error) {
	stream, err := accountLookupStream(s.ns.GlobalAccount(), cfg.Name)
	if err != nil {
		return nil, fmt.Errorf("find stream %q: %w", cfg.Name, err)
	}
	return newStore(streamStore(stream), s.storeDir(cfg.Name), s.storeConfig(cfg))
}

// CreateConsumer makes a durable pull consumer, which has files of its own below
// its stream's, through the normal client.
func (s *Server) CreateConsumer(ctx context.Context, stream, name string) error {
	_, err := s.js.CreateConsumer(ctx, stream, jetstream.ConsumerConfig{Durable: name, AckPolicy: jetstream.AckExplicitPolicy})
	if err != nil {
		return fmt.Errorf("create consumer %q of stream %q: %w", name, stream, err)
	}
	return nil
}

// Consumers is how many consumers a stream of the server has.
func (s *Server) Consumers(ctx context.Context, stream string) (int, error) {
	found, err := s.js.Stream(ctx, stream)
	if err != nil {
		return 0, fmt.Errorf("find stream %q: %w", stream, err)
	}
	return found.CachedInfo().State.Consumers, nil
}

func (c StreamConfig) client() jetstream.StreamConfig {
	compression := jetstream.NoCompression
	if c.Compression == CompressionS2 {
		compression = jetstream.S2Compression
	}
	return jetstream.StreamConfig{
		Name:        c.Name,
		Subjects:    c.Subjects,
		MaxBytes:    cmp.Or(c.MaxBytes, -1),
		Discard:     jetstream.DiscardOld,
		Storage:     jetstream.FileStorage,
		Compression: compression,
		Duplicates:  c.Duplicates,
		Replicas:    1,
	}
}

func (s *Server) storeDir(stream string) string {
	return filepath.Join(s.opts.StoreDir, server.JetStreamStoreDir, globalAccount, "streams", stream)
}

func (s *Server) storeConfig(cfg StreamConfig) StoreConfig {
	return StoreConfig{
		Name:        cfg.Name,
		Subjects:    cfg.Subjects,
		MaxBytes:    cfg.MaxBytes,
		Compression: cfg.Compression,
		Cipher:      s.opts.Cipher,
		Key:         s.key,
		SyncAlways:  s.opts.SyncAlways,
	}
}

func storeCipher(c Cipher) server.StoreCipher {
	switch c {
	case CipherAES:
		return server.AES
	case CipherChaCha:
		return server.ChaCha
	}
	return server.NoCipher
}
