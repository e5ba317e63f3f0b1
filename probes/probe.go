// Package probes is what storebench does to a volume: the contract of a probe,
// the registry, and one file a probe. A probe knows nothing of profiles, limits
// or verdicts; it exercises nats-server's own disk code (through natsfs) and
// returns what it measured.
package probes

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"time"

	"storebench/internal/measure"
)

// Probe is one way to exercise a volume. Its exported fields are its
// parameters: they carry a `param:"name"` and a `help:"..."` tag, and the
// registered value holds their defaults.
type Probe interface {
	Info() Info
	// Run exercises the volume below env.Dir for env.Duration and returns one
	// Round a measurement. It returns what it has measured so far beside an
	// error. When ctx ends it stops as soon as its operations let it.
	Run(ctx context.Context, env *Env) ([]measure.Measurement, error)
}

// Info describes a probe with the parameters it holds at the time of the call.
type Info struct {
	Name    string   // kebab-case
	Topic   string   // what of a server it is about; reports group by it
	Summary string   // one line: what it does
	Why     string   // what breaks in NATS when this is slow
	Metrics []Metric // the first is the one that a limit without a metric means
	Need    Need     // what a round with these parameters takes at most
	// Peers is what each server of the round's Raft group that does not stand on
	// the volume takes at most; zero for a probe without a Raft group.
	Peers Need
	// Linked says that the probe makes calls that only the linked-in nats-server
	// takes.
	Linked bool
	// Unfit says why no round can run with these parameters; empty where one can.
	Unfit string
	// Logged are the metrics, in seconds, that the log of a Raft group's servers tells.
	// That of an installed nats-server tells them from LogsFrom on.
	Logged []string
	// Raftz are the metrics that need the endpoint /raftz of a Raft group's servers.
	Raftz []string
	// Foretold is the size of a store in bytes that the round tells something of
	// without making it; it cannot be larger than the volume.
	Foretold int64
	// Extra is what a round may take on a volume that answers, besides its
	// warm-up and duration: preparation, and what is waited for until it is cut.
	Extra time.Duration
	// Gentle says that the load is capped by a rate, so that it may run beside
	// live data; Gently are the parameters that make it so.
	Gentle bool
	Gently map[string]string
}

// ErrCut is returned beside the measurements of a round that was ended with
// writes in flight: the worker must exit and leave its directory.
var ErrCut = errors.New("cut with writes in flight")

// Metric is one thing a probe measures. The first of a probe's metrics is its
// primary one: a limit that names no metric is on it.
type Metric struct {
	Name string       // snake_case
	Unit measure.Unit // the base unit of its figures, such as measure.Seconds
	Help string       // one line for storebench probes show: what is timed or counted
	// Kind is what its figures are; the zero value is the latency of operations, or a
	// plain figure.
	Kind measure.Kind
	// Until is the parameter after which operations are given up; empty where no
	// parameter says when.
	Until string
}

// Describe puts what the probe declares of its metrics into what it measured.
func (i Info) Describe(measured []measure.Measurement) {
	for at := range measured {
		for _, m := range i.Metrics {
			if m.Name == measured[at].Metric {
				measured[at].Kind, measured[at].Until = m.Kind, m.Until
			}
		}
	}
}

// Need is the room that a round takes on a volume at its largest. The run is
// refused where that is not free, so it may be too much and never too little.
type Need struct {
	Bytes int64 // of contents, such as 2 << 30
	Files int64 // files and directories, each an inode
}

// Env is what a round gets from whoever runs it.
type Env struct {
	Dir      string        // an empty directory on the volume, for this round alone
	Duration time.Duration // how long to measure
	Warmup   time.Duration // how long to run before measuring
	Devices  []string      // the block devices of the volumes as /proc/diskstats names them, as far as they are known
	Rand     *rand.Rand    // seeded
	// Raft is what a Raft group stands on besides Dir, which is the first server's.
	Raft RaftEnv
	// Hold are the open scratch directories of the round with their locks. A process
	// that the round starts and that writes below them inherits them, so that nobody
	// clears a directory that it may still write to.
	Hold []*os.File
}

// RaftEnv says what servers a Raft group is made of and where they store. Its
// directories are empty and for this round alone.
type RaftEnv struct {
	Program string   // a nats-server's file; empty is the one linked into this program
	Version string   // of Program; empty for the one linked in
	Memory  string   // a directory in memory, for the servers without a volume; empty when no server needs one
	Targets []string // directories on further volumes, for the second and the third server
}
