package natsfs

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// open starts a server in a directory of the test and closes it at its end.
func open(tb testing.TB, opts Options) *Server {
	tb.Helper()
	if opts.StoreDir == "" {
		opts.StoreDir = tb.TempDir()
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	s, err := Open(ctx, opts)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { closeServer(tb, s) })
	return s
}

func closeServer(tb testing.TB, s *Server) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := s.Close(ctx); err != nil {
		tb.Error(err)
	}
}

func createStream(tb testing.TB, s *Server, cfg StreamConfig) *Store {
	tb.Helper()
	if cfg.Name == "" {
		cfg.Name, cfg.Subjects = "ORDERS", []string{"orders.>"}
	}
	st, err := s.CreateStream(context.Background(), cfg)
	if err != nil {
		tb.Fatal(err)
	}
	return st
}

func fill(tb testing.TB, st *Store, n int) {
	tb.Helper()
	msg := make([]byte, 1<<10)
	for i := range n {
		if err := st.StoreMsg(fmt.Sprintf("orders.%d", i%10), nil, msg); err != nil {
			tb.Fatal(err)
		}
	}
}

// modes are the ways of writing that the tests range over.
var modes = []struct {
	name   string
	opts   Options
	stream StreamConfig
}{
	{name: "plain"},
	{name: "sync always", opts: Options{SyncAlways: true}},
	{name: "aes", opts: Options{Cipher: CipherAES}},
	{name: "chacha", opts: Options{Cipher: CipherChaCha}},
	{name: "s2", stream: StreamConfig{Name: "S", Subjects: []string{"s"}, Compression: CompressionS2}},
	{name: "aes and s2", opts: Options{Cipher: CipherAES}, stream: StreamConfig{Name: "S", Subjects: []string{"s"}, Compression: CompressionS2}},
}

func TestStore(t *testing.T) {
	const messages = 200
	for _, m := range modes {
		t.Run(m.name, func(t *testing.T) {
			s := open(t, m.opts)
			st := createStream(t, s, m.stream)
			fill(t, st, messages)
			checkWritten(t, st, messages)
			state := st.State()
			closeServer(t, s)
			if err := st.SyncBlocks(); !errors.Is(err, ErrClosed) {
				t.Errorf("sync of a closed store: %v", err)
			}
			if err := st.StoreMsg("orders.1", nil, nil); err == nil {
				t.Error("a closed store took a message")
			}
			if w := s.Warnings(); len(w) > 0 {
				t.Errorf("the server warned: %q", w)
			}
			checkReopened(t, st, state)
		})
	}
}

func checkWritten(t *testing.T, st *Store, messages uint64) {
	t.Helper()
	index := filepath.Join(st.Dir(), "msgs", "index.db")
	if _, err := os.Stat(index); err == nil {
		t.Error("index.db is there before the state was written")
	}
	for name, do := range map[string]func() error{"sync": st.SyncBlocks, "state": st.WriteFullState, "forced state": st.ForceWriteFullState} {
		if err := do(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := os.Stat(index); err != nil {
		t.Errorf("after the state was written: %v", err)
	}
	got := st.State()
	want := StoreState{Msgs: messages, Bytes: got.Bytes, FirstSeq: 1, LastSeq: messages, Blocks: 1}
	if diff := cmp.Diff(want, got); diff != "" || got.Bytes < messages<<10 {
		t.Errorf("state (- want, + got), %d bytes:\n%s", got.Bytes, diff)
	}
	if _, err := st.LastChecksum(); err == nil {
		t.Error("the checksum of a server's store was read")
	}
	if err := st.Close(); err == nil {
		t.Error("a server's store was closed by itself")
	}
}

// checkReopened opens the store without its server, as it is on the disk, and
// again after its state file is gone.
func checkReopened(t *testing.T, st *Store, want StoreState) {
	t.Helper()
	for _, how := range []string{"from its state", "from its blocks"} {
		if how == "from its blocks" {
			if err := os.Remove(filepath.Join(st.Dir(), "msgs", "index.db")); err != nil {
				t.Fatal(err)
			}
		}
		again, err := OpenStore(st.Dir(), st.Config())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, again.State()); diff != "" {
			t.Errorf("recovered %s (- want, + got):\n%s", how, diff)
		}
		checkChecksum(t, again)
		if err := again.Close(); err != nil {
			t.Error(err)
		}
		if err := again.Close(); !errors.Is(err, ErrClosed) {
			t.Errorf("second close: %v", err)
		}
		if _, err := again.LastChecksum(); !errors.Is(err, ErrClosed) {
			t.Errorf("checksum of a closed store: %v", err)
		}
	}
}

// checkChecksum holds LastChecksum against the end of a plain block's file. An
// encrypted one cannot be looked at from here: it must be read alike twice,
// differ from the bytes on the disk, and agree with index.db, from which
// nats-server recovered the store only if they were the same.
func checkChecksum(t *testing.T, st *Store) {
	t.Helper()
	first, err := st.LastChecksum()
	if err != nil {
		t.Fatal(err)
	}
	second, err := st.LastChecksum()
	if err != nil {
		t.Fatal(err)
	}
	if first != second || first == ([8]byte{}) {
		t.Errorf("read %x, then %x", first, second)
	}
	raw, err := os.ReadFile(filepath.Join(st.Dir(), "msgs", "1.blk"))
	if err != nil {
		t.Fatal(err)
	}
	end := [8]byte(raw[len(raw)-8:])
	if encrypted := st.Config().Cipher.encrypts(); (end == first) == encrypted {
		t.Errorf("checksum %x, the file ends with %x, encrypted: %v", first, end, encrypted)
	}
}

// An aes store and a plain one of the same name with the same messages and
// times cannot be made, so the encrypted checksum is shown by what follows from
// it: messages stored after it was read are recovered.
func TestLastChecksumThenStore(t *testing.T) {
	for _, cipher := range []Cipher{CipherNone, CipherAES, CipherChaCha} {
		t.Run(string(cipher), func(t *testing.T) {
			dir, cfg := t.TempDir(), StoreConfig{Name: "S", Cipher: cipher, Key: NewKey()}
			for round := range uint64(3) {
				st, err := OpenStore(dir, cfg)
				if err != nil {
					t.Fatal(err)
				}
				if got := st.State().Msgs; got != 10*round {
					t.Fatalf("round %d: recovered %d messages", round, got)
				}
				// An empty store has an empty block, its checksum is zeros.
				if sum, err := st.LastChecksum(); err != nil || (sum == [8]byte{}) != (round == 0) {
					t.Errorf("round %d: %x, %v", round, sum, err)
				}
				fill(t, st, 10)
				if _, err := st.LastChecksum(); err == nil {
					t.Error("the checksum was read of a store with pending writes")
				}
				if err := st.Close(); err != nil {
					t.Fatal(err)
				}
				if round == 1 {
					// Recover the blocks, not the state.
					if err := os.Remove(filepath.Join(dir, "msgs", "index.db")); err != nil {
						t.Fatal(err)
					}
				}
			}
		})
	}
}

func TestLastChecksumUnreadable(t *testing.T) {
	dir, cfg := t.TempDir(), StoreConfig{Name: "S"}
	st, err := OpenStore(dir, cfg)
	if err != nil {
		t.Fatal(err)
	}
	fill(t, st, 1)
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	if st, err = OpenStore(dir, cfg); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = st.Close() }()
	if err := os.Remove(filepath.Join(dir, "msgs", "1.blk")); err != nil {
		t.Skipf("an open file cannot be removed here: %v", err)
	}
	if _, err := st.LastChecksum(); err == nil || !strings.Contains(err.Error(), "1.blk") {
		t.Errorf("checksum of a block that is gone: %v", err)
	}
}

// TestSyncBlocksError puts something that cannot be opened for writing where
// index.db belongs: nats-server's sync returns nothing and keeps the error.
func TestSyncBlocksError(t *testing.T) {
	s := open(t, Options{})
	st := createStream(t, s, StreamConfig{})
	fill(t, st, 5)
	if err := os.Mkdir(filepath.Join(st.Dir(), "msgs", "index.db"), 0o700); err != nil {
		t.Fatal(err)
	}
	first := st.SyncBlocks()
	if first == nil {
		t.Fatal("the failed sync was swallowed")
	}
	if err := st.SyncBlocks(); err == nil {
		t.Error("a store that failed to sync synced again")
	}
	if err := st.StoreMsg("orders.1", nil, nil); err == nil {
		t.Error("a store that failed to sync took a message")
	}
	if w := strings.Join(s.Warnings(), "\n"); !strings.Contains(w, "[ERR]") || !strings.Contains(w, "Critical write error") {
		t.Errorf("the server's error is not in its lines: %q", w)
	}
}

func TestMaxBytesDiscardsOld(t *testing.T) {
	st := createStream(t, open(t, Options{}), StreamConfig{Name: "S", Subjects: []string{"s"}, MaxBytes: 256 << 10})
	fill(t, st, 1000)
	if got := st.State(); got.LastSeq != 1000 || got.FirstSeq == 1 || got.Bytes > 256<<10 {
		t.Errorf("state is %+v", got)
	}
}

func TestWrongKey(t *testing.T) {
	dir, cfg := t.TempDir(), StoreConfig{Name: "S", Cipher: CipherAES, Key: NewKey()}
	st, err := OpenStore(dir, cfg)
	if err != nil {
		t.Fatal(err)
	}
	fill(t, st, 1)
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	cfg.Key = NewKey()
	if _, err := OpenStore(dir, cfg); err == nil {
		t.Error("a store was opened with another key")
	}
}

func TestSlotsOfServer(t *testing.T) {
	s := open(t, Options{Slots: 4, SyncAlways: true})
	if got := s.SlotWaits(); got != (SlotWaits{Slots: 4}) {
		t.Fatalf("before any write: %+v", got)
	}
	sem := s.slots
	contend(t, sem)
	if got := s.SlotWaits(); got.Waits == 0 || got.Wait <= 0 || got.MaxWait <= 0 || got.MaxWait > got.Wait || got.Waiters != 0 {
		t.Errorf("after contended writes: %+v", got)
	}
	if got := open(t, Options{}).SlotWaits().Slots; got != DefaultSlots {
		t.Errorf("%d slots by default", got)
	}
}

// contend writes with many more writers than slots until one had to wait.
func contend(t *testing.T, s *Slots) {
	t.Helper()
	dir := t.TempDir()
	deadline := time.Now().Add(time.Minute)
	for round := uint64(1); s.Waits().Waits == 0; round++ {
		if time.Now().After(deadline) {
			t.Fatal("64 writers never waited for 4 slots")
		}
		var all sync.WaitGroup
		for i := range 64 {
			all.Go(func() {
				group := filepath.Join(dir, fmt.Sprint(i))
				if err := errors.Join(os.MkdirAll(group, 0o700), s.WriteTermVote(group, TermVote(round, ""))); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
	}
}

func TestOpenRefuses(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		opts Options
		want string
	}{
		{"no directory", Options{}, "store directory"},
		{"3 slots", Options{StoreDir: "x", Slots: 3}, "4 to 8192"},
		{"9000 slots", Options{StoreDir: "x", Slots: 9000}, "4 to 8192"},
		{"cipher", Options{StoreDir: "x", Cipher: "rot13"}, "rot13"},
		{"a file", Options{StoreDir: file}, "start nats-server"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := Open(context.Background(), tt.opts); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// A context that ended stands for one that ends on a hung disk: nothing waits.
func TestEndedContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	s := open(t, Options{})
	cancel()
	// Shutting down takes longer than looking at an ended context, but either
	// may come first.
	if err := s.Close(ctx); err != nil && !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	closeServer(t, s)
}

func TestCreateStreamRefuses(t *testing.T) {
	s := open(t, Options{})
	tests := []struct {
		name string
		cfg  StreamConfig
	}{
		{"no name", StreamConfig{}},
		{"bad name", StreamConfig{Name: "a.b"}},
		{"compression", StreamConfig{Name: "A", Compression: "zip"}},
		{"negative size", StreamConfig{Name: "A", MaxBytes: -5}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := s.CreateStream(context.Background(), tt.cfg); err == nil {
				t.Error("it was made")
			}
		})
	}
}

func TestOpenStoreRefuses(t *testing.T) {
	tests := map[string]StoreConfig{
		"no name":     {},
		"no key":      {Name: "S", Cipher: CipherAES},
		"cipher":      {Name: "S", Cipher: "rot13", Key: NewKey()},
		"compression": {Name: "S", Compression: "zip"},
		"block size":  {Name: "S", BlockSize: 1 << 30},
	}
	for name, cfg := range tests {
		t.Run(name, func(t *testing.T) {
			if _, err := OpenStore(t.TempDir(), cfg); err == nil {
				t.Error("it was opened")
			}
		})
	}
}

func TestKeyHidesItself(t *testing.T) {
	k := NewKey()
	cfg := StoreConfig{Name: "S", Key: k}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x"} {
		for _, v := range []any{k, cfg, &cfg} {
			if got := fmt.Sprintf(verb, v); strings.Contains(got, k.text()) {
				t.Errorf("%s shows the key", verb)
			}
		}
	}
	if s := open(t, Options{Cipher: CipherAES}); strings.Contains(strings.Join(s.Warnings(), ""), s.key.text()) {
		t.Error("the log shows the key")
	}
	if k.text() == NewKey().text() {
		t.Error("two keys are the same")
	}
}

func TestLogLinesAreBounded(t *testing.T) {
	var l logLines
	for i := range maxLogLines + 10 {
		l.Warnf("line %d %s", i, strings.Repeat("x", 2*maxLogLine))
	}
	l.Noticef("not kept")
	l.Fatalf("end %d", 1)
	l.Fatalf("end %d", 2)
	got := l.all()
	if len(got) != maxLogLines || !strings.HasPrefix(got[0], "[WRN] line 12 ") || len(got[0]) > 2*maxLogLine {
		t.Errorf("%d lines, the first is %.20q", len(got), got[0])
	}
	if l.fatalLine() != "[FTL] end 1" {
		t.Errorf("fatal line is %q", l.fatalLine())
	}
}

// Storing through Store costs no allocation and hardly any time more than
// nats-server's own call.
func TestStoreMsgAllocates(t *testing.T) {
	st := createStream(t, open(t, Options{}), StreamConfig{Name: "S", Subjects: []string{"s"}, MaxBytes: 1 << 20})
	msg := make([]byte, 128)
	ours := testing.AllocsPerRun(2000, func() { _ = st.StoreMsg("s", nil, msg) })
	theirs := testing.AllocsPerRun(2000, func() { _, _, _ = st.ss.StoreMsg("s", nil, msg, 0) })
	if ours > theirs {
		t.Errorf("%v allocations a message, nats-server's own %v", ours, theirs)
	}
}

func BenchmarkStoreMsg(b *testing.B) {
	st := createStream(b, open(b, Options{}), StreamConfig{Name: "S", Subjects: []string{"s"}, MaxBytes: 64 << 20})
	msg := make([]byte, 1<<10)
	b.Run("natsfs", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := st.StoreMsg("s", nil, msg); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("nats-server", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, _, err := st.ss.StoreMsg("s", nil, msg, 0); err != nil {
				b.Fatal(err)
			}
		}
	})
}
