package probes

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

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
		Summary: "snapshots of the meta group of a real cluster, led by the server on this volume",
		Why:     "Every minute the leader of the meta group writes the assignments of all streams and consumers as a snapshot. While that lasts no stream or consumer is made, moved or deleted, and from 2 s on nats-server warns. Making it is CPU and locks, writing it is the disk.",
		Metrics: []Metric{
			{"whole", measure.Seconds, "one snapshot, with messages being published"},
			{"generate", measure.Seconds, "of that, to make it: CPU and locks"},
			{"install", measure.Seconds, "of that, to write it: the disk"},
			{"whole_alone", measure.Seconds, "one snapshot, with nothing else going on"},
			{"generate_alone", measure.Seconds, "of that, to make it"},
			{"install_alone", measure.Seconds, "of that, to write it"},
			{"ack", measure.Seconds, "a publish from when it was due until it is acknowledged, while snapshots are taken"},
		},
		Need:   Need{Bytes: 2 * consumers.consumerBytes(), Files: 24 * int64(p.Consumers)},
		Linked: true,
	})
}

// Run measures one round: half of it alone, half under load.
func (p *MetaSnapshot) Run(ctx context.Context, env *Env) ([]measure.Measurement, error) {
	if p.Place == "follower" {
		return nil, errors.New("only the leader of the meta group takes its snapshots at its own time: set place to leader or all")
	}
	return p.withRaft(ctx, env, nil, func(ctx context.Context, g *raftGroup) ([]measure.Measurement, error) {
		if err := g.makeConsumers(ctx, p.Consumers); err != nil {
			return nil, withCause(ctx, env.Dir, err)
		}
		alone, err := g.snapshots(ctx, "_alone", env.Duration/2)
		if err != nil {
			return alone, err
		}
		var group errgroup.Group
		var out load.Outcome
		start, sampler := time.Now(), measure.StartContext(env.Device, g.pids()...)
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

// makeConsumers makes durable consumers, whose state has as many replicas as
// their streams.
func (g *raftGroup) makeConsumers(ctx context.Context, n int) error {
	js, err := jetstream.New(g.nc, jetstream.WithDefaultTimeout(raftWait))
	if err != nil {
		return err
	}
	for i := range n {
		name := fmt.Sprintf("consumer-%d", i)
		if _, err := js.CreateConsumer(ctx, g.names[i%len(g.names)], jetstream.ConsumerConfig{Durable: name, AckPolicy: jetstream.AckExplicitPolicy}); err != nil {
			return fmt.Errorf("create consumer %q: %w", name, err)
		}
	}
	g.settled, err = g.terms(ctx) // their groups are new
	return err
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
// changed.
func (g *raftGroup) snapshots(ctx context.Context, suffix string, duration time.Duration) ([]measure.Measurement, error) {
	js, err := jetstream.New(g.nc, jetstream.WithDefaultTimeout(raftWait))
	if err != nil {
		return nil, err
	}
	stream, err := js.Stream(ctx, g.names[0])
	if err != nil {
		return nil, err
	}
	changing := changer{js: js, config: stream.CachedInfo().Config}
	whole, generate, install := measure.NewRecorder(1, duration), measure.NewRecorder(1, duration), measure.NewRecorder(1, duration)
	start, sampler := time.Now(), measure.StartContext(g.env.Device, g.pids()...)
	for time.Since(start) < duration && ctx.Err() == nil {
		if err := changing.change(ctx); err != nil {
			return nil, err
		}
		var a natsfs.NodeAnswer
		if err := g.cluster.Node(target).Do(ctx, natsfs.NodeCommand{Do: natsfs.CommandMetaSnapshot}, &a); err != nil {
			return nil, err
		}
		if a.Error != "" {
			return nil, fmt.Errorf("take a snapshot of the meta group: %s", a.Error)
		}
		if a.Nothing {
			continue // the change is not carried out yet
		}
		end := time.Since(start)
		for r, seconds := range map[*measure.Recorder]float64{whole: a.Generate + a.Install, generate: a.Generate, install: a.Install} {
			r.Shard(0).Record(end, time.Duration(seconds*float64(time.Second)))
		}
	}
	elapsed, around := time.Since(start), sampler.Stop()
	return []measure.Measurement{
		timed("whole"+suffix, start, elapsed, around, whole.Distribution()),
		timed("generate"+suffix, start, elapsed, around, generate.Distribution()),
		timed("install"+suffix, start, elapsed, around, install.Distribution()),
	}, context.Cause(ctx)
}
