package probes

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"storebench/internal/measure"
	"storebench/internal/natscluster"
	"storebench/internal/natsfs"
	"storebench/internal/serverlog"
)

// RaftStall looks at what the maintenance of the server on the volume does to
// publishers.
type RaftStall struct {
	SyncEvery time.Duration `param:"sync-every" min:"500ms" max:"10m" help:"sync_interval of the servers: shorter than the 2 minutes of life, so that a round meets some"`
	raftParams
}

var _ = register(func() Probe { return &RaftStall{SyncEvery: 2 * time.Second, raftParams: defaultRaft()} })

// Info describes the probe.
func (p *RaftStall) Info() Info {
	return p.info(Info{
		Name:    "raft-stall",
		Topic:   "Raft group",
		Summary: "the longest pauses of a real group while the server on this volume syncs, writes states and takes snapshots",
		Why:     "Every 2 minutes a server syncs its blocks and writes the state of its streams, and it takes snapshots of its Raft groups. While a slow volume holds one of these up, its locks are held: acknowledgements stop, then read loops and internal subscriptions, and at last the leader is lost.",
		Metrics: []Metric{
			{Name: "pause", Unit: measure.Seconds, Help: "a publish from when it was due until it is acknowledged, whatever the server was doing"},
			{Name: "pause_sched_delay", Unit: measure.Seconds, Help: lateHelp, Kind: measure.Harness},
			{Name: "pause_sync", Unit: measure.Seconds, Help: "of these, the ones while nothing was asked for: what meets them is the periodic sync"},
			{Name: "pause_full_state", Unit: measure.Seconds, Help: "of these, the ones while the states of the streams were written"},
			{Name: "pause_stream_snapshot", Unit: measure.Seconds, Help: "of these, the ones while snapshots of the streams' Raft groups were taken"},
			{Name: "pause_meta_snapshot", Unit: measure.Seconds, Help: "of these, the ones while a snapshot of the meta group was taken"},
			{Name: "full_state", Unit: measure.Seconds, Help: "one WriteFullState of a stream"},
			{Name: "stream_snapshot", Unit: measure.Seconds, Help: "one snapshot of a stream's Raft group"},
			{Name: "meta_snapshot", Unit: measure.Seconds, Help: "one snapshot of the meta group"},
			{Name: "readloop", Unit: measure.Seconds, Help: "longest pause of a read loop that a server logged; 0 without one of the linked-in nats-server, which logs them from 100 ms on; others log them from 2 s on and are not told of without one"},
			{Name: "subscription", Unit: measure.Seconds, Help: "longest pause of an internal subscription that a server logged, in the same way"},
			{Name: "raftz", Unit: measure.Seconds, Help: "how long the server on the volume takes to answer for its Raft groups, whose locks that needs; unfinished where it does not within 5 s"},
		},
		Logged: []string{"readloop", "subscription"},
		Raftz:  []string{"raftz"},
	})
}

const (
	// reportFrom is from how long on the linked-in nats-server reports pauses, and
	// LogsFrom from how long on every other one does (readLoopReport in its client.go).
	reportFrom = 100 * time.Millisecond
	LogsFrom   = 2 * time.Second
	// maintenancePause lies between two things that the server is asked for.
	maintenancePause = 150 * time.Millisecond
	// raftzInterval is how often it is asked for its groups.
	raftzInterval = 50 * time.Millisecond
	// infoInterval is how often the leaders are asked about their streams, as
	// exporters and operators do. The read loop that the request comes through
	// waits for the same locks, which is what a server then warns of.
	infoInterval = 200 * time.Millisecond
)

// Run measures one round.
func (p *RaftStall) Run(ctx context.Context, env *Env) ([]measure.Measurement, error) {
	change := func(o *natscluster.Options) { o.SyncInterval, o.Report = p.SyncEvery, reportFrom }
	return p.withRaft(ctx, env, p.leader(), change, func(ctx context.Context, g *raftGroup) ([]measure.Measurement, error) {
		changing, err := g.smallStream()
		if err != nil {
			return nil, err
		}
		start, sampler := time.Now().Add(env.Warmup), measure.StartContext(env.Devices, g.pids()...)
		s := g.maintain(ctx, changing, start, env.Duration)
		out, err := g.load(ctx, g.open(), env.Warmup, env.Duration, s.observe)
		s.stop()
		around := sampler.Stop()
		if err != nil {
			return nil, err
		}
		all := g.published(ctx, "pause", start, around, out)
		all[0].Warnings = append(all[0].Warnings, g.shortened(p.SyncEvery))
		all = append(all, s.measurements(start, out.Elapsed, around)...)
		return append(all, g.loggedPauses(start, out.Elapsed, around)...), s.err
	})
}

// smallStream is a stream in the memory of one server: to change it writes nothing to
// the streams under load.
func (g *raftGroup) smallStream() (*changer, error) {
	js, err := jetstream.New(g.nc, jetstream.WithDefaultTimeout(raftWait))
	return &changer{js: js, config: jetstream.StreamConfig{Name: "STOREBENCH-SMALL", Subjects: []string{"storebench.small"}, Storage: jetstream.MemoryStorage}}, err
}

// The metrics of what a server is asked for in turn, by the command, and of all
// other time.
const quiet = "sync"

var maintenanceMetrics = map[string]string{
	natsfs.CommandFullState: "full_state", natsfs.CommandStreamSnapshot: "stream_snapshot", natsfs.CommandMetaSnapshot: "meta_snapshot",
}

// window is a time in which a server did what it was asked for, from the start of
// measuring.
type window struct {
	metric     string
	begin, end time.Duration
	unanswered bool // it was given up at the end
}

// maintenance asks the server on the volume for one thing after another while
// others publish, and notes what both took.
type maintenance struct {
	group   *raftGroup
	changer *changer
	start   time.Time
	cancel  context.CancelFunc
	ended   chan struct{}
	windows []window
	raftz   []window
	err     error
	acks    [][]window // by worker
}

// maintain begins with it; stop ends it. In the second half of the round nothing is
// asked for: what meets a slow moment of the volume then is the periodic sync,
// which else comes behind a snapshot.
func (g *raftGroup) maintain(ctx context.Context, changing *changer, start time.Time, duration time.Duration) *maintenance {
	ctx, cancel := context.WithDeadline(ctx, start.Add(duration))
	s := &maintenance{group: g, changer: changing, start: start, cancel: cancel, ended: make(chan struct{}), acks: make([][]window, g.params.Concurrency)}
	go func() {
		defer close(s.ended)
		var both sync.WaitGroup
		both.Go(func() { s.every(ctx, raftzInterval, s.askRaftz) })
		both.Go(func() { s.every(ctx, infoInterval, s.askInfo) })
		if g.env.Raft.Program == "" {
			turn := 0
			both.Go(func() {
				half, cancel := context.WithDeadline(ctx, start.Add(duration/2))
				defer cancel()
				s.every(half, maintenancePause, func(context.Context) {
					s.ask(ctx, turn)
					turn++
				})
			})
		}
		both.Wait()
	}()
	return s
}

func (s *maintenance) stop() { s.cancel(); <-s.ended }

// every does something again and again, with a pause in between, from the start of
// measuring on.
func (s *maintenance) every(ctx context.Context, pause time.Duration, do func(context.Context)) {
	wait := time.Until(s.start)
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		do(ctx)
		wait = pause
	}
}

// observe is called by each worker for each publish that was acknowledged.
func (s *maintenance) observe(worker int, from, end time.Duration) {
	s.acks[worker] = append(s.acks[worker], window{begin: from, end: end})
}

// askRaftz asks for all groups, as long as the server takes.
func (s *maintenance) askRaftz(ctx context.Context) {
	begin := time.Since(s.start)
	_, err := s.group.cluster.Node(target).Raftz(context.WithoutCancel(ctx))
	if !errors.Is(err, natscluster.ErrNoRaftz) {
		s.raftz = append(s.raftz, window{begin: begin, end: time.Since(s.start), unanswered: err != nil})
	}
}

// askInfo asks the leader of each stream about it, and does not wait.
func (s *maintenance) askInfo(context.Context) {
	for _, name := range s.group.names {
		_ = s.group.nc.PublishRequest("$JS.API.STREAM.INFO."+name, nats.NewInbox(), nil) // nobody reads the answer
	}
}

// ask asks for the next thing, for each stream where it is one of theirs.
func (s *maintenance) ask(ctx context.Context, turn int) {
	g := s.group
	var commands []natsfs.NodeCommand
	switch do := []string{natsfs.CommandFullState, natsfs.CommandStreamSnapshot, natsfs.CommandMetaSnapshot}[turn%3]; {
	case do != natsfs.CommandMetaSnapshot:
		for _, name := range g.names {
			commands = append(commands, natsfs.NodeCommand{Do: do, Account: natscluster.Account, Stream: name})
		}
	case g.params.Place != "follower": // only a leader takes them
		_ = s.changer.change(ctx) // without a change there is nothing to take, as the answer says
		commands = append(commands, natsfs.NodeCommand{Do: do})
	}
	for _, c := range commands {
		var answer natsfs.NodeAnswer
		begin := time.Since(s.start)
		err := g.cluster.Node(target).Do(ctx, c, &answer)
		switch {
		case ctx.Err() != nil:
			s.windows = append(s.windows, window{metric: maintenanceMetrics[c.Do], begin: begin, end: time.Since(s.start), unanswered: err != nil})
			return
		case err != nil:
			s.err = err
			return
		case errnoIn(answer.Error) != 0: // which nats-server does not log
			s.err = writeError{"a server could not write to the volume under it: " + answer.Error, errnoIn(answer.Error)}
			return
		case answer.Error == "" && !answer.Nothing:
			s.windows = append(s.windows, window{metric: maintenanceMetrics[c.Do], begin: begin, end: time.Since(s.start)})
		}
	}
}

// measurements are the publishes by what the server was doing at their time, and
// what it took for that.
func (s *maintenance) measurements(start time.Time, elapsed time.Duration, around measure.Context) []measure.Measurement {
	windows := map[string][]window{"raftz": s.raftz}
	for _, worker := range s.acks {
		for _, ack := range worker {
			metric := "pause_" + s.during(ack)
			windows[metric] = append(windows[metric], ack)
		}
	}
	for _, w := range s.windows {
		windows[w.metric] = append(windows[w.metric], w)
	}
	var all []measure.Measurement
	for _, metric := range slices.Sorted(maps.Keys(windows)) {
		all = append(all, timed(metric, start, elapsed, around, lengths(windows[metric], elapsed)))
	}
	return all
}

// lengths are how long windows were.
func lengths(windows []window, elapsed time.Duration) *measure.Distribution {
	r := measure.NewRecorder(1, elapsed)
	for _, w := range windows {
		if !w.unanswered {
			r.Shard(0).Record(w.end, w.end-w.begin)
		}
	}
	d := r.Distribution()
	for _, w := range windows {
		if w.unanswered {
			d.GiveUp(w.end.Seconds(), (w.end - w.begin).Seconds(), 1)
		}
	}
	return d
}

// during is what went on while a publish waited; of several the longest.
func (s *maintenance) during(ack window) string {
	metric, longest := quiet, time.Duration(0)
	for _, w := range s.windows {
		if w.begin < ack.end && ack.begin < w.end && w.end-w.begin > longest {
			metric, longest = w.metric, w.end-w.begin
		}
	}
	return metric
}

// shortened says what is not as in production.
func (g *raftGroup) shortened(interval time.Duration) string {
	text := "sync_interval is " + interval.String() + " here, 2 minutes in production: pauses are as long as there, and more of them"
	if g.env.Raft.Program != "" {
		text += "; this nats-server cannot be asked for WriteFullState and snapshots, so only its syncs were met"
	}
	return text
}

// loggedPauses are the longest pauses that the servers logged themselves, from start on.
// That an installed nats-server logged none says no more than that they were under
// LogsFrom.
func (g *raftGroup) loggedPauses(start time.Time, elapsed time.Duration, around measure.Context) []measure.Measurement {
	var readloop, subscription time.Duration
	for _, n := range g.cluster.Nodes() {
		for _, e := range n.Log(start) {
			switch e.Kind {
			case serverlog.ReadLoopSlow:
				readloop = max(readloop, e.Took)
			case serverlog.SubscriptionSlow:
				subscription = max(subscription, e.Took)
			}
		}
	}
	var all []measure.Measurement
	for _, pause := range []struct {
		metric  string
		longest time.Duration
	}{{"readloop", readloop}, {"subscription", subscription}} {
		if pause.longest > 0 || g.env.Raft.Program == "" {
			all = append(all, single(pause.metric, measure.Seconds, start, elapsed, around, pause.longest.Seconds()))
		}
	}
	return all
}
