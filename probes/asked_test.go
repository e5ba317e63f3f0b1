package probes

import (
	"testing"

	"storebench/internal/measure"
)

func TestAsked(t *testing.T) {
	tests := []struct {
		name       string
		parameters map[string]string
		want       string
	}{
		{"storm", map[string]string{"mode": "storm", "groups": "2000", "role": "voter", "max-concurrent-io": "4096", "bound": "4s"}, "2,000 Raft groups, each a voter, 4,096 I/O slots"},
		{"write", map[string]string{"mode": "write", "groups": "2000", "role": "voter", "max-concurrent-io": "4096"}, ""},
		{"open loop", map[string]string{"mode": "open", "rate": "1000", "message-size": "1KiB", "streams": "1", "concurrency": "4", "sync": "default", "cipher": "none"}, "1,000 messages/s, messages of 1 KiB, 1 stream, 4 writers"},
		{"closed loop", map[string]string{"mode": "closed", "rate": "1000", "sync": "always", "cipher": "aes"}, "as fast as it goes, sync always, cipher aes"},
		{"disk", map[string]string{"size": "2300B", "concurrency": "1"}, "writes of 2,300 B, 1 writer"},
		{"reads", map[string]string{"block-size": "2MiB", "concurrency": "64", "max-concurrent-io": "16"}, "blocks of 2 MiB, 64 at once, 16 I/O slots"},
		{"alone", map[string]string{"mode": "alone", "rate": "1000", "streams": "4", "blocks": "1", "concurrency": "4", "message-size": "1KiB"}, "messages of 1 KiB, 4 streams, 1 block each"},
		{"a server's blocks", map[string]string{"of": "server", "block-size": "4MiB", "streams": "4", "consumers": "43", "state": "clean"}, "4 streams, 43 consumers, state clean"},
		{"stores have no consumers", map[string]string{"of": "stores", "block-size": "4MiB", "streams": "4", "consumers": "0"}, "4 streams, blocks of 4 MiB"},
		{"a value that is no number", map[string]string{"size": "large", "rate": "0.5"}, "0.5 messages/s, writes of large"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := askedOf(tt.parameters); got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}

// TestLoopOf: a step at a rate is told from one that does as much as it can.
func TestLoopOf(t *testing.T) {
	for _, tt := range []struct {
		probe string
		set   map[string]string
		want  measure.Loop
	}{
		{"block-write", map[string]string{"mode": "open"}, measure.AtRate},
		{"block-write", map[string]string{"mode": "closed"}, measure.Closed},
		{"block-sync", nil, measure.AtRate},
		{"raw-sync", nil, measure.Closed},
		{"raw-sync", map[string]string{"writes-per-second": "100"}, measure.AtRate},
		{"term-vote", map[string]string{"mode": "storm"}, measure.AtRate},
		{"recovery", nil, measure.Once},
	} {
		p, err := New(tt.probe)
		if err != nil {
			t.Fatal(err)
		}
		for name, value := range tt.set {
			if err := Set(p, name, value); err != nil {
				t.Fatal(err)
			}
		}
		if got := LoopOf(p); got != tt.want {
			t.Errorf("%s %v: %q, want %q", tt.probe, tt.set, got, tt.want)
		}
	}
}
