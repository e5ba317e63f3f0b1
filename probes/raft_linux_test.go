package probes_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"storebench/internal/measure"
	"storebench/internal/natscluster"
	"storebench/internal/natscluster/natstest"
	"storebench/internal/slowvolume"
	"storebench/internal/slowvolume/slowtest"
	"storebench/probes"
)

// natsServer is a nats-server that is a program of its own. sick is a pattern of grep
// for the configurations with which it says something and then does what a shell is told
// instead, where $run is the nats-server.
func natsServer(t *testing.T, sick, does string) string {
	t.Helper()
	script := filepath.Join(t.TempDir(), "script")
	text := fmt.Sprintf("#!/bin/sh\nrun=%q\nif grep -q '%s' \"$2\"; then echo '%s' >&2; %s; fi\nexec $run \"$@\"\n", natstest.Program(t), sick, slowLine, does)
	if err := os.WriteFile(script, []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
	return script
}

const slowLine = "[1] 2025/01/01 00:00:00.000000 [WRN] 127.0.0.1:1 - rid:1 - Readloop processing time: 2.5s"

// propose is a raft-propose with so long to form.
func propose(t *testing.T, formBound string) probes.Probe {
	t.Helper()
	p := newProbe(t, "raft-propose")
	set(t, p, "form-bound", formBound)
	return p
}

// TestRaftDoesNotForm: a cluster that does not form is the volume's, where the others
// wait for the server on it or the same servers form one without it; else it is an
// error. What they logged is told.
func TestRaftDoesNotForm(t *testing.T) {
	tests := []struct {
		name, hang, bound, place string
		blamed                   bool
	}{
		{"one is missing", "server-0", "12s", "leader", true},
		{"none leads", "server-", "15s", "leader", true},
		{"nor in memory", ".", "2s", "leader", false},
		{"on a fast volume", ".", "2s", "all", false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			p := propose(t, test.bound)
			set(t, p, "place", test.place)
			around := env(t, p, roundDir(t), time.Second)
			if test.place == "all" {
				around.Raft.Memory = ""
			}
			around.Raft.Program, around.Raft.Version = natsServer(t, test.hang, "exec sleep 1000"), "2.15.2"
			measured, err := p.Run(t.Context(), around)
			var late *natscluster.FormError
			if errors.As(err, &late) == test.blamed || test.blamed && err != nil {
				t.Fatalf("%v; want an error: %v", err, !test.blamed)
			}
			if !test.blamed {
				if !strings.Contains(err.Error(), "Readloop") {
					t.Errorf("error %q does not tell what the server logged", err)
				}
				return
			}
			r := metric(t, measured, "cluster_formed")
			if d := r.Distribution; d.Unfinished != 1 || d.Count() != 0 || len(d.Stalls) != 1 || d.Stalls[0].Seconds < 10 {
				t.Errorf("%+v, want that it was given up", d)
			}
			if want := "nats-server 0: [warning] "; len(r.Context.Log) == 0 || !strings.HasPrefix(r.Context.Log[0], want) {
				t.Errorf("log %q, want a line %q", r.Context.Log, want)
			}
			if v := metric(t, measured, "memory").Value; v == nil || *v <= 0 {
				t.Error("no memory of the server on the volume")
			}
		})
	}
}

// TestRaftSlowVotes: where no server stands in memory, what a term and a vote take says
// whether it is the volume that keeps the cluster from forming.
func TestRaftSlowVotes(t *testing.T) {
	if testing.Short() {
		t.Skip("it waits for a slow volume")
	}
	for fault, why := range map[string]string{
		"flush 1500ms": "no election can end in time",
		"flush 100ms":  "the next election begins before one can end",
	} {
		t.Run(fault, func(t *testing.T) {
			t.Parallel()
			p := propose(t, "1s")
			set(t, p, "place", "all")
			around := env(t, p, onVolume(t, slow(t, fault)), time.Second)
			around.Raft.Memory = ""
			measured, err := p.Run(t.Context(), around)
			if err != nil && !errors.Is(err, probes.ErrCut) { // a server may be blocked in the kernel
				t.Fatal(err)
			}
			if d := metric(t, measured, "cluster_formed").Distribution; d.Unfinished != 1 {
				t.Errorf("%+v, want that it was given up", d)
			}
			said := strings.Join(measured[0].Warnings, "; ")
			t.Log(said)
			if blocked := "blocked in the kernel"; !strings.Contains(said, why) && !strings.Contains(said, blocked) {
				t.Errorf("it says %q, want %q", said, why)
			}
		})
	}
}

// onVolume is an empty directory on a volume. It goes with the volume.
func onVolume(t *testing.T, volume string) string {
	t.Helper()
	dir, err := os.MkdirTemp(volume, "round-")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func has(measured []measure.Measurement, name string) bool {
	return slices.ContainsFunc(measured, func(m measure.Measurement) bool { return m.Metric == name })
}

func metric(t *testing.T, measured []measure.Measurement, name string) measure.Round {
	t.Helper()
	for _, m := range measured {
		if m.Metric == name {
			return m.Rounds[0]
		}
	}
	t.Fatalf("%s was not measured: %v", name, measured)
	return measure.Round{}
}

// ran is what came of a round.
type ran struct {
	measured []measure.Measurement
	err      error
}

// under runs a round beside the test, which goes on when messages are stored.
func under(t *testing.T, p probes.Probe, around *probes.Env) <-chan ran {
	t.Helper()
	end := make(chan ran, 1)
	go func() {
		measured, err := p.Run(t.Context(), around)
		end <- ran{measured, err}
	}()
	await(t, "messages below "+around.Dir, func() bool { return hasData(around.Dir, hasGroup(p)) })
	return end
}

func ended(t *testing.T, end <-chan ran) ran {
	t.Helper()
	select {
	case r := <-end:
		return r
	case <-time.After(patience):
		t.Fatalf("still running after %v", patience)
		return ran{}
	}
}

// TestRaftServerDies: the error of a server that ends in mid-run says so, with what it
// logged, and the figures of that time are not kept.
func TestRaftServerDies(t *testing.T) {
	p := propose(t, "20s")
	end := under(t, p, env(t, p, roundDir(t), 3*time.Second))
	servers := children(t, natscluster.Command)
	if len(servers) != natscluster.Size {
		t.Fatalf("%d servers", len(servers))
	}
	if err := syscall.Kill(slices.Min(servers), syscall.SIGKILL); err != nil { // the one on the volume was started first
		t.Fatal(err)
	}
	r := ended(t, end)
	var died *natscluster.EndedError
	if !errors.As(r.err, &died) || !strings.Contains(r.err.Error(), "signal: killed") || errors.Is(r.err, probes.ErrCut) || errors.Is(r.err, probes.ErrVolume) {
		t.Errorf("%v, want that a server ended by itself", r.err)
	}
	metric(t, r.measured, "cluster_formed")
	metric(t, r.measured, "leaders_moved")
	if has(r.measured, "ack") || has(r.measured, "leaders_lost") {
		t.Errorf("measured %v with a server dead", r.measured)
	}
}

// TestRaftServerCrashes: a server that crashes on the volume alone is the volume's doing;
// one that crashes in memory as well, or beside the volume, is not.
func TestRaftServerCrashes(t *testing.T) {
	tests := []struct {
		name, sick string
		later      bool // than at its start
		blamed     bool
	}{
		{"at its start", "server-0", false, true},
		{"in mid-run", "server-0", true, true},
		{"beside the volume", "server-1", false, false},
		{"everywhere", ".", false, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			now := filepath.Join(t.TempDir(), "now")
			does := "exit 2"
			if test.later {
				does = fmt.Sprintf("$run \"$@\" & while [ ! -e %q ]; do sleep 0.1; done; exit 2", now)
			}
			p := propose(t, "20s")
			around := env(t, p, roundDir(t), 3*time.Second)
			around.Raft.Program, around.Raft.Version = natsServer(t, test.sick, does), "2.15.2"
			var r ran
			if test.later {
				end := under(t, p, around)
				if err := os.WriteFile(now, nil, 0o600); err != nil {
					t.Fatal(err)
				}
				r = ended(t, end)
			} else {
				r.measured, r.err = p.Run(t.Context(), around)
			}
			var died *natscluster.EndedError
			if !errors.As(r.err, &died) || errors.Is(r.err, probes.ErrVolume) != test.blamed {
				t.Fatalf("%v; want the volume blamed: %v", r.err, test.blamed)
			}
			words := []string{"exit status 2"}
			if !test.later { // what it logs at its start may have newer lines behind it
				words = append(words, "Readloop")
			}
			for _, word := range words {
				if !strings.Contains(r.err.Error(), word) {
					t.Errorf("error %q, want %q in it", r.err, word)
				}
			}
			if has(r.measured, "ack") {
				t.Errorf("measured %v with a server dead", r.measured)
			}
		})
	}
}

// TestRaftVolumeRefuses: a volume under a follower that refuses a server's writes is an
// error of the volume, though the others go on without that server.
func TestRaftVolumeRefuses(t *testing.T) {
	if testing.Short() {
		t.Skip("it breaks a volume")
	}
	volume := slowtest.Block(t, slowvolume.BlockConfig{FS: "ext4", Dir: t.TempDir()})
	p := propose(t, "20s")
	set(t, p, "place", "follower")
	set(t, p, "sync", "always")
	end := under(t, p, env(t, p, onVolume(t, volume.Path()), 2*time.Second))
	if err := volume.SetFaults(slowtest.Faults(t, "error EIO on flush")...); err != nil {
		t.Fatal(err)
	}
	r := ended(t, end)
	if !errors.Is(r.err, syscall.EIO) && !errors.Is(r.err, syscall.EROFS) {
		t.Errorf("%v, want what the volume answered", r.err)
	}
	if r.err == nil || !strings.Contains(r.err.Error(), "nats-server 0: [error] ") {
		t.Errorf("%v, want the server's line", r.err)
	}
	metric(t, r.measured, "ack")
}

// TestRaftElectionOnVolumes: with all servers on the volume, too, it is the leader that
// is killed, and the others notice that after an election timeout of 4 s or more, of
// which a heartbeat and a campaign's delay may have gone by. Messages are published all
// the while, and each stream's hand-over counts by itself.
func TestRaftElectionOnVolumes(t *testing.T) {
	if testing.Short() {
		t.Skip("it kills a leader and waits for elections")
	}
	p := newProbe(t, "raft-election")
	set(t, p, "place", "all")
	const undisturbed = 100 * time.Millisecond
	around := env(t, p, roundDir(t), undisturbed)
	measured, err := p.Run(t.Context(), around)
	if err != nil {
		t.Fatal(err)
	}
	if d := metric(t, measured, probes.SteppedDown).Distribution; d.Count()+d.Lost() != 4 {
		t.Errorf("%d hand-overs and %d lost, want one of each of 4 streams", d.Count(), d.Lost())
	}
	blocks, err := filepath.Glob(filepath.Join(around.Dir, "server-2", "jetstream", natscluster.Account, "streams", "*", "msgs", "*.blk"))
	if err != nil {
		t.Fatal(err)
	}
	stored := int64(0)
	for _, block := range blocks {
		info, err := os.Stat(block)
		if err != nil {
			t.Fatal(err)
		}
		stored += info.Size()
	}
	const rate, message = 1000, 1100 // what a message of 1 KiB takes in a block
	if due := int64((around.Warmup + undisturbed).Seconds() * rate * message); stored < 2*due {
		t.Errorf("%d bytes are stored, %d of them before the first event: nothing was published during these", stored, due)
	}
	if d := metric(t, measured, "killed").Distribution; d.Lost() == 0 && d.Min() < 2 {
		t.Errorf("another server led %.3f s after the leader's death", d.Min())
	}
}

// TestMetaSnapshotLate: a volume on which snapshots of the meta group become slow, or
// cost its leader the lead, leaves figures that say so.
func TestMetaSnapshotLate(t *testing.T) {
	if testing.Short() {
		t.Skip("it waits for a slow volume")
	}
	volume := slowtest.Block(t, slowvolume.BlockConfig{FS: "ext4", Dir: t.TempDir()})
	p := newProbe(t, "meta-snapshot")
	set(t, p, "consumers", "4")
	set(t, p, "rate", "100")
	end := under(t, p, env(t, p, onVolume(t, volume.Path()), 6*time.Second))
	if err := volume.SetFaults(slowtest.Faults(t, "flush 2s")...); err != nil {
		t.Fatal(err)
	}
	r := ended(t, end)
	if r.err != nil && !errors.Is(r.err, probes.ErrCut) {
		t.Error(r.err)
	}
	if d := metric(t, r.measured, "whole").Distribution; d.Lost() == 0 && d.Max() < 2 {
		t.Errorf("%d snapshots, the longest of %.3f s, none lost", d.Count(), d.Max())
	}
}

// TestMetaSnapshotManyConsumers: a round with many consumers ends in the time that it
// foretells.
func TestMetaSnapshotManyConsumers(t *testing.T) {
	if testing.Short() {
		t.Skip("it makes many consumers")
	}
	p := newProbe(t, "meta-snapshot")
	set(t, p, "consumers", "500")
	begin := time.Now()
	measured, err := p.Run(t.Context(), env(t, p, roundDir(t), time.Second))
	if err != nil {
		t.Fatal(err)
	}
	if d := metric(t, measured, "whole").Distribution; d.Count() == 0 || d.Lost() > 0 {
		t.Errorf("%d snapshots, %d lost", d.Count(), d.Lost())
	}
	if took, most := time.Since(begin), time.Second+p.Info().Extra; took > most {
		t.Errorf("it took %v, more than %v", took, most)
	}
}

// talkingServer is a nats-server that tells of a pause before it starts.
func talkingServer(t *testing.T) string {
	t.Helper()
	script := filepath.Join(t.TempDir(), "script")
	text := fmt.Sprintf("#!/bin/sh\necho '%s' >&2\nexec %q \"$@\"\n", slowLine, natstest.Program(t))
	if err := os.WriteFile(script, []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
	return script
}

// TestRaftStallSilence: what an installed nats-server would not log is not told, nor what
// it logged before the round.
func TestRaftStallSilence(t *testing.T) {
	for _, program := range []string{"", talkingServer(t)} {
		p := newProbe(t, "raft-stall")
		set(t, p, "rate", "100")
		around := env(t, p, roundDir(t), 500*time.Millisecond)
		if around.Raft.Program = program; program != "" {
			around.Raft.Version = "2.15.2"
		}
		measured, err := p.Run(t.Context(), around)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range p.Info().Logged {
			switch told := has(measured, name); {
			case program == "" && !told:
				t.Errorf("the linked-in server: no %s", name)
			case program != "" && told && *metric(t, measured, name).Value < probes.LogsFrom.Seconds():
				t.Errorf("an installed server: %s is %v s", name, *metric(t, measured, name).Value)
			case program != "" && told && *metric(t, measured, name).Value == 2.5:
				t.Errorf("an installed server: %s is from before the round", name)
			}
		}
		for _, name := range []string{"cluster_formed", "pause"} {
			log := metric(t, measured, name).Context.Log
			if told := slices.ContainsFunc(log, func(line string) bool { return strings.Contains(line, "2.5s") }); told != (program != "" && name == "cluster_formed") {
				t.Errorf("program %q: log of %s %q", program, name, log)
			}
		}
	}
}

// children are this process's with a certain first argument.
func children(t *testing.T, argument string) (pids []int) {
	t.Helper()
	lists, err := filepath.Glob("/proc/self/task/*/children")
	if err != nil {
		t.Fatal(err)
	}
	for _, list := range lists {
		text, _ := os.ReadFile(list) // of a thread that may have ended
		for _, field := range strings.Fields(string(text)) {
			line, _ := os.ReadFile("/proc/" + field + "/cmdline")
			pid, err := strconv.Atoi(field)
			if words := bytes.Split(line, []byte{0}); err == nil && len(words) > 1 && string(words[1]) == argument {
				pids = append(pids, pid)
			}
		}
	}
	return pids
}

// TestRaftVolumeHangs: a round on a volume that answers nothing more ends all the
// same, and leaves the server on it behind until the volume lets go. What such a server
// could not be asked counts.
func TestRaftVolumeHangs(t *testing.T) {
	if testing.Short() {
		t.Skip("it waits for a hung volume")
	}
	for probe, check := range map[string]func(*testing.T, []measure.Measurement){
		"raft-propose": func(t *testing.T, measured []measure.Measurement) {
			if d := metric(t, measured, "ack").Distribution; d.Lost() == 0 {
				t.Errorf("%d publishes were acknowledged, and none is missing", d.Count())
			}
		},
		"raft-lag": func(t *testing.T, measured []measure.Measurement) {
			if lag := *metric(t, measured, "lag").Value; lag < 100 {
				t.Errorf("the lag is %v", lag)
			}
		},
		"raft-stall": func(t *testing.T, measured []measure.Measurement) {
			if d := metric(t, measured, "raftz").Distribution; d.Unfinished == 0 {
				t.Errorf("%d answers, the longest after %v s, and none is missing", d.Count(), d.Max())
			}
		},
	} {
		t.Run(probe, func(t *testing.T) {
			t.Parallel()
			check(t, whileHung(t, probe))
		})
	}
}

// whileHung is what a round measures on a volume that hangs after a second of it.
func whileHung(t *testing.T, probe string) []measure.Measurement {
	t.Helper()
	volume := slowtest.Block(t, slowvolume.BlockConfig{FS: "ext4", Dir: t.TempDir()})
	p := newProbe(t, probe)
	set(t, p, "sync", "always")
	if probe == "full-state" { // each subject is a write with a flush before the round
		set(t, p, "subjects", "1")
	}
	end := under(t, p, env(t, p, onVolume(t, volume.Path()), 3*time.Second))
	if err := volume.SetFaults(slowtest.Faults(t, "hang after 1s for 40s")...); err != nil {
		t.Fatal(err)
	}
	r := ended(t, end)
	if !errors.Is(r.err, probes.ErrCut) {
		t.Errorf("%v, want that it was cut", r.err)
	}
	if err := volume.SetFaults(); err != nil {
		t.Fatal(err)
	}
	await(t, "the end of the server", func() bool { return len(children(t, natscluster.Command)) == 0 })
	return r.measured
}

// TestRaftLagStall: a stall of the leader's volume is more than the 100 entries that a
// healthy one lags by, also when it ends in the round.
func TestRaftLagStall(t *testing.T) {
	if testing.Short() {
		t.Skip("it waits for a volume that stalls")
	}
	volume := slowtest.Block(t, slowvolume.BlockConfig{FS: "ext4", Dir: t.TempDir()})
	p := newProbe(t, "raft-lag")
	set(t, p, "sync", "always")
	end := under(t, p, env(t, p, onVolume(t, volume.Path()), 4*time.Second))
	if err := volume.SetFaults(slowtest.Faults(t, "hang after 1s for 1500ms")...); err != nil {
		t.Fatal(err)
	}
	r := ended(t, end)
	if r.err != nil {
		t.Fatal(r.err)
	}
	if lag := *metric(t, r.measured, "lag").Value; lag < 100 {
		t.Errorf("the lag is %v", lag)
	}
}
