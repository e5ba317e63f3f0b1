package probes

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"storebench/internal/measure"
	"storebench/internal/natsfs"
)

// Recovery starts a server, or opens its stores alone, again on what was left
// behind.
type Recovery struct {
	Of        string        `param:"of" choices:"server,stores" help:"server: a whole nats-server with its streams and consumers; stores: the streams' stores alone, as many at once as a server takes"`
	State     string        `param:"state" choices:"clean,killed" help:"clean: the server was stopped and wrote its state; killed: the state is older than the blocks, so that all of them are read"`
	Cache     string        `param:"cache" choices:"cold,warm" help:"the page cache before the start: emptied, as after a restart of the machine, or as the writing left it"`
	Stored    measure.Size  `param:"stored" min:"4096" max:"1099511627776" help:"bytes that each stream holds"`
	BlockSize measure.Size  `param:"block-size" min:"4096" max:"8388608" help:"size of a block (of stores); a server takes 8 MB or 4 MB, for an encrypted stream without any limit 2 MB"`
	Consumers int           `param:"consumers" min:"0" max:"10000" help:"consumers in all, spread over the streams; each has files of its own (of server)"`
	CutAfter  time.Duration `param:"cut-after" min:"10ms" max:"10m" help:"when a start is given up"`
	StoreSize measure.Size  `param:"store-size" min:"0" help:"tell how long a server with so many bytes in its streams would take; 0: do not"`
	storeParams
}

// lostQuorum is nats-server's lostQuorumInterval (raft.go): after it a leader
// that hears of no majority counts its quorum as lost.
const lostQuorum = 10 * time.Second

var _ = register(func() Probe {
	// 3,900 KiB are a nearly full block of 4 MiB, which a stream with limits has.
	return &Recovery{
		Of: "server", State: "clean", Cache: "cold", Stored: 3900 << 10, BlockSize: 4 << 20, Consumers: 43,
		CutAfter: lostQuorum, storeParams: defaultStores(),
	}
})

// Info describes the probe.
func (p *Recovery) Info() Info {
	return Info{
		Name:    "recovery",
		Topic:   "restart",
		Summary: "start a server, or its stores alone, again after a clean stop or a kill",
		Why:     "A server that comes back reads the state and the last block of each stream, an encrypted block whole; after a kill it reads every block, one after the other. Until that is done the other two must keep the quorum of all its groups, and one more loss stops them.",
		Metrics: []Metric{
			{Name: "restart", Unit: measure.Seconds, Help: "from the start until all streams, and the consumers of a server, are recovered", Until: "cut-after"},
			{Name: "throughput", Unit: measure.BytesPerSecond, Help: "bytes that a recovery has to read over the time of the restart"},
			{Name: "lost_messages", Unit: measure.Count, Help: "acknowledged messages that the streams do not have after the restart", Kind: measure.Integrity},
			{Name: "restart_of_store", Unit: measure.Seconds, Help: "how long the restart would take with store-size bytes in the streams"},
		},
		Need:     p.need(),
		Foretold: int64(p.StoreSize),
		Extra:    p.CutAfter + 2*closeWait + preparation(int64(p.Streams)*int64(p.Stored)) + time.Duration(p.Consumers)*groupPreparation,
	}
}

// adjust drops the consumers, which stores alone do not have.
func (p *Recovery) adjust() {
	if p.Of == "stores" {
		p.Consumers = 0
	}
}

// need is the room for the streams, each with a block that is being compressed,
// and a few small files a block and a consumer.
func (p *Recovery) need() Need {
	const smallest, small = 32000, 4096 // nats-server's smallest block; a block of the file system
	block := int64(p.BlockSize)
	if p.Of == "server" {
		block = smallest
	}
	blocks := int64(p.Stored)/block + 4
	files := int64(p.Streams)*(2*blocks+32) + int64(p.Consumers)*10 + 64
	return Need{Bytes: int64(p.Streams)*(int64(p.Stored)+int64(p.Stored)/4+8<<20) + files*small, Files: files}
}

// Run measures one round: recoveries until its time is over, one at least.
func (p *Recovery) Run(ctx context.Context, env *Env) ([]measure.Measurement, error) {
	n := &node{probe: p, dir: env.Dir, key: natsfs.NewKey()}
	if err := n.build(ctx, env); err != nil {
		return nil, cutOr(withCause(ctx, env.Dir, err), n.close(ctx))
	}
	r := restarts{start: time.Now(), took: measure.NewRecorder(1, env.Duration)}
	sampler := measure.StartContext(env.Devices)
	var err error
	for err == nil && (r.count == 0 || time.Since(r.start) < env.Duration) {
		err = n.again(ctx, &r)
	}
	r.elapsed, r.around = time.Since(r.start), sampler.Stop()
	if !errors.Is(err, ErrCut) {
		if err != nil {
			err = withCause(ctx, env.Dir, err)
		}
		err = cutOr(err, n.close(ctx))
	}
	return p.measured(n, r), err
}

// restarts are those of a round.
type restarts struct {
	start   time.Time
	elapsed time.Duration
	around  measure.Context
	took    *measure.Recorder
	count   int
	total   time.Duration
	cut     time.Duration // how long the one took that was given up; 0 for none
	lost    uint64        // messages, of all restarts
	slots   measure.SlotWaits
	cache   *measure.Cache // nil when it may be warm
	logged  []string       // warnings of the servers
}

// measured makes the measurements of a round.
func (p *Recovery) measured(n *node, r restarts) []measure.Measurement {
	read := r.around // whether the cache was cold says nothing of what is lost
	read.Slots, read.Cache = &r.slots, r.cache
	took := r.took.Distribution()
	if r.cut > 0 {
		took.GiveUp(r.elapsed.Seconds(), r.cut.Seconds(), 1)
	}
	measured := []measure.Measurement{timed("restart", r.start, r.elapsed, read, took)}
	measured[0].Warnings = r.logged
	if r.count == 0 {
		return measured
	}
	mean := r.total / time.Duration(r.count)
	measured = append(measured,
		single("throughput", measure.BytesPerSecond, r.start, r.elapsed, read, float64(n.toRead)/mean.Seconds()),
		single("lost_messages", measure.Count, r.start, r.elapsed, r.around, float64(r.lost)))
	if p.StoreSize > 0 {
		measured = append(measured, single("restart_of_store", measure.Seconds, r.start, r.elapsed, read, n.ofStore(mean).Seconds()))
	}
	return measured
}

// node is what is recovered again and again on one directory.
type node struct {
	probe  *Recovery
	dir    string
	key    natsfs.Key
	server *natsfs.Server  // nil while it is stopped
	stores []*natsfs.Store // of the streams; nil for one that could not be recovered
	usual  []string        // what such a server logs on an empty directory
	acked  []uint64        // messages of each stream
	toRead int64           // bytes that a recovery has to read
	empty  time.Duration   // how long it takes without any message
}

// ofStores says that the stores are opened alone. The server then is there for
// its slots only, and goes on.
func (n *node) ofStores() bool { return n.probe.Of == "stores" }

// files is the directory of what is recovered.
func (n *node) files() string {
	if n.ofStores() {
		return filepath.Join(n.dir, "stores")
	}
	return filepath.Join(n.dir, "server")
}

// build makes the streams and stops them as the round's state asks.
func (n *node) build(ctx context.Context, env *Env) error {
	p := n.probe
	if err := n.openServer(ctx); err != nil {
		return err
	}
	n.usual = serverWarnings(n.server, 0, n.dir)
	if err := n.makeStreams(ctx); err != nil {
		return err
	}
	if p.StoreSize > 0 && p.State == "killed" {
		if err := n.timeEmpty(ctx); err != nil {
			return err
		}
	}
	if err := n.fill(ctx, payload(env.Rand, int(p.MessageSize))); err != nil {
		return err
	}
	if err := n.stop(ctx); err != nil {
		return err
	}
	return n.measureFiles()
}

func (n *node) makeStreams(ctx context.Context) error {
	p := n.probe
	if n.ofStores() {
		return n.openStores(ctx)
	}
	for i := range p.Streams {
		store, err := n.server.CreateStream(ctx, p.stream(i))
		if err != nil {
			return err
		}
		n.stores = append(n.stores, store)
	}
	for i := range p.Consumers {
		if err := n.server.CreateConsumer(ctx, streamName(i%p.Streams), fmt.Sprintf("consumer-%d", i)); err != nil {
			return err
		}
	}
	return nil
}

// stream is the i-th stream: so large that it holds what is stored, with the
// blocks that a server chooses for that size. No message is as young as its
// window of duplicates when the server starts; in production all that are would be read
// again.
func (p *Recovery) stream(i int) natsfs.StreamConfig {
	return natsfs.StreamConfig{
		Name: streamName(i), Subjects: []string{streamSubject(i)}, MaxBytes: 2 * int64(p.Stored),
		Compression: natsfs.Compression(p.Compression), Duplicates: 100 * time.Millisecond,
	}
}

// timeEmpty tells what a recovery takes whatever the streams hold.
func (n *node) timeEmpty(ctx context.Context) error {
	if err := n.stop(ctx); err != nil {
		return err
	}
	if n.probe.Cache == "cold" {
		if _, err := chill(n.files()); err != nil {
			return err
		}
	}
	begin := time.Now()
	err := n.start(ctx)
	n.empty = time.Since(begin)
	return err
}

// fill stores the messages. Those of a server that will be killed go on after
// its streams' states were written, as they do in production.
func (n *node) fill(ctx context.Context, message []byte) error {
	p := n.probe
	record := int64(len(streamSubject(0)) + len(message) + 30)
	messages := max(2, int64(p.Stored)/record)
	n.acked = make([]uint64, p.Streams)
	for i, store := range n.stores {
		for m := range messages {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			if err := store.StoreMsg(streamSubject(i), nil, message); err != nil {
				return fmt.Errorf("fill stream %d: %w", i, err)
			}
			n.acked[i]++
			if m == messages/2 && p.State == "killed" {
				if err := store.ForceWriteFullState(); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// measureFiles adds up what a recovery has to read: after a kill everything;
// after a clean stop no block but the last of each stream, and of stores alone
// that only when it is encrypted (a whole server reads its last message, and the
// block with it).
func (n *node) measureFiles() error {
	last := map[string]int{} // block by directory
	err := eachFile(n.files(), func(path string, _ int64) {
		if block, ok := blockOf(path); ok {
			last[filepath.Dir(path)] = max(last[filepath.Dir(path)], block)
		}
	})
	lastIsRead := n.probe.Cipher != "none" || !n.ofStores()
	return errors.Join(err, eachFile(n.files(), func(path string, size int64) {
		block, ok := blockOf(path)
		if !ok || n.probe.State == "killed" || block == last[filepath.Dir(path)] && lastIsRead {
			n.toRead += size
		}
	}))
}

// eachFile visits the regular files below dir with their sizes.
func eachFile(dir string, visit func(path string, size int64)) error {
	return filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		info, err := entry.Info()
		if err == nil {
			visit(path, info.Size())
		}
		return err
	})
}

// blockOf is the number of the block that a file is of, its key included.
func blockOf(path string) (int, bool) {
	name, ext := filepath.Base(path), filepath.Ext(path)
	number, err := strconv.Atoi(strings.TrimSuffix(name, ext))
	return number, err == nil && (ext == ".blk" || ext == ".key")
}

// ofStore is how long a restart would take with store-size bytes in the streams,
// when this one took so long. After a kill all of them are read; after a clean
// stop one block of each stream, however many there are.
func (n *node) ofStore(took time.Duration) time.Duration {
	if n.probe.State == "clean" {
		return took
	}
	times := float64(n.probe.StoreSize) / float64(int64(n.probe.Streams)*int64(n.probe.Stored))
	return n.empty + time.Duration(times*float64(max(0, took-n.empty)))
}

// again recovers everything once, and stops it.
func (n *node) again(ctx context.Context, r *restarts) error {
	if n.probe.Cache == "cold" {
		left, err := chill(n.files())
		if err != nil {
			return err
		}
		r.cache = addCache(r.cache, left)
	}
	before := n.slotWaits()
	begin := time.Now()
	within, cancel := context.WithTimeout(ctx, n.probe.CutAfter)
	defer cancel()
	err := n.start(within)
	took := time.Since(begin)
	if err != nil {
		if ctx.Err() == nil && within.Err() != nil {
			r.cut, err = took, ErrCut
		}
		return err
	}
	r.count, r.total = r.count+1, r.total+took
	r.took.Shard(0).Record(time.Since(r.start), took)
	r.addSlots(slotWaits(n.slotWaits().Sub(before)))
	if err := n.examine(ctx, r); err != nil {
		return err
	}
	return n.stop(ctx)
}

// slotWaits are those of the server so far; one that is not there has none.
func (n *node) slotWaits() natsfs.SlotWaits {
	if n.server == nil {
		return natsfs.SlotWaits{}
	}
	return n.server.SlotWaits()
}

func (r *restarts) addSlots(w *measure.SlotWaits) {
	r.slots.Slots, r.slots.Waits, r.slots.Seconds = w.Slots, r.slots.Waits+w.Waits, r.slots.Seconds+w.Seconds
	r.slots.Max = max(r.slots.Max, w.Max)
}

// examine looks at what was recovered.
func (n *node) examine(ctx context.Context, r *restarts) error {
	for _, line := range serverWarnings(n.server, 0, n.dir) {
		if !n.expected(line) && !slices.Contains(n.usual, line) {
			r.logged = addWarning(r.logged, line)
		}
	}
	for i, acked := range n.acked {
		has := uint64(0)
		if n.stores[i] != nil {
			has = n.stores[i].State().Msgs
		}
		r.lost += acked - min(has, acked)
	}
	if n.ofStores() {
		return nil
	}
	consumers, err := n.consumers(ctx)
	if consumers != n.probe.Consumers {
		r.logged = addWarning(r.logged, fmt.Sprintf("%d of %d consumers were recovered", consumers, n.probe.Consumers))
	}
	return err
}

// expected says whether a server that was killed has to log a line: its states
// are older than its blocks.
func (n *node) expected(line string) bool {
	return n.probe.State == "killed" && (strings.Contains(line, "Stream state outdated") || strings.Contains(line, "prior state file"))
}

// consumers counts those of the streams that are there.
func (n *node) consumers(ctx context.Context) (int, error) {
	all := 0
	for i, store := range n.stores {
		if store == nil {
			continue
		}
		found, err := n.server.Consumers(ctx, streamName(i))
		if err != nil {
			return all, err
		}
		all += found
	}
	return all, nil
}

// start recovers what lies in the files.
func (n *node) start(ctx context.Context) error {
	if n.ofStores() {
		return n.openStores(ctx)
	}
	if err := n.openServer(ctx); err != nil {
		return err
	}
	n.stores = n.stores[:0]
	for i := range n.probe.Streams {
		store, err := n.server.Stream(n.probe.stream(i))
		if err != nil {
			store = nil // the server has logged why
		}
		n.stores = append(n.stores, store)
	}
	return nil
}

// openServer starts the server; on a directory that has streams it recovers
// them.
func (n *node) openServer(ctx context.Context) error {
	options := n.probe.server(filepath.Join(n.dir, "server"))
	options.Key = n.key
	server, err := natsfs.Open(ctx, options)
	if err != nil {
		return fmt.Errorf("start the embedded nats-server: %w", err)
	}
	n.server = server
	return nil
}

// serverTasks is how many streams nats-server recovers at once, if it has as
// many slots (enableJetStreamAccounts in jetstream.go).
const serverTasks = 64

// openStores opens the stores alone. When ctx ends first, they go on being opened
// unseen.
func (n *node) openStores(ctx context.Context) error {
	p, server := n.probe, n.server // which is forgotten once it is closed
	stores := make([]*natsfs.Store, p.Streams)
	var group errgroup.Group
	group.SetLimit(min(serverTasks, p.Slots))
	opened := make(chan error, 1)
	go func() {
		for i := range stores {
			group.Go(func() (err error) {
				stores[i], err = server.OpenStore(filepath.Join(n.files(), streamName(i)), natsfs.StoreConfig{
					Name: streamName(i), Subjects: []string{streamSubject(i)}, BlockSize: uint64(p.BlockSize),
					Cipher: natsfs.Cipher(p.Cipher), Compression: natsfs.Compression(p.Compression), Key: n.key,
				})
				return err
			})
		}
		opened <- group.Wait()
	}()
	select {
	case err := <-opened:
		n.stores = stores
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// stop stops what was recovered, or leaves its files as a kill does.
func (n *node) stop(ctx context.Context) error {
	for _, store := range n.stores {
		var err error
		switch {
		case store == nil: // it was lost
		case n.probe.State == "killed":
			err = store.Abandon()
		case store.Alone():
			err = store.Close()
		}
		if err != nil {
			return err
		}
	}
	n.stores = n.stores[:0]
	if n.ofStores() {
		return nil
	}
	return n.close(ctx)
}

// close closes what is open, the server within its bound.
func (n *node) close(ctx context.Context) (err error) {
	for _, store := range n.stores {
		if store != nil && store.Alone() {
			err = errors.Join(err, store.Close())
		}
	}
	n.stores = n.stores[:0]
	if n.server == nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeWait)
	defer cancel()
	if n.server.Close(ctx) != nil {
		return cutOr(err, ErrCut)
	}
	n.server = nil
	return err
}
