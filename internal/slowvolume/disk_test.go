package slowvolume

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// A disk must agree with two plain arrays, whatever is done to it.
func TestDiskAgreesWithArrays(t *testing.T) {
	const length = 5 * pageSize
	rng := rand.New(rand.NewPCG(1, 2))
	d, live, durable := newDisk(), make([]byte, length), make([]byte, length)
	got := make([]byte, length)
	for step := range 800 {
		switch what := rng.IntN(20); {
		case what == 0:
			d.cut()
			copy(live, durable)
		case what < 4:
			d.commit()
			copy(durable, live)
		default:
			// Loop devices write whole sectors.
			off := rng.Int64N(length/512) * 512
			p := make([]byte, min(length-off, 512*(1+rng.Int64N(200))))
			if what < 18 { // else zeros
				for i := range p {
					p[i] = byte(rng.Uint32())
				}
			}
			d.writeAt(p, off)
			copy(live[off:], p)
		}
		if d.readAt(got, 0); !bytes.Equal(got, live) {
			t.Fatalf("step %d: the disk holds something else", step)
		}
	}
}

func TestDiskKeepsNoZeros(t *testing.T) {
	d := newDisk()
	d.writeAt(make([]byte, 3*pageSize), 512)
	if len(d.pages) != 0 {
		t.Errorf("%d pages for zeros", len(d.pages))
	}
}

func BenchmarkDiskWriteCommit(b *testing.B) {
	d, p := newDisk(), bytes.Repeat([]byte{1}, blockSize)
	b.SetBytes(blockSize)
	for i := range b.N {
		d.writeAt(p, int64(i%1000)*blockSize)
		d.commit()
	}
}
