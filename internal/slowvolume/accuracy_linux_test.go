package slowvolume_test

import (
	"path/filepath"
	"testing"

	"storebench/internal/slowvolume"
	"storebench/internal/slowvolume/slowtest"
)

// BenchmarkFlush shows how exact a fault is: an append and fsync on ext4 costs
// two flushes.
func BenchmarkFlush(b *testing.B) {
	for _, fault := range []string{"flush 0s", "flush 1ms", "flush 10ms"} {
		b.Run(fault, func(b *testing.B) {
			v := slowtest.Block(b, slowvolume.BlockConfig{Faults: slowtest.Faults(b, fault)})
			f := create(b, filepath.Join(v.Path(), "log"), 0)
			defer f.Close()
			for b.Loop() {
				if err := appendSync(f, 4096); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
