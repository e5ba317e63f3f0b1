package natsfs

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// NodeCommand is one line that a node takes on its commands: what nats-server
// does by itself every minute or two, asked for now.
type NodeCommand struct {
	// Do is CommandMetaSnapshot, CommandStreamSnapshot or CommandFullState.
	Do      string `json:"do"`
	Account string `json:"account,omitempty"`
	Stream  string `json:"stream,omitempty"`
}

// What a node can be asked for.
const (
	CommandMetaSnapshot   = "meta-snapshot"   // of the meta group; the node has to lead it
	CommandStreamSnapshot = "stream-snapshot" // of a stream's Raft group
	CommandFullState      = "full-state"      // WriteFullState of a stream, even where nothing is due
)

// NodeAnswer is the line that a node writes for each command.
type NodeAnswer struct {
	Begin time.Time `json:"begin"`
	End   time.Time `json:"end"`
	// Generate is what making a snapshot of the meta group took, which is CPU
	// and locks; Install what writing it took, which is the disk. In seconds.
	Generate float64 `json:"generate_seconds,omitempty"`
	Install  float64 `json:"install_seconds,omitempty"`
	Bytes    int     `json:"bytes,omitempty"`
	// Nothing says that there was nothing to do since the last time, or that
	// nats-server takes no snapshot at the moment.
	Nothing bool   `json:"nothing,omitempty"`
	Error   string `json:"error,omitempty"`
	// NotLeader says that the error is that the node does not lead the meta group.
	NotLeader bool `json:"not_leader,omitempty"`
}

// ServeNode is a nats-server of this process, with a configuration file as the
// nats-server program takes it. It logs to stderr and listens as the file says.
// Pauses of read loops and of internal subscriptions are logged from report on; 0
// leaves nats-server's 2 s.
//
// It returns when the commands end, for whoever gave them is gone then, with the
// server still running: the process has to end.
func ServeNode(config string, report time.Duration, commands io.Reader, answers io.Writer) error {
	if err := CheckVersion(); err != nil {
		return err
	}
	opts, err := server.ProcessConfigFile(config)
	if err != nil {
		return fmt.Errorf("read the configuration of a node: %w", err)
	}
	opts.NoSigs = true // its handler ends the process
	ns, err := server.NewServer(opts)
	if err != nil {
		return fmt.Errorf("make nats-server: %w", err)
	}
	if report > 0 {
		readLoopReport = report // before any goroutine of a server reads it
	}
	ns.ConfigureLogger()
	go ns.Start()
	return (&node{ns}).obey(commands, answers)
}

// node is a nats-server that does what it is told.
type node struct{ ns *server.Server }

func (n *node) obey(commands io.Reader, answers io.Writer) error {
	out := json.NewEncoder(answers)
	for lines := bufio.NewScanner(commands); lines.Scan(); {
		var c NodeCommand
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			return fmt.Errorf("read a command of a node: %w", err)
		}
		if err := out.Encode(n.do(c)); err != nil {
			return fmt.Errorf("answer a command of a node: %w", err)
		}
	}
	return nil
}

func (n *node) do(c NodeCommand) NodeAnswer {
	answer := NodeAnswer{Begin: time.Now()}
	err := n.try(c, &answer)
	answer.End = time.Now()
	switch {
	case err == nil:
	case slices.Contains(nothingTexts, err.Error()):
		answer.Nothing = true
	default:
		answer.Error, answer.NotLeader = err.Error(), errors.Is(err, errNotLeader)
	}
	return answer
}

// nothingTexts are what nats-server's errNoSnapAvailable says, where nothing was
// applied since the last snapshot, and its errSnapInProgress and errCatchupsRunning.
var nothingTexts = []string{
	"raft: no snapshot available",
	"raft: snapshot is already in progress",
	"raft: snapshot can not be installed while catchups running",
}

var errNotLeader = errors.New("this server does not lead the meta group")

func (n *node) try(c NodeCommand, answer *NodeAnswer) error {
	switch c.Do {
	case CommandMetaSnapshot:
		return n.metaSnapshot(answer)
	case CommandStreamSnapshot:
		return n.ns.JetStreamSnapshotStream(c.Account, c.Stream)
	case CommandFullState:
		return n.fullState(c)
	}
	return fmt.Errorf("a node cannot %q", c.Do)
}

// metaSnapshot does what JetStreamSnapshotMeta does, and times its two halves.
func (n *node) metaSnapshot(answer *NodeAnswer) error {
	if !n.ns.JetStreamIsLeader() {
		return errNotLeader
	}
	js := serverJetStream(n.ns)
	begin := time.Now()
	snapshot, _, _, err := jetStreamMetaSnapshot(js)
	generated := time.Now()
	if err != nil {
		return err
	}
	err = jetStreamMetaGroup(js).InstallSnapshot(snapshot, false)
	answer.Generate, answer.Install = generated.Sub(begin).Seconds(), time.Since(generated).Seconds()
	answer.Bytes = len(snapshot)
	return err
}

func (n *node) fullState(c NodeCommand) error {
	account, err := n.ns.LookupAccount(c.Account)
	if err != nil {
		return err
	}
	stream, err := accountLookupStream(account, c.Stream)
	if err != nil {
		return err
	}
	store, err := newStore(streamStore(stream), "", StoreConfig{Name: c.Stream})
	if err != nil {
		return err
	}
	return store.ForceWriteFullState()
}
