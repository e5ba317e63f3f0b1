package natsfs

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// writerEnv makes the test binary a writer to be killed, in the directory that
// it names.
const writerEnv = "STOREBENCH_TEST_WRITER"

// writeUntilKilled stores messages and says on stdout which are acknowledged.
func writeUntilKilled(dir string) {
	st, err := OpenStore(dir, killedConfig)
	for n := 1; err == nil; n++ {
		if err = st.StoreMsg("s", nil, make([]byte, 1000)); err == nil {
			fmt.Println(n)
		}
		if n == 300 {
			err = st.ForceWriteFullState()
		}
	}
	fmt.Fprintln(os.Stderr, err)
}

var killedConfig = StoreConfig{Name: "KILLED", Subjects: []string{"s"}, BlockSize: 64 << 10}

// TestKill holds Abandon against what it stands for: a process that is killed
// while it stores. Both leave a state that is older than the blocks, and all that
// was acknowledged.
func TestKill(t *testing.T) {
	for name, leave := range map[string]func(t *testing.T, dir string) (acked uint64){"killed": killWriter, "abandoned": abandonWriter} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			acked := leave(t, dir)
			if acked < 500 {
				t.Fatalf("%d messages were acknowledged", acked)
			}
			s := open(t, Options{})
			st, err := s.OpenStore(dir, killedConfig)
			if err != nil {
				t.Fatal(err)
			}
			// The one after the last that was told may have been stored too.
			if got := st.State(); got.Msgs < acked || got.Msgs > acked+1 || got.FirstSeq != 1 {
				t.Errorf("%d messages acknowledged, recovered %+v", acked, got)
			}
			if w := strings.Join(s.Warnings(), "\n"); !strings.Contains(w, "Stream state outdated") {
				t.Errorf("the state was not older than the blocks: %q", w)
			}
			if err := st.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

func killWriter(t *testing.T, dir string) (acked uint64) {
	return killedAfter(t, 700, writerEnv+"="+dir)
}

func abandonWriter(t *testing.T, dir string) (acked uint64) {
	st, err := OpenStore(dir, killedConfig)
	if err != nil {
		t.Fatal(err)
	}
	for acked < 700 {
		if err := st.StoreMsg("s", nil, make([]byte, 1000)); err != nil {
			t.Fatal(err)
		}
		if acked++; acked == 300 {
			if err := st.ForceWriteFullState(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := st.Abandon(); err != nil {
		t.Fatal(err)
	}
	return acked
}

// TestServerAgain starts a server on the streams of another one, in every way of
// writing, after a clean stop and after its stores were abandoned.
func TestServerAgain(t *testing.T) {
	const messages, consumers = 300, 3
	for _, m := range modes {
		for _, clean := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s/clean=%v", m.name, clean), func(t *testing.T) {
				opts := m.opts
				opts.StoreDir, opts.Key = t.TempDir(), NewKey()
				cfg := m.stream
				if cfg.Name == "" {
					cfg = StreamConfig{Name: "ORDERS", Subjects: []string{"orders.>"}}
				}
				s := open(t, opts)
				st := createStream(t, s, cfg)
				for i := range consumers {
					if err := s.CreateConsumer(t.Context(), cfg.Name, fmt.Sprint("c", i)); err != nil {
						t.Fatal(err)
					}
				}
				fill(t, st, messages)
				if !clean {
					if err := st.Abandon(); err != nil {
						t.Fatal(err)
					}
				}
				closeServer(t, s)
				index := filepath.Join(st.Dir(), "msgs", "index.db")
				if _, err := os.Stat(index); (err == nil) != clean {
					t.Errorf("state after the stop: %v", err)
				}
				s = open(t, opts)
				again, err := s.Stream(cfg)
				if err != nil {
					t.Fatal(err)
				}
				if got := again.State().Msgs; got != messages {
					t.Errorf("%d messages were recovered, want %d", got, messages)
				}
				if got, err := s.Consumers(t.Context(), cfg.Name); err != nil || got != consumers {
					t.Errorf("%d consumers were recovered, %v", got, err)
				}
			})
		}
	}
}

func TestStreamThatIsNotThere(t *testing.T) {
	if _, err := open(t, Options{}).Stream(StreamConfig{Name: "NONE"}); err == nil {
		t.Error("a stream that was never made was found")
	}
}

// A store that a server opened for us takes that server's slots.
func TestOpenStoreTakesSlots(t *testing.T) {
	s := open(t, Options{Slots: MinSlots, SyncAlways: true})
	deadline := time.Now().Add(time.Minute)
	for s.SlotWaits().Waits == 0 {
		if time.Now().After(deadline) {
			t.Fatal("32 stores that were opened at once never waited for 4 slots")
		}
		var all sync.WaitGroup
		for i := range 32 {
			dir := t.TempDir()
			all.Go(func() {
				st, err := s.OpenStore(dir, StoreConfig{Name: fmt.Sprint(i)})
				if err == nil {
					err = st.Close()
				}
				if err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
	}
}

func TestRemoveMsg(t *testing.T) {
	st := createStream(t, open(t, Options{}), StreamConfig{})
	fill(t, st, 10)
	for i, want := range []bool{true, false} {
		if removed, err := st.RemoveMsg(5); err != nil || removed != want {
			t.Errorf("removal %d: %v, %v", i+1, removed, err)
		}
	}
	if got := st.State(); got.Msgs != 9 || got.FirstSeq != 1 || got.LastSeq != 10 {
		t.Errorf("state %+v, want an interior delete", got)
	}
}

// TestOutageShape: the state files of the outage had 71 to 73 bytes, which is a
// store of one block with one subject or none. A few bytes more or less are the
// length of its sequences.
func TestOutageShape(t *testing.T) {
	for name, subject := range map[string]string{"no subject": "", "one subject": "storebench"} {
		t.Run(name, func(t *testing.T) {
			st, err := OpenStore(t.TempDir(), StoreConfig{Name: "S"})
			if err != nil {
				t.Fatal(err)
			}
			for range 1000 {
				if err := st.StoreMsg(subject, nil, make([]byte, 1000)); err != nil {
					t.Fatal(err)
				}
			}
			if err := st.WriteFullState(); err != nil {
				t.Fatal(err)
			}
			info, err := os.Stat(filepath.Join(st.Dir(), "msgs", "index.db"))
			if err != nil {
				t.Fatal(err)
			}
			if info.Size() < 60 || info.Size() > 80 {
				t.Errorf("the state has %d bytes", info.Size())
			}
			if err := st.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestConsumerState writes states and reads them back with the store.
func TestConsumerState(t *testing.T) {
	for _, m := range modes {
		t.Run(m.name, func(t *testing.T) {
			s := open(t, m.opts)
			st := createStream(t, s, m.stream)
			fill(t, st, 10)
			c, err := st.OpenConsumer("c")
			if err != nil {
				t.Fatal(err)
			}
			c.SetPending(5)
			file := filepath.Join(st.Dir(), "obs", "c", "o.dat")
			var last []byte
			for i := range 3 {
				if err := c.WriteState(); err != nil {
					t.Fatal(err)
				}
				data, err := os.ReadFile(file)
				if err != nil || string(data) == string(last) {
					t.Errorf("write %d: %v, %d bytes, the same as before: %v", i, err, len(data), string(data) == string(last))
				}
				last = data
			}
			again, err := st.OpenConsumer("c")
			if err != nil {
				t.Fatal(err)
			}
			state, err := again.store.State()
			if err != nil || state.Delivered.Consumer != 8 || len(state.Pending) != 5 {
				t.Errorf("read back %+v, %v; want 8 delivered, 5 of them pending", state, err)
			}
		})
	}
}

// AwaitReaders waits for who writes and for nobody else.
func TestAwaitReaders(t *testing.T) {
	st := createStream(t, open(t, Options{}), StreamConfig{})
	st.AwaitReaders()
	lock := st.layout.lockOfStore(st.fs)
	lock.Lock()
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		defer cancel()
		st.AwaitReaders()
	}()
	select {
	case <-ctx.Done():
		t.Error("a reader had the lock that a writer holds")
	case <-time.After(10 * time.Millisecond):
	}
	lock.Unlock()
	<-ctx.Done()
}
