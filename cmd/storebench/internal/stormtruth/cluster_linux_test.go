package stormtruth

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"storebench/internal/natscluster"
	"storebench/internal/slowvolume"
	"storebench/internal/slowvolume/slowtest"
)

// The servers: one on the volume, and two in memory, of which one is killed.
const target, witness, survivor = 0, 1, 2

// makers is how many streams are made or moved at once.
const makers = 16

// setUpBound bounds what is done without a fault.
const setUpBound = 2 * time.Minute

// startCluster starts the servers.
func startCluster(t *testing.T, volume string) *natscluster.Cluster {
	t.Helper()
	memory, err := os.MkdirTemp("/dev/shm", "storebench-storm-")
	if err != nil {
		t.Skipf("no memory for the other servers: %v", err)
	}
	t.Cleanup(func() { os.RemoveAll(memory) })
	opts := natscluster.Options{Work: memory, Slots: *slots}
	for i := range opts.Stores {
		opts.Stores[i] = filepath.Join(memory, fmt.Sprintf("server-%d", i))
	}
	opts.Stores[target] = filepath.Join(volume, "server")
	for _, dir := range opts.Stores {
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	c, err := natscluster.Start(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeCluster(t, c) })
	ctx, cancel := context.WithTimeout(t.Context(), setUpBound)
	defer cancel()
	if _, err := c.WaitFormed(ctx); err != nil {
		t.Fatal(err)
	}
	return c
}

func closeCluster(t *testing.T, c *natscluster.Cluster) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := c.Close(ctx); err != nil {
		t.Error(err)
	}
}

func streamName(i int) string { return fmt.Sprintf("storm-%d", i) }

// makeStreams makes streams of three replicas with one message each.
func makeStreams(t *testing.T, c *natscluster.Cluster, n int) {
	t.Helper()
	nc, err := c.Connect(witness, false)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc, jetstream.WithDefaultTimeout(30*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	eachStream(t, n, func(ctx context.Context, name string) error {
		config := jetstream.StreamConfig{Name: name, Subjects: []string{name}, Replicas: natscluster.Size, Storage: jetstream.FileStorage}
		if _, err := js.CreateStream(ctx, config); err != nil {
			return err
		}
		_, err := js.Publish(ctx, name, []byte("a small message"))
		return err
	})
}

// leadAll makes one server the leader of all streams.
func leadAll(t *testing.T, c *natscluster.Cluster, n, node int) {
	t.Helper()
	nc, err := c.Connect(witness, false)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	eachStream(t, n, func(ctx context.Context, name string) error { return c.LeadStream(ctx, nc, name, node) })
}

func eachStream(t *testing.T, n int, do func(ctx context.Context, name string) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), setUpBound)
	defer cancel()
	all, ctx := errgroup.WithContext(ctx)
	all.SetLimit(makers)
	for i := range n {
		all.Go(func() error {
			if err := do(ctx, streamName(i)); err != nil {
				return fmt.Errorf("stream %d of %d: %w", i, n, err)
			}
			return nil
		})
	}
	if err := all.Wait(); err != nil {
		t.Fatal(err)
	}
}

func eachNode(t *testing.T, c *natscluster.Cluster, do func(*natscluster.Node) error) {
	t.Helper()
	var all errgroup.Group
	for _, n := range c.Nodes() {
		all.Go(func() error { return do(n) })
	}
	if err := all.Wait(); err != nil {
		t.Fatal(err)
	}
}

// awaitLeaders waits until a server knows the leader of each stream's group, and
// returns the groups.
func awaitLeaders(t *testing.T, c *natscluster.Cluster, node int, within time.Duration) map[string]natscluster.Group {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	for {
		all, err := c.Node(node).Raftz(ctx)
		leaderless := *groups
		for _, g := range all {
			if g.Leader != "" {
				leaderless--
			}
		}
		if err == nil && leaderless <= 0 {
			return all
		}
		select {
		case <-ctx.Done():
			t.Fatalf("after %v server %d has %d groups and no leader of %d: %v", within, node, len(all), leaderless, err)
		case <-time.After(pollInterval):
		}
	}
}

const pollInterval = 200 * time.Millisecond

// groupDirs are the directories of the Raft groups of the server on the volume.
func groupDirs(t *testing.T, volume string) []string {
	t.Helper()
	dirs, err := filepath.Glob(filepath.Join(volume, "server", "jetstream", "*", "_js_", "S-R3F-*"))
	if err != nil || len(dirs) != *groups {
		t.Fatalf("%d directories of groups (%v), want %d", len(dirs), err, *groups)
	}
	return dirs
}

// withFlush does something while each flush of the volume takes its time, which
// begins with nothing to be written out.
func withFlush(t *testing.T, v *slowvolume.Block, do func()) {
	t.Helper()
	d, err := os.Open(v.Path())
	if err == nil {
		err = errors.Join(unix.Syncfs(int(d.Fd())), d.Close())
	}
	if err == nil {
		err = v.SetFaults(slowtest.Faults(t, "flush "+flush.String())...)
	}
	if err != nil {
		t.Fatal(err)
	}
	do()
	if err := v.SetFaults(); err != nil {
		t.Fatal(err)
	}
}
