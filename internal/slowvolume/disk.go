package slowvolume

import (
	"bytes"
	"sync"
)

const (
	pageSize  = 64 << 10 // the unit of memory
	blockSize = 4 << 10  // the unit of durability; 16 of them are a page
)

// disk is a sparse disk in memory. It holds two images: what a reader sees,
// and what would be left after a power cut. Its methods may run concurrently;
// offsets and lengths must lie inside of the disk.
type disk struct {
	mu    sync.RWMutex
	pages map[int64]*page
	dirty []*page // pages with a bit in dirty, each once
}

type page struct {
	live, durable []byte // nil: zeros
	dirty         uint16 // a bit for each block of live that durable does not have
}

func newDisk() *disk { return &disk{pages: make(map[int64]*page)} }

// readAt fills p with what lies at off.
func (d *disk) readAt(p []byte, off int64) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	for len(p) > 0 {
		at := int(off % pageSize)
		n := min(len(p), pageSize-at)
		if pg := d.pages[off/pageSize]; pg != nil && pg.live != nil {
			copy(p[:n], pg.live[at:])
		} else {
			clear(p[:n])
		}
		p, off = p[n:], off+int64(n)
	}
}

// writeAt puts p at off. It is not durable before the next commit.
func (d *disk) writeAt(p []byte, off int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for len(p) > 0 {
		at := int(off % pageSize)
		n := min(len(p), pageSize-at)
		d.writePage(off/pageSize, p[:n], at)
		p, off = p[n:], off+int64(n)
	}
}

var zeroPage [pageSize]byte

func (d *disk) writePage(number int64, p []byte, at int) {
	pg := d.pages[number]
	if pg == nil {
		// A file system that is made anew writes many zeros.
		if bytes.Equal(p, zeroPage[:len(p)]) {
			return
		}
		pg = &page{}
		d.pages[number] = pg
	}
	if pg.live == nil {
		pg.live = make([]byte, pageSize)
	}
	copy(pg.live[at:], p)
	if pg.dirty == 0 {
		d.dirty = append(d.dirty, pg)
	}
	for b := at / blockSize; b <= (at+len(p)-1)/blockSize; b++ {
		pg.dirty |= 1 << b
	}
}

// commit makes durable all that was written.
func (d *disk) commit() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, pg := range d.dirty {
		if pg.durable == nil {
			pg.durable = make([]byte, pageSize)
		}
		for b := range pageSize / blockSize {
			if pg.dirty&(1<<b) != 0 {
				copy(pg.durable[b*blockSize:(b+1)*blockSize], pg.live[b*blockSize:])
			}
		}
		pg.dirty = 0
	}
	d.dirty = d.dirty[:0]
}

// cut forgets all that is not durable.
func (d *disk) cut() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, pg := range d.dirty {
		if pg.durable == nil {
			pg.live = nil
		} else {
			copy(pg.live, pg.durable)
		}
		pg.dirty = 0
	}
	d.dirty = d.dirty[:0]
}
