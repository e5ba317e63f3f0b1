package probes

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"storebench/internal/load"
	"storebench/internal/measure"
	"storebench/internal/natscluster"
	"storebench/internal/serverlog"
)

// RaftLag looks at how far the server on the volume is behind while messages are
// published.
type RaftLag struct{ raftParams }

var _ = register(func() Probe { return &RaftLag{defaultRaft()} })

// Info describes the probe.
func (p *RaftLag) Info() Info {
	return p.info(Info{
		Name:    "raft-lag",
		Summary: "how far the server on this volume lags behind its Raft groups at the rate that is asked",
		Why:     "What a server has in its Raft log and not yet committed, or committed and not yet carried out, waits in memory. From 10,000 append entries on nats-server warns, from 100,000 on a leader steps down; a follower that lags cannot take over without losing time.",
		Metrics: []Metric{
			{"lag", measure.Count, "entries of the group furthest behind: in the leader's log and not yet carried out by this server; p99 over the samples of a round"},
			{"uncommitted", measure.Count, "entries in this server's log that no majority has yet; p99 over the samples"},
			{"unapplied", measure.Count, "entries that a majority has and this server has not carried out; p99 over the samples"},
			{"wal", measure.Bytes, "largest Raft log of a group on this server"},
			{"drain", measure.Seconds, "from the end of the load until nothing is behind"},
			{"pending_lines", measure.Count, "times that a server logged append entries pending"},
			{"ack", measure.Seconds, "a publish from when it was due until it is acknowledged"},
		},
		Extra: drainBound,
	})
}

const (
	// lagInterval is how often the groups are looked at.
	lagInterval = 50 * time.Millisecond
	// drainBound is how long a lag may take to be worked off.
	drainBound = 10 * time.Second
)

// Run measures one round.
func (p *RaftLag) Run(ctx context.Context, env *Env) ([]measure.Measurement, error) {
	return p.withRaft(ctx, env, p.leader(), nil, func(ctx context.Context, g *raftGroup) ([]measure.Measurement, error) {
		start, sampler := time.Now().Add(env.Warmup), measure.StartContext(env.Device, g.pids()...)
		watch := g.watchLag(ctx)
		out, err := g.load(ctx, g.open(), env.Warmup, env.Duration, nil)
		watch.stop()
		around := sampler.Stop()
		if err != nil {
			return nil, err
		}
		measured := g.published(ctx, "ack", start, around, out)
		if errors.Is(watch.err, natscluster.ErrNoRaftz) {
			measured[0].Warnings = append(measured[0].Warnings, "the lag was not measured: "+watch.err.Error())
			return append(measured, g.pendingLines(start, out.Elapsed, around)), nil
		}
		if len(watch.samples) == 0 {
			return measured, fmt.Errorf("look at the lag: no answer in the whole round: %w", watch.err)
		}
		drained, ok := g.drain(ctx)
		lags := watch.measurements(start, out, around)
		m := single("drain", measure.Seconds, start, out.Elapsed, around, drained.Seconds())
		if !ok {
			m.Warnings = append(m.Warnings, fmt.Sprintf("cut: something was still behind after %v", drainBound))
		}
		return append(append(lags, m, g.pendingLines(start, out.Elapsed, around)), measured...), nil
	})
}

// lagSample is how far a server was behind at one moment, in entries of the group
// furthest behind.
type lagSample struct {
	lag, uncommitted, unapplied, wal float64
}

// lagWatch samples the lag until it is stopped.
type lagWatch struct {
	samples []lagSample
	err     error // of the last look that failed
	cancel  context.CancelFunc
	ended   chan struct{}
}

func (g *raftGroup) watchLag(ctx context.Context) *lagWatch {
	ctx, cancel := context.WithCancel(ctx)
	w := &lagWatch{cancel: cancel, ended: make(chan struct{})}
	go func() {
		defer close(w.ended)
		tick := time.NewTicker(lagInterval)
		defer tick.Stop()
		for {
			s, err := g.lag(ctx)
			switch {
			case ctx.Err() != nil:
				return
			case err != nil:
				w.err = err
			default:
				w.samples = append(w.samples, s)
			}
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
	}()
	return w
}

func (w *lagWatch) stop() { w.cancel(); <-w.ended }

// lag looks at all groups of the streams once. A witness is asked first: what it
// has by then the server on the volume should have, too.
func (g *raftGroup) lag(ctx context.Context) (lagSample, error) {
	others, err := g.cluster.Node(witness).Raftz(ctx)
	if err != nil {
		return lagSample{}, err
	}
	ours, err := g.cluster.Node(target).Raftz(ctx)
	if err != nil {
		return lagSample{}, err
	}
	var s lagSample
	for name, own := range ours {
		ahead := max(own.PIndex, others[name].Committed)
		s.lag = max(s.lag, less(ahead, own.Applied))
		s.uncommitted = max(s.uncommitted, less(own.PIndex, own.Committed))
		s.unapplied = max(s.unapplied, less(max(own.Committed, others[name].Committed), own.Applied))
		s.wal = max(s.wal, float64(own.WAL.Bytes))
	}
	return s, nil
}

// less is a-b, at least 0: the two are not read at one instant.
func less(a, b uint64) float64 {
	if a < b {
		return 0
	}
	return float64(a - b)
}

// measurements are the samples of a round as its values.
func (w *lagWatch) measurements(start time.Time, o load.Outcome, around measure.Context) []measure.Measurement {
	var all []measure.Measurement
	for _, metric := range []struct {
		name string
		of   func(lagSample) float64
	}{
		{"lag", func(s lagSample) float64 { return s.lag }},
		{"uncommitted", func(s lagSample) float64 { return s.uncommitted }},
		{"unapplied", func(s lagSample) float64 { return s.unapplied }},
	} {
		var values []float64
		for _, s := range w.samples {
			values = append(values, metric.of(s))
		}
		all = append(all, single(metric.name, measure.Count, start, o.Elapsed, around, p99(values)))
	}
	wal := 0.0
	for _, s := range w.samples {
		wal = max(wal, s.wal)
	}
	return append(all, single("wal", measure.Bytes, start, o.Elapsed, around, wal))
}

// p99 is the nearest rank; of fewer than 100 values it is the largest.
func p99(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[(99*len(sorted)+99)/100-1]
}

// drain waits until nothing is behind, and says whether that came.
func (g *raftGroup) drain(ctx context.Context) (time.Duration, bool) {
	begin := time.Now()
	for time.Since(begin) < drainBound && ctx.Err() == nil {
		if s, err := g.lag(ctx); err == nil && s.lag == 0 {
			return time.Since(begin), true
		}
		select {
		case <-ctx.Done():
		case <-time.After(lagInterval / 5):
		}
	}
	return time.Since(begin), false
}

// pendingLines counts the warnings of append entries that wait.
func (g *raftGroup) pendingLines(start time.Time, elapsed time.Duration, around measure.Context) measure.Measurement {
	n := 0.0
	for _, node := range g.cluster.Nodes() {
		for _, e := range node.Log() {
			if e.Kind == serverlog.AppendsPending {
				n++
			}
		}
	}
	return single("pending_lines", measure.Count, start, elapsed, around, n)
}
