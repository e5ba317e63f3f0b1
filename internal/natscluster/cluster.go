// Package natscluster runs three nats-server processes on the loopback interface
// as one JetStream cluster: each with a store directory of its own, all of them
// of one program, through the same configuration file, monitoring endpoints and
// log. Whoever started them is told what happened; they end with it.
package natscluster

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/nats-io/nats.go"
)

// Size is how many servers a cluster has.
const Size = 3

// Account is the one that streams are made in.
const Account = "BENCH"

// Options say what cluster to start.
type Options struct {
	// Program is a nats-server binary; empty is the nats-server linked into this
	// program.
	Program string
	// Stores are the store directories of the servers. They exist and are empty,
	// or hold what an earlier cluster with the same Secrets left there.
	Stores [Size]string
	// Work is a directory for the configuration files, which carry the cluster's
	// credentials and can be read by this user alone.
	Work string
	// Hold are descriptors that each server keeps open for as long as it lives.
	Hold []*os.File
	// Slots is max_concurrent_io; 0 leaves the server's own default, as it has to
	// be for servers that do not know the setting.
	Slots int
	// Cipher is chacha or aes, or empty for none.
	Cipher string
	// SyncAlways is sync_interval: always; else SyncInterval is the interval, 0
	// the server's own 2 minutes.
	SyncAlways   bool
	SyncInterval time.Duration
	// Report is from how long on the linked-in server logs pauses of its read
	// loops and internal subscriptions; 0 is nats-server's 2 s, which other
	// programs always have.
	Report time.Duration
}

// Cluster is three servers. Its methods are safe for concurrent use, but WaitFormed
// is for one caller at a time.
type Cluster struct {
	opts     Options
	name     string
	password string
	key      string
	nodes    [Size]*Node
	launches int
	began    time.Time // the last launch
	formed   bool      // once, since Start
}

// Start starts the servers, which says nothing of whether they find each other: see
// WaitFormed. The error of a server that ends at once carries its last lines.
func Start(ctx context.Context, opts Options) (*Cluster, error) {
	c := &Cluster{opts: opts, name: "storebench-" + secret(4), password: secret(16)}
	if opts.Cipher != "" {
		c.key = secret(32)
	}
	for i := range c.nodes {
		c.nodes[i] = &Node{cluster: c, Name: fmt.Sprintf("%s-%d", c.name, i), store: opts.Stores[i]}
	}
	if err := c.launch(); err != nil {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), requestWait)
		defer cancel()
		return nil, errors.Join(err, c.Close(ctx))
	}
	return c, nil
}

// launch starts all servers on ports that are free at this moment.
func (c *Cluster) launch() error {
	free, err := freePorts(3 * Size)
	if err != nil {
		return err
	}
	c.launches++
	c.began = time.Now()
	for i, n := range c.nodes {
		n.ports.Store(&ports{client: free[3*i], monitor: free[3*i+1], route: free[3*i+2]})
	}
	for _, n := range c.nodes {
		if err := n.start(); err != nil {
			return err
		}
	}
	return nil
}

// maxLaunches is how often the servers are started on ports that somebody else
// takes: they are looked for first, and a server comes to them a moment later.
const maxLaunches = 3

// relaunch starts the servers on other ports. Their logs begin anew.
func (c *Cluster) relaunch(ctx context.Context) error {
	if err := c.Close(ctx); err != nil {
		return err
	}
	for _, n := range c.nodes {
		n.mu.Lock()
		n.log = nil
		n.mu.Unlock()
	}
	return c.launch()
}

// secret is so many random bytes in hexadecimal.
func secret(bytes int) string {
	b := make([]byte, bytes)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}

// Node is one of the servers, 0 to Size-1.
func (c *Cluster) Node(i int) *Node { return c.nodes[i] }

// Nodes are all servers.
func (c *Cluster) Nodes() []*Node { return c.nodes[:] }

// Connect connects a client to one server, and to no other after it. system
// connects to the system account, which the requests of an operator go to.
func (c *Cluster) Connect(i int, system bool, options ...nats.Option) (*nats.Conn, error) {
	user := "bench"
	if system {
		user = "system"
	}
	options = append([]nats.Option{
		nats.UserInfo(user, c.password), nats.Name("storebench"), nats.NoEcho(), nats.IgnoreDiscoveredServers(),
		nats.MaxReconnects(-1), nats.ReconnectWait(50 * time.Millisecond), nats.ReconnectJitter(0, 0), nats.Timeout(requestWait),
	}, options...)
	nc, err := nats.Connect(fmt.Sprintf("nats://%s:%d", loopback, c.nodes[i].ports.Load().client), options...)
	if err != nil {
		return nil, fmt.Errorf("connect to server %d of the cluster: %w", i, err)
	}
	return nc, nil
}

// Close kills the servers: what they stored is thrown away. It waits until they
// are gone or ctx ends; those that are not are left behind, and the error is a
// LeftError.
func (c *Cluster) Close(ctx context.Context) error {
	for _, n := range c.nodes {
		n.kill()
	}
	var left []int
	for i, n := range c.nodes {
		if n.gone(ctx) != nil {
			left = append(left, i)
		}
		_ = os.Remove(n.configFile())
	}
	if left != nil {
		return &LeftError{left}
	}
	return nil
}

// ErrLeft is returned when a killed server did not end in time: it is blocked in the
// kernel, on a volume that gives no answer, or gets no processor.
var ErrLeft = errors.New("a killed nats-server has not ended in time")

// LeftError names the servers that Close left behind, 0 to Size-1.
type LeftError struct{ Nodes []int }

func (e *LeftError) Error() string { return fmt.Sprintf("%v: servers %v", ErrLeft, e.Nodes) }

// Unwrap returns ErrLeft.
func (e *LeftError) Unwrap() error { return ErrLeft }

func (n *Node) configFile() string { return filepath.Join(n.cluster.opts.Work, n.Name+".conf") }
