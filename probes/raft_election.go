package probes

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"golang.org/x/sync/errgroup"

	"storebench/internal/load"
	"storebench/internal/measure"
)

// RaftElection takes the leader away from a real group.
type RaftElection struct{ raftParams }

var _ = register(func() Probe { return &RaftElection{defaultRaft()} })

const (
	// electionBound is how long a group may be without a leader before a round goes on
	// without waiting: three of the longest election timeouts (9 s, raft.go).
	electionBound = 27 * time.Second
	// survivor is the server that is neither on the volume nor killed.
	survivor = 2
)

// SteppedDown is the metric of leaders that hand over to the server on the volume.
const SteppedDown = "stepped_down"

// Info describes the probe.
func (p *RaftElection) Info() Info {
	return p.info(Info{
		Name:    "raft-election",
		Topic:   "elections",
		Summary: "how long the streams of a real group are without a leader when it steps down and when it is killed, while messages are published",
		Why:     "A group without a leader takes no message. When the leader is killed the others notice after 4 to 9 s, and then each vote is a durable write: with one server gone the vote of the one on this volume is needed for every election.",
		Metrics: []Metric{
			{Name: SteppedDown, Unit: measure.Seconds, Help: "of each stream: from the request that its leader hands over to the server on this volume until the stream has acknowledged a publish"},
			{Name: "killed", Unit: measure.Seconds, Help: "from the death of another server, which led all streams, until every stream has acknowledged a publish again; the 4 to 9 s until it is noticed included"},
			{Name: "rejoined", Unit: measure.Seconds, Help: "from the restart of that server until it is current again"},
		},
		Extra: 2*electionBound + p.FormBound + raftWait,
	})
}

// Run measures one round. The leaders stand on another server at first, whatever place
// says: it is its death that makes the server on the volume vote. Messages are published
// all the time; until the warm-up and the duration have passed nobody touches the leaders.
func (p *RaftElection) Run(ctx context.Context, env *Env) ([]measure.Measurement, error) {
	return p.withRaft(ctx, env, witness, nil, func(ctx context.Context, g *raftGroup) ([]measure.Measurement, error) {
		if err := g.leaveWitness(); err != nil {
			return nil, err
		}
		e := &elections{g: g, start: time.Now(), sampler: measure.StartContext(env.Devices, g.pids()...)}
		loaded, stop := context.WithCancel(ctx)
		defer stop()
		var publishers errgroup.Group
		publishers.Go(func() error { return g.publishUntil(loaded, env.Warmup+env.Duration+p.Info().Extra) })
		err := e.hold(ctx, env.Warmup+env.Duration)
		stop()
		err = errors.Join(err, publishers.Wait())
		around := e.sampler.Stop()
		for i := range e.found {
			e.found[i].Rounds[0].Context = around
		}
		return e.found, err
	})
}

// leaveWitness takes the client away from the server that is to die.
func (g *raftGroup) leaveWitness() error {
	nc, err := g.cluster.Connect(survivor, false)
	if err != nil {
		return err
	}
	g.nc.Close()
	g.nc = nc
	return nil
}

// publishUntil publishes until ctx ends, for most at most. Publishes that fail for want
// of a leader are what a round brings about and say nothing.
func (g *raftGroup) publishUntil(ctx context.Context, most time.Duration) error {
	_, err := load.Run(ctx, load.Config{Workers: g.params.Concurrency, Pacer: g.open(), Duration: most, Clock: load.NewTimerClock()}, func(_ int, n int64) error {
		_ = g.publish(n)
		return nil
	})
	if ctx.Err() != nil {
		return nil // as it was told
	}
	return err
}

// elections are what a round of them found.
type elections struct {
	g       *raftGroup
	start   time.Time
	sampler *measure.ContextSampler
	found   []measure.Measurement
}

// hold waits for a time in which nobody takes a leader away, and then does so.
func (e *elections) hold(ctx context.Context, undisturbed time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(undisturbed):
	}
	if lost, known := e.g.leadersLost(ctx); known {
		e.found = append(e.found, single("leaders_lost", measure.Count, e.start, time.Since(e.start), measure.Context{}, lost))
	}
	if err := e.killAndReturn(ctx); err != nil {
		return err
	}
	return e.stepDown(ctx)
}

// timed records how long something took, or that it was given up.
func (e *elections) timed(metric string, took time.Duration, done bool) {
	e.found = append(e.found, once(metric, e.start, took, measure.Context{}, done))
}

// killAndReturn kills the witness that leads all streams, and starts it again.
func (e *elections) killAndReturn(ctx context.Context) error {
	g := e.g
	g.peak = g.peaks() // a server that is killed tells no more
	e.sampler.Leave(g.pids()[witness])
	begin := time.Now()
	if err := g.cluster.Node(witness).Kill(ctx); err != nil {
		return err
	}
	err := g.eachStream(func(i int) error { return g.untilAcknowledged(ctx, i) })
	e.timed("killed", time.Since(begin), err == nil)
	if err := g.cluster.Node(witness).Restart(); err != nil {
		return err
	}
	e.sampler.Join(g.pids()[witness])
	begin = time.Now()
	bounded, cancel := context.WithTimeout(ctx, g.params.FormBound)
	defer cancel()
	_, err = g.cluster.WaitFormed(bounded)
	if err != nil && ctx.Err() == nil && !errors.Is(bounded.Err(), context.DeadlineExceeded) {
		return err
	}
	e.timed("rejoined", time.Since(begin), err == nil)
	return context.Cause(ctx)
}

// stepDown moves all streams to the server on the volume, away from which they are
// moved first, where the last election may have left them.
func (e *elections) stepDown(ctx context.Context) error {
	g := e.g
	err := inTime(ctx, func(ctx context.Context) error {
		return g.eachStream(func(i int) error { return g.cluster.LeadStream(ctx, g.nc, g.names[i], survivor) })
	})
	if err != nil {
		return fmt.Errorf("move the leaders away from the volume before they step down for it: %w", err)
	}
	each := make([]*measure.Distribution, len(g.names))
	_ = g.eachStream(func(i int) error {
		took, err := g.handOver(ctx, i)
		each[i] = operation(took, err == nil)
		return nil
	})
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	all := &measure.Distribution{}
	for _, d := range each {
		err = errors.Join(err, all.Merge(d))
	}
	e.found = append(e.found, timed(SteppedDown, e.start, time.Since(e.start), measure.Context{}, all))
	return err
}

// handOver has a stream's leader step down for the server on the volume.
func (g *raftGroup) handOver(ctx context.Context, i int) (took time.Duration, err error) {
	bounded, cancel := context.WithTimeout(ctx, electionBound)
	defer cancel()
	begin := time.Now()
	if err = g.cluster.LeadStream(bounded, g.nc, g.names[i], target); err == nil {
		err = g.untilAcknowledged(bounded, i)
	}
	return time.Since(begin), err
}

// untilAcknowledged publishes to a stream, again after half a second, until it has
// acknowledged one, however late.
func (g *raftGroup) untilAcknowledged(ctx context.Context, i int) error {
	bounded, cancel := context.WithTimeout(ctx, electionBound)
	defer cancel()
	answers, err := g.nc.SubscribeSync(nats.NewInbox())
	if err != nil {
		return err
	}
	defer func() { _ = answers.Unsubscribe() }() // the client goes with the round
	for {
		ask, cancel := context.WithTimeout(bounded, 500*time.Millisecond)
		err := g.nc.PublishRequest(g.subjects[i], answers.Subject, g.payload)
		var reply *nats.Msg
		if err == nil {
			reply, err = answers.NextMsgWithContext(ask)
		}
		cancel()
		if err == nil && len(reply.Data) > 0 && acknowledged(reply.Data) { // without data: no responders
			return nil
		}
		select {
		case <-bounded.Done():
			return context.Cause(bounded)
		case <-time.After(10 * time.Millisecond):
		}
	}
}
