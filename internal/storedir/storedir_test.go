package storedir_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"storebench/internal/storedir"
)

// running is a real nats-server of this process on a store.
type running struct {
	*server.Server
	js jetstream.JetStream
}

func start(t *testing.T, opts server.Options) running {
	t.Helper()
	return connect(t, launch(t, opts))
}

func launch(t *testing.T, opts server.Options) *server.Server {
	t.Helper()
	opts.Host, opts.Port, opts.JetStream, opts.NoLog, opts.NoSigs = "127.0.0.1", -1, true, true, true
	s, err := server.NewServer(&opts)
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	return s
}

func connect(t *testing.T, s *server.Server) running {
	t.Helper()
	if !s.ReadyForConnections(10 * time.Second) {
		t.Fatal("the server does not start")
	}
	nc, err := nats.Connect(s.ClientURL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	return running{s, js}
}

func (r running) stop() {
	r.Shutdown()
	r.WaitForShutdown()
}

// fill makes streams with messages of several blocks, deletes in between, and consumers.
func (r running) fill(t *testing.T, compression jetstream.StoreCompression) map[string]*jetstream.StreamInfo {
	t.Helper()
	ctx := t.Context()
	infos := map[string]*jetstream.StreamInfo{}
	for i, retention := range []jetstream.RetentionPolicy{jetstream.LimitsPolicy, jetstream.InterestPolicy} {
		name := fmt.Sprintf("S%d", i)
		stream, err := r.js.CreateStream(ctx, jetstream.StreamConfig{
			Name: name, Subjects: []string{name + ".>"}, Compression: compression, Retention: retention, MaxBytes: 120_000, Discard: jetstream.DiscardNew, // blocks of 32,000 bytes
		})
		if err != nil {
			t.Fatal(err)
		}
		consumer, err := stream.CreateConsumer(ctx, jetstream.ConsumerConfig{Durable: "c", AckPolicy: jetstream.AckExplicitPolicy})
		if err != nil {
			t.Fatal(err)
		}
		for n := range 700 {
			if _, err := r.js.Publish(ctx, fmt.Sprintf("%s.%d", name, n%7), make([]byte, 100)); err != nil {
				t.Fatal(err)
			}
		}
		for _, seq := range []uint64{5, 6, 150} {
			if err := stream.DeleteMsg(ctx, seq); err != nil {
				t.Fatal(err)
			}
		}
		batch, err := consumer.Fetch(4, jetstream.FetchMaxWait(5*time.Second))
		if err != nil {
			t.Fatal(err)
		}
		for range batch.Messages() {
		}
		if infos[name], err = stream.Info(ctx, jetstream.WithSubjectFilter(">")); err != nil {
			t.Fatal(err)
		}
	}
	return infos
}

func read(t *testing.T, dir string, o storedir.Options) *storedir.Store {
	t.Helper()
	at, err := storedir.Find(dir)
	if err != nil {
		t.Fatal(err)
	}
	store, err := storedir.Read(t.Context(), at, o)
	if err != nil {
		t.Fatal(err)
	}
	return store
}

// TestReal: of stores that a real server wrote and closed, what is read is what the server
// itself said, and reading changes no byte and no time of them.
func TestReal(t *testing.T) {
	for _, tt := range []struct {
		name        string
		opts        server.Options
		compression jetstream.StoreCompression
		cipher      storedir.Cipher
	}{
		{"plain", server.Options{}, jetstream.NoCompression, ""},
		{"compressed", server.Options{}, jetstream.S2Compression, ""},
		{"chacha", server.Options{JetStreamKey: "k", JetStreamCipher: server.ChaCha}, jetstream.NoCompression, storedir.ChaCha},
		{"aes", server.Options{JetStreamKey: "k", JetStreamCipher: server.AES}, jetstream.NoCompression, storedir.AES},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			tt.opts.StoreDir = dir
			s := start(t, tt.opts)
			infos := s.fill(t, tt.compression)
			s.stop()
			before := digest(t, dir)
			store := read(t, dir, storedir.Options{Deep: true})
			if diff := cmp.Diff(before, digest(t, dir)); diff != "" {
				t.Errorf("reading changed the store:\n%s", diff)
			}
			if len(store.Streams) != 2 || len(store.Unread) != 0 || len(store.Leftovers) != 0 {
				t.Fatalf("%d streams, unread %v, leftovers %v", len(store.Streams), store.Unread, store.Leftovers)
			}
			for _, stream := range store.Streams {
				info := infos[stream.Name]
				if stream.Account != "$G" || stream.Cipher != tt.cipher || stream.StateFile.Trouble != "" || stream.StateFile.Outdated {
					t.Errorf("%s: account %s, cipher %q, state file %+v", stream.Name, stream.Account, stream.Cipher, stream.StateFile)
				}
				if len(stream.Consumers) != 1 || stream.Consumers[0].Name != "c" || stream.Consumers[0].Bytes == 0 {
					t.Errorf("%s: consumers %+v", stream.Name, stream.Consumers)
				}
				if tt.cipher != "" {
					if stream.State != nil || stream.Config != nil {
						t.Errorf("%s: it is encrypted, and read", stream.Name)
					}
					continue
				}
				if pending := stream.Consumers[0].Pending; pending == nil || *pending != 4 {
					t.Errorf("%s: %v messages are pending, want 4", stream.Name, pending)
				}
				got := []uint64{stream.State.Messages, stream.State.Bytes, stream.State.First, stream.State.Last, stream.State.Subjects, stream.State.Deletes}
				want := []uint64{info.State.Msgs, info.State.Bytes, info.State.FirstSeq, info.State.LastSeq, info.State.NumSubjects, uint64(info.State.NumDeleted)}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("%s: messages, bytes, first, last, subjects, deletes (-server +read):\n%s", stream.Name, diff)
				}
				if stream.Config.Replicas != 1 || stream.Config.Retention != info.Config.Retention.String() && !strings.EqualFold(stream.Config.Retention, info.Config.Retention.String()) {
					t.Errorf("%s: configuration %+v", stream.Name, stream.Config)
				}
				if compressed := stream.Blocks.Compressed > 0; compressed != (tt.compression == jetstream.S2Compression) {
					t.Errorf("%s: %d of %d blocks are compressed", stream.Name, stream.Blocks.Compressed, stream.Blocks.Count)
				}
			}
			if tt.cipher == "" && (store.Deep.Records < 1400 || len(store.Deep.Damage) != 0) {
				t.Errorf("%d records, damage %v", store.Deep.Records, store.Deep.Damage)
			}
			if tt.cipher != "" && store.Deep.Encrypted == 0 {
				t.Error("no block counts as encrypted")
			}
		})
	}
}

// digest is what a store's files hold, and when they were written.
func digest(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		data, err := os.ReadFile(path)
		all[path] = fmt.Sprintf("%x %s", sha256.Sum256(data), info.ModTime())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// plainStore is a closed store of two streams.
func plainStore(t *testing.T) (dir, stream string) {
	t.Helper()
	dir = t.TempDir()
	s := start(t, server.Options{StoreDir: dir})
	s.fill(t, jetstream.NoCompression)
	s.stop()
	return dir, filepath.Join(dir, "jetstream", "$G", "streams", "S0")
}

// TestLive: a store that is written to is read, and its state is told as outdated.
func TestLive(t *testing.T) {
	dir := t.TempDir()
	s := start(t, server.Options{StoreDir: dir})
	s.fill(t, jetstream.NoCompression)
	time.Sleep(50 * time.Millisecond) // blocks are written up to 8 ms late
	store := read(t, dir, storedir.Options{Deep: true})
	if len(store.Streams) != 2 || len(store.Deep.Damage) != 0 || store.Deep.Records < 1400 {
		t.Errorf("%d streams, %+v", len(store.Streams), store.Deep)
	}
	for _, stream := range store.Streams {
		if stream.StateFile.Trouble == "" && !stream.StateFile.Outdated {
			t.Errorf("%s: a state that a start could use: %+v", stream.Name, stream.StateFile)
		}
	}
}

// TestDamage: what happened to a store's files is found and named.
func TestDamage(t *testing.T) {
	for _, tt := range []struct {
		name   string
		damage func(t *testing.T, stream string)
		found  func(s *storedir.Store) string
		want   string
	}{
		{"a byte of a message", func(t *testing.T, stream string) { flip(t, filepath.Join(stream, "msgs", "2.blk"), 5000) }, func(s *storedir.Store) string {
			if len(s.Deep.Damage) == 0 {
				return "none"
			}
			d := s.Deep.Damage[0]
			return fmt.Sprintf("%s %v: %s", filepath.Base(d.Path), d.Sequence > 0, d.Reason)
		}, "2.blk true: its checksum does not fit"},
		{"a block cut short", func(t *testing.T, stream string) { truncate(t, filepath.Join(stream, "msgs", "1.blk"), 4000) }, func(s *storedir.Store) string {
			if len(s.Deep.Damage) == 0 {
				return "none"
			}
			return s.Deep.Damage[0].Reason
		}, "it ends within a record"},
		{"a byte of the state", func(t *testing.T, stream string) { flip(t, filepath.Join(stream, "msgs", "index.db"), 20) },
			func(s *storedir.Store) string { return s.Streams[0].StateFile.Trouble }, "checksum"},
		{"a state cut short", func(t *testing.T, stream string) { truncate(t, filepath.Join(stream, "msgs", "index.db"), 10) },
			func(s *storedir.Store) string { return s.Streams[0].StateFile.Trouble }, "cut short"},
		{"no state", func(t *testing.T, stream string) { remove(t, filepath.Join(stream, "msgs", "index.db")) },
			func(s *storedir.Store) string { return s.Streams[0].StateFile.Trouble }, "missing"},
		{"no configuration", func(t *testing.T, stream string) { remove(t, filepath.Join(stream, "meta.inf")) },
			func(s *storedir.Store) string { return fmt.Sprint(s.Unread) }, "a stream without meta.inf"},
		{"the last block is gone", func(t *testing.T, stream string) {
			blocks, err := filepath.Glob(filepath.Join(stream, "msgs", "*.blk"))
			if err != nil {
				t.Fatal(err)
			}
			remove(t, slices.MaxFunc(blocks, func(a, b string) int { return len(a)*1000 - len(b)*1000 + strings.Compare(a, b) }))
		}, func(s *storedir.Store) string { return fmt.Sprint(s.Streams[0].StateFile.Outdated) }, "true"},
		{"a leftover", func(t *testing.T, stream string) {
			if err := os.WriteFile(filepath.Join(stream, "msgs", "1.blk.tmp"), []byte("x"), 0o600); err != nil {
				t.Fatal(err)
			}
		}, func(s *storedir.Store) string { return fmt.Sprint(s.Leftovers) }, "1.blk.tmp a block or state that was being replaced"},
		{"a link out", func(t *testing.T, stream string) {
			if err := os.Symlink("/etc", filepath.Join(stream, "msgs", "out")); err != nil {
				t.Skip(err)
			}
		}, func(s *storedir.Store) string { return fmt.Sprint(s.Unread) }, "a link; it is not followed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir, stream := plainStore(t)
			tt.damage(t, stream)
			store := read(t, dir, storedir.Options{Deep: true})
			if got := tt.found(store); !strings.Contains(got, tt.want) {
				t.Errorf("%q, want %q in it", got, tt.want)
			}
			if healthy := store.Streams[1]; healthy.StateFile.Trouble != "" || healthy.StateFile.Outdated {
				t.Errorf("the other stream: %+v", healthy.StateFile)
			}
		})
	}
}

func flip(t *testing.T, path string, at int) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	data[at] ^= 0xff
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func truncate(t *testing.T, path string, size int64) {
	t.Helper()
	if err := os.Truncate(path, size); err != nil {
		t.Fatal(err)
	}
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}

// TestFind: a store is found from its store_dir, and what is near to one is told.
func TestFind(t *testing.T) {
	dir, stream := plainStore(t)
	want := filepath.Join(dir, "jetstream")
	for _, given := range []string{dir, want} {
		if got, err := storedir.Find(given); err != nil || got != want {
			t.Errorf("%s: %s, %v", given, got, err)
		}
	}
	above := filepath.Join(t.TempDir(), "up")
	if err := os.MkdirAll(above, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(dir, filepath.Join(above, "nats")); err != nil {
		t.Fatal(err)
	}
	moved := filepath.Join(above, "nats")
	for given, hint := range map[string]string{
		above: "there is one in " + filepath.Join(moved, "jetstream"),
		filepath.Join(moved, strings.TrimPrefix(stream, dir)):             "it is a part of the store " + filepath.Join(moved, "jetstream"),
		filepath.Join(moved, "jetstream", "$G"):                           "it is a part of the store",
		t.TempDir():                                                       "neither it nor the directory jetstream in it",
		filepath.Join(moved, strings.TrimPrefix(stream, dir), "meta.inf"): "is a file",
		filepath.Join(above, "nothing"):                                   "no such file",
	} {
		if _, err := storedir.Find(given); err == nil || !strings.Contains(err.Error(), hint) {
			t.Errorf("%s: %v, want %q in it", given, err, hint)
		}
	}
}

// TestOptions: accounts and streams can be chosen, and a read ends with its context.
func TestOptions(t *testing.T) {
	dir, _ := plainStore(t)
	if store := read(t, dir, storedir.Options{Stream: func(name string) bool { return name == "S1" }}); len(store.Streams) != 1 || store.LeftOut != 1 {
		t.Errorf("%d streams, %d left out", len(store.Streams), store.LeftOut)
	}
	if store := read(t, dir, storedir.Options{Account: func(string) bool { return false }}); len(store.Streams) != 0 {
		t.Errorf("%d streams of no account", len(store.Streams))
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := storedir.Read(ctx, filepath.Join(dir, "jetstream"), storedir.Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("ended: %v", err)
	}
	began := time.Now()
	store := read(t, dir, storedir.Options{Deep: true, MaxRead: 4 << 20})
	if least := time.Duration(store.Deep.Bytes) * time.Second / (8 << 20); time.Since(began) < least {
		t.Errorf("%d bytes were read in %v", store.Deep.Bytes, time.Since(began))
	}
}

// TestCluster: of a real cluster of three servers each store tells its Raft groups, what they
// are of, and where their logs end.
func TestCluster(t *testing.T) {
	ctx, dirs := t.Context(), []string{t.TempDir(), t.TempDir(), t.TempDir()}
	var ports []int
	var routes []*url.URL
	for range dirs {
		free, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		ports = append(ports, free.Addr().(*net.TCPAddr).Port)
		routes = append(routes, &url.URL{Scheme: "nats", Host: free.Addr().String()})
		free.Close()
	}
	var launched []*server.Server
	for i, dir := range dirs {
		opts := server.Options{ServerName: fmt.Sprintf("n%d", i), StoreDir: dir, Routes: routes}
		opts.Cluster.Name, opts.Cluster.Host, opts.Cluster.Port = "c", "127.0.0.1", ports[i]
		launched = append(launched, launch(t, opts))
	}
	var servers []running
	for _, s := range launched {
		servers = append(servers, connect(t, s))
	}
	js := servers[0].js
	deadline := time.Now().Add(30 * time.Second)
	config := jetstream.StreamConfig{Name: "R3", Subjects: []string{"r.>"}, Replicas: 3}
	for {
		_, err := js.CreateStream(ctx, config)
		if err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
		time.Sleep(200 * time.Millisecond) // the cluster is forming
	}
	if _, err := js.CreateConsumer(ctx, "R3", jetstream.ConsumerConfig{Durable: "c", AckPolicy: jetstream.AckExplicitPolicy}); err != nil {
		t.Fatal(err)
	}
	for n := range 200 {
		if _, err := js.Publish(ctx, fmt.Sprintf("r.%d", n%5), make([]byte, 200)); err != nil {
			t.Fatal(err)
		}
	}
	for _, s := range servers {
		s.stop()
	}
	for i, dir := range dirs {
		store := read(t, dir, storedir.Options{Deep: true})
		kinds := map[string]int{}
		for _, g := range store.Groups {
			kinds[g.Kind]++
			if g.Term == 0 || g.Memory || g.Log.Count == 0 && g.Snapshot == 0 {
				t.Errorf("server %d: group %+v", i, g)
			}
			if g.Kind == "stream" && g.Of != "$G > R3" || g.Kind == "consumer" && g.Of != "$G > R3 > c" {
				t.Errorf("server %d: group %s is of %q", i, g.Name, g.Of)
			}
		}
		if diff := cmp.Diff(map[string]int{"meta": 1, "stream": 1, "consumer": 1}, kinds); diff != "" {
			t.Errorf("server %d: groups (-want +read):\n%s", i, diff)
		}
		if len(store.Streams) != 1 || store.Streams[0].State == nil || store.Streams[0].State.Messages != 200 || len(store.Deep.Damage) != 0 {
			t.Errorf("server %d: %+v", i, store.Streams)
		}
	}
}

// BenchmarkRead reads a store of 20,000 blocks in 20 streams.
func BenchmarkRead(b *testing.B) {
	dir := filepath.Join(b.TempDir(), "jetstream")
	for s := range 20 {
		msgs := filepath.Join(dir, "$G", "streams", fmt.Sprintf("S%d", s), "msgs")
		if err := os.MkdirAll(msgs, 0o700); err != nil {
			b.Fatal(err)
		}
		for n := range 1000 {
			if err := os.WriteFile(filepath.Join(msgs, fmt.Sprintf("%d.blk", n+1)), make([]byte, 100), 0o600); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		store, err := storedir.Read(b.Context(), dir, storedir.Options{})
		if err != nil || store.Files != 20_000 {
			b.Fatal(store.Files, err)
		}
	}
}
