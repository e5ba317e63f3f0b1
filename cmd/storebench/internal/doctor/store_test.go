package doctor

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"storebench/internal/storedir"
	"storebench/internal/volume"
	"storebench/results"
)

var inspected = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// healthyStore is a store that nothing is wrong with.
func healthyStore() *storedir.Store {
	written := inspected.Add(-time.Minute)
	return &storedir.Store{
		Path: "/data/jetstream", Files: 12, Bytes: 20 << 20, NewestTime: written,
		Streams: []storedir.Stream{{
			Account: "$G", Name: "ORDERS", Config: &storedir.Config{Replicas: 3, Retention: "limits"},
			Blocks:    storedir.Blocks{Count: 3, Bytes: 20 << 20, Largest: 8 << 20, LastBytes: 4 << 20, Written: written},
			State:     &storedir.State{Messages: 9000, Bytes: 20 << 20, First: 1, Last: 9000, Subjects: 12},
			StateFile: storedir.StateFile{Bytes: 500, Written: written},
			Consumers: []storedir.Consumer{{Name: "c", Bytes: 60, Written: written}},
		}},
		Groups: []storedir.Group{{Name: "S-R3F-abcdefgh", Kind: "stream", Of: "$G > ORDERS", Term: 3, Log: storedir.Blocks{Count: 1, Bytes: 1 << 20}, Snapshot: 100, Snapped: written}},
	}
}

// TestInspect: each thing that can be wrong with a store is found by its name, and nothing is
// found in a healthy one.
func TestInspect(t *testing.T) {
	old := inspected.Add(-2 * time.Hour)
	for _, tt := range []struct {
		name   string
		change func(s *storedir.Store, v *volume.Facts)
		want   results.Status
	}{
		{"", func(*storedir.Store, *volume.Facts) {}, results.Pass},
		{"damaged-records", func(s *storedir.Store, _ *volume.Facts) {
			s.Deep = &storedir.Deep{Records: 9000, Damage: []storedir.Damage{{Path: "2.blk", Offset: 40, Sequence: 7, Reason: "its checksum does not fit"}}}
		}, results.Fail},
		{"no-configuration", func(s *storedir.Store, _ *volume.Facts) {
			s.Unread = []storedir.Unread{{Path: "$G/streams/X", Reason: "a stream without meta.inf: no server opens it"}}
		}, results.Fail},
		{"little-space", func(_ *storedir.Store, v *volume.Facts) { v.AvailableBytes = v.SizeBytes / 20 }, results.Warn},
		{"little-space", func(_ *storedir.Store, v *volume.Facts) { v.AvailableBytes = v.SizeBytes / 50 }, results.Fail},
		{"damaged-state", func(s *storedir.Store, _ *volume.Facts) { s.Streams[0].StateFile.Trouble = "its checksum does not fit" }, results.Warn},
		{"stale-state", func(s *storedir.Store, _ *volume.Facts) {
			s.Streams[0].StateFile.Written, s.Streams[0].StateFile.Outdated = old, true
		}, results.Warn},
		{"stale-state", func(s *storedir.Store, _ *volume.Facts) {
			s.Streams[0].StateFile = storedir.StateFile{Trouble: "missing"}
		}, results.Warn},
		{"", func(s *storedir.Store, _ *volume.Facts) { s.Streams[0].StateFile.Outdated = true }, results.Pass}, // a live one
		{"state-not-written", func(s *storedir.Store, _ *volume.Facts) { s.Streams[0].State.Subjects = 1_000_001 }, results.Warn},
		{"state-not-written", func(s *storedir.Store, _ *volume.Facts) { s.Streams[0].State.Deletes = 2_000_000 }, results.Warn},
		{"many-groups", func(s *storedir.Store, _ *volume.Facts) { s.Groups = make([]storedir.Group, 500) }, results.Warn},
		{"small-blocks", func(s *storedir.Store, _ *volume.Facts) { s.Streams[0].Blocks.Small = 100 }, results.Warn},
		{"large-blocks", func(s *storedir.Store, _ *volume.Facts) { s.Streams[0].Blocks.Largest = 40 << 20 }, results.Warn},
		{"many-consumers", func(s *storedir.Store, _ *volume.Facts) { s.Streams[0].Consumers = make([]storedir.Consumer, 1000) }, results.Warn},
		{"large-consumer-state", func(s *storedir.Store, _ *volume.Facts) { s.Streams[0].Consumers[0].Bytes = 58 << 20 }, results.Warn},
		{"orphaned-groups", func(s *storedir.Store, _ *volume.Facts) { s.Groups[0].Of = "$G > GONE" }, results.Warn},
		{"leftovers", func(s *storedir.Store, _ *volume.Facts) {
			s.Leftovers = []storedir.Leftover{{Path: "$G/streams/ORDERS/msgs/1.blk.tmp", What: "a block that was being replaced", Bytes: 9, Since: old}}
		}, results.Warn},
		{"", func(s *storedir.Store, _ *volume.Facts) {
			s.Leftovers = []storedir.Leftover{{Path: "1.blk.tmp", Since: inspected.Add(-time.Second)}} // in use
		}, results.Pass},
	} {
		t.Run(fmt.Sprintf("%s %s", tt.name, tt.want), func(t *testing.T) {
			store, v := healthyStore(), volume.Facts{MountPoint: "/data", SizeBytes: 100 << 30, AvailableBytes: 50 << 30}
			tt.change(store, &v)
			i := Inspect(store, v, nil, inspected)
			var names []string
			for _, f := range i.Findings {
				names = append(names, f.Name)
				for _, part := range []string{f.What, f.Why, f.Source, f.Do, strings.Join(f.Of, "")} {
					if part == "" {
						t.Errorf("a part is missing: %+v", f)
					}
				}
			}
			if got := strings.Join(names, " "); got != tt.name || i.Status != tt.want {
				t.Errorf("found %q, status %s, want %q, %s", got, i.Status, tt.name, tt.want)
			}
			for _, format := range []string{"text", "markdown", "csv", "json"} {
				var out bytes.Buffer
				if err := WriteInspection(&out, format, i, 20); err != nil || !strings.Contains(out.String(), "ORDERS") {
					t.Errorf("%s: %v\n%s", format, err, out.String())
				}
			}
		})
	}
}

// TestInspectionFormats: escape sequences in names never reach a terminal, and CSV and JSON
// can be read back.
func TestInspectionFormats(t *testing.T) {
	store := healthyStore()
	store.Streams[0].Name = "A\x1b[31m|\n\"B"
	i := Inspect(store, volume.Facts{}, nil, inspected)
	for _, format := range []string{"text", "markdown", "csv"} {
		var out bytes.Buffer
		if err := WriteInspection(&out, format, i, 0); err != nil || strings.Contains(out.String(), "\x1b") {
			t.Errorf("%s: %v\n%q", format, err, out.String())
		}
		if format == "csv" {
			if rows, err := csv.NewReader(&out).ReadAll(); err != nil || len(rows) != 2 || len(rows[0]) != len(rows[1]) {
				t.Errorf("%v, %d rows", err, len(rows))
			}
		}
	}
	var out bytes.Buffer
	if err := WriteInspection(&out, "json", i, 0); err != nil || !json.Valid(out.Bytes()) {
		t.Errorf("json: %v", err)
	}
	if err := WriteInspection(&out, "html", i, 0); err == nil {
		t.Error("a format that there is not was written")
	}
}

// TestCosts: what a server has to read is added up from the files that it reads.
func TestCosts(t *testing.T) {
	store := healthyStore()
	costs := func() map[string]Cost {
		all := map[string]Cost{}
		for _, c := range costsOf(store, rates{read: 1 << 20, write: 2 << 20, groups: 10}) {
			all[c.Event] = c
		}
		return all
	}
	clean, killed := costs()["restart after a clean stop"], costs()["restart after a kill, now"]
	if clean.Bytes != 500+60+100 || killed.Bytes != 500+60+100+1<<20 {
		t.Errorf("clean %d, killed %d bytes", clean.Bytes, killed.Bytes)
	}
	store.Streams[0].StateFile.Outdated, store.Streams[0].Cipher = true, storedir.AES
	clean, killed = costs()["restart after a clean stop"], costs()["restart after a kill, now"]
	if clean.Bytes != 660+4<<20 || killed.Bytes != clean.Bytes-100+100+1<<20+20<<20 || killed.Seconds < 20 {
		t.Errorf("encrypted and outdated: clean %d, killed %d bytes, %.1f s", clean.Bytes, killed.Bytes, killed.Seconds)
	}
	if c := costs()["catch-up of the largest stream"]; c.Bytes != 20<<20 || c.Seconds != 10 {
		t.Errorf("catch-up %+v", c)
	}
	if c := costs()["election storm of all Raft groups"]; c.Syncs != 1 || c.Seconds != .1 {
		t.Errorf("storm %+v", c)
	}
}
