package storedir

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io/fs"
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
)

// serverKey is of the servers of the tests; the reader never gets it.
const serverKey = "the key of a test, and of nothing else"

// run starts a server on dir without any port.
func run(t *testing.T, dir string, cipher server.StoreCipher) (*server.Server, jetstream.JetStream) {
	t.Helper()
	opts := &server.Options{ServerName: "n0", DontListen: true, JetStream: true, StoreDir: dir, NoSigs: true, NoLog: true}
	if cipher != server.NoCipher {
		opts.JetStreamKey, opts.JetStreamCipher = serverKey, cipher
	}
	s, err := server.NewServer(opts)
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(20 * time.Second) {
		t.Fatal("the server does not start")
	}
	nc, err := nats.Connect("", nats.InProcessServer(s))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	return s, js
}

// want is what the server itself says of a stream.
type want struct {
	Name                         string
	Msgs, Bytes, First, Last     uint64
	Subjects, Deleted            uint64
	Replicas, Consumers          int
	Pending, Delivered, AckFloor uint64
}

// fill makes streams of several kinds and returns what the server says of them.
func fill(t *testing.T, js jetstream.JetStream) (all []want) {
	t.Helper()
	ctx := t.Context()
	for i, cfg := range []jetstream.StreamConfig{
		{Name: "PLAIN"}, {Name: "SMALL", MaxBytes: 100_000}, {Name: "PACKED", Compression: jetstream.S2Compression},
		{Name: "KV", MaxMsgsPerSubject: 1, Retention: jetstream.LimitsPolicy}, {Name: "WORK", Retention: jetstream.WorkQueuePolicy},
		{Name: "TIGHT", Compression: jetstream.S2Compression, MaxBytes: 100_000}, {Name: "EMPTY"},
	} {
		cfg.Subjects = []string{strings.ToLower(cfg.Name) + ".>"}
		stream, err := js.CreateStream(ctx, cfg)
		if err != nil {
			t.Fatal(err)
		}
		for n := range 300 * min(1, 6-i) {
			msg := nats.NewMsg(fmt.Sprintf("%s.%d", strings.ToLower(cfg.Name), n%(7+i)))
			msg.Data = []byte(strings.Repeat("x", 1+n*7))
			if n%3 == 0 {
				msg.Header.Set("K", "v")
			}
			if _, err := js.PublishMsg(ctx, msg); err != nil {
				t.Fatal(err)
			}
		}
		for _, seq := range []uint64{250, 251, 280} {
			if cfg.Name != "EMPTY" {
				_ = stream.DeleteMsg(ctx, seq) // gone already in some streams
			}
		}
		all = append(all, ask(t, stream))
	}
	return all
}

// ask makes a consumer that acknowledges some and asks the server about the stream.
func ask(t *testing.T, stream jetstream.Stream) want {
	t.Helper()
	ctx := t.Context()
	consumer, err := stream.CreateConsumer(ctx, jetstream.ConsumerConfig{Durable: "C", AckPolicy: jetstream.AckExplicitPolicy})
	if err != nil {
		t.Fatal(err)
	}
	msgs, err := consumer.FetchNoWait(6)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for msg := range msgs.Messages() {
		if n++; n <= 4 && n != 2 {
			if err := msg.DoubleAck(ctx); err != nil {
				t.Fatal(err)
			}
		}
	}
	c, err := consumer.Info(ctx)
	if err != nil {
		t.Fatal(err)
	}
	info, err := stream.Info(ctx, jetstream.WithSubjectFilter(">"))
	if err != nil {
		t.Fatal(err)
	}
	s := info.State
	return want{
		info.Config.Name, s.Msgs, s.Bytes, s.FirstSeq, s.LastSeq, s.NumSubjects, uint64(s.NumDeleted), info.Config.Replicas, s.Consumers,
		uint64(c.NumAckPending), c.Delivered.Stream, c.AckFloor.Stream,
	}
}

// told is the same as the reader has it.
func told(s Stream) want {
	got := want{Name: s.Name, Consumers: len(s.Consumers)}
	if s.Config != nil {
		got.Replicas = s.Config.Replicas
	}
	if st := s.Log.State; st != nil {
		got.Msgs, got.Bytes, got.First, got.Last, got.Subjects, got.Deleted = st.Msgs, st.MsgBytes, st.First, st.Last, st.Subjects, st.Deleted
	}
	for _, c := range s.Consumers {
		if c.State != nil {
			got.Pending, got.Delivered, got.AckFloor = c.State.Pending, c.State.DeliveredStream, c.State.AckedStream
		}
	}
	return got
}

// fingerprint is a hash of every file's name, mode, time and bytes.
func fingerprint(t *testing.T, dir string) string {
	t.Helper()
	hash := sha256.New()
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		fmt.Fprintln(hash, path, info.Mode(), info.ModTime(), info.Size())
		if !info.Mode().IsRegular() {
			return nil
		}
		data, err := os.ReadFile(path)
		hash.Write(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%x", hash.Sum(nil))
}

func read(t *testing.T, dir string, opts Options) *Store {
	t.Helper()
	found, err := Find(dir)
	if err != nil {
		t.Fatal(err)
	}
	store, err := Read(t.Context(), found, opts)
	if err != nil {
		t.Fatal(err)
	}
	return store
}

// TestReal holds what is read of real stores against what their server said.
func TestReal(t *testing.T) {
	for _, test := range []struct {
		name   string
		cipher server.StoreCipher
		want   Cipher
	}{{"plain", server.NoCipher, Plain}, {"chacha", server.ChaCha, ChaCha}, {"aes", server.AES, AES}} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			s, js := run(t, dir, test.cipher)
			wanted := fill(t, js)
			live := read(t, dir, Options{})
			if live.Unread.Count != 0 {
				t.Errorf("beside the live server not read: %+v", live.Unread)
			}
			s.Shutdown()
			s.WaitForShutdown()
			before := fingerprint(t, dir)
			store := read(t, dir, Options{Deep: true})
			if after := fingerprint(t, dir); after != before {
				t.Error("the store is not as it was")
			}
			requireDeep(t, store, wanted)
			requireStore(t, store, wanted, test.want)
		})
	}
}

func requireStore(t *testing.T, store *Store, wanted []want, cipher Cipher) {
	t.Helper()
	if store.Unread.Count != 0 || store.Leftovers.Count != 0 {
		t.Errorf("not read: %+v; leftovers: %+v", store.Unread, store.Leftovers)
	}
	var got []want
	for _, s := range store.Streams {
		got = append(got, told(s))
		if s.Cipher != cipher || s.Account != "$G" {
			t.Errorf("%s > %s: cipher %q, want %q", s.Account, s.Name, s.Cipher, cipher)
		}
		if st := s.Log.State; st == nil || !st.Intact || st.Outdated != "" {
			t.Errorf("%s: state %+v of a server that was stopped", s.Name, st)
		}
		if encrypted := cipher != Plain; encrypted && s.Log.EncryptedBlocks != s.Log.Blocks {
			t.Errorf("%s: %d of %d blocks encrypted", s.Name, s.Log.EncryptedBlocks, s.Log.Blocks)
		}
	}
	if cipher != Plain { // without the key, names and counts are all that can be told
		for i, w := range wanted {
			wanted[i] = want{Name: w.Name, Consumers: w.Consumers}
		}
	}
	byName := func(a, b want) int { return strings.Compare(a.Name, b.Name) }
	slices.SortFunc(got, byName)
	slices.SortFunc(wanted, byName)
	if diff := cmp.Diff(wanted, got); diff != "" {
		t.Errorf("(-server +read):\n%s", diff)
	}
}

// requireDeep wants every block of a plain store right, with a record for every message.
func requireDeep(t *testing.T, store *Store, wanted []want) {
	t.Helper()
	var blocks, bytes, msgs int64
	for _, s := range store.Streams {
		blocks, bytes = blocks+s.Log.Blocks, bytes+s.Log.BlockBytes
	}
	for _, w := range wanted {
		msgs += int64(w.Msgs)
	}
	d := store.Deep
	switch {
	case d.Damaged != 0:
		t.Errorf("damaged: %+v", d.Damages)
	case store.Streams[0].Cipher != Plain && (d.Encrypted != blocks || d.Records != 0):
		t.Errorf("encrypted blocks: %+v", d)
	case store.Streams[0].Cipher == Plain && (d.Blocks != blocks || d.Bytes != bytes || d.Records < msgs):
		t.Errorf("%+v of %d blocks, %d bytes, %d messages", d, blocks, bytes, msgs)
	}
}

// TestDamaged: one bit that turned is found with its file and the sequence before it,
// in plain and in compressed blocks.
func TestDamaged(t *testing.T) {
	dir := t.TempDir()
	s, js := run(t, dir, server.NoCipher)
	fill(t, js)
	s.Shutdown()
	s.WaitForShutdown()
	for _, name := range []string{"SMALL", "TIGHT"} {
		first := read(t, dir, Options{Stream: name}).Streams[0].Log
		index := first.LastBlock - 1
		file := filepath.Join("$G", "streams", name, "msgs", fmt.Sprintf("%d.blk", index))
		data, err := os.ReadFile(filepath.Join(dir, "jetstream", file))
		if err != nil {
			t.Fatal(err)
		}
		if packed := strings.HasPrefix(string(data), "cmp"); packed != (name == "TIGHT") {
			t.Fatalf("%s: compressed %v", file, packed)
		}
		at := len(data) / 2
		if name == "TIGHT" {
			at = len(data) - 1 // a bit within the compression may turn without a change of what it stands for
		}
		data[at] ^= 4
		if err := os.WriteFile(filepath.Join(dir, "jetstream", file), data, 0o600); err != nil {
			t.Fatal(err)
		}
		d := read(t, dir, Options{Stream: name, Deep: true}).Deep
		if d.Damaged != 1 || d.Damages[0].Path != filepath.ToSlash(file) || d.Damages[0].Last || name == "SMALL" && d.Damages[0].After == 0 {
			t.Errorf("%s: %+v", name, d)
		}
	}
}

// TestPace: blocks are read no faster than asked.
func TestPace(t *testing.T) {
	dir := many(t, 50) // of 10 bytes each
	began := time.Now()
	if store := read(t, dir, Options{Deep: true, MaxRead: 1000}); store.Deep.Blocks != 50 || store.Deep.Damaged != 50 {
		t.Errorf("%+v", store.Deep)
	}
	if took := time.Since(began); took < 400*time.Millisecond {
		t.Errorf("500 bytes at 1,000 bytes/s took %v", took)
	}
}

// TestKilled: a state file that was not written at the end is seen to be outdated, and so
// does the server itself.
func TestKilled(t *testing.T) {
	dir := t.TempDir()
	s, js := run(t, dir, server.NoCipher)
	fill(t, js)
	killed := filepath.Join(t.TempDir(), "copy") // what a kill leaves: no state file was written for these
	if err := os.CopyFS(killed, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	s.Shutdown()
	s.WaitForShutdown()
	for _, stream := range read(t, killed, Options{}).Streams {
		if st := stream.Log.State; stream.Log.BlockBytes > 0 && st != nil && st.Outdated == "" {
			t.Errorf("%s: a state file from before the messages is taken: %+v", stream.Name, st)
		}
	}
	// The state files of the clean stop beside a block that has grown since.
	block := filepath.Join(dir, "jetstream", "$G", "streams", "PLAIN", "msgs", "1.blk")
	data, err := os.ReadFile(block)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(block, append(data, data[:40]...), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, stream := range read(t, dir, Options{Stream: "PLAIN"}).Streams {
		if st := stream.Log.State; st == nil || st.Outdated == "" {
			t.Errorf("a block that grew is not seen: %+v", st)
		}
	}
}

// TestEnded: a reading that is cut short says so.
func TestEnded(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "A", "streams", "S"), 0o700); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Read(ctx, dir, Options{}); err != context.Canceled {
		t.Errorf("got %v", err)
	}
}
