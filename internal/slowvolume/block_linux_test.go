package slowvolume_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"storebench/internal/slowvolume"
	"storebench/internal/slowvolume/slowtest"
)

var fileSystems = []string{"ext4", "xfs", "btrfs"}

// create makes a file on a volume; the test closes it.
func create(t testing.TB, path string, flags int) *os.File {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|flags, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// appendSync appends to a file and makes it durable.
func appendSync(f *os.File, bytes int) error {
	if _, err := f.Write(make([]byte, bytes)); err != nil {
		return err
	}
	return f.Sync()
}

// aligned returns memory that direct I/O accepts: whole pages.
func aligned(t testing.TB, bytes int) []byte {
	t.Helper()
	b, err := unix.Mmap(-1, 0, bytes, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Munmap(b); err != nil {
			t.Error(err)
		}
	})
	return b
}

// median runs f n times and returns the median of how long it took.
func median(t *testing.T, n int, f func() error) time.Duration {
	t.Helper()
	took := make([]time.Duration, n)
	for i := range took {
		began := time.Now()
		if err := f(); err != nil {
			t.Fatal(err)
		}
		took[i] = time.Since(began)
	}
	slices.Sort(took)
	return took[n/2]
}

func counts(t *testing.T, v interface {
	Counts() (slowvolume.Counts, error)
}) slowvolume.Counts {
	t.Helper()
	c, err := v.Counts()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// A fault's delay must be felt in full, and go when the fault goes. How long
// the operation takes without it depends on the machine, so only the two are
// held against each other.
func TestBlockDelays(t *testing.T) {
	b := slowtest.Block(t, slowvolume.BlockConfig{})
	log := create(t, filepath.Join(b.Path(), "log"), 0)
	defer log.Close()
	direct := create(t, filepath.Join(b.Path(), "direct"), unix.O_DIRECT)
	defer direct.Close()
	buffer := aligned(t, 64<<10)
	if _, err := direct.WriteAt(buffer, 0); err != nil {
		t.Fatal(err)
	}
	fsync := func() error { return appendSync(log, 4096) }
	write := func() error { _, err := direct.WriteAt(buffer, 0); return err }
	read := func() error { _, err := direct.ReadAt(buffer, 0); return err }
	for _, tc := range []struct {
		fault string
		do    func() error
		least time.Duration // the median must be longer by this
	}{
		{"flush 60ms", fsync, 120 * time.Millisecond}, // two flushes
		{"flush lognormal 60ms 0.01", fsync, 110 * time.Millisecond},
		{"write 60ms", write, 60 * time.Millisecond},
		{"read 60ms", read, 60 * time.Millisecond},
		{"iops 20", write, 49 * time.Millisecond},
		{"bandwidth 1MiB/s", write, 61 * time.Millisecond}, // a sixteenth of a second each
	} {
		t.Run(tc.fault, func(t *testing.T) {
			if err := b.SetFaults(); err != nil {
				t.Fatal(err)
			}
			without := median(t, 5, tc.do)
			if err := b.SetFaults(slowtest.Faults(t, tc.fault)...); err != nil {
				t.Fatal(err)
			}
			with := median(t, 5, tc.do)
			if with < tc.least || with < without+tc.least/2 {
				t.Errorf("%v without, %v with the fault", without, with)
			}
		})
	}
}

func TestBlockStallsAndHangsEnd(t *testing.T) {
	b := slowtest.Block(t, slowvolume.BlockConfig{})
	f := create(t, filepath.Join(b.Path(), "log"), 0)
	defer f.Close()
	for _, tc := range []struct {
		fault string
		least time.Duration
	}{
		{"stall 399ms every 400ms", 150 * time.Millisecond},
		{"hang after 0s for 300ms", 250 * time.Millisecond},
	} {
		t.Run(tc.fault, func(t *testing.T) {
			if err := b.SetFaults(slowtest.Faults(t, tc.fault)...); err != nil {
				t.Fatal(err)
			}
			// One in a row is caught; fast ones come before it.
			took := time.Duration(0)
			for end := time.Now().Add(20 * time.Second); took < tc.least; {
				began := time.Now()
				if began.After(end) {
					t.Fatalf("the longest took %v", took)
				}
				if err := appendSync(f, 4096); err != nil {
					t.Fatal(err)
				}
				took = max(took, time.Since(began))
			}
		})
	}
}

// Burst credit: the same bytes are let through at once, then at the rate.
func TestBlockBurstCreditEnds(t *testing.T) {
	b := slowtest.Block(t, slowvolume.BlockConfig{Faults: slowtest.Faults(t, "bandwidth 2MiB/s after 4MiB")})
	f := create(t, filepath.Join(b.Path(), "data"), unix.O_DIRECT)
	defer f.Close()
	chunk := aligned(t, 1<<20)
	write := func() error { _, err := f.WriteAt(chunk, 0); return err }
	burst := median(t, 3, write)
	rest := median(t, 5, write)
	if rest < 400*time.Millisecond || burst > rest/2 {
		t.Errorf("1 MiB takes %v with credit, %v without", burst, rest)
	}
}

func TestSetFaultsFreesWhatHangs(t *testing.T) {
	b := slowtest.Block(t, slowvolume.BlockConfig{})
	f := create(t, filepath.Join(b.Path(), "log"), 0)
	defer f.Close()
	if err := b.SetFaults(slowtest.Faults(t, "hang after 0s")...); err != nil {
		t.Fatal(err)
	}
	var freed atomic.Bool
	done := make(chan error)
	began := time.Now()
	go func() {
		err := appendSync(f, 4096)
		if !freed.Load() {
			err = errors.Join(err, errors.New("the volume did not hang"))
		}
		done <- err
	}()
	eventually(t, 10*time.Second, func() error { return inFlight(b.Device()) })
	freed.Store(true)
	if err := b.SetFaults(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took >= slowvolume.HangLimit {
		t.Errorf("it ended by itself, after %v", took)
	}
}

// inFlight says that no request waits for the device.
func inFlight(device string) error {
	var reads, writes int
	data, err := os.ReadFile(filepath.Join("/sys/block", device, "inflight"))
	if err != nil {
		return err
	}
	if _, err := fmt.Sscan(string(data), &reads, &writes); err != nil {
		return err
	}
	if reads+writes == 0 {
		return errors.New("nothing waits for the device")
	}
	return nil
}

func TestBlockErrors(t *testing.T) {
	for _, fs := range fileSystems {
		t.Run(fs, func(t *testing.T) {
			b := slowtest.Block(t, slowvolume.BlockConfig{FS: fs})
			f := create(t, filepath.Join(b.Path(), "log"), 0)
			defer f.Close()
			if err := appendSync(f, 4096); err != nil {
				t.Fatal(err)
			}
			if err := b.SetFaults(slowtest.Faults(t, "error EIO on flush")...); err != nil {
				t.Fatal(err)
			}
			if err := appendSync(f, 4096); !errors.Is(err, syscall.EIO) {
				t.Errorf("fsync returned %v, want EIO", err)
			}
			if c := counts(t, b); c.Errors == 0 {
				t.Errorf("no error counted: %+v", c)
			}
		})
	}
}

// What an fsync costs in flushes is the file system's own way, and shows that
// no flush goes round the counter.
func TestFlushesCounted(t *testing.T) {
	const n = 20
	with := func(c slowvolume.BlockConfig, fs string) slowvolume.BlockConfig { c.FS = fs; return c }
	for _, tc := range []struct {
		name   string
		config slowvolume.BlockConfig
		each   float64
	}{
		{"ext4", slowvolume.BlockConfig{FS: "ext4"}, 2},
		{"xfs", slowvolume.BlockConfig{FS: "xfs"}, 2},
		{"btrfs", slowvolume.BlockConfig{FS: "btrfs"}, 2},
		{"ext4 data=journal", slowvolume.Ext4DataJournal(), 3},
		{"ext4 barrier=0", with(slowvolume.Ext4NoBarrier(), "ext4"), 0},
		{"ext4 without journal", slowvolume.Ext4NoJournal(), 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := slowtest.Block(t, tc.config)
			f := create(t, filepath.Join(b.Path(), "log"), 0)
			defer f.Close()
			if err := appendSync(f, 4096); err != nil { // the directory entry
				t.Fatal(err)
			}
			var each float64
			for range 3 { // the file system's own timer may add a commit
				before := counts(t, b)
				for range n {
					if err := appendSync(f, 4096); err != nil {
						t.Fatal(err)
					}
				}
				delta := counts(t, b).Sub(before)
				if each = float64(delta.Flushes) / n; math.Abs(each-tc.each) < 0.01 {
					return
				}
			}
			t.Errorf("%.2f flushes each, want %.2f", each, tc.each)
		})
	}
}

// The loop device must not cache: a second cache would hide reads.
func TestLoopDeviceUsesDirectIO(t *testing.T) {
	b := slowtest.Block(t, slowvolume.BlockConfig{})
	dio, err := os.ReadFile(filepath.Join("/sys/block", b.Device(), "loop/dio"))
	if err != nil || string(dio) != "1\n" {
		t.Errorf("direct I/O of %s: %q, %v", b.Device(), dio, err)
	}
}

func TestPowerCut(t *testing.T) {
	if testing.Short() {
		t.Skip("it mounts many volumes")
	}
	for _, tc := range []struct {
		fs     string
		faults []string
		kept   bool
	}{
		{"ext4", nil, true},
		{"xfs", nil, true},
		{"btrfs", nil, true},
		{"ext4", []string{"flush 1ms"}, true},
		{"ext4", []string{"lie"}, false},
	} {
		t.Run(fmt.Sprint(tc.fs, tc.faults), func(t *testing.T) {
			b := slowtest.Block(t, slowvolume.BlockConfig{FS: tc.fs, Faults: slowtest.Faults(t, tc.faults...)})
			path := filepath.Join(b.Path(), "log")
			f := create(t, path, 0)
			const records, bytes = 20, 3000
			for range records {
				if err := appendSync(f, bytes); err != nil {
					t.Fatal(err)
				}
			}
			unsynced := filepath.Join(b.Path(), "unsynced")
			if err := os.WriteFile(unsynced, make([]byte, bytes), 0o644); err != nil {
				t.Fatal(err)
			}
			f.Close()
			if err := b.PowerCut(t.Context()); err != nil {
				t.Fatal(err)
			}
			info, err := os.Stat(path)
			kept := err == nil && info.Size() == records*bytes
			if kept != tc.kept {
				t.Errorf("kept: %v (%v), want %v", kept, err, tc.kept)
			}
			if info, err := os.Stat(unsynced); err == nil && info.Size() > 0 {
				t.Error("what was never synced is there: the power was not cut")
			}
			after := create(t, filepath.Join(b.Path(), "after"), 0)
			defer after.Close()
			if err := appendSync(after, bytes); err != nil {
				t.Errorf("the volume does not work after the power cut: %v", err)
			}
		})
	}
}

// What was durable before one power cut outlives the next one too.
func TestPowerCutTwice(t *testing.T) {
	b := slowtest.Block(t, slowvolume.BlockConfig{})
	for i := range 2 {
		f := create(t, filepath.Join(b.Path(), fmt.Sprint("log", i)), 0)
		if err := errors.Join(appendSync(f, 100), f.Close(), b.PowerCut(t.Context())); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := filepath.Glob(filepath.Join(b.Path(), "log*")); len(got) != 2 {
		t.Errorf("left are %v, %v", got, err)
	}
}

func TestPowerCutOfUsedVolumeFails(t *testing.T) {
	if testing.Short() {
		t.Skip("it waits for a volume in use")
	}
	b := slowtest.Block(t, slowvolume.BlockConfig{})
	f := create(t, filepath.Join(b.Path(), "open"), 0)
	err := b.PowerCut(t.Context())
	if !errors.Is(err, syscall.EBUSY) {
		t.Errorf("got %v, want EBUSY", err)
	}
	f.Close()
}

func TestStopAndContinue(t *testing.T) {
	b := slowtest.Block(t, slowvolume.BlockConfig{})
	f := create(t, filepath.Join(b.Path(), "log"), 0)
	defer f.Close()
	if err := b.Stop(); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Counts(); err == nil {
		t.Error("a stopped volume counts")
	}
	var continued atomic.Bool
	done := make(chan error)
	go func() {
		err := appendSync(f, 4096)
		if !continued.Load() {
			err = errors.Join(err, errors.New("the volume did not hang"))
		}
		done <- err
	}()
	eventually(t, 10*time.Second, func() error { return inFlight(b.Device()) })
	continued.Store(true)
	if err := b.Continue(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	if err := b.Continue(); err != nil {
		t.Errorf("continue a second time: %v", err)
	}
}

// The bounds that Check has are those of mkfs, and no higher than need be.
func TestSmallestDisks(t *testing.T) {
	slowtest.Need(t, "loop", slowvolume.CanBlock())
	for fs, size := range map[string]int64{"ext4": 1 << 20, "xfs": 300 << 20, "btrfs": 110 << 20} {
		t.Run(fs, func(t *testing.T) {
			if err := (slowvolume.BlockConfig{Size: size - 4096, FS: fs}).Check(); err == nil {
				t.Error("a smaller one is accepted")
			}
			slowtest.Block(t, slowvolume.BlockConfig{Size: size + 1, FS: fs})
		})
	}
}

func TestNewBlockRefuses(t *testing.T) {
	slowtest.Need(t, "loop", slowvolume.CanBlock())
	mounted := slowtest.Block(t, slowvolume.BlockConfig{})
	for _, tc := range []struct {
		name   string
		config slowvolume.BlockConfig
	}{
		{"no size", slowvolume.BlockConfig{}},
		{"unknown file system", slowvolume.BlockConfig{Size: 64 << 20, FS: "fat"}},
		{"no such directory", slowvolume.BlockConfig{Size: 64 << 20, Dir: "/does/not/exist"}},
		{"mount point in use", slowvolume.BlockConfig{Size: 64 << 20, Dir: mounted.Path()}},
		{"bad mount option", slowvolume.BlockConfig{Size: 64 << 20, MountOptions: []string{"nonsense=1"}}},
		{"bad mkfs option", slowvolume.BlockConfig{Size: 64 << 20, MkfsOptions: []string{"--nonsense"}}},
		{"too small for its file system", slowvolume.BlockConfig{Size: 1 << 20, FS: "xfs"}},
		{"fault of a file volume", slowvolume.BlockConfig{Size: 64 << 20, Faults: slowtest.Faults(t, "readonly")}},
		{"empty fault", slowvolume.BlockConfig{Size: 64 << 20, Faults: make([]slowvolume.Fault, 1)}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b, err := slowvolume.NewBlock(t.Context(), tc.config)
			if err == nil {
				t.Fatal("accepted", b.Close())
			}
		})
	}
	t.Run("cancelled", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if b, err := slowvolume.NewBlock(ctx, slowvolume.BlockConfig{Size: 64 << 20}); err == nil {
			t.Fatal("accepted", b.Close())
		}
	})
}
