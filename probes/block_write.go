package probes

import (
	"context"
	"time"

	"storebench/internal/load"
	"storebench/internal/measure"
)

// BlockWrite stores messages through StoreMsg of real streams.
type BlockWrite struct {
	Mode string  `param:"mode" choices:"open,closed" help:"open: at the rate, whatever happens; closed: as fast as it goes"`
	Rate float64 `param:"rate" min:"0.1" max:"10000000" help:"messages a second over all streams, in open loop"`
	streamParams
}

var _ = register(func() Probe { return &BlockWrite{Mode: "open", Rate: 1000, streamParams: defaultStreams()} })

// Info describes the probe.
func (p *BlockWrite) Info() Info {
	metrics := []Metric{
		{Name: "store", Unit: measure.Seconds, Help: "a message from when it was due (closed loop: begun) until it is stored, waiting for earlier ones included"},
		{Name: "store_service", Unit: measure.Seconds, Help: "a message from when it was begun until it is stored (open loop)"},
		{Name: "store_sched_delay", Unit: measure.Seconds, Help: "by how much this machine woke an idle writer late, which is not the volume's and in no other metric (open loop)", Kind: measure.Harness},
	}
	return Info{
		Name:    "block-write",
		Topic:   "storing messages",
		Summary: "store messages in file-based streams, at a rate or as fast as it goes",
		Why:     "StoreMsg runs under the locks of the stream and its store: while one write waits, everything on that stream waits, and in a replicated stream the leader's proposals queue up behind it.",
		Metrics: metrics,
		Need:    p.need(),
		Extra:   grace + closeWait,
		Gentle:  p.Mode == "open" && p.Rate <= gentleRate,
	}
}

// Run measures one round.
func (p *BlockWrite) Run(ctx context.Context, env *Env) ([]measure.Measurement, error) {
	s, err := p.open(ctx, env)
	if err != nil {
		return nil, err
	}
	start, sampler := time.Now(), measure.StartContext(env.Devices)
	outcomes, runErr := s.run(ctx, func(i int) load.Config {
		return load.Config{Workers: p.writers(i), Pacer: p.pacer(), Duration: env.Duration, Warmup: env.Warmup, Grace: grace}
	})
	around := sampler.Stop()
	around.Slots = s.slotWaits()
	all, err := merge(outcomes)
	if err != nil {
		return nil, err
	}
	start = start.Add(env.Warmup)
	measured := []measure.Measurement{timed("store", start, all.Elapsed, around, all.Response)}
	if p.Mode == "open" {
		measured = append(measured, timed("store_service", start, all.Elapsed, around, all.Service),
			timed("store_sched_delay", start, all.Elapsed, around, all.Late))
	}
	return s.warn(measured), cutOr(runErr, ending(all), s.close(ctx))
}

// pacer is the load of one stream.
func (p *BlockWrite) pacer() load.Pacer {
	if p.Mode == "closed" {
		return load.Closed{}
	}
	return load.Open{Rate: p.Rate / float64(p.Streams)}
}
