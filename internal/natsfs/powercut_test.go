package natsfs

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

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

// publish stores messages in a server until its process is killed, and writes
// the number of each that was acknowledged.
func publish(dir string, always bool) error {
	ctx := context.Background()
	s, err := Open(ctx, Options{StoreDir: dir, SyncAlways: always})
	if err != nil {
		return err
	}
	if _, err := s.CreateStream(ctx, StreamConfig{Name: "ORDERS", Subjects: []string{"orders"}}); err != nil {
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
	}
}

// published runs such a process until so many messages were acknowledged, and
// kills it. It returns how many were.
func published(t *testing.T, dir string, always bool, messages uint64) (acknowledged uint64) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, self)
	cmd.Env = append(os.Environ(), publishDir+"="+dir)
	if always {
		cmd.Env = append(cmd.Env, publishAlways+"=yes")
	}
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if acknowledged, err = strconv.ParseUint(lines.Text(), 10, 64); err != nil {
			t.Fatal(err)
		}
		if acknowledged == messages {
			_ = cmd.Process.Kill() // what it acknowledged meanwhile is read as well
		}
	}
	_ = cmd.Wait() // it was killed
	if acknowledged < messages {
		t.Fatalf("the server ended after %d messages, want %d", acknowledged, messages)
	}
	return acknowledged
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
// honest.
func TestPowerCut(t *testing.T) {
	for _, tt := range []struct {
		name   string
		fs     string
		always bool
		faults []string
		kept   bool // all of them
	}{
		{"always, honest ext4", "ext4", true, nil, true},
		{"always, honest xfs", "xfs", true, nil, true},
		{"always, honest btrfs", "btrfs", true, nil, true},
		{"always, a flush of 5 ms", "ext4", true, []string{"flush 5ms"}, true},
		{"always, a lying cache", "ext4", true, []string{"lie"}, false},
		{"default mode, honest ext4", "ext4", false, nil, false},
		{"default mode, honest xfs", "xfs", false, nil, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			volume := slowtest.Block(t, slowvolume.BlockConfig{FS: tt.fs, Faults: slowtest.Faults(t, tt.faults...)})
			acknowledged := published(t, volume.Path(), tt.always, 500)
			if err := volume.PowerCut(t.Context()); err != nil {
				t.Fatal(err)
			}
			found := recovered(t, volume.Path(), acknowledged)
			t.Logf("%d of %d acknowledged messages are there after the power cut", found, acknowledged)
			if kept := found == acknowledged; kept != tt.kept {
				t.Errorf("%d of %d acknowledged messages are there, want all: %v", found, acknowledged, tt.kept)
			}
		})
	}
}
