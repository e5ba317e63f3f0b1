package probes

import (
	"context"
	"errors"
	"fmt"
	"time"

	"storebench/internal/measure"
)

// RaftElection takes the leader away from a real group.
type RaftElection struct{ raftParams }

var _ = register(func() Probe { return &RaftElection{defaultRaft()} })

// electionBound is how long a group may be without a leader before a round goes on
// without waiting: three of the longest election timeouts (9 s, raft.go).
const electionBound = 27 * time.Second

// Info describes the probe.
func (p *RaftElection) Info() Info {
	return p.info(Info{
		Name:    "raft-election",
		Summary: "how long the streams of a real group are without a leader when it steps down and when it is killed",
		Why:     "A group without a leader takes no message. When the leader is killed the others notice after 4 to 9 s, and then each vote is a durable write: with one server gone the vote of the one on this volume is needed for every election.",
		Metrics: []Metric{
			{"stepped_down", measure.Seconds, "from the request that the leaders step down for the server on this volume until every stream has acknowledged a publish"},
			{"killed", measure.Seconds, "from the death of another server, which led all streams, until every stream has acknowledged a publish again; the 4 to 9 s until it is noticed included"},
			{"rejoined", measure.Seconds, "from the restart of that server until it is current again"},
		},
		Extra: 2*electionBound + p.FormBound,
	})
}

// Run measures one round. The leaders stand on another server at first, whatever place
// says: it is its death that makes the server on the volume vote.
func (p *RaftElection) Run(ctx context.Context, env *Env) ([]measure.Measurement, error) {
	return p.withRaft(ctx, env, witness, nil, func(ctx context.Context, g *raftGroup) ([]measure.Measurement, error) {
		start, sampler := time.Now(), measure.StartContext(env.Device, g.pids()...)
		_, err := g.load(ctx, g.open(), env.Warmup, env.Duration, nil)
		if err != nil {
			return nil, err
		}
		e := &elections{g: g, start: start, sampler: sampler}
		if lost, known := g.leadersLost(ctx); known {
			e.value("leaders_lost", measure.Count, lost)
		}
		err = e.killAndReturn(ctx)
		if err == nil {
			err = e.stepDown(ctx)
		}
		around := sampler.Stop()
		for i := range e.found {
			e.found[i].Rounds[0].Context = around
		}
		return e.found, err
	})
}

// elections are what a round of them found.
type elections struct {
	g       *raftGroup
	start   time.Time
	sampler *measure.ContextSampler
	found   []measure.Measurement
}

func (e *elections) value(metric string, unit measure.Unit, value float64) {
	e.found = append(e.found, single(metric, unit, e.start, time.Since(e.start), measure.Context{}, value))
}

// timed records how long something took, or that it was given up.
func (e *elections) timed(metric string, took time.Duration, done bool) {
	e.found = append(e.found, once(metric, e.start, took, measure.Context{}, done))
}

// killAndReturn kills the witness that leads all streams, and starts it again.
func (e *elections) killAndReturn(ctx context.Context) error {
	g := e.g
	// The client stands on the server that is to die; the third one goes on.
	const survivor = 2
	nc, err := g.cluster.Connect(survivor, false)
	if err != nil {
		return err
	}
	old := g.nc
	g.nc = nc
	old.Close()
	begin := time.Now()
	if err := g.cluster.Node(witness).Kill(ctx); err != nil {
		return err
	}
	took, done := g.untilAcknowledged(ctx, begin)
	e.timed("killed", took, done)
	if err := g.cluster.Node(witness).Restart(); err != nil {
		return err
	}
	begin = time.Now()
	bounded, cancel := context.WithTimeout(ctx, g.params.FormBound)
	defer cancel()
	_, err = g.cluster.WaitFormed(bounded)
	e.timed("rejoined", time.Since(begin), err == nil)
	if err != nil && ctx.Err() == nil && !errors.Is(bounded.Err(), context.DeadlineExceeded) {
		return err
	}
	return context.Cause(ctx)
}

// stepDown moves all streams to the server on the volume.
func (e *elections) stepDown(ctx context.Context) error {
	g := e.g
	bounded, cancel := context.WithTimeout(ctx, electionBound)
	defer cancel()
	for _, name := range g.names { // away from the volume first, where the last election may have left them
		if err := g.cluster.LeadStream(bounded, g.nc, name, 2); err != nil {
			return fmt.Errorf("move the leader away before it steps down: %w", err)
		}
	}
	begin := time.Now()
	for _, name := range g.names {
		if err := g.cluster.LeadStream(bounded, g.nc, name, target); err != nil && ctx.Err() == nil {
			e.timed("stepped_down", time.Since(begin), false)
			return nil
		}
	}
	took, done := g.untilAcknowledged(bounded, begin)
	e.timed("stepped_down", took, done)
	return context.Cause(ctx)
}

// untilAcknowledged publishes to each stream until each has acknowledged one.
func (g *raftGroup) untilAcknowledged(ctx context.Context, begin time.Time) (time.Duration, bool) {
	for i := range g.subjects {
		for {
			ask, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
			reply, err := g.nc.RequestWithContext(ask, g.subjects[i], g.payload)
			cancel()
			if err == nil && acknowledged(reply.Data) {
				break
			}
			if ctx.Err() != nil || time.Since(begin) > electionBound {
				return time.Since(begin), false
			}
			select {
			case <-ctx.Done():
			case <-time.After(10 * time.Millisecond):
			}
		}
	}
	return time.Since(begin), true
}
