package engine_test

import (
	"strings"
	"testing"

	"storebench/cmd/storebench/internal/programtest"
)

// --fail-fast ends at a failure that no round could take back, and not at one that a
// confidence decides.
func TestFailFast(t *testing.T) {
	for _, tt := range []struct {
		limit  string
		rounds int
	}{{"raw-sync.fdatasync max < 1us", 1}, {"raw-sync.fdatasync p99 < 1us", 3}} {
		t.Run(tt.limit, func(t *testing.T) {
			dir := programtest.Target(t)
			doc := t.TempDir() + "/run.json"
			var out programtest.Outcome
			for range 3 { // a machine that is short of CPU may leave it inconclusive
				out = programtest.Run(t, "check", dir, "--profile", "quick", "--only", "raw-sync", "--limit", tt.limit,
					"--budget", "6s", "--fail-fast", "-o", "text", "-o", "json="+doc)
				if out.Code == 3 {
					break
				}
			}
			programtest.RequireCode(t, out, 3)
			run := programtest.Document(t, doc)
			const mostRounds = 2 // a round that the machine's own CPU excuses ends nothing
			for _, m := range run.Measurements {
				if m.Step == "raw-sync" && len(m.Rounds) < tt.rounds || tt.rounds == 1 && len(m.Rounds) > mostRounds {
					t.Errorf("%s of %s has %d rounds, want %d", m.Metric, m.Step, len(m.Rounds), tt.rounds)
				}
			}
			if noted := strings.Contains(out.Stdout, "--fail-fast: the run ended"); noted != (tt.rounds == 1) {
				t.Errorf("it is noted: %v\n%s", noted, out.Stdout)
			}
			programtest.Empty(t, dir)
		})
	}
}
