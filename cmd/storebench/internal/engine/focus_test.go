package engine_test

import (
	"testing"

	"storebench/cmd/storebench/internal/programtest"
	"storebench/results"
)

// A step whose limit is undecided gets the time of the rounds that are left out of the
// others.
func TestUndecidedStepsGetTheTime(t *testing.T) {
	if testing.Short() {
		t.Skip("it measures for ten seconds")
	}
	dir, doc := programtest.Target(t), t.TempDir()+"/run.json"
	const limit = "raw-sync.fdatasync{step=raw-sync} p99.99 < 1s" // 36,888 operations decide it
	programtest.Run(t, "check", dir, "--profile", "raft", "--only", "raw-sync,dir-sync", "--skip", "raw-sync-*",
		"--limit", limit, "--budget", "16s", "-o", "json="+doc)
	run := programtest.Document(t, doc)
	rounds := map[string]int{}
	for _, m := range run.Measurements {
		rounds[m.Step] = max(rounds[m.Step], len(m.Rounds))
	}
	if f := run.Finding(t, limit, "raw-sync"); !f.Undecided {
		t.Skipf("%s is %s: this machine is quicker than the test supposes", f.Name, f.Status)
	}
	if rounds["dir-sync"] != 3 || rounds["raw-sync"] <= 5 {
		t.Errorf("%v rounds, want 3 of dir-sync and more than 5 of raw-sync", rounds)
	}
	for _, in := range run.Incidents {
		if in.Kind == results.OutOfTime && in.Step == "dir-sync" {
			t.Errorf("incident: %v", in)
		}
	}
	programtest.Empty(t, dir)
}
