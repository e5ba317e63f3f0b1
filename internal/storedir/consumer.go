package storedir

import (
	"bufio"
	"bytes"
)

// ConsumerState is what o.dat says, with its long lists as counts.
type ConsumerState struct {
	DeliveredConsumer uint64 `json:"delivered_consumer"`
	DeliveredStream   uint64 `json:"delivered_stream"`
	AckedConsumer     uint64 `json:"ack_floor_consumer"`
	AckedStream       uint64 `json:"ack_floor_stream"`
	// Pending were delivered and not acknowledged, Redelivered more than once.
	Pending     uint64 `json:"pending"`
	Redelivered uint64 `json:"redelivered"`
}

const (
	consumerMagic = 22
	// maxConsumerState bounds what is read of one o.dat; the largest known of is 58 MB
	// (nats-server issue 5423).
	maxConsumerState = 256 << 20
)

// parseConsumer reads an o.dat, which has no checksum (decodeConsumerState in
// filestore.go).
func parseConsumer(data []byte) (*ConsumerState, error) {
	in := &fields{in: bufio.NewReader(bytes.NewReader(data)), left: int64(len(data))}
	magic, version := in.byte(), in.byte()
	switch {
	case in.err != nil || magic != consumerMagic || version == 0:
		return nil, errDamaged
	case version > 2:
		return nil, errNewer
	}
	s := &ConsumerState{AckedConsumer: in.uvarint(), AckedStream: in.uvarint(), DeliveredConsumer: in.uvarint(), DeliveredStream: in.uvarint()}
	if version == 1 { // delivered was relative to the floor, and the next one
		s.DeliveredConsumer += max(s.AckedConsumer, 1) - 1
		s.DeliveredStream += max(s.AckedStream, 1) - 1
	}
	if s.Pending = in.count(); s.Pending > 0 {
		in.varint() // the time that the others are relative to
	}
	for i := uint64(0); i < s.Pending && in.err == nil; i++ {
		in.uvarint()
		if version == 2 {
			in.uvarint()
		}
		in.varint()
	}
	s.Redelivered = in.count()
	for i := uint64(0); i < s.Redelivered && in.err == nil; i++ {
		in.uvarint()
		in.uvarint()
	}
	const top = 1 << 63
	if in.err == nil && (s.AckedStream&top != 0 || s.DeliveredStream&top != 0) {
		return nil, errDamaged
	}
	if in.err != nil {
		return nil, in.err
	}
	return s, nil
}
