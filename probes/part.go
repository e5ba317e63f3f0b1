package probes

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sync/errgroup"

	"storebench/internal/load"
	"storebench/internal/measure"
)

// part is one of the things that a server does at the same time. It is driven
// by itself, so that a slow part holds up no other but through the disk and
// nats-server's own locks and slots.
type part struct {
	metric string
	// run does it for a time, warm-up excluded.
	run func(ctx context.Context, warmup, duration time.Duration) (load.Outcome, error)
	// due says that latencies count from when an operation was due, as for
	// messages that arrive whatever the disk does; else from when it was begun.
	due bool
}

// of is the latencies of the part in an outcome.
func (p part) of(o load.Outcome) *measure.Distribution {
	if p.due || o.Service == nil {
		return o.Response
	}
	return o.Service
}

// loadPart is a part of operations at an even rate.
func loadPart(metric string, workers int, rate float64, op func(worker int, n int64) error) part {
	return part{metric: metric, run: func(ctx context.Context, warmup, duration time.Duration) (load.Outcome, error) {
		return load.Run(ctx, load.Config{Workers: workers, Pacer: load.Open{Rate: rate}, Warmup: warmup, Duration: duration, Grace: grace}, op)
	}}
}

// writers is the part that stores messages in the streams at a rate.
func (p streamParams) writersPart(s *streams, rate float64) part {
	return part{metric: "store", due: true, run: func(ctx context.Context, warmup, duration time.Duration) (load.Outcome, error) {
		outcomes, runErr := s.run(ctx, func(i int) load.Config {
			return load.Config{Workers: p.writers(i), Pacer: load.Open{Rate: rate / float64(p.Streams)}, Warmup: warmup, Duration: duration, Grace: grace}
		})
		all, err := merge(outcomes)
		return all, errors.Join(runErr, err)
	}}
}

// apartAndTogether runs each part alone for an even share of half the round, and
// all together for the other half. The measurements of a part when alone have
// "_alone" behind their metric.
func apartAndTogether(ctx context.Context, env *Env, s *streams, parts []part) ([]measure.Measurement, error) {
	var apart []measure.Measurement
	each := env.Duration / time.Duration(2*len(parts))
	for _, p := range parts {
		alone := p
		alone.metric += "_alone"
		measured, err := together(ctx, env, s, each, []part{alone})
		apart = append(apart, measured...)
		if err != nil {
			return apart, err
		}
	}
	measured, err := together(ctx, env, s, env.Duration/2, parts)
	return append(measured, apart...), err
}

// together runs parts at the same time.
func together(ctx context.Context, env *Env, s *streams, duration time.Duration, parts []part) ([]measure.Measurement, error) {
	before, start, sampler := s.server.SlotWaits(), time.Now().Add(env.Warmup), measure.StartContext(env.Devices)
	outcomes, errs := make([]load.Outcome, len(parts)), make([]error, len(parts))
	var group errgroup.Group
	for i, p := range parts {
		group.Go(func() error {
			outcomes[i], errs[i] = p.run(ctx, env.Warmup, duration)
			return nil
		})
	}
	_ = group.Wait() // each part's error is in errs
	around := sampler.Stop()
	around.Slots = slotWaits(s.server.SlotWaits().Sub(before))
	var measured []measure.Measurement
	for i, p := range parts {
		if o := outcomes[i]; o.Response != nil {
			measured = append(measured, timed(p.metric, start, o.Elapsed, around, p.of(o)))
			errs = append(errs, ending(o))
		}
	}
	return measured, cutOr(errs...)
}
