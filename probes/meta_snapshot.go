package probes

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"

	"storebench/internal/load"
	"storebench/internal/measure"
	"storebench/internal/natsfs"
)

// MetaSnapshot takes snapshots of the meta group on the volume.
type MetaSnapshot struct {
	Consumers int `param:"consumers" min:"0" max:"2000" help:"durable consumers in all, spread over the streams"`
	raftParams
}

var _ = register(func() Probe { return &MetaSnapshot{Consumers: 43, raftParams: defaultRaft()} })

// Info describes the probe.
func (p *MetaSnapshot) Info() Info {
	consumers := consumerParams{Consumers: p.Consumers}
	return p.info(Info{
		Name:    "meta-snapshot",
		Topic:   "Raft group",
		Summary: "snapshots of the meta group of a real cluster, led by the server on this volume",
		Why:     "Every minute the leader of the meta group writes the assignments of all streams and consumers as a snapshot. While that lasts no stream or consumer is made, moved or deleted, and from 2 s on nats-server warns. Making it is CPU and locks, writing it is the disk.",
		Metrics: []Metric{
			{Name: "whole", Unit: measure.Seconds, Help: "one snapshot, with messages being published; one that does not come about counts as unfinished"},
			{Name: "generate", Unit: measure.Seconds, Help: "of that, to make it: CPU and locks"},
			{Name: "install", Unit: measure.Seconds, Help: "of that, to write it: the disk"},
			{Name: "whole_alone", Unit: measure.Seconds, Help: "one snapshot, with nothing else going on"},
			{Name: "generate_alone", Unit: measure.Seconds, Help: "of that, to make it"},
			{Name: "install_alone", Unit: measure.Seconds, Help: "of that, to write it"},
			{Name: "ack", Unit: measure.Seconds, Help: "a publish from when it was due until it is acknowledged, while snapshots are taken"},
			{Name: "ack_sched_delay", Unit: measure.Seconds, Help: lateHelp, Kind: measure.Harness},
		},
		Need:   Need{Bytes: 2 * consumers.consumerBytes(), Files: 24 * int64(p.Consumers)},
		Extra:  p.consumersWait() + 2*raftWait, // in each half a change may stay unanswered
		Linked: true,
		Unfit:  p.unfit(),
	})
}

// unfit refuses the one place in which there is nothing to measure.
func (p *MetaSnapshot) unfit() string {
	if p.Place == "follower" {
		return "only the leader of the meta group takes its snapshots at its own time: it needs place leader or all"
	}
	return ""
}

// Run measures one round: half of it alone, half under load.
func (p *MetaSnapshot) Run(ctx context.Context, env *Env) ([]measure.Measurement, error) {
	if why := p.unfit(); why != "" {
		return nil, errors.New(why)
	}
	return p.withRaft(ctx, env, p.leader(), nil, func(ctx context.Context, g *raftGroup) ([]measure.Measurement, error) {
		begin, making := time.Now(), measure.StartContext(env.Devices, g.pids()...)
		if err := g.makeConsumers(ctx, p.Consumers, p.consumersWait()); err != nil {
			return g.noSnapshot(ctx, begin, making, err)
		}
		alone, err := g.snapshots(ctx, "_alone", env.Duration/2)
		if err != nil {
			return alone, err
		}
		var group errgroup.Group
		var out load.Outcome
		start, sampler := time.Now(), measure.StartContext(env.Devices, g.pids()...)
		group.Go(func() (err error) {
			out, err = g.load(ctx, g.open(), 0, env.Duration/2, nil)
			return err
		})
		loaded, err := g.snapshots(ctx, "", env.Duration/2)
		err = errors.Join(err, group.Wait())
		if out.Response != nil {
			loaded = append(loaded, g.published(ctx, "ack", start, sampler.Stop(), out)...)
		}
		return append(loaded, alone...), err
	})
}

// consumersAtOnce is how many consumers are being made at any time.
const consumersAtOnce = 16

// consumersWait is how long it may take to make the consumers. One takes under 10 ms
// on sound disks, and one batch of them each thing that is asked of a cluster.
func (p *MetaSnapshot) consumersWait() time.Duration {
	return raftWait + time.Duration(p.Consumers)*50*time.Millisecond
}

// makeConsumers makes durable consumers, whose state has as many replicas as
// their streams.
func (g *raftGroup) makeConsumers(ctx context.Context, n int, wait time.Duration) error {
	js, err := jetstream.New(g.nc, jetstream.WithDefaultTimeout(raftWait))
	if err != nil {
		return err
	}
	bounded, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	group, bounded := errgroup.WithContext(bounded)
	group.SetLimit(consumersAtOnce)
	for i := range n {
		group.Go(func() error {
			name := fmt.Sprintf("consumer-%d", i)
			err := untilLed(bounded, func() error {
				_, err := js.CreateConsumer(bounded, g.names[i%len(g.names)], jetstream.ConsumerConfig{Durable: name, AckPolicy: jetstream.AckExplicitPolicy})
				return err
			})
			if err != nil {
				return fmt.Errorf("create consumer %q: %w", name, err)
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	g.settled, err = g.terms(ctx) // their groups are new
	return err
}

// noSnapshot is what comes of a round without a snapshot: nothing that needs the meta
// group came about in time.
func (g *raftGroup) noSnapshot(ctx context.Context, begin time.Time, sampler *measure.ContextSampler, err error) ([]measure.Measurement, error) {
	if ctx.Err() != nil || !withoutLeader(err) {
		return nil, withCause(ctx, g.env.Dir, err)
	}
	m := once("whole", begin, time.Since(begin), sampler.Stop(), false)
	m.Warnings = append(m.Warnings, err.Error())
	return []measure.Measurement{m}, nil
}

// withoutLeader says whether a request to the meta group found no leader that could
// carry it out: none answered in time, or a server refused it for want of one.
func withoutLeader(err error) bool {
	var refused *jetstream.APIError
	if errors.As(err, &refused) {
		return refused.Code == http.StatusServiceUnavailable
	}
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, nats.ErrTimeout) || errors.Is(err, nats.ErrNoResponders)
}

// changer gives a stream, which it makes where there is none, one description after
// another, so that the meta group has something to take a snapshot of.
type changer struct {
	js     jetstream.JetStream
	config jetstream.StreamConfig
	times  int
}

func (c *changer) change(ctx context.Context) error {
	c.times++
	c.config.Description = strconv.Itoa(c.times)
	if _, err := c.js.CreateOrUpdateStream(ctx, c.config); err != nil {
		return fmt.Errorf("change a stream, so that the meta group has something to take: %w", err)
	}
	return nil
}

// snapshots takes one snapshot after another for a time. Before each a stream is
// changed. When the meta group takes no change any more, or the server on the volume
// has lost the lead, that counts as one that did not finish, and no further one is
// tried.
func (g *raftGroup) snapshots(ctx context.Context, suffix string, duration time.Duration) ([]measure.Measurement, error) {
	js, err := jetstream.New(g.nc, jetstream.WithDefaultTimeout(raftWait))
	if err != nil {
		return nil, err
	}
	taken := &snapshots{group: g, whole: measure.NewRecorder(1, duration), generate: measure.NewRecorder(1, duration), install: measure.NewRecorder(1, duration)}
	taken.changer = changer{js: js, config: g.streamConfig(0)}
	start, sampler := time.Now(), measure.StartContext(g.env.Devices, g.pids()...)
	var lost error
	var began time.Time
	for err == nil && lost == nil && time.Since(start) < duration && ctx.Err() == nil {
		began = time.Now()
		lost, err = taken.one(ctx, start)
	}
	elapsed, around := time.Since(start), sampler.Stop()
	whole := timed("whole"+suffix, start, elapsed, around, taken.whole.Distribution())
	if lost != nil {
		d := whole.Rounds[0].Distribution
		d.GiveUp(elapsed.Seconds(), time.Since(began).Seconds(), 1)
		whole.Warnings = append(whole.Warnings, lost.Error())
	}
	return []measure.Measurement{
		whole,
		timed("generate"+suffix, start, elapsed, around, taken.generate.Distribution()),
		timed("install"+suffix, start, elapsed, around, taken.install.Distribution()),
	}, cmp.Or(context.Cause(ctx), err)
}

// snapshots are those of the meta group that were taken, and what they took.
type snapshots struct {
	group                    *raftGroup
	changer                  changer
	whole, generate, install *measure.Recorder
}

// one changes a stream and takes a snapshot. lost says why none came about though all
// servers work.
func (s *snapshots) one(ctx context.Context, start time.Time) (lost, err error) {
	if err := s.changer.change(ctx); err != nil {
		if withoutLeader(err) {
			return err, nil
		}
		return nil, err
	}
	var a natsfs.NodeAnswer
	if err := s.group.cluster.Node(target).Do(ctx, natsfs.NodeCommand{Do: natsfs.CommandMetaSnapshot}, &a); err != nil {
		return nil, err
	}
	switch refused := fmt.Errorf("take a snapshot of the meta group: %s", a.Error); {
	case a.NotLeader:
		return refused, nil
	case a.Error != "":
		return nil, withCause(ctx, s.group.env.Dir, refused)
	case a.Nothing: // the change is not carried out yet
		return nil, nil
	}
	end := time.Since(start)
	for r, seconds := range map[*measure.Recorder]float64{s.whole: a.Generate + a.Install, s.generate: a.Generate, s.install: a.Install} {
		r.Shard(0).Record(end, time.Duration(seconds*float64(time.Second)))
	}
	return nil, nil
}
