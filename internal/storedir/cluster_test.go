package storedir

import (
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// cluster starts three servers that know each other over the loopback interface.
func cluster(t *testing.T, dir string, cipher server.StoreCipher) (servers []*server.Server, js jetstream.JetStream) {
	t.Helper()
	ports := freePorts(t)
	for i := range ports {
		opts := &server.Options{
			ServerName: fmt.Sprintf("n%d", i), Host: "127.0.0.1", Port: -1, NoSigs: true, NoLog: true,
			JetStream: true, StoreDir: filepath.Join(dir, fmt.Sprintf("n%d", i)), JetStreamMaxStore: 1 << 30,
			Cluster: server.ClusterOpts{Name: "c", Host: "127.0.0.1", Port: ports[i]},
		}
		if cipher != server.NoCipher {
			opts.JetStreamKey, opts.JetStreamCipher = serverKey, cipher
		}
		for _, port := range ports {
			opts.Routes = append(opts.Routes, &url.URL{Scheme: "nats-route", Host: fmt.Sprintf("127.0.0.1:%d", port)})
		}
		s, err := server.NewServer(opts)
		if err != nil {
			t.Fatal(err)
		}
		s.Start()
		t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
		servers = append(servers, s)
	}
	await(t, "a leader of the meta group with all peers", func() bool {
		for _, s := range servers {
			if s.JetStreamIsLeader() {
				return len(s.JetStreamClusterPeers()) == 3
			}
		}
		return false
	})
	nc, err := nats.Connect("", nats.InProcessServer(servers[0]))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	if js, err = jetstream.New(nc); err != nil {
		t.Fatal(err)
	}
	return servers, js
}

// freePorts are three ports that nobody listened on a moment ago.
func freePorts(t *testing.T) (ports []int) {
	t.Helper()
	for range 3 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports
}

func await(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(60 * time.Second); !holds(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("no %s within a minute", what)
		}
	}
}

// TestCluster holds the Raft groups of a real cluster's stores against what its servers
// said: with a cipher, their logs are encrypted and their snapshots are not.
func TestCluster(t *testing.T) {
	for name, cipher := range map[string]server.StoreCipher{"plain": server.NoCipher, "aes": server.AES} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			servers, js := cluster(t, dir, cipher)
			stream, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "S", Subjects: []string{"s.>"}, Replicas: 3})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := stream.CreateConsumer(t.Context(), jetstream.ConsumerConfig{Durable: "C"}); err != nil {
				t.Fatal(err)
			}
			for n := range 200 {
				if _, err := js.Publish(t.Context(), fmt.Sprintf("s.%d", n%5), []byte("payload")); err != nil {
					t.Fatal(err)
				}
			}
			var terms []map[string]uint64
			for _, s := range servers {
				terms = append(terms, raftTerms(t, s))
			}
			for _, s := range servers {
				s.Shutdown()
				s.WaitForShutdown()
			}
			for i := range servers {
				store := read(t, filepath.Join(dir, fmt.Sprintf("n%d", i)), Options{Deep: true})
				if d := store.Deep; d.Damaged != 0 || (d.Encrypted == 0) != (cipher == server.NoCipher) {
					t.Errorf("the Raft logs: %+v", d)
				}
				requireGroups(t, store, terms[i], cipher != server.NoCipher)
			}
		})
	}
}

// raftTerms are the terms of a server's groups by name once all is applied.
func raftTerms(t *testing.T, s *server.Server) map[string]uint64 {
	t.Helper()
	terms := map[string]uint64{}
	await(t, "quiet", func() bool {
		for _, groups := range *s.Raftz(&server.RaftzOptions{AccountFilter: "$G"}) {
			for name, g := range groups {
				terms[name] = g.Term
				if g.Applied != g.Committed || g.Committed != g.PIndex {
					return false
				}
			}
		}
		return len(terms) == 2
	})
	return terms
}

func requireGroups(t *testing.T, store *Store, terms map[string]uint64, encrypted bool) {
	t.Helper()
	if store.Unread.Count != 0 || store.Leftovers.Count != 0 {
		t.Errorf("not read: %+v; leftovers: %+v", store.Unread, store.Leftovers)
	}
	kinds := map[string]Group{}
	for _, g := range store.Groups {
		kinds[g.Kind] = g
		if term, known := terms[g.Name]; known && g.Term < term || !known && !g.Meta() {
			t.Errorf("%s has term %d, the server said %d (%v)", g.Name, g.Term, term, known)
		}
		if g.Peers != 3 || g.Bytes == 0 {
			t.Errorf("%s has %d peers and %d bytes", g.Name, g.Peers, g.Bytes)
		}
		if (g.Entries == nil) != encrypted || encrypted && g.Log.EncryptedBlocks != g.Log.Blocks {
			t.Errorf("%s: entries %v, %d of %d blocks encrypted", g.Name, g.Entries, g.Log.EncryptedBlocks, g.Log.Blocks)
		}
	}
	if len(kinds) != 3 || len(store.Groups) != 3 {
		t.Fatalf("the groups are %+v", store.Groups)
	}
	if snap := kinds["stream"].Snapshot; snap == nil || !snap.Intact || snap.Stream == nil || snap.Stream.Msgs != 200 || snap.Stream.Last != 200 {
		t.Errorf("the snapshot that a stop leaves is %+v", snap)
	}
	if len(store.Streams) != 1 || len(store.Streams[0].Consumers) != 1 {
		t.Fatalf("the streams are %+v", store.Streams)
	}
	s := store.Streams[0]
	if encrypted {
		// Only a meta snapshot that was taken after the stream was made knows it.
		if s.Config == nil || s.Config.Replicas != 3 || s.Group != kinds["stream"].Name || kinds["consumer"].Asset != "$G > S > C" {
			t.Errorf("by the meta snapshot the stream is %+v, the groups are %+v", s, store.Groups)
		}
		return
	}
	if got := told(s); got.Msgs != 200 || got.Subjects != 5 || got.Replicas != 3 || s.Group != kinds["stream"].Name {
		t.Errorf("the stream is %+v of group %q", got, s.Group)
	}
	if c := kinds["consumer"]; c.Asset != "$G > S > C" || !strings.HasPrefix(c.Name, "C-R3F-") {
		t.Errorf("the consumer's group is %+v", c)
	}
}
