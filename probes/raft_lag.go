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

var _ = register(func() Probe {
	p := &RaftLag{defaultRaft()}
	p.Concurrency = maxWaiting
	return p
})

// Info describes the probe.
func (p *RaftLag) Info() Info {
	return p.info(Info{
		Name:    "raft-lag",
		Topic:   "Raft group",
		Summary: "how far the server on this volume lags behind its Raft groups at the rate that is asked",
		Why:     "What a server has in its Raft log and not yet committed, or committed and not yet carried out, waits in memory. From 10,000 append entries on nats-server warns, from 100,000 on a leader steps down; a follower that lags cannot take over without losing time.",
		Metrics: []Metric{
			{Name: "lag", Unit: measure.Count, Help: "entries of the group furthest behind: in the leader's log, or waiting to be, and not yet carried out by this server; while it does not answer, the publishes that wait; p99 over the samples of a round"},
			{Name: "uncommitted", Unit: measure.Count, Help: "entries in this server's log that no majority has yet; p99 over the samples"},
			{Name: "unapplied", Unit: measure.Count, Help: "entries that a majority has and this server has not carried out; p99 over the samples"},
			{Name: "wal", Unit: measure.Bytes, Help: "largest Raft log of a group on this server"},
			{Name: "drain", Unit: measure.Seconds, Help: "from the end of the load until nothing is behind; absent when something still was after 10 s"},
			{Name: "pending_lines", Unit: measure.Count, Help: "times that a server logged append entries pending"},
			{Name: "ack", Unit: measure.Seconds, Help: "a publish from when it was due until it is acknowledged"},
			{Name: "ack_sched_delay", Unit: measure.Seconds, Help: lateHelp, Kind: measure.Harness},
		},
		Raftz: []string{"lag", "uncommitted", "unapplied", "wal", "drain"},
		Extra: drainBound,
	})
}

const (
	// lagInterval is how often the groups are looked at.
	lagInterval = 50 * time.Millisecond
	// drainBound is how long a lag may take to be worked off.
	drainBound = 10 * time.Second
	// maxWaiting is how many publishes may wait for their acknowledgements. That makes
	// a lag of 256 messages in each of four streams that stand still; with fewer than
	// 400 publishes none could be over 100, whatever the volume does.
	maxWaiting = 1024
)

// Run measures one round.
func (p *RaftLag) Run(ctx context.Context, env *Env) ([]measure.Measurement, error) {
	return p.withRaft(ctx, env, p.leader(), nil, func(ctx context.Context, g *raftGroup) ([]measure.Measurement, error) {
		start, sampler := time.Now().Add(env.Warmup), measure.StartContext(env.Devices, g.pids()...)
		watch := g.watchLag(ctx, start)
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
		if len(watch.samples)+len(watch.unanswered) == 0 {
			return measured, errors.New("look at the lag: no answer in the whole round")
		}
		drained, ok := g.drain(ctx)
		lags := watch.measurements(start, out, around)
		if ok {
			lags = append(lags, single("drain", measure.Seconds, start, out.Elapsed, around, drained.Seconds()))
		} else {
			lags[0].Warnings = append(lags[0].Warnings, fmt.Sprintf("something was still behind %v after the load", drainBound))
		}
		return append(append(lags, g.pendingLines(start, out.Elapsed, around)), measured...), nil
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
	// unanswered are the lags of ticks whose look failed, which tells nothing else.
	unanswered []float64
	err        error // of the last look that failed
	cancel     context.CancelFunc
	ended      chan struct{}
}

// look is one look at the groups.
type look struct {
	lagSample
	err error
}

// watchLag looks at every tick from start on. A look takes as long as a lock of a group
// is held. The ticks that go by meanwhile count, with what it finds in the end or what
// publishers waited for at that moment, whichever is more.
func (g *raftGroup) watchLag(ctx context.Context, start time.Time) *lagWatch {
	ctx, cancel := context.WithCancel(ctx)
	w := &lagWatch{cancel: cancel, ended: make(chan struct{})}
	go func() {
		defer close(w.ended)
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Until(start)):
		}
		tick := time.NewTicker(lagInterval)
		defer tick.Stop()
		for ctx.Err() == nil {
			answer, missed := make(chan look, 1), []float64(nil)
			go func() {
				s, err := g.lag(ctx)
				answer <- look{s, err}
			}()
			for answered := false; !answered; {
				select {
				case l := <-answer:
					w.add(ctx, l, missed, g.mostWaiting())
					answered = true
				case <-tick.C:
					missed = append(missed, g.mostWaiting())
				}
			}
			select {
			case <-ctx.Done():
			case <-tick.C:
			}
		}
	}()
	return w
}

// add keeps a look and the ticks that it missed, by what publishers waited for at each
// and at its end.
func (w *lagWatch) add(ctx context.Context, l look, missed []float64, waiting float64) {
	switch {
	case l.err == nil:
		w.samples = append(w.samples, l.lagSample)
		for _, lag := range missed {
			s := l.lagSample
			s.lag = max(s.lag, lag)
			w.samples = append(w.samples, s)
		}
	case ctx.Err() != nil: // it was stopped
		w.unanswered = append(w.unanswered, missed...)
	default:
		w.err = l.err
		w.unanswered = append(append(w.unanswered, missed...), waiting)
	}
}

func (w *lagWatch) stop() { w.cancel(); <-w.ended }

// mostWaiting is how many publishes wait for the stream that has the most of them.
func (g *raftGroup) mostWaiting() float64 {
	most := int64(0)
	for i := range g.waiting {
		most = max(most, g.waiting[i].Load())
	}
	return float64(most)
}

// lag looks at all groups of the streams once. A witness is asked first: what it
// has by then the server on the volume should have, too, and also what it has when
// that server was long in answering.
func (g *raftGroup) lag(ctx context.Context) (lagSample, error) {
	others, err := g.cluster.Node(witness).Raftz(ctx)
	if err != nil {
		return lagSample{}, err
	}
	begin := time.Now()
	ours, err := g.cluster.Node(target).Raftz(ctx)
	if err == nil && time.Since(begin) > lagInterval {
		others, err = g.cluster.Node(witness).Raftz(ctx)
	}
	if err != nil {
		return lagSample{}, err
	}
	var s lagSample
	for name, own := range ours {
		ahead := max(own.PIndex+own.Proposals, others[name].Committed)
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
	lags, wal := slices.Clone(w.unanswered), 0.0
	var uncommitted, unapplied []float64
	for _, s := range w.samples {
		lags, uncommitted, unapplied = append(lags, s.lag), append(uncommitted, s.uncommitted), append(unapplied, s.unapplied)
		wal = max(wal, s.wal)
	}
	all := []measure.Measurement{single("lag", measure.Count, start, o.Elapsed, around, p99(lags))}
	if n := len(w.unanswered); n > 0 {
		all[0].Warnings = append(all[0].Warnings, fmt.Sprintf("in %d of %d samples a server did not answer, and the publishes that waited stand for its lag", n, len(lags)))
	}
	if len(w.samples) == 0 {
		return all
	}
	return append(all,
		single("uncommitted", measure.Count, start, o.Elapsed, around, p99(uncommitted)),
		single("unapplied", measure.Count, start, o.Elapsed, around, p99(unapplied)),
		single("wal", measure.Bytes, start, o.Elapsed, around, wal))
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

// pendingLines counts the warnings of append entries that wait, from start on.
func (g *raftGroup) pendingLines(start time.Time, elapsed time.Duration, around measure.Context) measure.Measurement {
	n := 0.0
	for _, node := range g.cluster.Nodes() {
		for _, e := range node.Log(start) {
			if e.Kind == serverlog.AppendsPending {
				n++
			}
		}
	}
	return single("pending_lines", measure.Count, start, elapsed, around, n)
}
