package natsfs

import (
	"time"
	"unsafe"

	"github.com/nats-io/nats-server/v2/server"
)

// Each entry below is a symbol of nats-server with its real declaration in the
// nats: line. unsafe.Pointer stands for a pointer to an unexported type. The
// test TestLinkedSymbols holds every nats: line against nats-server's source
// and against the Go declaration under it, and fails on an entry without one.

//nats:func (a *Account) lookupStream(name string) (*stream, error)
//go:linkname accountLookupStream github.com/nats-io/nats-server/v2/server.(*Account).lookupStream
func accountLookupStream(a *server.Account, name string) (unsafe.Pointer, error)

//nats:func (mset *stream) Store() StreamStore
//go:linkname streamStore github.com/nats-io/nats-server/v2/server.(*stream).Store
func streamStore(mset unsafe.Pointer) server.StreamStore

//nats:func (s *Server) diskIOSemaphore() *diskIOSemaphore
//go:linkname serverSlots github.com/nats-io/nats-server/v2/server.(*Server).diskIOSemaphore
func serverSlots(s *server.Server) unsafe.Pointer

// The receiver is not used by nats-server and may be nil.
//
//nats:func (s *Server) jsKeyGen(jsKey, info string) keyGen
//go:linkname serverKeyGen github.com/nats-io/nats-server/v2/server.(*Server).jsKeyGen
func serverKeyGen(s *server.Server, jsKey, info string) func([]byte) ([]byte, error)

//nats:func newFileStoreWithCreated(fcfg FileStoreConfig, cfg StreamConfig, created time.Time, prf, oldprf keyGen) (*fileStore, error)
//go:linkname newFileStoreWithCreated github.com/nats-io/nats-server/v2/server.newFileStoreWithCreated
func newFileStoreWithCreated(fcfg server.FileStoreConfig, cfg server.StreamConfig, created time.Time, prf, oldprf func([]byte) ([]byte, error)) (unsafe.Pointer, error)

//nats:func (fs *fileStore) syncBlocks()
//go:linkname storeSyncBlocks github.com/nats-io/nats-server/v2/server.(*fileStore).syncBlocks
func storeSyncBlocks(fs unsafe.Pointer)

//nats:func (fs *fileStore) writeFullState() error
//go:linkname storeWriteFullState github.com/nats-io/nats-server/v2/server.(*fileStore).writeFullState
func storeWriteFullState(fs unsafe.Pointer) error

//nats:func (fs *fileStore) forceWriteFullState() error
//go:linkname storeForceWriteFullState github.com/nats-io/nats-server/v2/server.(*fileStore).forceWriteFullState
func storeForceWriteFullState(fs unsafe.Pointer) error

//nats:func (fs *fileStore) isClosed() bool
//go:linkname storeIsClosed github.com/nats-io/nats-server/v2/server.(*fileStore).isClosed
func storeIsClosed(fs unsafe.Pointer) bool

//nats:func (fs *fileStore) stop(delete, writeState bool) error
//go:linkname storeStop github.com/nats-io/nats-server/v2/server.(*fileStore).stop
func storeStop(fs unsafe.Pointer, delete, writeState bool) error

//nats:func (fs *fileStore) numMsgBlocks() int
//go:linkname storeNumMsgBlocks github.com/nats-io/nats-server/v2/server.(*fileStore).numMsgBlocks
func storeNumMsgBlocks(fs unsafe.Pointer) int

//nats:func (mb *msgBlock) lastChecksum() []byte
//go:linkname blockLastChecksum github.com/nats-io/nats-server/v2/server.(*msgBlock).lastChecksum
func blockLastChecksum(mb unsafe.Pointer) []byte

//nats:func newDiskIOSemaphore(n int) *diskIOSemaphore
//go:linkname newDiskIOSemaphore github.com/nats-io/nats-server/v2/server.newDiskIOSemaphore
func newDiskIOSemaphore(n int) unsafe.Pointer

//nats:func (d *diskIOSemaphore) cap() int
//go:linkname slotsCap github.com/nats-io/nats-server/v2/server.(*diskIOSemaphore).cap
func slotsCap(d unsafe.Pointer) int

//nats:func diskIOWaitStats(d *diskIOSemaphore) *DiskIOWaitStats
//go:linkname diskIOWaitStats github.com/nats-io/nats-server/v2/server.diskIOWaitStats
func diskIOWaitStats(d unsafe.Pointer) *server.DiskIOWaitStats

//nats:func writeTermVote(dios *diskIOSemaphore, sd string, wtv []byte) error
//go:linkname writeTermVote github.com/nats-io/nats-server/v2/server.writeTermVote
func writeTermVote(dios unsafe.Pointer, sd string, wtv []byte) error

// fileStoreType is the type descriptor of *fileStore. It gives reflection a
// grip on the type before a store exists (see layout.go), and turns the pointer
// of a store without a server into an interface value.
//
//nats:type *fileStore
//go:linkname fileStoreType type:*github.com/nats-io/nats-server/v2/server.fileStore
var fileStoreType byte

//nats:func (s *Server) getJetStream() *jetStream
//go:linkname serverJetStream github.com/nats-io/nats-server/v2/server.(*Server).getJetStream
func serverJetStream(s *server.Server) unsafe.Pointer

//nats:func (js *jetStream) getMetaGroup() RaftNode
//go:linkname jetStreamMetaGroup github.com/nats-io/nats-server/v2/server.(*jetStream).getMetaGroup
func jetStreamMetaGroup(js unsafe.Pointer) server.RaftNode

//nats:func (js *jetStream) metaSnapshot() ([]byte, int, int, error)
//go:linkname jetStreamMetaSnapshot github.com/nats-io/nats-server/v2/server.(*jetStream).metaSnapshot
func jetStreamMetaSnapshot(js unsafe.Pointer) ([]byte, int, int, error)

// readLoopReport is from how long on nats-server reports pauses of read loops and
// internal subscriptions.
//
//nats:var readLoopReportThreshold = readLoopReport
//go:linkname readLoopReport github.com/nats-io/nats-server/v2/server.readLoopReportThreshold
var readLoopReport time.Duration

// The configuration lexer, for the place of a syntax error and the files that
// a file includes: the parser built on it gives neither, and follows a file
// that includes itself until the stack overflows.

//nats:func lex(input string) *lexer
//go:linkname confLex github.com/nats-io/nats-server/v2/conf.lex
func confLex(input string) unsafe.Pointer

//nats:func (lx *lexer) nextItem() item
//go:linkname confNextItem github.com/nats-io/nats-server/v2/conf.(*lexer).nextItem
func confNextItem(lx unsafe.Pointer) confItem

// confItem mirrors the lexer's item, field by field.
//
//nats:struct item
type confItem struct {
	typ  int
	val  string
	line int
	pos  int
}

// The lexer's item types that are told apart here.
//
//nats:const itemType
const (
	itemError        = 0
	itemEOF          = 2
	itemKey          = 3
	itemText         = 4
	itemString       = 5
	itemBool         = 6
	itemInteger      = 7
	itemFloat        = 8
	itemDatetime     = 9
	itemArrayStart   = 10
	itemArrayEnd     = 11
	itemMapStart     = 12
	itemMapEnd       = 13
	itemCommentStart = 14
	itemVariable     = 15
	itemInclude      = 16
)
