package natsfs

import (
	"fmt"
	"reflect"
	"sync"
	"unsafe"

	"github.com/nats-io/nats-server/v2/server"
)

// wantedField is a field of nats-server's that is taken by name.
type wantedField struct {
	owner string // struct type in package server
	name  string
	typ   string // as reflect prints it
}

// wantedFields is every field taken by name, in the order of layout's fields.
var wantedFields = []wantedField{
	{"fileStore", "mu", "sync.RWMutex"},
	{"fileStore", "werr", "error"},
	{"fileStore", "lmb", "*server.msgBlock"},
	{"msgBlock", "mu", "sync.RWMutex"},
	{"msgBlock", "mfn", "string"},
	{"FileStoreConfig", "srv", "*server.Server"},
}

// layout is where the wanted fields stand, in bytes from the start of their
// struct.
type layout struct {
	storeLock, storeErr, storeLast uintptr
	blockLock, blockFile           uintptr
	configServer                   uintptr
}

// loadLayout finds the wanted fields once for the process. It touches no disk.
var loadLayout = sync.OnceValues(func() (layout, error) {
	store := fileStorePointer(nil).Type().Elem()
	return findLayout(store)
})

// findLayout looks the wanted fields up in the store's struct type and in that
// of its blocks. A field that is gone or of another type is an error.
func findLayout(store reflect.Type) (layout, error) {
	config := reflect.TypeFor[server.FileStoreConfig]()
	owners := map[string]reflect.Type{store.Name(): store, config.Name(): config}
	if last, ok := store.FieldByName("lmb"); ok && last.Type.Kind() == reflect.Pointer {
		owners[last.Type.Elem().Name()] = last.Type.Elem()
	}
	var offsets [6]uintptr
	for i, w := range wantedFields {
		owner := owners[w.owner]
		if owner == nil {
			return layout{}, fmt.Errorf("nats-server %s has no %s behind its file store: storebench was made for %s", server.VERSION, w.owner, TestedVersion)
		}
		offset, err := fieldOffset(owner, w)
		if err != nil {
			return layout{}, err
		}
		offsets[i] = offset
	}
	return layout{
		storeLock: offsets[0], storeErr: offsets[1], storeLast: offsets[2],
		blockLock: offsets[3], blockFile: offsets[4],
		configServer: offsets[5],
	}, nil
}

func fieldOffset(owner reflect.Type, w wantedField) (uintptr, error) {
	f, ok := owner.FieldByName(w.name)
	if !ok || len(f.Index) != 1 {
		return 0, fmt.Errorf("nats-server %s has no field %s.%s: storebench was made for %s", server.VERSION, w.owner, w.name, TestedVersion)
	}
	if got := f.Type.String(); got != w.typ {
		return 0, fmt.Errorf("nats-server %s has field %s.%s of type %s, not %s: storebench was made for %s",
			server.VERSION, w.owner, w.name, got, w.typ, TestedVersion)
	}
	return f.Offset, nil
}

// fileStorePointer is the pointer fs, which may be nil, as a value of
// nats-server's real type *fileStore.
func fileStorePointer(fs unsafe.Pointer) reflect.Value {
	var v any
	// An interface value is its type descriptor and, for a pointer type, the
	// pointer itself.
	words := (*[2]unsafe.Pointer)(unsafe.Pointer(&v))
	words[0], words[1] = unsafe.Pointer(&fileStoreType), fs
	return reflect.ValueOf(v)
}

// setServer puts a store that is made with cfg into a server.
func (l layout) setServer(cfg *server.FileStoreConfig, s *server.Server) {
	*(**server.Server)(unsafe.Add(unsafe.Pointer(cfg), l.configServer)) = s
}

// The fields below are read under the lock that nats-server holds for them.

func (l layout) lockOfStore(fs unsafe.Pointer) *sync.RWMutex {
	return (*sync.RWMutex)(unsafe.Add(fs, l.storeLock))
}

func (l layout) lockOfBlock(mb unsafe.Pointer) *sync.RWMutex {
	return (*sync.RWMutex)(unsafe.Add(mb, l.blockLock))
}

func (l layout) writeErr(fs unsafe.Pointer) error {
	return *(*error)(unsafe.Add(fs, l.storeErr))
}

func (l layout) lastBlock(fs unsafe.Pointer) unsafe.Pointer {
	return *(*unsafe.Pointer)(unsafe.Add(fs, l.storeLast))
}

func (l layout) fileOfBlock(mb unsafe.Pointer) string {
	return *(*string)(unsafe.Add(mb, l.blockFile))
}
