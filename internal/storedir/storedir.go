// Package storedir reads a JetStream store directory, live or stopped, and changes nothing:
// it opens no file for writing, follows no link, and needs no key. It knows the files of
// nats-server 2.10 to 2.15.
//
// A live server writes while its store is read: files may vanish or be half written. What is
// not there any more is left out; a state file whose checksum does not fit is read again.
package storedir

import "time"

// Store is what a store directory holds.
type Store struct {
	Path       string     `json:"path"` // of the directory jetstream
	Streams    []Stream   `json:"streams"`
	Groups     []Group    `json:"groups,omitempty"` // Raft groups
	Leftovers  []Leftover `json:"leftovers,omitempty"`
	Unread     []Unread   `json:"unread,omitempty"`
	Files      int64      `json:"files"` // that were met
	Bytes      int64      `json:"bytes"` // of these files, as they lie there
	LeftOut    int        `json:"left_out,omitempty"`
	ReadBytes  int64      `json:"read_bytes"` // that were read for this
	Deep       *Deep      `json:"deep,omitempty"`
	NewestTime time.Time  `json:"newest_write,omitzero"`
}

// Stream is a stream of an account.
type Stream struct {
	Account   string     `json:"account"`
	Name      string     `json:"name"`
	Config    *Config    `json:"config,omitempty"` // nil where it is encrypted or cannot be read
	Created   time.Time  `json:"created,omitzero"`
	Cipher    Cipher     `json:"cipher,omitempty"`
	Blocks    Blocks     `json:"blocks"`
	State     *State     `json:"state,omitempty"` // nil where there is none, or it is encrypted
	StateFile StateFile  `json:"state_file"`
	Consumers []Consumer `json:"consumers,omitempty"`
}

// Config is what of a stream's configuration decides about its files.
type Config struct {
	Replicas    int    `json:"num_replicas"`
	Retention   string `json:"retention"`
	Storage     string `json:"storage"`
	Compression string `json:"compression"`
	MaxBytes    int64  `json:"max_bytes"`
	MaxMsgs     int64  `json:"max_msgs"`
	MaxMsgsPer  int64  `json:"max_msgs_per_subject"`
	MaxMsgSize  int32  `json:"max_msg_size"`
}

// Cipher is how a store is encrypted, as its key file tells by its length.
type Cipher string

// The ciphers; empty is none.
const (
	ChaCha  Cipher = "chacha"
	AES     Cipher = "aes"
	Unknown Cipher = "unknown"
)

// Blocks are the message blocks of a stream or a Raft log.
type Blocks struct {
	Count      int       `json:"count"`
	Bytes      int64     `json:"bytes"`
	Largest    int64     `json:"largest_bytes"`
	Small      int       `json:"small"` // under an eighth of the largest, the last one aside
	Compressed int       `json:"compressed,omitempty"`
	First      uint32    `json:"first_index"` // the lowest and the highest number
	Last       uint32    `json:"last_index"`
	LastBytes  int64     `json:"last_bytes"` // of the last one
	Written    time.Time `json:"written,omitzero"`
}

// State is what index.db says of a stream as of when it was written.
type State struct {
	Version   int       `json:"version"`
	Messages  uint64    `json:"messages"`
	Bytes     uint64    `json:"bytes"`
	First     uint64    `json:"first_seq"`
	Last      uint64    `json:"last_seq"`
	FirstTime time.Time `json:"first_time,omitzero"`
	LastTime  time.Time `json:"last_time,omitzero"`
	Subjects  uint64    `json:"subjects"`
	Blocks    uint64    `json:"blocks"`
	Deletes   uint64    `json:"interior_deletes"`
	lastBlock uint32
	checksum  [checksumBytes]byte // of the last record
}

// StateFile is index.db itself.
type StateFile struct {
	Bytes   int64     `json:"bytes"`
	Written time.Time `json:"written,omitzero"`
	// Trouble says why it is of no use to a start: missing, damaged, of a newer version;
	// empty where it is not known to be of none.
	Trouble string `json:"trouble,omitempty"`
	// Outdated says that the blocks go on behind it: a start now reads every block.
	Outdated bool `json:"outdated,omitempty"`
}

// Consumer is a consumer of a stream.
type Consumer struct {
	Name    string    `json:"name"`
	Bytes   int64     `json:"state_bytes"` // of o.dat, which is written whole each time
	Written time.Time `json:"written,omitzero"`
	Pending *uint64   `json:"pending,omitempty"` // delivered and not acknowledged; nil where unknown
}

// Group is a Raft group: of the meta layer, of a stream or of a consumer.
type Group struct {
	Name     string    `json:"name"`
	Kind     string    `json:"kind"`             // meta, stream or consumer
	Of       string    `json:"of,omitempty"`     // ACCOUNT > STREAM [> CONSUMER], where its file tells
	Memory   bool      `json:"memory,omitempty"` // its log lies in memory
	Term     uint64    `json:"term"`
	Log      Blocks    `json:"log"`
	Entries  *uint64   `json:"entries,omitempty"` // in its log; nil where unknown
	Snapshot int64     `json:"snapshot_bytes"`
	Snapped  time.Time `json:"snapshot_written,omitzero"`
	State    StateFile `json:"state_file"`
}

// Leftover is something that a server left behind, or that no version writes.
type Leftover struct {
	Path  string    `json:"path"` // below the store
	What  string    `json:"what"`
	Bytes int64     `json:"bytes,omitempty"`
	Since time.Time `json:"since,omitzero"`
}

// Unread is something that could not be read, and why.
type Unread struct {
	Path   string `json:"path"`
	Reason string `json:"reason"`
}
