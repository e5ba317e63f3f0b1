package probes

import (
	"context"
	"time"

	"storebench/internal/load"
	"storebench/internal/measure"
)

// RaftPropose publishes to replicated streams of a real group of three servers.
type RaftPropose struct {
	Mode string `param:"mode" choices:"open,closed" help:"open: at the rate, whatever happens; closed: as fast as it goes"`
	raftParams
}

var _ = register(func() Probe { return &RaftPropose{Mode: "open", raftParams: defaultRaft()} })

// Info describes the probe.
func (p *RaftPropose) Info() Info {
	return p.info(Info{
		Name:    "raft-propose",
		Topic:   "Raft group",
		Summary: "publish to streams of three replicas, with this volume under one server of a real group",
		Why:     "A publish is acknowledged when a majority of the servers has it in its Raft log. The leader writes it too, and holds the group's lock meanwhile: a slow volume under the leader is felt by every publisher, one under a follower by none, as long as the other two keep up.",
		Metrics: []Metric{
			{Name: "ack", Unit: measure.Seconds, Help: "a publish from when it was due (closed loop: begun) until it is acknowledged"},
			{Name: "ack_sched_delay", Unit: measure.Seconds, Help: lateHelp, Kind: measure.Harness},
			{Name: "written", Unit: measure.BytesPerSecond, Help: "what the server on the volume has written to its file system a second, for the log, the stream and what keeps them; not known on a file system in memory"},
		},
	})
}

// Run measures one round. The servers sync their blocks when they always do, every
// 2 minutes, which no round meets: raft-stall asks what that does.
func (p *RaftPropose) Run(ctx context.Context, env *Env) ([]measure.Measurement, error) {
	return p.withRaft(ctx, env, p.leader(), nil, func(ctx context.Context, g *raftGroup) ([]measure.Measurement, error) {
		pacer := g.open()
		if p.Mode == "closed" {
			pacer = load.Closed{}
		}
		start, sampler := time.Now().Add(env.Warmup), measure.StartContext(env.Devices, g.pids()...)
		before, began := g.cluster.Node(target).WrittenBytes(), time.Now()
		out, err := g.load(ctx, pacer, env.Warmup, env.Duration, nil)
		if out.Response == nil {
			return nil, err
		}
		took, around := time.Since(began), sampler.Stop()
		measured := g.published(ctx, "ack", start, around, out)
		if bytes := g.cluster.Node(target).WrittenBytes() - before; before > 0 && bytes > 0 {
			measured = append(measured, single("written", measure.BytesPerSecond, began, took, around, float64(bytes)/took.Seconds()))
		}
		return measured, err
	})
}
