package natsfs

import (
	"fmt"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// Consumer is the file store of one consumer's state. It is not safe for
// concurrent use: nats-server drops a write while another is under way.
type Consumer struct {
	store server.ConsumerStore
	state server.ConsumerState
}

// OpenConsumer opens or makes the state of a durable consumer with explicit
// acknowledgements in the store's directory. The consumer is closed with its
// store.
func (s *Store) OpenConsumer(name string) (*Consumer, error) {
	cfg := &server.ConsumerConfig{Durable: name, AckPolicy: server.AckExplicit}
	store, err := s.ss.ConsumerStore(name, time.Now().UTC(), cfg)
	if err != nil {
		return nil, fmt.Errorf("open consumer %q of stream %q: %w", name, s.cfg.Name, err)
	}
	return &Consumer{store: store}, nil
}

// SetPending gives the consumer n messages that were delivered and not
// acknowledged; each takes a few bytes of its state. Nothing is written.
func (c *Consumer) SetPending(n int) {
	now := time.Now().UnixNano()
	c.state.Pending = make(map[uint64]*server.Pending, n)
	for i := range uint64(n) {
		c.state.Pending[i+1] = &server.Pending{Sequence: i + 1, Timestamp: now}
	}
	c.state.Delivered = server.SequencePair{Consumer: uint64(n), Stream: uint64(n)}
}

// WriteState counts one more delivery and writes the state, as nats-server does
// at most every 100 ms: a temporary file and a rename, both under one slot. With
// SyncAlways it is durable when this returns nil.
func (c *Consumer) WriteState() error {
	c.state.Delivered.Consumer++
	c.state.Delivered.Stream++
	if err := c.store.ForceUpdate(&c.state); err != nil {
		return fmt.Errorf("write the state of a consumer: %w", err)
	}
	return nil
}
