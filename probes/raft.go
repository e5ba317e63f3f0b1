package probes

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"

	"storebench/internal/load"
	"storebench/internal/measure"
	"storebench/internal/natscluster"
	"storebench/internal/natsfs"
)

// raftParams are the parameters of probes that run a real group of three servers.
type raftParams struct {
	Place     string        `param:"place" choices:"leader,follower,all" help:"the server on the volume leads the streams, or follows; all: all three servers are on it"`
	Rate      float64       `param:"rate" min:"0.1" max:"1000000" help:"messages a second over all streams"`
	FormBound time.Duration `param:"form-bound" min:"1s" max:"5m" help:"how long the cluster may take to form"`
	streamParams
}

func defaultRaft() raftParams {
	p := raftParams{Place: "leader", Rate: 1000, FormBound: formBound, streamParams: defaultStreams()}
	p.Concurrency, p.MaxBytes = 64, 8<<20
	return p
}

// formBound is how long a cluster may take to form. One on sound disks takes 0.1
// to 8 s; its meta group's elections time out after 4 to 9 s, so that by then at
// least two of them have failed (maxElectionTimeout in nats-server's raft.go).
const formBound = 20 * time.Second

// target is the number of the server on the volume. The others are witnesses.
const target, witness = 0, 1

// raftWait bounds each thing that is asked of a cluster that has formed: a
// stream that is made, a leader that is moved.
const raftWait = 15 * time.Second

// need is the room that one server takes: its streams, their Raft logs until a
// snapshot compacts them (8 MB), a block being written in each.
func (p raftParams) oneServer() Need {
	perStream := int64(p.MaxBytes) + int64(p.MaxBytes)/4 + 8<<20 + 16<<20
	return Need{Bytes: int64(p.Streams)*perStream + 8<<20, Files: int64(p.Streams)*96 + 256}
}

// info puts what all these probes have in common into a description, whose need is
// what each server takes besides its streams.
func (p raftParams) info(i Info) Info {
	one := p.oneServer()
	one.Bytes, one.Files = one.Bytes+i.Need.Bytes, one.Files+i.Need.Files
	i.Need, i.Peers = one, one
	if p.Place == "all" {
		i.Need, i.Peers = Need{Bytes: natscluster.Size * one.Bytes, Files: natscluster.Size * one.Files}, Need{}
	}
	i.Extra += p.FormBound + 3*raftWait + grace + closeWait
	i.Metrics = append(i.Metrics,
		Metric{Name: "cluster_formed", Unit: measure.Seconds, Help: "from the start of the three servers until one leads the meta group and all are current"},
		Metric{Name: LeadersMoved, Unit: measure.Seconds, Help: "from when the streams stand and their leaders are asked to hand over until the server on the volume leads all of them and the meta group (place follower, and in raft-election: until another does); unfinished also where the streams are not made in time"},
		Metric{Name: "leaders_lost", Unit: measure.Count, Help: "elections of streams and of the meta group that nobody asked for; on nats-server before 2.10.18 only those that another server won", Kind: measure.Event},
		Metric{Name: "memory", Unit: measure.Bytes, Help: "largest resident memory of the server on the volume"},
		Metric{Name: "memory_all", Unit: measure.Bytes, Help: "the largest resident memories of the three servers together"},
	)
	return i
}

// lateHelp is what the late metric of a probe's publishes tells.
const lateHelp = "by how much this machine woke an idle publisher late, which is not the volume's and in no other metric (open loop)"

// LeadersMoved is the metric of how long leaders take to move to where they have to be.
const LeadersMoved = "leaders_moved"

// raftGroup is a cluster with streams of three replicas.
type raftGroup struct {
	params   raftParams
	leader   int // the server that leads all streams and the meta group
	env      *Env
	opts     natscluster.Options
	cluster  *natscluster.Cluster
	nc       *nats.Conn // to a witness
	payload  []byte
	names    []string
	subjects []string
	waiting  []atomic.Int64          // publishes to each stream that wait for an acknowledgement
	settled  map[string]term         // of each group, when its leader was where it had to be
	peak     [natscluster.Size]int64 // see peaks
}

// term is who leads a group, and since which election.
type term struct {
	leader string
	number uint64
}

// leader is the server that place puts the leaders on.
func (p raftParams) leader() int {
	if p.Place == "follower" {
		return witness
	}
	return target
}

// withRaft forms a cluster, makes its streams, puts their leaders on one server, runs
// do with the load that it makes, and adds what all probes of a group measure. A
// volume on which the cluster does not form in time has that as its result.
func (p raftParams) withRaft(ctx context.Context, env *Env, leader int, change func(*natscluster.Options), do func(context.Context, *raftGroup) ([]measure.Measurement, error)) ([]measure.Measurement, error) {
	start := time.Now() // before the first line of a log
	g, err := p.start(ctx, env, change)
	if err != nil {
		return nil, err
	}
	g.leader = leader
	sampler := measure.StartContext(env.Devices, g.pids()...)
	measured, err := g.form(ctx, start, sampler)
	if err == nil && measured[0].Rounds[0].Distribution.Unfinished == 0 {
		var found []measure.Measurement
		found, err = g.run(ctx, do)
		measured = append(found, measured...)
	}
	measured = append(measured, g.memory(start)...)
	closed := g.close(ctx) // the log is whole then
	g.attachLog(measured)
	return measured, cutOr(err, g.notWritten(), closed)
}

// start starts the servers.
func (p raftParams) start(ctx context.Context, env *Env, change func(*natscluster.Options)) (*raftGroup, error) {
	g := &raftGroup{params: p, env: env, payload: payload(env.Rand, int(p.MessageSize)), waiting: make([]atomic.Int64, p.Streams)}
	opts := natscluster.Options{
		Program: env.Raft.Program, Work: cmp.Or(env.Raft.Memory, env.Dir), Hold: env.Hold,
		Slots: p.slotsFor(env.Raft.Version), SyncAlways: p.Sync == "always",
	}
	if p.Cipher != "none" {
		opts.Cipher = p.Cipher
	}
	if change != nil {
		change(&opts)
	}
	var err error
	if opts.Stores, err = p.stores(env); err != nil {
		return nil, err
	}
	g.opts = opts
	g.cluster, err = natscluster.Start(ctx, opts)
	if err != nil {
		return nil, withCause(ctx, env.Dir, err)
	}
	return g, nil
}

// slotsFor is max_concurrent_io where a server knows the setting, else 0.
func (p raftParams) slotsFor(version string) int {
	if version != "" && !natsfs.TakesSlots(version) {
		return 0
	}
	return p.Slots
}

// stores makes a directory for each server: the first on the volume, the others
// on further targets or in memory.
func (p raftParams) stores(env *Env) (dirs [natscluster.Size]string, err error) {
	for i := range dirs {
		base := env.Dir
		switch {
		case i == target || p.Place == "all":
		case i <= len(env.Raft.Targets):
			base = env.Raft.Targets[i-1]
		case env.Raft.Memory != "":
			base = env.Raft.Memory
		default:
			return dirs, errors.New("a Raft group needs a directory in memory, or further targets, for its other servers")
		}
		dirs[i] = filepath.Join(base, fmt.Sprintf("server-%d", i))
		err = errors.Join(err, os.Mkdir(dirs[i], 0o700))
	}
	return dirs, err
}

// form waits for the cluster. Where it does not form because of the server on the
// volume, the measurement says so and there is no error.
func (g *raftGroup) form(ctx context.Context, start time.Time, sampler *measure.ContextSampler) ([]measure.Measurement, error) {
	bounded, cancel := context.WithTimeout(ctx, g.params.FormBound)
	defer cancel()
	took, err := g.cluster.WaitFormed(bounded)
	around := sampler.Stop()
	var late *natscluster.FormError
	switch {
	case err == nil:
		return []measure.Measurement{once("cluster_formed", start, took, around, true)}, nil
	case !errors.As(err, &late):
		return nil, g.ended(ctx, err)
	}
	why := g.blames(ctx, late)
	if why == "" {
		return nil, withCause(ctx, g.env.Dir, err)
	}
	m := once("cluster_formed", start, took, around, false)
	m.Warnings = append(m.Warnings, fmt.Sprintf("%v, which is the volume's doing: %s", late, why))
	return []measure.Measurement{m}, nil
}

// blames says why it was a volume that kept a cluster from forming, and nothing where
// that is not known: the other servers have a leader and miss only the one on it, or
// it is blocked in the kernel, or the same three form a cluster with all their files in
// memory. The last is asked because a slow candidate that asks for votes again and
// again deposes the others each time. A group with all its servers on volumes has no
// memory; its volumes are asked for the writes of an election.
func (g *raftGroup) blames(ctx context.Context, e *natscluster.FormError) string {
	if len(e.Missing) == 1 && g.onVolume(e.Missing[0]) {
		return "the others formed one"
	}
	g.peak = g.peaks()
	switch {
	case errors.Is(g.close(ctx), ErrCut):
		return "a server on it is blocked in the kernel"
	case g.env.Raft.Memory != "" && g.formsInMemory(ctx):
		return "with all files in memory the same three servers form one"
	case g.env.Raft.Memory == "":
		return slowVotes(g.voteTimes(ctx))
	}
	return ""
}

const (
	// electionWrite is how long a durable write may take at most: a candidate's one
	// and a voter's two follow each other within the shortest election timeout, 4 s
	// (minElectionTimeout in nats-server's raft.go).
	electionWrite = 4 * time.Second / 3
	// usualWrite is what it may usually take: the timeouts of three servers lie within
	// 5 s (up to maxElectionTimeout, 9 s), so that the second is on average 1.25 s
	// after the first, and stands for election itself if there is no leader by then.
	usualWrite = 1250 * time.Millisecond / 3
	// electionsWait is the longest election timeout.
	electionsWait = 9 * time.Second
)

// slowVotes says why servers that took such times to store a term and a vote elected
// nobody, and nothing where that does not explain it.
func slowVotes(times []time.Duration) string {
	if len(times) == 0 {
		return ""
	}
	slices.Sort(times)
	longest, middle := times[len(times)-1], times[len(times)/2]
	switch {
	case longest > electionWrite:
		return fmt.Sprintf("a term and a vote take it up to %v, and no election can end in time", longest.Round(time.Millisecond))
	case middle > usualWrite:
		return fmt.Sprintf("a term and a vote usually take it %v, and the next election begins before one can end", middle.Round(time.Millisecond))
	}
	return ""
}

// voteTimes is how long it takes until all three servers' volumes have stored a term
// and a vote that come at once, as in an election, over and over. Of volumes that
// give errors it is nil: whoever asked for this looks what they are.
func (g *raftGroup) voteTimes(ctx context.Context) (times []time.Duration) {
	slots, err := natsfs.NewSlots(natsfs.MinSlots)
	if err != nil {
		return nil
	}
	for begin := time.Now(); time.Since(begin) < electionsWait && ctx.Err() == nil; {
		at := time.Now()
		var all errgroup.Group
		for _, store := range g.opts.Stores {
			all.Go(func() error { return slots.WriteTermVote(store, natsfs.TermVote(1, "")) })
		}
		if all.Wait() != nil {
			return nil
		}
		times = append(times, time.Since(at))
		if times[len(times)-1] > electionWrite {
			break // that is enough
		}
	}
	return times
}

// formsInMemory says whether such a cluster forms in time without the volume.
func (g *raftGroup) formsInMemory(ctx context.Context) bool {
	control := g.opts
	for i := range control.Stores {
		control.Stores[i] = filepath.Join(g.env.Raft.Memory, fmt.Sprintf("control-%d", i))
		if os.Mkdir(control.Stores[i], 0o700) != nil {
			return false
		}
	}
	cluster, err := natscluster.Start(ctx, control)
	if err != nil {
		return false
	}
	bounded, cancel := context.WithTimeout(ctx, g.params.FormBound)
	defer cancel()
	_, err = cluster.WaitFormed(bounded)
	return errors.Join(err, closeCluster(ctx, cluster)) == nil
}

// onVolume says whether a server stands on the volume or a further target.
func (g *raftGroup) onVolume(server int) bool {
	return server == target || g.params.Place == "all" || server <= len(g.env.Raft.Targets)
}

// once is a round of one operation, which was given up where it is not done.
func once(metric string, start time.Time, took time.Duration, around measure.Context, done bool) measure.Measurement {
	return timed(metric, start, took, around, operation(took, done))
}

// operation is a distribution of one.
func operation(took time.Duration, done bool) *measure.Distribution {
	r := measure.NewRecorder(1, took+time.Second)
	if done {
		r.Shard(0).Record(took, took)
	}
	d := r.Distribution()
	if !done {
		d.GiveUp(took.Seconds(), took.Seconds(), 1)
	}
	return d
}

// run makes the streams, puts their leaders in place and runs do. Where that does not
// come about in time, that is the result. What was measured while a server died by
// itself says nothing of the volume and is not kept.
func (g *raftGroup) run(ctx context.Context, do func(context.Context, *raftGroup) ([]measure.Measurement, error)) ([]measure.Measurement, error) {
	placed, err := g.place(ctx)
	if died := g.died(ctx); died != nil {
		return nil, errors.Join(err, died)
	}
	if err != nil {
		return nil, withCause(ctx, g.env.Dir, err)
	}
	if placed.Rounds[0].Distribution.Unfinished > 0 {
		return []measure.Measurement{placed}, nil
	}
	measured, err := do(ctx, g)
	if died := g.died(ctx); died != nil {
		return []measure.Measurement{placed}, errors.Join(err, died)
	}
	return append(measured, placed), err
}

// died is the error of a server that ended by itself.
func (g *raftGroup) died(ctx context.Context) error {
	for _, n := range g.cluster.Nodes() {
		if err := n.Died(); err != nil {
			return g.ended(ctx, err)
		}
	}
	return nil
}

// ErrVolume is in the error of a server that only its volume can have crashed.
var ErrVolume = errors.New("a server crashed on the volume alone; with all files in memory the same three form a cluster")

// ended says of a server that ended by itself whether that is the volume's doing: it
// crashed, it is the only one, it stood on a volume, and the control forms in memory.
func (g *raftGroup) ended(ctx context.Context, err error) error {
	var ended *natscluster.EndedError
	if errors.As(err, &ended) && ended.Crashed() && g.aloneOnVolume(ended.Node) && g.env.Raft.Memory != "" && ctx.Err() == nil {
		g.peak = g.peaks()
		if g.close(ctx) == nil && g.formsInMemory(ctx) {
			return fmt.Errorf("%w: %w", ErrVolume, err)
		}
	}
	return withCause(ctx, g.env.Dir, err)
}

// aloneOnVolume says whether a server stands on a volume and all others run.
func (g *raftGroup) aloneOnVolume(name string) bool {
	for i, n := range g.cluster.Nodes() {
		if n.Name == name && !g.onVolume(i) || n.Name != name && n.Died() != nil {
			return false
		}
	}
	return true
}

// errNotDone is in the error of what a cluster was asked for and did not do in time.
var errNotDone = fmt.Errorf("not done after %v", raftWait)

// inTime does something that raftWait bounds.
func inTime(ctx context.Context, do func(context.Context) error) error {
	bounded, cancel := context.WithTimeout(ctx, raftWait)
	defer cancel()
	err := do(bounded)
	if err != nil && ctx.Err() == nil && errors.Is(bounded.Err(), context.DeadlineExceeded) {
		return fmt.Errorf("%w: %w", errNotDone, err)
	}
	return err
}

// place makes the streams, then moves their leaders to where they have to be, and says
// how long the latter took.
func (g *raftGroup) place(ctx context.Context) (measure.Measurement, error) {
	var err error
	if g.nc, err = g.cluster.Connect(witness, false); err != nil {
		return measure.Measurement{}, err
	}
	js, err := jetstream.New(g.nc, jetstream.WithDefaultTimeout(raftWait))
	if err != nil {
		return measure.Measurement{}, err
	}
	for i := range g.params.Streams {
		g.names, g.subjects = append(g.names, streamName(i)), append(g.subjects, streamSubject(i))
	}
	start, sampler := time.Now(), measure.StartContext(g.env.Devices, g.pids()...)
	err = inTime(ctx, func(ctx context.Context) error { return g.makeStreams(ctx, js) })
	if err == nil {
		start, sampler = time.Now(), measure.StartContext(g.env.Devices, g.pids()...)
		err = inTime(ctx, g.lead)
	}
	m := once(LeadersMoved, start, time.Since(start), sampler.Stop(), err == nil)
	switch {
	case err == nil:
		g.settled, err = g.terms(ctx)
	case errors.Is(err, errNotDone):
		m.Warnings, err = append(m.Warnings, err.Error()), nil
	}
	return m, err
}

// makeStreams makes the streams while a witness leads the meta group, so that they are
// not the first thing that a slow volume is asked for.
func (g *raftGroup) makeStreams(ctx context.Context, js jetstream.JetStream) error {
	if err := g.cluster.LeadMeta(ctx, witness); err != nil {
		return err
	}
	return g.eachStream(func(i int) error { return g.makeStream(ctx, js, i) })
}

// lead moves all leaders to where they have to be.
func (g *raftGroup) lead(ctx context.Context) error {
	err := g.eachStream(func(i int) error { return g.cluster.LeadStream(ctx, g.nc, g.names[i], g.leader) })
	if err != nil {
		return err
	}
	return g.cluster.LeadMeta(ctx, g.leader)
}

// eachStream does something for all streams at once.
func (g *raftGroup) eachStream(do func(i int) error) error {
	var all errgroup.Group
	for i := range g.names {
		all.Go(func() error { return do(i) })
	}
	return all.Wait()
}

func (g *raftGroup) makeStream(ctx context.Context, js jetstream.JetStream, i int) error {
	err := untilLed(ctx, func() error {
		_, err := js.CreateOrUpdateStream(ctx, g.streamConfig(i))
		return err
	})
	if err != nil {
		return fmt.Errorf("create stream %q with %d replicas: %w", g.names[i], natscluster.Size, err)
	}
	return nil
}

// untilLed asks the meta group for something, and again where that has no leader at the
// moment, until ctx ends.
func untilLed(ctx context.Context, ask func() error) error {
	for {
		err := ask()
		var refused *jetstream.APIError
		if err == nil || ctx.Err() != nil || errors.As(err, &refused) && refused.Code != http.StatusServiceUnavailable {
			return err
		}
		select {
		case <-ctx.Done():
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func (g *raftGroup) streamConfig(i int) jetstream.StreamConfig {
	config := jetstream.StreamConfig{
		Name: g.names[i], Subjects: []string{g.subjects[i]}, Replicas: natscluster.Size, Storage: jetstream.FileStorage,
		MaxBytes: int64(g.params.MaxBytes), Discard: jetstream.DiscardOld,
	}
	if g.params.Compression == "s2" {
		config.Compression = jetstream.S2Compression
	}
	return config
}

// terms is who leads each group, as a witness sees it.
func (g *raftGroup) terms(ctx context.Context) (map[string]term, error) {
	streams, err := g.cluster.Node(witness).Raftz(ctx)
	if errors.Is(err, natscluster.ErrNoRaftz) {
		return g.leaders(ctx)
	}
	if err != nil {
		return nil, err
	}
	meta, err := g.cluster.Node(witness).MetaRaftz(ctx)
	if err != nil {
		return nil, err
	}
	all := map[string]term{}
	for _, groups := range []map[string]natscluster.Group{streams, meta} {
		for name, group := range groups {
			all[name] = term{group.Leader, group.Term}
		}
	}
	return all, nil
}

// leaders is who leads each stream and the meta group where servers do not tell the
// terms. A group that nobody answers for has no leader.
func (g *raftGroup) leaders(ctx context.Context) (map[string]term, error) {
	meta, err := g.cluster.Node(witness).MetaLeader(ctx)
	if err != nil {
		return nil, err
	}
	leaders := make([]string, len(g.names))
	_ = g.eachStream(func(i int) error {
		leaders[i], _ = g.cluster.StreamLeader(ctx, g.nc, g.names[i])
		return nil
	})
	all := map[string]term{"": {leader: meta}} // no stream has this name
	for i, name := range g.names {
		all[name] = term{leader: leaders[i]}
	}
	return all, context.Cause(ctx)
}

// leadersLost counts the elections since the leaders were in place.
func (g *raftGroup) leadersLost(ctx context.Context) (lost float64, known bool) {
	now, err := g.terms(ctx)
	if err != nil {
		return 0, false
	}
	for name, was := range g.settled {
		is, there := now[name]
		switch {
		case !there:
		case is.number > was.number:
			lost += float64(is.number - was.number)
		case is.leader != was.leader:
			lost++
		}
	}
	return lost, true
}

// refused is a publish that the server answered with an error.
type refused struct{ text string }

func (e refused) Error() string { return "the publish was refused: " + e.text }

// publish sends a message to a stream and waits for its acknowledgement, which
// comes when a majority has it.
func (g *raftGroup) publish(n int64) error {
	stream := n % int64(len(g.subjects))
	g.waiting[stream].Add(1)
	defer g.waiting[stream].Add(-1)
	reply, err := g.nc.Request(g.subjects[stream], g.payload, publishWait)
	switch {
	case errors.Is(err, nats.ErrNoResponders):
		return refused{"no leader"}
	case err != nil:
		return fmt.Errorf("publish: %w", err)
	case !acknowledged(reply.Data):
		return refused{errorText(reply.Data)}
	}
	return nil
}

// acknowledged says whether a server's answer to a publish is no error.
func acknowledged(answer []byte) bool { return !bytes.Contains(answer, []byte(`"error"`)) }

// publishWait is how long a client waits for an acknowledgement by default.
const publishWait = 5 * time.Second

// errorText is what a server's answer says is wrong, in its own words.
func errorText(answer []byte) string {
	_, text, _ := strings.Cut(string(answer), `"description":"`)
	text, _, _ = strings.Cut(text, `"`)
	return cmp.Or(text, "an error without a description")
}

// load publishes for a time. What failed is in the outcome; that publishes are
// refused is a finding, not an error.
func (g *raftGroup) load(ctx context.Context, pacer load.Pacer, warmup, duration time.Duration, observe func(worker int, from, end time.Duration)) (load.Outcome, error) {
	return load.Run(ctx, load.Config{
		Workers: g.params.Concurrency, Pacer: pacer, Warmup: warmup, Duration: duration, Grace: grace, Observe: observe,
		// The precise clock waits in the kernel and holds a processor for it, which
		// the goroutines that read the acknowledgements need.
		Clock: load.NewTimerClock(),
	}, func(_ int, n int64) error { return g.publish(n) })
}

// open is the load of the profile.
func (g *raftGroup) open() load.Pacer { return load.Open{Rate: g.params.Rate} }

// published is what came of publishes, and how late the machine was with them, with how
// many elections there were meanwhile that nobody asked for.
func (g *raftGroup) published(ctx context.Context, metric string, start time.Time, around measure.Context, o load.Outcome) []measure.Measurement {
	m := timed(metric, start, o.Elapsed, around, o.Response)
	if g.params.Place == "follower" {
		m.Warnings = append(m.Warnings, "as a follower this volume is waited for by no publish while the other two servers keep up: it says nothing of the volume under a leader, which this server becomes when another fails")
	}
	if o.FirstError != nil {
		m.Warnings = append(m.Warnings, fmt.Sprintf("%d of %d publishes failed, the first with: %v", o.Failed, o.Done+o.Failed, o.FirstError))
	}
	measured := []measure.Measurement{m}
	if o.Late != nil {
		measured = append(measured, timed(metric+"_sched_delay", start, o.Elapsed, around, o.Late))
	}
	if lost, known := g.leadersLost(ctx); known {
		measured = append(measured, single("leaders_lost", measure.Count, start, o.Elapsed, around, lost))
	}
	return measured
}

// pids are the processes of the servers.
func (g *raftGroup) pids() (all []int) {
	for _, n := range g.cluster.Nodes() {
		all = append(all, n.PID())
	}
	return all
}

// memory is what the servers had at most.
func (g *raftGroup) memory(start time.Time) []measure.Measurement {
	peaks, elapsed := g.peaks(), time.Since(start)
	of := func(metric string, bytes int64) measure.Measurement {
		return single(metric, measure.Bytes, start, elapsed, measure.Context{}, float64(bytes))
	}
	return []measure.Measurement{of("memory", peaks[target]), of("memory_all", peaks[0]+peaks[1]+peaks[2])}
}

// peaks are what each server had at most, also when it has been killed since.
func (g *raftGroup) peaks() (all [natscluster.Size]int64) {
	for i, n := range g.cluster.Nodes() {
		all[i] = max(g.peak[i], n.PeakMemory())
	}
	return all
}

// close kills the servers. One on a volume that does not end has writes in flight; one
// in memory lacks a processor, which says nothing of the volume.
func (g *raftGroup) close(ctx context.Context) error {
	if g.nc != nil {
		g.nc.Close()
	}
	err := closeCluster(ctx, g.cluster)
	var left *natscluster.LeftError
	if errors.As(err, &left) && slices.ContainsFunc(left.Nodes, g.onVolume) {
		return fmt.Errorf("%w: %w", ErrCut, err)
	}
	return err
}

func closeCluster(ctx context.Context, c *natscluster.Cluster) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeWait)
	defer cancel()
	return c.Close(ctx)
}
