package natsfs

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"storebench/internal/slowvolume"
	"storebench/internal/slowvolume/slowtest"
)

// publishDir and publishAlways tell a process of this test binary that it is
// the server whose power is cut: where, and with which sync mode.
const (
	publishDir    = "STOREBENCH_TEST_PUBLISH_DIR"
	publishAlways = "STOREBENCH_TEST_PUBLISH_ALWAYS"
)

const (
	// publishSynced is after how many messages the stream is synced once, as a
	// server in default mode does every 2 minutes.
	publishSynced = 5_000
	// publishCut is after how many acknowledged messages the power is cut.
	publishCut = 20_000
)

// publish stores messages in a server until its process is killed, and writes
// the number of each that was acknowledged.
func publish(dir string, always bool) error {
	ctx := context.Background()
	s, err := Open(ctx, Options{StoreDir: dir, SyncAlways: always})
	if err != nil {
		return err
	}
	store, err := s.CreateStream(ctx, StreamConfig{Name: "ORDERS", Subjects: []string{"orders"}})
	if err != nil {
		return err
	}
	if err := errors.Join(settled(store.Dir(), "meta.inf"), settled(store.Dir(), "meta.sum")); err != nil {
		return err
	}
	for message := make([]byte, 1<<10); ; {
		ack, err := s.js.Publish(ctx, "orders", message)
		if err != nil {
			return err
		}
		if _, err := fmt.Println(ack.Sequence); err != nil {
			return err
		}
		if ack.Sequence == publishSynced && !always {
			if err := store.SyncBlocks(); err != nil {
				return err
			}
		}
	}
}

// settled syncs a file of a stream that nats-server in default mode leaves to the
// kernel, which writes it out within 30 s. A stream whose power is cut earlier is
// lost as a whole.
func settled(dir, name string) error {
	f, err := os.OpenFile(filepath.Join(dir, name), os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// published runs such a process until so many messages were acknowledged, and
// kills it. It returns how many were.
func published(t *testing.T, dir string, always bool, messages uint64) (acknowledged uint64) {
	t.Helper()
	env := []string{publishDir + "=" + dir}
	if always {
		env = append(env, publishAlways+"=yes")
	}
	return killedAfter(t, messages, env...)
}

// recovered returns how many of the first messages of the stream a server finds.
func recovered(t *testing.T, dir string, messages uint64) (found uint64) {
	t.Helper()
	s := open(t, Options{StoreDir: dir})
	stream, err := s.js.Stream(t.Context(), "ORDERS")
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return 0
	}
	if err != nil {
		t.Fatal(err)
	}
	for sequence := range messages {
		_, err := stream.GetMsg(t.Context(), sequence+1)
		if err != nil && !errors.Is(err, jetstream.ErrMsgNotFound) {
			t.Fatal(err)
		}
		if err == nil {
			found++
		}
	}
	closeServer(t, s) // before the volume goes
	return found
}

// TestPowerCut shows what of the messages that nats-server acknowledged is there
// after a power cut: under sync_interval always all of them, if the volume is
// honest; in default mode those that a sync has met.
func TestPowerCut(t *testing.T) {
	if testing.Short() {
		t.Skip("it mounts many volumes")
	}
	for _, tt := range []struct {
		name     string
		fs       string
		always   bool
		faults   []string
		messages uint64 // acknowledged when the power is cut
		kept     uint64 // of them at least
		lost     bool   // some are
	}{
		{"always, honest ext4", "ext4", true, nil, 500, 500, false},
		{"always, honest xfs", "xfs", true, nil, 500, 500, false},
		{"always, honest btrfs", "btrfs", true, nil, 500, 500, false},
		{"always, a flush of 5 ms", "ext4", true, []string{"flush 5ms"}, 500, 500, false},
		{"always, a lying cache", "ext4", true, []string{"lie"}, 500, 0, true},
		{"default mode, not synced yet", "ext4", false, nil, 500, 0, true},
		{"default mode, synced once, ext4", "ext4", false, nil, publishCut, publishSynced, true},
		{"default mode, synced once, xfs", "xfs", false, nil, publishCut, publishSynced, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			volume := slowtest.Block(t, slowvolume.BlockConfig{FS: tt.fs, Faults: slowtest.Faults(t, tt.faults...)})
			acknowledged := published(t, volume.Path(), tt.always, tt.messages)
			if err := volume.PowerCut(t.Context()); err != nil {
				t.Fatal(err)
			}
			found := recovered(t, volume.Path(), acknowledged)
			t.Logf("%d of %d acknowledged messages are there after the power cut", found, acknowledged)
			if found < tt.kept || tt.lost != (found < acknowledged) {
				t.Errorf("%d of %d acknowledged messages are there, want at least %d, and some lost: %v", found, acknowledged, tt.kept, tt.lost)
			}
		})
	}
}
