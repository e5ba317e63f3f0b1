// Package storedir reads what lies in a JetStream store directory: accounts, streams,
// consumers, Raft groups, and what does not belong there. It opens no file for writing,
// follows no link out of the store, and holds no more in memory than a record for each
// stream, consumer and group, however many blocks there are. A file that vanishes while
// it reads is no error: a live server removes and renames files at any time.
//
// The layout and the formats are those of nats-server 2.10 to 2.15 (filestore.go,
// raft.go, store.go).
package storedir

import "time"

// Store is what a store directory held when it was read.
type Store struct {
	// Dir is the directory that holds the accounts: STORE_DIR/jetstream.
	Dir    string    `json:"dir"`
	ReadAt time.Time `json:"read_at"`
	// Bytes and Files count every regular file seen.
	Bytes   int64    `json:"bytes"`
	Files   int64    `json:"files"`
	Streams []Stream `json:"streams"`
	Groups  []Group  `json:"groups"`
	// Leftovers are files and directories that a healthy store does not keep.
	Leftovers List `json:"leftovers"`
	// Unread is what could not be read.
	Unread List `json:"unread"`
	// Deep is nil unless the blocks were read.
	Deep *Deep `json:"deep,omitempty"`
}

// mostItems bounds a list: a store may hold a million leftovers.
const mostItems = 1000

// List is the first items of a list, and how many there are.
type List struct {
	Count int64  `json:"count"`
	Bytes int64  `json:"bytes,omitempty"`
	Items []Item `json:"items,omitempty"`
}

// Item is a path below the store and what is to be said of it.
type Item struct {
	Path string `json:"path"`
	Why  string `json:"why"`
}

func (l *List) add(path, why string, bytes int64) {
	l.Count++
	l.Bytes += bytes
	if len(l.Items) < mostItems {
		l.Items = append(l.Items, Item{path, why})
	}
}

// Cipher is what a file is encrypted with.
type Cipher string

// The ciphers that nats-server has; Plain is none.
const (
	Plain   Cipher = ""
	ChaCha  Cipher = "chacha"
	AES     Cipher = "aes"
	Unknown Cipher = "unknown" // encrypted, and the key file has no known length
)

// Stream is a stream's directory.
type Stream struct {
	Account string `json:"account"`
	Name    string `json:"name"`
	// Config is nil when meta.inf is missing, or cannot be read. Of an encrypted stream it
	// is the meta snapshot's, as of then, where there is one.
	Config *Config `json:"config,omitempty"`
	Cipher Cipher  `json:"cipher,omitempty"`
	// Group is the Raft group that replicates it, empty when none is known.
	Group string `json:"group,omitempty"`
	// Bytes and Files count all below the stream's directory.
	Bytes     int64      `json:"bytes"`
	Files     int64      `json:"files"`
	Log       Log        `json:"log"`
	Consumers []Consumer `json:"consumers,omitempty"`
}

// Config is the part of a stream's configuration that decides what it costs.
type Config struct {
	Retention   string `json:"retention"`
	Replicas    int    `json:"replicas"`
	Compression string `json:"compression"`
	MaxBytes    int64  `json:"max_bytes"`
	MaxMsgs     int64  `json:"max_msgs"`
	MaxMsgsPer  int64  `json:"max_msgs_per_subject"`
	MaxMsgSize  int64  `json:"max_msg_size"`
}

// Log is a directory of message blocks, a stream's or a Raft group's, with its state file.
type Log struct {
	Blocks int64 `json:"blocks"`
	// BlockBytes is the sum of the blocks' sizes, Largest the largest of them.
	BlockBytes int64 `json:"block_bytes"`
	Largest    int64 `json:"largest_block"`
	// BlockSize is the size at which this log starts a new block, 0 when unknown.
	BlockSize int64 `json:"block_size"`
	// Small are blocks under a tenth of BlockSize but for the last, Oversized those
	// larger than a block and a message together can be.
	Small     int64 `json:"small_blocks"`
	Oversized int64 `json:"oversized_blocks"`
	// EncryptedBlocks have a key file beside them.
	EncryptedBlocks int64     `json:"encrypted_blocks"`
	LastBlock       uint64    `json:"last_block"`
	LastWrite       time.Time `json:"last_write,omitzero"`
	LastBlockBytes  int64     `json:"last_block_bytes"`
	// SideBytes is the size of thw.db, sched.db and sources.db together.
	SideBytes int64 `json:"side_bytes"`
	// State is nil when there is no state file.
	State *State `json:"state,omitempty"`
}

// Consumer is a consumer's directory below a stream.
type Consumer struct {
	Name string `json:"name"`
	// StateBytes is the size of o.dat, 0 when there is none yet.
	StateBytes int64 `json:"state_bytes"`
	// State is nil when there is no o.dat, or it is encrypted or damaged.
	State *ConsumerState `json:"state,omitempty"`
}

// Group is a Raft group's directory.
type Group struct {
	Account string `json:"account"`
	Name    string `json:"name"`
	// Kind is stream, consumer or meta, empty when it is not known.
	Kind string `json:"kind,omitempty"`
	// Asset is ACCOUNT > STREAM [> CONSUMER], empty when it is not known.
	Asset string `json:"asset,omitempty"`
	// Term and Voted are those of tav.idx, 0 and empty when there is none.
	Term  uint64 `json:"term"`
	Voted string `json:"voted_for,omitempty"`
	Peers int    `json:"peers"`
	// Entries is how many the log holds by its state file; nil when that cannot be read.
	Entries  *uint64   `json:"entries,omitempty"`
	Bytes    int64     `json:"bytes"`
	Files    int64     `json:"files"`
	Log      Log       `json:"log"`
	Snapshot *Snapshot `json:"snapshot,omitempty"`
}

// Meta says whether it is the group that holds the cluster's assignments.
func (g Group) Meta() bool { return g.Name == metaGroup }
