// Package engine runs a profile against a volume: one worker process a round,
// deadlines, progress, cleanup.
//
// A hung disk leaves a thread that no signal ends, so after its start the
// engine makes no system call on the volume and holds no descriptor on it.
// Everything that touches the volume is a worker: this program itself, started
// with a hidden command, its task on stdin and its events on a pipe.
package engine

import (
	"time"

	"storebench/internal/measure"
	"storebench/internal/volume"
)

// WorkerCommand is the hidden command of this program that runs a worker.
const WorkerCommand = "worker"

// task is what a worker is asked to do; the field that is set says which.
type task struct {
	Inspect *inspectTask `json:"inspect,omitempty"`
	Keep    *keepTask    `json:"keep,omitempty"`
	Round   *roundTask   `json:"round,omitempty"`
	Clear   *clearTask   `json:"clear,omitempty"`
	Save    *saveTask    `json:"save,omitempty"`

	Leftovers *leftoversTask `json:"leftovers,omitempty"`
	Touch     *touchTask     `json:"touch,omitempty"`
	Output    *outputTask    `json:"output,omitempty"`
}

// inspectTask looks at a directory before anything is written there.
type inspectTask struct {
	Dir string `json:"dir"`
	// Memory says that Dir is for servers without a volume. One in memory is looked
	// for when it is empty.
	Memory bool `json:"memory,omitempty"`
}

// inspection is what inspectTask found.
type inspection struct {
	Facts     volume.Facts      `json:"facts"`
	ID        volume.Identity   `json:"id"`
	Leftovers []volume.Leftover `json:"leftovers,omitempty"`
	Guard     volume.Guard      `json:"guard"`
	// FreeMemory is how much memory is available to this run, in bytes; 0 when
	// nobody can tell.
	FreeMemory int64 `json:"free_memory_bytes,omitempty"`
}

// keepTask creates the scratch directory, holds its lock until stdin ends, and
// reports the free space (and, beside live data, the latency of a canary's
// fsync) meanwhile.
type keepTask struct {
	Dir    string        `json:"dir"`
	Marker volume.Marker `json:"marker"`
	// Interval is how often the free space is read.
	Interval time.Duration `json:"interval"`
	Canary   bool          `json:"canary,omitempty"`
	// Beside says that other runs may be alive in Dir.
	Beside bool `json:"beside,omitempty"`
}

// kept is the keeper's first word: the lock is held.
type kept struct {
	Scratch  string `json:"scratch"`
	Lockless bool   `json:"lockless,omitempty"`
}

// roundTask is one turn of a step.
type roundTask struct {
	Scratch  string            `json:"scratch"` // on the volume
	Name     string            `json:"name"`    // of the round's directory inside each scratch directory
	Probe    string            `json:"probe"`
	Set      map[string]string `json:"set"`
	Duration time.Duration     `json:"duration"`
	Warmup   time.Duration     `json:"warmup"`
	Devices  []string          `json:"devices,omitempty"`
	Seed     uint64            `json:"seed"`
	Raft     *raftTask         `json:"raft,omitempty"` // of a step with a Raft group
}

// raftTask is what the Raft group of a round stands on besides the volume. Memory
// and Targets are scratch directories.
type raftTask struct {
	Program string   `json:"program,omitempty"` // a nats-server's file; empty is the one linked in
	Version string   `json:"version,omitempty"` // of Program
	Memory  string   `json:"memory,omitempty"`
	Targets []string `json:"targets,omitempty"`
}

// touchTask writes so many bytes into the scratch directory and removes them. Each
// event, though it says nothing, means that it goes on.
type touchTask struct {
	Scratch string `json:"scratch"`
	Bytes   int64  `json:"bytes"`
	Seed    uint64 `json:"seed"`
}

// clearTask removes a scratch directory that no process holds any more.
type clearTask struct {
	Scratch string        `json:"scratch"`
	Own     bool          `json:"own,omitempty"` // it is this run's
	Wait    time.Duration `json:"wait"`          // for the last process to let go of the lock
}

// leftoversTask lists what dead runs left behind in a directory.
type leftoversTask struct {
	Dir string `json:"dir"`
}

// leftovers is what leftoversTask found.
type leftovers struct {
	Found []volume.Leftover `json:"found"`
}

// saveTask writes a file whole or not at all.
type saveTask struct {
	Path string `json:"path"`
	Data []byte `json:"data"`
}

// outputTask looks at where a report is to go.
type outputTask struct {
	File string `json:"file"` // as the user named it
}

// event is one line from a worker. Done or Err is the last one of a task,
// except for the keeper, which goes on after its Kept.
type event struct {
	Inspection   *inspection           `json:"inspection,omitempty"`
	Leftovers    *leftovers            `json:"leftovers,omitempty"`
	Output       *Output               `json:"output,omitempty"`
	Kept         *kept                 `json:"kept,omitempty"`
	Space        *volume.Free          `json:"space,omitempty"`
	Canary       float64               `json:"canary_seconds,omitempty"`
	Measurements []measure.Measurement `json:"measurements,omitempty"`
	Err          *workerError          `json:"error,omitempty"`
	// Cut says that the round was ended with writes in flight; no further round
	// of its step runs.
	Cut  bool `json:"cut,omitempty"`
	Done bool `json:"done,omitempty"`
	// Peak is the worker's largest resident memory so far, in bytes.
	Peak int64 `json:"peak_memory_bytes,omitempty"`
}

// workerError is an error that crossed the pipe.
type workerError struct {
	Text string `json:"text"`
	// Kind says who is to blame.
	Kind errorKind `json:"kind"`
}

func (e *workerError) Error() string { return e.Text }

type errorKind string

const (
	kindUsage  errorKind = "usage"  // the target cannot be used as asked
	kindVolume errorKind = "volume" // the volume gave an I/O error, or crashed a server
	kindSpace  errorKind = "space"  // the volume is full
	kindTool   errorKind = "tool"   // anything else
)
