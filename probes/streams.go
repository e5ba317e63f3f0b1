package probes

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"storebench/internal/load"
	"storebench/internal/measure"
	"storebench/internal/natsfs"
)

// storeParams are the parameters of probes whose streams lie in an embedded
// nats-server.
type storeParams struct {
	MessageSize measure.Size `param:"message-size" min:"1" max:"8388608" help:"payload of a message"`
	Streams     int          `param:"streams" min:"1" max:"64" help:"streams, each with a store of its own"`
	Cipher      string       `param:"cipher" choices:"none,chacha,aes" help:"encryption at rest"`
	Compression string       `param:"compression" choices:"none,s2" help:"compression of full blocks"`
	Slots       int          `param:"max-concurrent-io" min:"4" max:"8192" help:"I/O slots of the server"`
}

func defaultStores() storeParams {
	return storeParams{MessageSize: 1 << 10, Streams: 4, Cipher: "none", Compression: "none", Slots: natsfs.DefaultSlots}
}

// server is what the embedded nats-server of a round below dir is to be.
func (p storeParams) server(dir string) natsfs.Options {
	return natsfs.Options{StoreDir: dir, Slots: p.Slots, Cipher: natsfs.Cipher(p.Cipher)}
}

// streamParams are the parameters of probes that write to streams.
type streamParams struct {
	storeParams
	Concurrency int          `param:"concurrency" min:"1" max:"1024" help:"writers in all, spread over the streams; fewer than the streams become one a stream"`
	Sync        string       `param:"sync" choices:"default,always" help:"sync_interval: default (2 minutes) or always"`
	MaxBytes    measure.Size `param:"max-bytes" min:"1048576" help:"size of a stream; old messages are discarded, so a round has a ration of bytes"`
}

func defaultStreams() streamParams {
	return streamParams{storeParams: defaultStores(), Concurrency: 4, Sync: "default", MaxBytes: 24 << 20}
}

// need is the room for the streams: what they hold, a quarter more for the
// block that is being discarded, and a block being written or compressed.
func (p streamParams) need() Need {
	perStream := int64(p.MaxBytes) + int64(p.MaxBytes)/4 + 8<<20
	return Need{Bytes: int64(p.Streams) * perStream, Files: int64(p.Streams)*64 + 64}
}

// adjust raises the writers to one a stream. Fewer are no error: the flag
// --concurrency goes to all probes alike, and 1 makes sense for others.
func (p *streamParams) adjust() { p.Concurrency = max(p.Concurrency, p.Streams) }

// writers is the number of writers of one stream; where the streams do not
// divide the writers evenly, the first ones have one more.
func (p streamParams) writers(stream int) int {
	n := p.Concurrency / p.Streams
	if stream < p.Concurrency%p.Streams {
		n++
	}
	return max(1, n)
}

// gentleRate is up to how many messages a second an open loop may run beside
// live data: what a busy server stores by itself. Far above it the rate caps
// nothing, for few volumes keep up with it, and an open loop that runs behind
// writes as fast as a closed one.
const gentleRate = 10_000

// streams are the real stores of one embedded server.
type streams struct {
	server   *natsfs.Server
	stores   []*natsfs.Store
	subjects []string
	payload  []byte
	dir      string
	quiet    int // lines that the server logged before its streams were there
}

// closeWait bounds the shutdown of a server; one that takes longer is left to
// end with the worker.
const closeWait = 3 * time.Second

// open starts a server below the round's directory and makes the streams.
func (p streamParams) open(ctx context.Context, env *Env) (*streams, error) {
	return p.openWith(ctx, env, func(server *natsfs.Server, i int) (*natsfs.Store, error) {
		return server.CreateStream(ctx, natsfs.StreamConfig{
			Name: streamName(i), Subjects: []string{streamSubject(i)}, MaxBytes: int64(p.MaxBytes), Compression: natsfs.Compression(p.Compression),
		})
	})
}

// openWith starts a server and makes each stream's store in it.
func (p streamParams) openWith(ctx context.Context, env *Env, makeStore func(server *natsfs.Server, i int) (*natsfs.Store, error)) (*streams, error) {
	options := p.server(env.Dir)
	options.SyncAlways = p.Sync == "always"
	server, err := natsfs.Open(ctx, options)
	if err != nil {
		return nil, withCause(ctx, env.Dir, fmt.Errorf("start the embedded nats-server: %w", err))
	}
	s := &streams{server: server, payload: payload(env.Rand, int(p.MessageSize)), dir: env.Dir}
	for i := range p.Streams {
		store, err := makeStore(server, i)
		if err != nil {
			return nil, cutOr(withCause(ctx, env.Dir, err), s.close(ctx))
		}
		s.stores, s.subjects = append(s.stores, store), append(s.subjects, streamSubject(i))
	}
	s.quiet = len(server.Warnings())
	return s, nil
}

func streamName(i int) string    { return fmt.Sprintf("STOREBENCH-%d", i) }
func streamSubject(i int) string { return fmt.Sprintf("storebench.%d", i) }

// withCause asks the volume itself about an error that went through the log or
// the API of nats-server, which carry only its text: a small file is written and
// synced in dir, and if that fails, its error, with the operating system's
// number, is wrapped beside err. An ended ctx has caused err by itself, and a
// volume that hangs would only take another thread.
func withCause(ctx context.Context, dir string, err error) error {
	if ctx.Err() != nil {
		return err
	}
	if own := writeAndSync(filepath.Join(dir, "cause")); own != nil {
		return fmt.Errorf("%w; a plain file there fails as well: %w", err, own)
	}
	return err
}

// writeAndSync makes a small file durable and removes it.
func writeAndSync(name string) error {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(make([]byte, 4096))
	return errors.Join(err, f.Sync(), f.Close(), os.Remove(name))
}

// maxServerWarnings is how many of nats-server's own lines a round tells.
const maxServerWarnings = 5

// warn puts what nats-server logged since its streams were there into the
// warnings of the first measurement: earlier lines are about its configuration.
func (s *streams) warn(measured []measure.Measurement) []measure.Measurement {
	if len(measured) > 0 {
		for _, line := range serverWarnings(s.server, s.quiet, s.dir) {
			measured[0].Warnings = addWarning(measured[0].Warnings, line)
		}
	}
	return measured
}

// serverWarnings are the lines that a server logged, without so many first ones.
// They name files; the round's directory is left out of them.
func serverWarnings(server *natsfs.Server, skip int, dir string) []string {
	lines := slices.Clone(server.Warnings())
	lines = lines[min(skip, len(lines)):]
	for i := range lines {
		lines[i] = "nats-server: " + strings.ReplaceAll(lines[i], dir, "…")
	}
	return lines
}

// addWarning adds each line once, and no more than a reader takes in.
func addWarning(warnings []string, line string) []string {
	if len(warnings) >= maxServerWarnings || slices.Contains(warnings, line) {
		return warnings
	}
	return append(warnings, line)
}

// payload is half random and half the same, so that compression finds about as
// much to do as in structured messages.
func payload(random *rand.Rand, size int) []byte {
	b := make([]byte, size)
	for i := range size / 2 {
		b[i] = byte(random.Uint32())
	}
	return b
}

// close closes the stores that are no streams of the server, and shuts it down.
// What does not end within its bound has writes in flight.
func (s *streams) close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeWait)
	defer cancel()
	closed := make(chan error, 1)
	go func() { closed <- s.closeStores() }()
	select {
	case err := <-closed:
		if s.server.Close(ctx) != nil {
			return cutOr(err, ErrCut)
		}
		return err
	case <-ctx.Done():
		return ErrCut
	}
}

func (s *streams) closeStores() (err error) {
	for _, store := range s.stores {
		if store.Alone() {
			err = errors.Join(err, store.Close())
		}
	}
	return err
}

// store is one message on one stream.
func (s *streams) store(stream int) error {
	return s.stores[stream].StoreMsg(s.subjects[stream], nil, s.payload)
}

// slotWaits is the server's counters as a round's context carries them.
func (s *streams) slotWaits() *measure.SlotWaits { return slotWaits(s.server.SlotWaits()) }

func slotWaits(w natsfs.SlotWaits) *measure.SlotWaits {
	return &measure.SlotWaits{
		Slots: w.Slots, Waiters: w.Waiters, Waits: w.Waits, Seconds: w.Wait.Seconds(), Max: w.MaxWait.Seconds(),
	}
}

// run drives every stream by itself, as in a server: while one stalls, the
// others go on. config returns the load of one stream.
func (s *streams) run(ctx context.Context, config func(stream int) load.Config) ([]load.Outcome, error) {
	outcomes := make([]load.Outcome, len(s.stores))
	var group errgroup.Group
	for i := range s.stores {
		group.Go(func() (err error) {
			outcomes[i], err = load.Run(ctx, config(i), func(int, int64) error { return s.store(i) })
			return err
		})
	}
	return outcomes, group.Wait()
}
