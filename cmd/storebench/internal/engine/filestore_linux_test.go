package engine_test

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"

	"storebench/cmd/storebench/internal/programtest"
	"storebench/internal/cause"
	"storebench/internal/slowvolume"
	"storebench/internal/slowvolume/slowtest"
	"storebench/results"
)

// An encrypted block is read whole for its last checksum, of a plain one 8 bytes;
// both come from the disk.
func TestLastChecksumReads(t *testing.T) {
	const block = 1 << 20
	for cipher, want := range map[string]struct {
		call string
		fits func(bytes int) bool
	}{
		"chacha": {`read`, func(bytes int) bool { return bytes > block*9/10 && bytes <= block }},
		"none":   {`pread64`, func(bytes int) bool { return bytes == 8 }},
	} {
		t.Run(cipher, func(t *testing.T) {
			doc := filepath.Join(t.TempDir(), "run.json")
			lines := trace(t, "read,pread64", "check", programtest.Target(t), "--profile", "full", "--only", "last-checksum", "--budget", "20s",
				"--set", "last-checksum.cipher="+cipher, "--set", "last-checksum.block-size=1MiB", "--set", "last-checksum.concurrency=2",
				"--limit", "last-checksum.disk max < 1h", "-o", "json="+doc)
			seen := 0
			for _, line := range lines {
				if got := blockRead.FindStringSubmatch(line); got != nil {
					bytes, _ := strconv.Atoi(got[2])
					if got[1] != want.call || !want.fits(bytes) {
						t.Errorf("a block was read otherwise: %s", line)
					}
					seen++
				}
			}
			if seen == 0 {
				t.Error("no block was read")
			}
			fromDisk(t, programtest.Document(t, doc), "cold")
		})
	}
}

// blockRead is a call that reads from a block's file, with what it returned. The
// end of a call that another thread interrupts stands in a line of its own.
var blockRead = regexp.MustCompile(`(read|pread64)\(\d+<[^>]*\.blk>.* = (\d+)$`)

// fromDisk fails the test unless the page cache was empty before every round of a
// metric, and the device read something in each.
func fromDisk(t *testing.T, run programtest.Judged, metric string) {
	t.Helper()
	rounds := 0
	for _, m := range run.Measurements {
		for i, r := range m.Rounds {
			if m.Metric != metric {
				continue
			}
			rounds++
			if c := r.Context.Cache; c == nil || !c.Cold() || c.Pages == 0 {
				t.Errorf("%s, round %d: the page cache was not emptied: %+v", m.Step, i+1, c)
			}
			if d := r.Context.Device; d != nil && d.Reads == 0 {
				t.Errorf("%s, round %d: the device read nothing", m.Step, i+1)
			}
		}
	}
	if rounds == 0 {
		t.Errorf("%s was not measured", metric)
	}
}

// Many reads of encrypted blocks behind few slots are slow because of the slots;
// behind many because of the disk.
func TestSlowChecksumsNameSlots(t *testing.T) {
	volume := slowtest.Block(t, slowvolume.BlockConfig{FS: "ext4", Size: 1 << 30, Dir: t.TempDir(), Faults: slowtest.Faults(t, "read 100ms")})
	programtest.Ask(t, func(doc string) programtest.Outcome {
		return programtest.Run(t, "check", volume.Path(), "--profile", "full", "--only", "last-checksum", "--max-concurrent-io", "4,16,4096",
			"--set", "last-checksum.cipher=chacha", "--set", "last-checksum.block-size=128KiB", "--set", "last-checksum.concurrency=64",
			"--limit", "last-checksum.disk max < 50ms", "-o", "text", "-o", "json="+doc)
	}, func(a programtest.Answer) []string {
		wrong := a.Exits(3)
		for slots, want := range map[string]cause.Name{"4": cause.Slots, "16": cause.Slots, "4096": cause.Device} {
			step := "last-checksum max-concurrent-io=" + slots
			f := a.Run.Finding(t, "last-checksum.disk max", step)
			if f.Cause != nil && f.Cause.OfHost() && want == cause.Device {
				continue // this machine was short of what it takes to tell
			}
			wrong = append(wrong, a.Finds("last-checksum.disk max", step, results.Fail)...)
			if f.Cause == nil || f.Cause.Name != want {
				wrong = append(wrong, fmt.Sprintf("%s slots: cause %v, want %s", slots, f.Cause, want))
			}
		}
		return wrong
	})
	programtest.Empty(t, volume.Path())
}

// A store that the volume could not hold is refused before anything is written.
func TestStoreThatDoesNotFit(t *testing.T) {
	dir := programtest.Target(t)
	o := programtest.Run(t, "check", dir, "--only", "recovery", "--set", "recovery.store-size=900TB")
	programtest.RequireCode(t, o, 2)
	if !regexp.MustCompile(`a store of .* does not fit on`).MatchString(o.Stderr) {
		t.Errorf("the error does not say what does not fit: %s", o.Stderr)
	}
	programtest.Empty(t, dir)
}

// What the rounds may take is written once, before them, and is gone again.
func TestPrecondition(t *testing.T) {
	volume := slowtest.Block(t, slowvolume.BlockConfig{FS: "ext4", Size: 1 << 30, Dir: t.TempDir()})
	written := func(flags ...string) uint64 {
		before, err := volume.Counts()
		if err != nil {
			t.Fatal(err)
		}
		o := programtest.Run(t, append([]string{"check", volume.Path(), "--profile", "quick", "--only", "raw-sync", "--budget", "4s",
			"--set", "raw-sync.max-bytes=64MiB", "--set", "raw-sync.writes-per-second=10"}, flags...)...)
		if o.Code != 0 && o.Code != 4 { // so short a run may be inconclusive
			t.Fatalf("exit code %d\n%s\n%s", o.Code, o.Stdout, o.Stderr)
		}
		after, err := volume.Counts()
		if err != nil {
			t.Fatal(err)
		}
		programtest.Empty(t, volume.Path())
		return after.Sub(before).WrittenBytes
	}
	const need = 64 << 20
	if without := written(); without > need/2 {
		t.Errorf("%d bytes were written without --precondition", without)
	}
	if with := written("--precondition"); with < need {
		t.Errorf("%d bytes were written with --precondition, want %d at least", with, need)
	}
}
