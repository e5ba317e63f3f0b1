package results

import (
	"strings"
	"testing"
	"time"

	"storebench/internal/measure"
	"storebench/internal/volume"
)

// synced is a run whose fdatasync and rename took so long.
func synced(t *testing.T, fdatasync, rename time.Duration) *Run {
	t.Helper()
	run := runOf(t, times(3, latencies(ops{1000, fdatasync})), "raw-sync.fdatasync p99 < 10s")
	run.Steps = []Step{
		{Name: "raw-sync", Probe: "raw-sync", Rounds: 3, Parameters: map[string]string{"pattern": "append", "concurrency": "1"}},
		{Name: "dir-sync", Probe: "dir-sync", Rounds: 3, Parameters: map[string]string{"concurrency": "1"}},
	}
	run.Measurements = []measure.Measurement{
		{Step: "raw-sync", Probe: "raw-sync", Metric: "fdatasync", Unit: measure.Seconds, Kind: measure.FileSync, Rounds: run.Measurements[0].Rounds},
		{Step: "dir-sync", Probe: "dir-sync", Metric: "rename", Unit: measure.Seconds, Kind: measure.DirSync, Rounds: times(3, latencies(ops{1000, rename}))},
	}
	return run
}

func TestDoubts(t *testing.T) {
	tests := []struct {
		name              string
		fdatasync, rename time.Duration
		known             bool // not to persist
		os                string
		want              Status
		says              string
	}{
		{"a disk", 200 * time.Microsecond, 250 * time.Microsecond, false, "linux", Pass, ""},
		{"a fast disk", 12 * time.Microsecond, 10 * time.Microsecond, false, "linux", Pass, ""},
		{"a journal that makes renames cheap", 200 * time.Microsecond, 60 * time.Microsecond, false, "linux", Pass, ""},
		{"a sync that does nothing", 2 * time.Microsecond, 8 * time.Microsecond, false, "linux", Warn, "the time of a system call"},
		{"a directory sync that does nothing", 10 * ms, 30 * time.Microsecond, false, "linux", Warn, "the directory's sync does nothing"},
		{"no directory sync at all", 10 * ms, 30 * time.Microsecond, false, "windows", Pass, ""},
		{"a doubt about what is known", 2 * time.Microsecond, 8 * time.Microsecond, true, "linux", Fail, "lives in memory"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			run := synced(t, tt.fdatasync, tt.rename)
			run.Host.OS = tt.os
			if tt.known {
				run.Volume.Persistence = volume.Persistence{State: volume.NotPersistent, How: "it lives in memory"}
			}
			v := Judge(run)
			told := ""
			for _, f := range v.Findings {
				if f.Limit == nil {
					told += f.Reason
				}
			}
			if v.Status != tt.want || (told == "") != (tt.says == "") || !strings.Contains(told, tt.says) {
				t.Errorf("verdict %s, %q; want %s, %q", v.Status, told, tt.want, tt.says)
			}
		})
	}
}
