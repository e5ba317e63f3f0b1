package probes_test

import (
	"testing"
	"time"
)

// TestRaftWritten: the leader's server writes each message into the log of its group and
// into the stream, and what keeps them besides.
func TestRaftWritten(t *testing.T) {
	p := propose(t, "20s")
	measured, err := p.Run(t.Context(), env(t, p, onVolume(t, slow(t, "flush 1ms")), 2*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	const published = 1000 * 1024 // bytes a second
	acknowledged := metric(t, measured, "ack").Distribution.Count()
	written := metric(t, measured, "written").Value
	if written == nil || *written < 1.5*published || *written > 4*published {
		t.Errorf("%v bytes a second are written for %d acknowledged messages in 2 s, want 1.5 to 4 times the %d that are published", written, acknowledged, published)
	}
}
