package serverlog

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	natsserver "github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// runServer starts a server that logs to a file, does what it is asked with a
// connection to it, and ends it.
func runServer(t *testing.T, logFile, store string, do func(nats.JetStreamContext) error) {
	t.Helper()
	s, err := natsserver.NewServer(&natsserver.Options{
		ServerName: "nats-0", Host: "127.0.0.1", Port: -1, HTTPHost: "127.0.0.1", HTTPPort: -1,
		JetStream: true, StoreDir: store, NoSigs: true,
		LogFile: logFile, Logtime: true, LogtimeUTC: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	s.ConfigureLogger()
	s.Start()
	defer s.WaitForShutdown()
	defer s.Shutdown()
	if !s.ReadyForConnections(time.Minute) {
		t.Fatal("the server does not get ready")
	}
	conn, err := nats.Connect("", nats.InProcessServer(s))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	js, err := conn.JetStream(nats.MaxWait(time.Minute))
	if err == nil {
		err = do(js)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestServer reads what a nats-server of this build really logs, from its start
// to its end, twice: the second time it finds a stream.
func TestServer(t *testing.T) {
	dir := t.TempDir()
	store := filepath.Join(dir, "a store")
	logs := []string{filepath.Join(dir, "first.log"), filepath.Join(dir, "second.log")}
	began := time.Now().Truncate(time.Microsecond)
	runServer(t, logs[0], store, func(js nats.JetStreamContext) error {
		if _, err := js.AddStream(&nats.StreamConfig{Name: "ORDERS", Subjects: []string{"orders"}}); err != nil {
			return err
		}
		for range 3 {
			if _, err := js.Publish("orders", []byte("one")); err != nil {
				return err
			}
		}
		return nil
	})
	runServer(t, logs[1], store, func(nats.JetStreamContext) error { return nil })

	first, second := readLog(t, logs[0]), readLog(t, logs[1])
	checkOrder(t, first, Starting, Version, ServerName, StoreDirectory, ClientListener, Ready, ShuttingDown, JetStreamStopped, Exiting)
	checkOrder(t, second, Starting, StreamRestored, JetStreamStarted, Ready, Exiting)
	for kind, want := range map[Kind]string{
		Version: natsserver.VERSION, ServerName: "nats-0", StoreDirectory: filepath.Join(store, "jetstream"), StreamRestored: "$G > ORDERS",
	} {
		same := func(e Event) bool {
			return e.Kind == kind && e.Subject == want && (kind != StreamRestored || e.Count == 3)
		}
		if !slices.ContainsFunc(second, same) {
			t.Errorf("no %s of %q in %+v", kind, want, second)
		}
	}
	for _, e := range slices.Concat(first, second) {
		if e.Level < Info || e.Level > Warning || e.At.Before(began) || e.At.After(time.Now()) || e.Storage() {
			t.Errorf("%+v", e)
		}
	}
}

func readLog(t *testing.T, name string) (events []Event) {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := Read(strings.NewReader(string(text)), func(e Event) { events = append(events, e) }); err != nil {
		t.Fatal(err)
	}
	return events
}

// checkOrder looks for the kinds, one after another.
func checkOrder(t *testing.T, events []Event, kinds ...Kind) {
	t.Helper()
	left := kinds
	for _, e := range events {
		if len(left) > 0 && e.Kind == left[0] {
			left = left[1:]
		}
	}
	if len(left) > 0 {
		t.Errorf("%s is missing, or out of order, in %+v", left[0], events)
	}
}
