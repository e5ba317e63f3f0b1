package doctor

import (
	"bytes"
	"encoding/csv"
	"slices"
	"strings"
	"testing"
	"time"

	"storebench/internal/storedir"
	"storebench/internal/volume"
	"storebench/results"
)

// storeOf is a store with one stream, which changes make, read at a set time.
func storeOf(change func(*storedir.Store, *storedir.Stream)) *storedir.Store {
	now := time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
	store := &storedir.Store{Dir: "jetstream", ReadAt: now, Bytes: 1 << 30, Files: 10}
	s := storedir.Stream{Account: "A", Name: "S", Config: &storedir.Config{Replicas: 3, Retention: "limits", Compression: "none"}}
	s.Log = storedir.Log{Blocks: 10, BlockBytes: 80 << 20, BlockSize: 8 << 20, LastBlock: 10, LastBlockBytes: 1 << 20, LastWrite: now}
	s.Log.State = &storedir.State{Bytes: 1000, Written: now, Intact: true, Known: true, Msgs: 5}
	change(store, &s)
	store.Streams = append(store.Streams, s)
	return store
}

func groups(n int) []storedir.Group { return make([]storedir.Group, n) }

func TestStoreRules(t *testing.T) {
	plenty := Volume{Free: &volume.Free{Bytes: 1 << 40}}
	for _, test := range []struct {
		name   string
		on     Volume
		change func(*storedir.Store, *storedir.Stream)
		want   []string
		status results.Status
	}{
		{"healthy", plenty, func(*storedir.Store, *storedir.Stream) {}, nil, results.Pass},
		{"800 groups, 4 slots: 4 s exactly", plenty, func(s *storedir.Store, _ *storedir.Stream) { s.Groups = groups(800) }, nil, results.Pass},
		{"801 groups, slots not known", plenty, func(s *storedir.Store, _ *storedir.Stream) { s.Groups = groups(801) }, []string{"groups-for-slots"}, results.Warn},
		{"801 groups, 4 slots", Volume{Slots: 4}, func(s *storedir.Store, _ *storedir.Stream) { s.Groups = groups(801) }, []string{"groups-for-slots"}, results.Fail},
		{"1,900 groups, 16 slots", Volume{Slots: 16}, func(s *storedir.Store, _ *storedir.Stream) { s.Groups = groups(1900) }, []string{"many-consumers"}, results.Warn},
		{"a full volume", Volume{Free: &volume.Free{Bytes: 1 << 20}}, func(*storedir.Store, *storedir.Stream) {}, []string{"volume-full", "max-file-store"}, results.Fail},
		{"no inodes", Volume{Free: &volume.Free{Bytes: 1 << 40, InodesKnown: true, Inodes: 9}}, func(*storedir.Store, *storedir.Stream) {}, []string{"volume-full"}, results.Fail},
		{"a million deletes", plenty, func(_ *storedir.Store, s *storedir.Stream) { s.Log.State.Deleted = 1_000_001 }, []string{"state-too-big"}, results.Warn},
		{"a million subjects, not more", plenty, func(_ *storedir.Store, s *storedir.Stream) { s.Log.State.Subjects = 1_000_000 }, nil, results.Pass},
		{"stale by hours", plenty, func(_ *storedir.Store, s *storedir.Stream) {
			s.Log.State.Written, s.Log.State.Outdated = s.Log.LastWrite.Add(-3*time.Hour), "behind"
		}, []string{"state-stale"}, results.Warn},
		{"two minutes behind, as live ones are", plenty, func(_ *storedir.Store, s *storedir.Stream) {
			s.Log.State.Written, s.Log.State.Outdated = s.Log.LastWrite.Add(-2*time.Minute), "behind"
		}, nil, results.Pass},
		{"damaged", plenty, func(_ *storedir.Store, s *storedir.Stream) { s.Log.State = &storedir.State{Outdated: "checksum"} }, []string{"state-damaged"}, results.Warn},
		{"tiny blocks", plenty, func(_ *storedir.Store, s *storedir.Stream) { s.Log.Blocks, s.Log.BlockSize = 5000, 32_000 }, []string{"small-blocks"}, results.Warn},
		{"encrypted", plenty, func(_ *storedir.Store, s *storedir.Stream) { s.Cipher, s.Log.Blocks = storedir.AES, 2000 }, []string{"encrypted-blocks"}, results.Warn},
		{"oversized", plenty, func(_ *storedir.Store, s *storedir.Stream) { s.Log.Oversized = 1 }, []string{"oversized-blocks"}, results.Warn},
		{"consumers", plenty, func(_ *storedir.Store, s *storedir.Stream) {
			s.Consumers = make([]storedir.Consumer, 1000)
			s.Consumers[7].StateBytes = 58 << 20
		}, []string{"many-consumers", "consumer-state-large"}, results.Warn},
		{"a damaged block", plenty, func(s *storedir.Store, _ *storedir.Stream) {
			s.Deep = &storedir.Deep{Damaged: 1, Damages: []storedir.Damage{{Path: "1.blk", Why: "checksum"}}}
		}, []string{"block-damaged"}, results.Fail},
		{"a block cut short at the end", plenty, func(s *storedir.Store, _ *storedir.Stream) {
			s.Deep = &storedir.Deep{Damaged: 1, Damages: []storedir.Damage{{Path: "9.blk", Why: "cut", Last: true}}}
		}, []string{"block-damaged"}, results.Warn},
		{"a snapshot", plenty, func(s *storedir.Store, _ *storedir.Stream) {
			s.Groups = []storedir.Group{{Name: "S-R3F-x", Snapshot: &storedir.Snapshot{}}}
		}, []string{"snapshot-damaged"}, results.Fail},
	} {
		t.Run(test.name, func(t *testing.T) {
			i := Inspect(storeOf(test.change), test.on)
			var got []string
			for _, f := range i.Findings {
				got = append(got, f.Name)
				if f.What == "" || f.Threshold == "" || f.Reason == "" || f.Source == "" || f.Change == "" {
					t.Errorf("%s leaves something out: %+v", f.Name, f)
				}
			}
			if !slices.Equal(got, test.want) || i.Status != test.status {
				t.Errorf("%v, %v; want %v, %v", got, i.Status, test.want, test.status)
			}
		})
	}
}

// TestStoreCosts: bytes of what is read, and seconds by a recovery's rate.
func TestStoreCosts(t *testing.T) {
	store := storeOf(func(*storedir.Store, *storedir.Stream) {})
	for _, c := range Inspect(store, Volume{RecoveryRate: 20e6}).Costs {
		switch c.Name {
		case "restart-clean":
			if c.Bytes != 1000+8 {
				t.Errorf("a clean restart reads %d bytes", c.Bytes)
			}
		case "restart-killed":
			if c.Bytes != 80<<20 || c.Seconds == nil || *c.Seconds != float64(80<<20)/20e6 {
				t.Errorf("a restart after a kill: %+v", c)
			}
		case "full-state", "sync", "catchup":
			if c.Seconds != nil {
				t.Errorf("%s has a time that no run measured", c.Name)
			}
		default:
			t.Errorf("%s of a store without groups", c.Name)
		}
	}
}

// TestNamesAreHarmless: what a name holds reaches neither the terminal nor a page nor a
// spreadsheet as anything but text.
func TestNamesAreHarmless(t *testing.T) {
	const evil = "\x1b[31mred\x07\xff\u202e|<b>`"
	i := Inspect(storeOf(func(store *storedir.Store, s *storedir.Stream) {
		s.Name, s.Account = evil, "=cmd"
		store.Dir = evil
		store.Leftovers = storedir.List{Count: 1, Items: []storedir.Item{{Path: evil, Why: "left"}}}
		store.Unread = store.Leftovers
		store.Groups = []storedir.Group{{Name: evil, Asset: evil}}
	}), Volume{})
	for _, format := range []string{"text", "json", "markdown", "csv"} {
		var page bytes.Buffer
		if err := WriteInspection(&page, format, i); err != nil {
			t.Fatal(err)
		}
		if text := page.String(); strings.ContainsAny(text, "\x1b\x07") || format != "json" && strings.Contains(text, "\u202e") || !strings.Contains(text, "red") {
			t.Errorf("%s: %q", format, text)
		}
		if format == "markdown" && strings.Contains(page.String(), "<b>") {
			t.Error("HTML in Markdown")
		}
		if format == "csv" {
			rows, err := csv.NewReader(&page).ReadAll()
			if err != nil || len(rows) != 2 || rows[1][0] != "'=cmd" {
				t.Errorf("%v, %v", rows, err)
			}
		}
	}
	if err := WriteInspection(&bytes.Buffer{}, "junit", i); err == nil {
		t.Error("junit is taken")
	}
}
