package storedir

import "time"

// Sizes of message blocks (autoTuneFileStorageBlockSize in stream.go, dynBlkSize in
// filestore.go; no version has a setting for them).
const (
	tinyBlock      = 32_000
	mediumBlock    = 4 << 20
	largeBlock     = 8 << 20
	encryptedBlock = 2 << 20
	metaBlock      = 1 << 20
	maxPayload     = 1 << 20 // nats-server's default, for a stream without a limit of its own
)

// blockSize is the size at which a stream of this configuration starts a new block.
func (c *Config) blockSize(encrypted bool) int64 {
	total := c.MaxBytes
	if total <= 0 && c.MaxMsgs > 0 {
		total = min(c.MaxMsgs, 1<<30) * min(c.messageSize(), 1<<30)
	}
	switch quarter := total / 4; {
	case total > 0 && quarter < tinyBlock:
		return tinyBlock
	case total > 0 && quarter >= largeBlock:
		return largeBlock
	case total > 0, c.MaxMsgsPer > 0:
		return mediumBlock
	case encrypted:
		return encryptedBlock
	case c.Retention == "limits":
		return largeBlock
	}
	return mediumBlock
}

// messageSize is the largest message that a stream takes.
func (c *Config) messageSize() int64 {
	if c.MaxMsgSize > 0 {
		return c.MaxMsgSize
	}
	return maxPayload
}

// block is a block's file.
type block struct {
	index uint64
	size  int64
	write time.Time
}

// add counts a block of a log whose messages have at most maxMessage bytes.
func (l *Log) add(b block, maxMessage int64) {
	l.Blocks++
	l.BlockBytes += b.size
	l.Largest = max(l.Largest, b.size)
	if b.index >= l.LastBlock {
		l.LastBlock, l.LastBlockBytes, l.LastWrite = b.index, b.size, b.write
	}
	if l.small(b.size) {
		l.Small++
	}
	if l.BlockSize > 0 && b.size > l.BlockSize+maxMessage {
		l.Oversized++
	}
}

func (l *Log) small(size int64) bool { return size < l.BlockSize/10 }

// finish leaves the last block, which is still being filled, out of the small ones.
func (l *Log) finish() {
	if l.Blocks > 0 && l.small(l.LastBlockBytes) {
		l.Small--
	}
}
