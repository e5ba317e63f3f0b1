package slowvolume

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestParseFaultPrintsBack(t *testing.T) {
	for _, tc := range []struct{ text, want string }{
		{"flush 20ms", "flush 20ms"},
		{"  flush   0.02s ", "flush 20ms"},
		{"read 50ms", "read 50ms"},
		{"write 5ms", "write 5ms"},
		{"fsync 0s", "fsync 0s"},
		{"flush lognormal 20ms 0.5", "flush lognormal 20ms 0.5"},
		{"stall 5s every 8s", "stall 5s every 8s"},
		{"iops 100", "iops 100"},
		{"iops 100 after 3000", "iops 100 after 3000"},
		{"bandwidth 20MB/s after 100MB", "bandwidth 20MB/s after 100MB"},
		{"bandwidth 1024KiB/s", "bandwidth 1MiB/s"},
		{"error EIO on flush", "error EIO on flush"},
		{"error EIO on flush 5", "error EIO on flush 5"},
		{"error EIO on flush 5+", "error EIO on flush 5+"},
		{"error EIO on flush 1+", "error EIO on flush"},
		{"hang after 10s", "hang after 10s"},
		{"hang after 10s for 30s", "hang after 10s for 30s"},
		{"hang after 10s for 60s", "hang after 10s"},
		{"lie", "lie"},
		{"full after 10MB", "full after 10MB"},
		{"readonly", "readonly"},
		{"readonly after 0s", "readonly"},
		{"readonly after 3s", "readonly after 3s"},
		{"fsyncdir nothing", "fsyncdir nothing"},
		{"fsyncdir 3ms", "fsyncdir 3ms"},
	} {
		t.Run(tc.text, func(t *testing.T) {
			f, err := ParseFault(tc.text)
			if err != nil {
				t.Fatal(err)
			}
			if got := f.String(); got != tc.want {
				t.Errorf("prints %q, want %q", got, tc.want)
			}
		})
	}
}

func TestParseFaultRefuses(t *testing.T) {
	for _, text := range []string{
		"", "flsuh 20ms", "flush", "flush 20", "flush -1ms", "flush 11m", "flush 20ms 30ms",
		"flush lognormal 20ms", "flush lognormal 20ms NaN", "flush lognormal 20ms -1",
		"stall 8s every 5s", "stall 5s each 8s", "iops 0", "iops many", "bandwidth 20MB",
		"bandwidth 1.5MB/s", "bandwidth 20/s", "bandwidth 20MB/s before 1MB", "bandwidth 99999999999TiB/s",
		"error EWHAT on flush", "error EIO on change", "error EIO on flush 0", "hang", "hang after 1s until 2s",
		"hang after 1s for 1h", "lie twice", "full", "readonly later", "fsyncdir something",
	} {
		t.Run(text, func(t *testing.T) {
			f, err := ParseFault(text)
			if err == nil {
				t.Fatalf("accepted as %q", f)
			}
			if !strings.Contains(err.Error(), "stall 5s every 8s") {
				t.Errorf("error does not name the known forms: %v", err)
			}
		})
	}
}

// The examples that a person is shown must be faults themselves.
func TestFormsParse(t *testing.T) {
	for i, form := range Forms() {
		example, _, _ := strings.Cut(form, ":")
		short := example
		for open := strings.IndexByte(short, '['); open >= 0; open = strings.IndexByte(short, '[') {
			short = short[:open] + short[strings.IndexByte(short, ']')+1:]
		}
		f, err := ParseFault(short)
		if err != nil {
			t.Errorf("%s: %v", example, err)
		}
		if _, err := texts([]Fault{f}, blockKind); (err == nil) != (i < len(BlockForms())) {
			t.Errorf("%s on a block volume: %v", example, err)
		}
		long := strings.NewReplacer("[", "", "|5+]", "", "]", "").Replace(example)
		if _, err := ParseFault(long); err != nil {
			t.Errorf("%s: %v", example, err)
		}
	}
}

func TestFaultSuitsVolume(t *testing.T) {
	for _, tc := range []struct {
		text        string
		block, file bool
	}{
		{"flush 1ms", true, true},
		{"fsync 1ms", false, true},
		{"stall 1s every 2s", true, true},
		{"error EIO on rename", false, true},
		{"lie", true, false},
		{"fsyncdir nothing", false, true},
		{"readonly", false, true},
		{"full after 1MB", false, true},
	} {
		f, err := ParseFault(tc.text)
		if err != nil {
			t.Fatal(err)
		}
		_, onBlock := texts([]Fault{f}, blockKind)
		_, onFile := texts([]Fault{f}, fileKind)
		if (onBlock == nil) != tc.block || (onFile == nil) != tc.file {
			t.Errorf("%s: block: %v, file: %v", tc.text, onBlock, onFile)
		}
	}
	if _, err := texts([]Fault{{}}, blockKind); err == nil {
		t.Error("the zero fault was accepted")
	}
}

// A mistake is answered with what a block volume can have, once, and nothing else.
func TestParseBlockFaultsRefuses(t *testing.T) {
	for _, list := range [][]string{{"flush 20ms", "readonly"}, {"flsuh 20ms", "stall 5s"}, {"error EIO on fsync"}, {""}} {
		_, err := ParseBlockFaults(list...)
		if err == nil {
			t.Fatalf("%q is accepted", list)
		}
		if text := err.Error(); strings.Count(text, "stall 5s every 8s") != 1 || strings.Contains(text, "file volume") {
			t.Errorf("%q: %v", list, err)
		}
	}
	if faults, err := ParseBlockFaults("flush 20ms", "lie"); err != nil || len(faults) != 2 {
		t.Errorf("%v, %v", faults, err)
	}
}

func TestInject(t *testing.T) {
	const ms = time.Millisecond
	type step struct {
		op    op
		bytes int64
		at    time.Duration
		want  effect
	}
	for _, tc := range []struct {
		name   string
		faults []string
		steps  []step
	}{
		{"delay strikes its operation", []string{"flush 20ms"}, []step{
			{opFlush, 0, 0, effect{delay: 20 * ms}},
			{opWrite, 9, 0, effect{}},
			{opFsync, 0, 0, effect{delay: 20 * ms}},
			{opFsyncDir, 0, 0, effect{delay: 20 * ms}},
		}},
		{"stall ends with its period", []string{"stall 5s every 8s"}, []step{
			{opRead, 1, 2999 * ms, effect{}},
			{opRead, 1, 3000 * ms, effect{delay: 5000 * ms}},
			{opFlush, 0, 7 * time.Second, effect{delay: time.Second}},
			{opFlush, 0, 8 * time.Second, effect{}},
			{opFlush, 0, 15 * time.Second, effect{delay: time.Second}},
		}},
		{"iops spaces reads and writes", []string{"iops 100"}, []step{
			{opWrite, 1, 0, effect{delay: 10 * ms}},
			{opRead, 1, 0, effect{delay: 20 * ms}},
			{opFlush, 0, 0, effect{}},
			{opWrite, 1, 50 * ms, effect{delay: 10 * ms}},
		}},
		{"burst credit runs out and refills", []string{"bandwidth 1MB/s after 2MB"}, []step{
			{opWrite, 2e6, 0, effect{}},
			{opWrite, 1e6, 0, effect{delay: time.Second}},
			{opWrite, 1e6, 3 * time.Second, effect{}},
			{opWrite, 2e6, 3 * time.Second, effect{delay: time.Second}},
		}},
		{"one error", []string{"error EIO on flush 2"}, []step{
			{opFlush, 0, 0, effect{}},
			{opWrite, 1, 0, effect{}},
			{opFlush, 0, 0, effect{errno: syscall.EIO}},
			{opFlush, 0, 0, effect{}},
		}},
		{"errors from one on", []string{"error ENOSPC on write 2+"}, []step{
			{opWrite, 1, 0, effect{}},
			{opWrite, 1, 0, effect{errno: syscall.ENOSPC}},
			{opWrite, 1, 0, effect{errno: syscall.ENOSPC}},
		}},
		{"hang ends", []string{"hang after 10s for 30s"}, []step{
			{opWrite, 1, 9 * time.Second, effect{}},
			{opWrite, 1, 10 * time.Second, effect{delay: 30 * time.Second}},
			{opWrite, 1, 39 * time.Second, effect{delay: time.Second}},
			{opWrite, 1, 40 * time.Second, effect{}},
		}},
		{"hang ends untold", []string{"hang after 0s"}, []step{
			{opWrite, 1, 0, effect{delay: HangLimit}},
			{opWrite, 1, HangLimit, effect{}},
		}},
		{"faults act one after the other", []string{"flush 20ms", "lie", "stall 50ms every 100ms"}, []step{
			{opFlush, 0, 0, effect{delay: 20 * ms, skip: true}},
			{opFlush, 0, 40 * ms, effect{delay: 60 * ms, skip: true}},
		}},
		{"full counts bytes", []string{"full after 10B"}, []step{
			{opWrite, 9, 0, effect{}},
			{opWrite, 2, 0, effect{errno: syscall.ENOSPC}},
			{opWrite, 1, 0, effect{errno: syscall.ENOSPC}},
			{opRead, 99, 0, effect{}},
		}},
		{"readonly refuses changes", []string{"readonly after 1s"}, []step{
			{opWrite, 9, 0, effect{}},
			{opWrite, 9, time.Second, effect{errno: syscall.EROFS}},
			{opRename, 0, time.Second, effect{errno: syscall.EROFS}},
			{opFsync, 0, time.Second, effect{}},
		}},
		{"directory fsync does nothing", []string{"fsyncdir nothing"}, []step{
			{opFsyncDir, 0, 0, effect{skip: true}},
			{opFsync, 0, 0, effect{}},
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			faults, err := ParseFaults(tc.faults...)
			if err != nil {
				t.Fatal(err)
			}
			c := armAll(faults, 1)
			for i, s := range tc.steps {
				got := c.inject(operation{op: s.op, bytes: s.bytes}, s.at)
				if diff := cmp.Diff(s.want, got, cmp.AllowUnexported(effect{})); diff != "" {
					t.Errorf("step %d (-want +got):\n%s", i, diff)
				}
			}
		})
	}
}

func TestLognormalHasItsMedianAndSeed(t *testing.T) {
	faults, err := ParseFaults("flush lognormal 20ms 0.5")
	if err != nil {
		t.Fatal(err)
	}
	draw := func(seed uint64) (delays []time.Duration) {
		c := armAll(faults, seed)
		for range 10_001 {
			delays = append(delays, c.inject(operation{op: opFlush}, 0).delay)
		}
		return delays
	}
	below := 0
	for _, d := range draw(7) {
		if d < 20*time.Millisecond {
			below++
		}
	}
	if below < 4800 || below > 5200 {
		t.Errorf("%d of 10,001 delays below the median", below)
	}
	if diff := cmp.Diff(draw(7), draw(7)); diff != "" {
		t.Error("equal seeds give other delays")
	}
	if cmp.Equal(draw(7), draw(8)) {
		t.Error("other seeds give equal delays")
	}
}

func TestSizePrintsBack(t *testing.T) {
	for _, text := range []string{"1B", "1500B", "64KiB", "20MB", "1GiB", "3TiB"} {
		s, err := parseSize(text)
		if err != nil || s.String() != text {
			t.Errorf("%s: %v, %v", text, s, err)
		}
	}
}

func FuzzParseFault(f *testing.F) {
	for _, form := range Forms() {
		example, _, _ := strings.Cut(form, ":")
		f.Add(example)
	}
	f.Add("flush lognormal 20ms 0.5")
	f.Add("stall 5s every 8s")
	f.Add("bandwidth 20MB/s after 100MB")
	f.Add("error EIO on flush 5+")
	f.Fuzz(func(t *testing.T, text string) {
		first, err := ParseFault(text)
		if err != nil {
			return
		}
		again, err := ParseFault(first.String())
		if err != nil {
			t.Fatalf("%q prints %q, which is refused: %v", text, first, err)
		}
		if first != again {
			t.Fatalf("%q prints %q, which is another fault: %q", text, first, again)
		}
		c := armAll([]Fault{first}, 1)
		for _, o := range fileOps {
			for _, at := range []time.Duration{0, time.Second, time.Hour} {
				if e := c.inject(operation{op: o, bytes: 1 << 20}, at); e.delay < 0 || e.delay > MaxDelay {
					t.Fatalf("%s: %s at %v is delayed by %v", first, o, at, e.delay)
				}
			}
		}
	})
}

func ExampleParseFault() {
	f, err := ParseFault("bandwidth 20000kB/s after 100MB")
	fmt.Println(f, err)
	// Output: bandwidth 20MB/s after 100MB <nil>
}
