package natsfs

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestNewSlots(t *testing.T) {
	for _, n := range []int{-1, 0, MinSlots - 1, MaxSlots + 1} {
		if _, err := NewSlots(n); err == nil {
			t.Errorf("%d slots were made", n)
		}
	}
	for _, n := range []int{MinSlots, DefaultSlots, MaxSlots} {
		s, err := NewSlots(n)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(SlotWaits{Slots: n}, s.Waits()); diff != "" {
			t.Error(diff)
		}
	}
}

func TestWriteTermVote(t *testing.T) {
	s, err := NewSlots(MinSlots)
	if err != nil {
		t.Fatal(err)
	}
	dir, v := t.TempDir(), Voter(7, "S1Nunr6R")
	for _, want := range [][]byte{v.NewTerm, v.Vote} {
		if err := s.WriteTermVote(dir, want); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(filepath.Join(dir, "tav.idx"))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	}
	if len(v.NewTerm) != 8 || binary.LittleEndian.Uint64(v.NewTerm) != 7 {
		t.Errorf("a new term is %x", v.NewTerm)
	}
	if len(v.Vote) != 8+PeerIDLen || string(v.Vote[8:]) != "S1Nunr6R" {
		t.Errorf("a vote is %q", v.Vote)
	}
	names, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(names) != 1 {
		t.Errorf("left in the directory: %q, %v", names, err)
	}
	if err := s.WriteTermVote(filepath.Join(dir, "none"), v.Vote); err == nil {
		t.Error("a write into a directory that is not there succeeded")
	}
}

func TestSlotsWait(t *testing.T) {
	s, err := NewSlots(MinSlots)
	if err != nil {
		t.Fatal(err)
	}
	contend(t, s)
	if got := s.Waits(); got.Waits == 0 || got.MaxWait <= 0 || got.MaxWait > got.Wait {
		t.Errorf("after contended writes: %+v", got)
	}
}

func TestPrefersLeader(t *testing.T) {
	for version, want := range map[string]bool{"2.10.29": false, "v2.11.0": true, "2.15": true, "3.0.0": true, "": false} {
		if got := PrefersLeader(version); got != want {
			t.Errorf("PrefersLeader(%q) = %v", version, got)
		}
	}
}

func TestHasRaftz(t *testing.T) {
	for version, want := range map[string]bool{"2.10.17": false, "2.10.18": true, "2.10": true, "v2.11.0": true, "2.15.2": true, "3.0.0": true, "": false} {
		if got := HasRaftz(version); got != want {
			t.Errorf("HasRaftz(%q) = %v", version, got)
		}
	}
}

func TestTakesSlots(t *testing.T) {
	for version, want := range map[string]bool{
		"2.9.25": false, "2.10.29": false, "2.11.17": false, "2.12.4": false, "2.12.12": false, "2.12.14": true, "2.13.0": false,
		"2.14.3": false, "v2.14.4": true, "2.15.0": true, "2.15.2": true, "2.16.0-RC.1": true, "2.97.0": true, "3.0.0": true,
		"2.10": false, "2.12": true, "v2.14": true, "1.4.1": false, "": false, "latest": false,
	} {
		if got := TakesSlots(version); got != want {
			t.Errorf("version %q: %v, want %v", version, got, want)
		}
	}
}

func TestSlotsOf(t *testing.T) {
	tests := []struct {
		version string
		cores   int
		want    int
		note    bool
	}{
		{"2.10", 8, 8, true},
		{"2.10.25", 8, 4, true},
		{"2.10.26", 8, 8, true},
		{"2.11", 2, 4, true},
		{"2.11.17", 6, 6, true},
		{"2.12", 6, 4096, true},
		{"2.12.12", 6, 6, true},
		{"2.12.13", 16, 16, true},
		{"2.12.12", 24, 16, true},
		{"2.12.12", 32, 16, true},
		{"2.12.12", 33, 16, true},
		{"2.12.12", 64, 32, true},
		{"2.12.14", 6, 4096, false},
		{"2.14", 6, 4096, true},
		{"v2.14.3", 6, 6, true},
		{"v2.14.4", 6, 4096, false},
		{"2.14.4-RC.1", 6, 4096, false},
		{"2.15", 1, 4096, false},
		{"2.15.2", 1, 4096, false},
	}
	for _, tt := range tests {
		t.Run(tt.version, func(t *testing.T) {
			got, note, err := SlotsOf(tt.version, tt.cores)
			if err != nil || got != tt.want || (note != "") != tt.note {
				t.Errorf("%d cores: %d, %q, %v", tt.cores, got, note, err)
			}
		})
	}
	for _, version := range []string{"", "2", "2.9.25", "2.13.1", "2.16", "3.0", "2.12.1.1", "2.x", "2.-12", "latest", "2.12."} {
		if got, _, err := SlotsOf(version, 4); err == nil {
			t.Errorf("version %q has %d slots", version, got)
		}
	}
	if _, _, err := SlotsOf("2.15", 0); err == nil {
		t.Error("0 cores")
	}
}
