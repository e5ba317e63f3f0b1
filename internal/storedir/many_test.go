package storedir

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

// many makes a stream of n small blocks.
func many(tb testing.TB, n int) (dir string) {
	tb.Helper()
	dir = tb.TempDir()
	msgs := filepath.Join(dir, "A", "streams", "S", "msgs")
	if err := os.MkdirAll(msgs, 0o700); err != nil {
		tb.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "A", "streams", "S", "meta.inf"), []byte("{}"), 0o600); err != nil {
		tb.Fatal(err)
	}
	for i := range n {
		if err := os.WriteFile(filepath.Join(msgs, fmt.Sprintf("%d.blk", i+1)), []byte("0123456789"), 0o600); err != nil {
			tb.Fatal(err)
		}
	}
	return dir
}

// TestMemory: what is kept of a store does not grow with its blocks.
func TestMemory(t *testing.T) {
	dir := many(t, 20_000)
	before := heap()
	store, err := Read(t.Context(), dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if kept := heap() - before; kept > 256<<10 {
		t.Errorf("%d bytes are kept", kept)
	}
	if l := store.Streams[0].Log; l.Blocks != 20_000 || l.BlockBytes != 200_000 || l.LastBlock != 20_000 {
		t.Errorf("%+v", l)
	}
	runtime.KeepAlive(store)
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// BenchmarkRead reads a store of 100,000 blocks.
func BenchmarkRead(b *testing.B) {
	dir := many(b, 100_000)
	for b.Loop() {
		if _, err := Read(b.Context(), dir, Options{}); err != nil {
			b.Fatal(err)
		}
	}
}
