package probes_test

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"storebench/internal/measure"
	"storebench/internal/natscluster"
	"storebench/internal/natsfs"
	"storebench/internal/slowvolume"
	"storebench/internal/slowvolume/slowtest"
)

// TestMain makes this test binary three programs: a helper of a test volume, a
// server of a Raft group, and the tests.
func TestMain(m *testing.M) {
	slowvolume.ServeIfChild()
	if len(os.Args) > 1 && os.Args[1] == natscluster.Command {
		if err := natscluster.Serve(os.Stdin, os.Stdout, natsfs.ServeNode); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	// Those that run at a time wait for servers and hung volumes, and hardly compute.
	if err := flag.Set("test.parallel", "4"); err != nil {
		panic(err)
	}
	os.Exit(slowtest.Run(m.Run))
}

// slow is an ext4 volume with a fault.
func slow(t *testing.T, fault string) string {
	t.Helper()
	if testing.Short() {
		t.Skip("it waits for slow volumes")
	}
	return slowtest.Block(t, slowvolume.BlockConfig{FS: "ext4", Dir: t.TempDir(), Faults: slowtest.Faults(t, fault)}).Path()
}

// round runs one round of a probe on a volume and returns its measurements by
// their metric.
func round(t *testing.T, volume, name string, duration time.Duration, parameters map[string]string) map[string]measure.Round {
	t.Helper()
	p := newProbe(t, name)
	for _, parameter := range slices.Sorted(maps.Keys(parameters)) {
		set(t, p, parameter, parameters[parameter])
	}
	dir, err := os.MkdirTemp(volume, "round-")
	if err != nil {
		t.Fatal(err)
	}
	measured, err := p.Run(t.Context(), env(t, p, dir, duration))
	if err != nil {
		t.Fatalf("%s %v: %v", name, parameters, err)
	}
	rounds := map[string]measure.Round{}
	for _, m := range measured {
		rounds[m.Metric] = m.Rounds[0]
	}
	return rounds
}

// cold fails the test when a round's reads did not come from the disk.
func cold(t *testing.T, r measure.Round) {
	t.Helper()
	if c := r.Context.Cache; c == nil || !c.Cold() || c.Pages == 0 {
		t.Fatalf("the page cache was not emptied: %+v", c)
	}
}

// A WriteFullState that meets a sync waits for the flushes of that sync. Alone it
// waits for none.
func TestFullStateMeetsSlowFlushes(t *testing.T) {
	volume := slow(t, "flush 300ms")
	during := round(t, volume, "full-state", 2*time.Second, map[string]string{"mode": "sync"})["during"]
	alone := round(t, volume, "full-state", 500*time.Millisecond, map[string]string{"mode": "alone"})["alone"]
	if got := during.Distribution.Max(); got <= 1 {
		t.Errorf("the longest call during a sync took %.3f s, want over 1 s", got)
	}
	if got := alone.Distribution.Max(); got >= 1 {
		t.Errorf("the longest call alone took %.3f s, want under 1 s", got)
	}
}

// A stall, and a WriteFullState, that never ended are as long as they lasted until they
// were given up.
func TestUnfinishedLastsUntilItIsGivenUp(t *testing.T) {
	if testing.Short() {
		t.Skip("it waits for a hung volume")
	}
	for probe, name := range map[string]string{"block-sync": "stall", "full-state": "during"} {
		t.Run(probe, func(t *testing.T) {
			t.Parallel()
			d := metric(t, whileHung(t, probe), name).Distribution
			if d.Unfinished == 0 || len(d.Stalls) == 0 || d.Stalls[0].Seconds < 1 {
				t.Errorf("%d unfinished, stalls %v, want one of over 1 s", d.Unfinished, d.Stalls)
			}
		})
	}
}

// The clean restart of an encrypted store reads its last block whole, of a plain
// one 8 bytes.
func TestRecoveryReadsEncryptedBlocksWhole(t *testing.T) {
	const bytesPerSecond = 10e6
	volume := slow(t, "bandwidth 10MB/s")
	restart := func(cipher string, bytes int) float64 {
		r := round(t, volume, "recovery", time.Millisecond, map[string]string{
			"of": "stores", "streams": "1", "block-size": "8MiB", "stored": strconv.Itoa(bytes) + "B", "cipher": cipher, "message-size": "16KiB",
		})["restart"]
		cold(t, r)
		return r.Distribution.Mean()
	}
	for _, bytes := range []int{2e6, 4e6, 8e6} {
		want := float64(bytes) / bytesPerSecond
		if got := restart("chacha", bytes); got < 0.75*want || got > 1.5*want {
			t.Errorf("encrypted block of %d bytes: restart after %.3f s, the block alone takes %.3f s to read", bytes, got, want)
		}
		if got := restart("none", bytes); got > 0.5*want {
			t.Errorf("plain block of %d bytes: restart after %.3f s, its reading would take %.3f s", bytes, got, want)
		}
	}
}

// No message that was acknowledged is missing after a kill, and all blocks are
// read for that.
func TestRecoveryAfterKill(t *testing.T) {
	volume := slow(t, "bandwidth 20MB/s")
	for _, of := range []string{"server", "stores"} {
		for cipher, compression := range map[string]string{"none": "none", "chacha": "s2"} {
			r := round(t, volume, "recovery", time.Millisecond, map[string]string{
				"of": of, "state": "killed", "streams": "2", "stored": "3MB", "block-size": "1MiB", "consumers": "2",
				"cipher": cipher, "compression": compression, "store-size": "1GB",
			})
			cold(t, r["restart"])
			if lost := *r["lost_messages"].Value; lost != 0 {
				t.Errorf("%s, %s: %v messages were lost", of, cipher, lost)
			}
			took, whole := r["restart"].Distribution.Mean(), *r["restart_of_store"].Value
			if whole < 50*took || whole > 1000/6.*1.5*took {
				t.Errorf("%s, %s: a restart of 6 MB takes %.3f s and one of 1 GB %.1f s", of, cipher, took, whole)
			}
		}
	}
}

// Reads that share slots queue up behind each other.
func TestLastChecksumWaitsForSlots(t *testing.T) {
	const readers, most = 64, 1.25
	volume := slow(t, "read 300ms") // so long that the work of 64 readers on a busy machine is little beside it
	drain := func(readers, slots int) (seconds, waited float64) {
		r := round(t, volume, "last-checksum", time.Millisecond, map[string]string{
			"concurrency": strconv.Itoa(readers), "max-concurrent-io": strconv.Itoa(slots), "block-size": "128KiB", "cipher": "chacha",
		})
		cold(t, r["disk"])
		return *r["drain"].Value, r["drain"].Context.Slots.Seconds
	}
	one, _ := drain(1, 4096)
	for _, slots := range []int{4, 16, 4096} {
		got, waited := drain(readers, slots)
		turns := float64(max(1, readers/slots))
		t.Logf("%d slots: %.3f s, one read takes %.3f s; %.1f s waited", slots, got, one, waited)
		if want := turns * one; got > most*want+0.1 || got < want/most { // they are read and decrypted by two processors
			t.Errorf("%d slots: %d reads took %.3f s, want %.3f s", slots, readers, got, want)
		}
		// In turn i each reader has waited for i reads.
		if want := readers * one * (turns - 1) / 2; waited > most*want+0.1 || waited < want/most-0.1 {
			t.Errorf("%d slots: %.2f s were waited for slots, want %.2f s", slots, waited, want)
		}
	}
}
