package probes

import (
	"context"
	"fmt"

	"storebench/internal/measure"
	"storebench/internal/natsfs"
)

// ConsumerState writes the states of consumers while messages are stored.
type ConsumerState struct {
	Rate float64 `param:"rate" min:"0.1" max:"10000000" help:"messages a second over all streams"`
	consumerParams
	streamParams
}

// consumerParams are the parameters of probes that write consumers' states.
type consumerParams struct {
	Consumers int     `param:"consumers" min:"1" max:"10000" help:"consumers in all, spread over the streams"`
	Updates   float64 `param:"updates-per-second" min:"0.01" max:"10" help:"of one consumer's state; nats-server writes at most 10"`
	Pending   int     `param:"pending" min:"0" max:"100000" help:"messages of a consumer that were delivered and not acknowledged; each is in its state"`
}

// defaultConsumers are as many as on the node of the outage that the profiles
// are made after, each as busy as nats-server lets it be.
func defaultConsumers() consumerParams {
	return consumerParams{Consumers: 43, Updates: 10, Pending: 100}
}

var _ = register(func() Probe {
	return &ConsumerState{Rate: 1000, consumerParams: defaultConsumers(), streamParams: defaultStreams()}
})

// Info describes the probe.
func (p *ConsumerState) Info() Info {
	n := p.need()
	n.Bytes, n.Files = n.Bytes+p.consumerBytes(), n.Files+p.consumerFiles()
	return Info{
		Name:    "consumer-state",
		Topic:   "consumers",
		Summary: "write the states of consumers while messages go on being stored",
		Why:     "Each busy consumer writes its state up to ten times a second: a temporary file and a rename, with sync_interval always durably and with a directory fsync. Many consumers are many small writes that the streams' writers share the disk and the I/O slots with.",
		Metrics: []Metric{
			{Name: "write", Unit: measure.Seconds, Help: "one write of a consumer's state, with messages being stored"},
			{Name: "write_alone", Unit: measure.Seconds, Help: "the same without messages"},
			{Name: "store", Unit: measure.Seconds, Help: "a message from when it was due until it is stored, with consumers writing"},
			{Name: "store_alone", Unit: measure.Seconds, Help: "the same without consumers"},
		},
		Need:   n,
		Extra:  5*grace + closeWait,
		Gentle: p.Rate <= gentleRate && p.Sync == "default" && float64(p.Consumers)*p.Updates <= gentleRate/10,
	}
}

// consumerFiles are what a consumer keeps (directory, state, configuration, its
// checksum and key) and the temporary file of a write.
func (p consumerParams) consumerFiles() int64 { return 8 * int64(p.Consumers) }

func (p consumerParams) consumerBytes() int64 {
	const perPending = 3 * 10 // three varints
	return int64(p.Consumers) * (8*4096 + 2*perPending*int64(p.Pending))
}

// Run measures one round.
func (p *ConsumerState) Run(ctx context.Context, env *Env) ([]measure.Measurement, error) {
	s, err := p.open(ctx, env)
	if err != nil {
		return nil, err
	}
	consumers, err := p.consumersPart("write", s)
	if err != nil {
		return nil, cutOr(err, s.close(ctx))
	}
	measured, err := apartAndTogether(ctx, env, s, []part{consumers, p.writersPart(s, p.Rate)})
	return s.warn(measured), cutOr(err, s.close(ctx))
}

// maxConsumerWriters bounds the writers of states, for each needs memory. A
// server has one a consumer.
const maxConsumerWriters = 48

// consumersPart is the part that writes the states of consumers at their rate.
// Each consumer belongs to one writer, which takes its consumers in turn: a
// second write of a state at the same time would do nothing.
func (p consumerParams) consumersPart(metric string, s *streams) (part, error) {
	writers := min(p.Consumers, maxConsumerWriters)
	owned, next := make([][]*natsfs.Consumer, writers), make([]int, writers)
	for i := range p.Consumers {
		c, err := s.stores[i%len(s.stores)].OpenConsumer(fmt.Sprintf("consumer-%d", i))
		if err != nil {
			return part{}, err
		}
		c.SetPending(p.Pending)
		owned[i%writers] = append(owned[i%writers], c)
	}
	return loadPart(metric, writers, float64(p.Consumers)*p.Updates, func(writer int, _ int64) error {
		mine := owned[writer]
		next[writer]++
		return mine[next[writer]%len(mine)].WriteState()
	}), nil
}
