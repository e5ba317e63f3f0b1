package raftcheck

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"storebench/cmd/storebench/internal/programtest"
	"storebench/internal/measure"
	"storebench/internal/natscluster"
	"storebench/internal/natscluster/natstest"
	"storebench/internal/slowvolume"
	"storebench/internal/slowvolume/slowtest"
	"storebench/probes"
	"storebench/results"
)

// patience is how long what has to happen may take. It tells what never happens.
const patience = 30 * time.Second

// The steps of the tests' profiles. A profile asks for little, so that a busy machine
// keeps up with it.
const (
	propose = `
  - name: raft-propose
    probe: raft-propose
    set: {mode: open, place: leader}
    duration: 2s
    warmup: 200ms`
	long = `
  - name: raft-propose
    probe: raft-propose
    set: {mode: open, place: leader}
    duration: 60s`
	snapshot = `
  - name: meta-snapshot
    probe: meta-snapshot
    set: {place: leader}
    duration: 1s`
	stall = `
  - name: raft-stall
    probe: raft-stall
    set: {place: leader}
    duration: 8s
    warmup: 200ms`
)

// The limits, as the built-in profiles have them.
var (
	proposeLimits  = []string{"raft-propose.cluster_formed max < 20s", "raft-propose.leaders_moved max < 10s", "raft-propose.ack max < 2s", "raft-propose.leaders_lost value <= 0"}
	snapshotLimits = []string{"meta-snapshot.whole max < 2s"}
	stallLimits    = []string{"raft-stall.cluster_formed max < 20s", "raft-stall.pause max < 2s", "raft-stall.leaders_lost value <= 0"}
)

// profile writes a profile of these steps and limits, and returns its file.
func profile(t *testing.T, steps []string, limits ...[]string) string {
	t.Helper()
	text := `name: groups
description: Raft groups and nothing else
budget: 90s
rounds: 1
workload:
  messages-per-second: 300
  message-size: 1KiB
  streams: 2
  consumers: 4
  raft-groups: 10
  sync: default
  cipher: none
  compression: none
steps:` + strings.Join(steps, "") + "\nlimits:\n"
	for _, limit := range slices.Concat(limits...) {
		text += fmt.Sprintf("  - limit: %s\n    level: fail\n    why: it is asked\n", limit)
	}
	file := filepath.Join(t.TempDir(), "groups.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// mark is a variable that all processes of a test's runs inherit.
const mark = "RAFTCHECK_TEST"

// ground is where a test's runs write.
type ground struct{ dir, memory string }

// newGround is an empty volume and an empty directory in memory. When the test ends,
// both must be empty again, and no process of its runs be left.
func newGround(t *testing.T, faults ...string) ground {
	t.Helper()
	g := ground{memory: inMemory(t)}
	if len(faults) == 0 {
		g.dir = programtest.Target(t)
	} else {
		g.dir = slowtest.Block(t, slowvolume.BlockConfig{FS: "ext4", Size: 2 << 30, Dir: t.TempDir(), Faults: slowtest.Faults(t, faults...)}).Path()
	}
	t.Setenv(mark, t.TempDir()) // which the process that serves the volume does not have
	t.Cleanup(func() {
		programtest.WaitFor(t, "the end of the run's processes", patience, func() bool { return len(processes(t, "")) == 0 })
		programtest.Empty(t, g.dir)
		programtest.Empty(t, g.memory)
	})
	return g
}

func inMemory(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "storebench-raftcheck-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// processes are those of the test's runs with a certain first argument, or with any
// for an empty one. Zombies are none.
func processes(t *testing.T, argument string) (pids []int) {
	t.Helper()
	is := fmt.Appendf(nil, "%s=%s", mark, os.Getenv(mark))
	found, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range found {
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err != nil || pid == os.Getpid() || !slices.ContainsFunc(words(path), func(v []byte) bool { return bytes.Equal(v, is) }) {
			continue
		}
		if line := words(filepath.Join(filepath.Dir(path), "cmdline")); argument == "" || len(line) > 1 && string(line[1]) == argument {
			pids = append(pids, pid)
		}
	}
	return pids
}

// words are what a file of a process holds; those of one that has ended hold nothing.
func words(path string) [][]byte {
	text, _ := os.ReadFile(path)
	return bytes.Split(text, []byte{0})
}

func servers(t *testing.T) []int { return processes(t, natscluster.Command) }

// args are those of a check on the ground.
func (g ground) args(profile string, more ...string) []string {
	return append([]string{"check", g.dir, "--memory-dir", g.memory, "--profile", profile}, more...)
}

// ask runs a check, and asks again where the machine may be what is wrong.
func ask(t *testing.T, args []string, wrong func(programtest.Answer) []string) programtest.Answer {
	t.Helper()
	return programtest.Ask(t, func(doc string) programtest.Outcome {
		return programtest.Run(t, append(slices.Clip(args), "-o", "text", "-o", "json="+doc)...)
	}, wrong)
}

// requireSays looks for words in a report or an error.
func requireSays(t *testing.T, text string, words ...string) {
	t.Helper()
	for _, word := range words {
		if !strings.Contains(strings.Join(strings.Fields(text), " "), word) { // lines are folded
			t.Errorf("it does not say %q:\n%s", word, text)
		}
	}
}

// value is the largest value of a metric at a step.
func value(t *testing.T, run programtest.Judged, title, metric string) float64 {
	t.Helper()
	most, found := 0.0, false
	for _, m := range run.Measurements {
		if run.StepOf(m).Title() != title || m.Metric != metric {
			continue
		}
		for _, r := range m.Rounds {
			if r.Value != nil {
				most, found = max(most, *r.Value), true
			}
		}
	}
	if !found {
		t.Errorf("%s of %s was not measured", metric, title)
	}
	return most
}

// TestPasses: a healthy volume passes under the leader and under a follower, and the
// run says what the servers were, where they stood and what they took.
func TestPasses(t *testing.T) {
	g := newGround(t)
	titles := []string{"raft-propose place=leader", "raft-propose place=follower"}
	a := ask(t, g.args(profile(t, []string{propose}, proposeLimits), "--place", "leader,follower"), func(a programtest.Answer) []string {
		wrong := a.Exits(0)
		for _, title := range titles {
			for _, limit := range proposeLimits {
				wrong = append(wrong, a.Finds(limit, title, results.Pass)...)
			}
		}
		return wrong
	})
	run := a.Run
	if r := run.Raft; r == nil || !r.Linked || r.Server != run.Tool.NATSServer || r.Peers == nil || r.Peers.Path != g.memory || len(r.Targets) > 0 {
		t.Errorf("the run's servers are %+v", run.Raft)
	}
	if len(run.Steps) != 2 {
		t.Fatalf("steps %+v, want one a place", run.Steps)
	}
	for i, title := range titles {
		step := run.Steps[i]
		if step.Title() != title || step.Peak <= 0 {
			t.Errorf("step %q, want %q; the worker took %d bytes", step.Title(), title, step.Peak)
		}
		if memory := value(t, run, title, "memory"); memory < 1<<20 {
			t.Errorf("%s: the server took %v bytes of memory", title, memory)
		}
	}
	requireSays(t, a.Stdout, "it says nothing of the volume under a leader")
}

// TestTargets: three volumes, each under one server of an installed nats-server. What
// only the linked-in one can do is left out, and the pass is partial.
func TestTargets(t *testing.T) {
	g := newGround(t)
	second, third := filepath.Join(g.dir, "second"), filepath.Join(g.dir, "third")
	for _, dir := range []string{second, third} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		defer func() {
			programtest.Empty(t, dir)
			if err := os.RemoveAll(dir); err != nil {
				t.Error(err)
			}
		}()
	}
	a := ask(t, []string{"check", g.dir, "--profile", profile(t, []string{propose, snapshot}, proposeLimits, snapshotLimits),
		"--target", second, "--target", third, "--nats-server", natstest.Program(t)}, func(a programtest.Answer) []string { return a.Exits(0) })
	run := a.Run
	if r := run.Raft; r == nil || r.Linked || r.Server != run.Tool.NATSServer || r.Peers != nil || len(r.Targets) != 2 || r.Targets[0].Path != second || r.Targets[1].Path != third {
		t.Errorf("the run's servers are %+v", run.Raft)
	}
	if !run.Verdict.Partial || !slices.Equal(run.Verdict.Skipped, snapshotLimits) {
		t.Errorf("partial %v, skipped %v; want %v left out", run.Verdict.Partial, run.Verdict.Skipped, snapshotLimits)
	}
	requireSays(t, a.Stdout, "step meta-snapshot was left out", "lie on one file system")
}

// begun starts a check and returns when its servers store messages.
func begun(t *testing.T, g ground, args ...string) (run *exec.Cmd, said *bytes.Buffer) {
	t.Helper()
	run, said = programtest.Command(t, programtest.Path, args...), &bytes.Buffer{}
	run.Stdout, run.Stderr = io.Discard, said
	if err := run.Start(); err != nil {
		t.Fatal(err)
	}
	programtest.WaitFor(t, "messages on "+g.dir, patience, func() bool {
		found, err := filepath.Glob(filepath.Join(g.dir, "storebench-*", "*", "server-0", "jetstream", natscluster.Account, "streams", "*", "msgs", "*.blk"))
		return err == nil && len(found) > 0
	})
	if n := len(servers(t)); n < natscluster.Size {
		t.Errorf("%d servers", n)
	}
	return run, said
}

// script is a program that says to be a nats-server and does what is told.
func script(t *testing.T, does string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "nats-server")
	text := "#!/bin/sh\n[ \"$1\" = --version ] && { echo 'nats-server: v2.12.4'; exit 0; }\n" + does + "\n"
	if err := os.WriteFile(file, []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
	return file
}

// TestKilled: after a kill -9 of the program no server stays, and the next run removes
// what it left, and says so. That one has a nats-server that crashes at its start.
func TestKilled(t *testing.T) {
	g := newGround(t)
	run, _ := begun(t, g, g.args(profile(t, []string{long}, proposeLimits))...)
	if err := run.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = run.Wait() // it was killed
	programtest.WaitFor(t, "the end of its servers and workers", patience, func() bool { return len(processes(t, "")) == 0 })
	var left []string
	for _, dir := range []string{g.dir, g.memory} {
		found, err := filepath.Glob(filepath.Join(dir, "storebench-*"))
		if err != nil || len(found) != 1 {
			t.Fatalf("left in %s: %v, %v; want one directory", dir, found, err)
		}
		left = append(left, found...)
	}
	doc := filepath.Join(t.TempDir(), "run.json")
	broken := script(t, `echo "panic: a broken build" >&2; exit 2`)
	o := programtest.Run(t, g.args(profile(t, []string{propose}, proposeLimits), "--nats-server", broken, "-o", "text", "-o", "json="+doc)...)
	programtest.RequireCode(t, o, 4)
	requireSays(t, o.Stderr, "removed "+left[0], "removed "+left[1])
	requireSays(t, o.Stdout, "ended by itself", "exit status 2", "panic: a broken build")
	if incidents := programtest.Document(t, doc).Incidents; len(incidents) != 1 || incidents[0].Kind != results.ToolError {
		t.Errorf("incidents %+v, want one that says nothing of the volume", incidents)
	}
}

// TestBudgetEnds: a round that the end of the budget cuts short says nothing of a
// volume that answers.
func TestBudgetEnds(t *testing.T) {
	g := newGround(t)
	silent := script(t, "exec sleep 60")
	o := programtest.Run(t, g.args(profile(t, []string{propose}, proposeLimits), "--nats-server", silent, "--budget", "5s", "-o", "text")...)
	programtest.RequireCode(t, o, 4)
	if starved := strings.Contains(o.Stdout, "for want of CPU"); !starved {
		requireSays(t, o.Stdout, "0 of 1 rounds fitted into the budget")
	}
	if strings.Contains(o.Stdout, "stopped answering") {
		t.Errorf("the volume is blamed:\n%s", o.Stdout)
	}
}

// TestInterrupted: Ctrl-C ends the servers, and nothing stays.
func TestInterrupted(t *testing.T) {
	g := newGround(t)
	run, said := begun(t, g, g.args(profile(t, []string{long}, proposeLimits))...)
	if err := run.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	_ = run.Wait() // the exit code says it
	if code := run.ProcessState.ExitCode(); code != 130 {
		t.Errorf("exit code %d, want 130\n%s", code, said)
	}
	if left := processes(t, ""); len(left) > 0 {
		t.Errorf("processes %v are there after the program's end", left)
	}
}

// TestServerDies: a server that ends in mid-run leaves the verdict open, with what it
// said last, and no further round runs.
func TestServerDies(t *testing.T) {
	g := newGround(t)
	doc := filepath.Join(t.TempDir(), "run.json")
	run, said := begun(t, g, g.args(profile(t, []string{strings.ReplaceAll(long, "60s", "3s")}, proposeLimits), "-o", "json="+doc)...)
	for _, pid := range servers(t) {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Error(err)
		}
	}
	_ = run.Wait() // the exit code says it
	if code := run.ProcessState.ExitCode(); code != 4 {
		t.Errorf("exit code %d, want 4\n%s", code, said)
	}
	incidents := programtest.Document(t, doc).Incidents
	if len(incidents) != 1 || incidents[0].Kind != results.ToolError {
		t.Fatalf("incidents %+v", incidents)
	}
	requireSays(t, incidents[0].Detail, "ended by itself", "signal: killed")
}

// TestNoServer: what is no nats-server, or none that the probes can read, is refused
// before anything is written.
func TestNoServer(t *testing.T) {
	g := newGround(t)
	for _, test := range []struct{ prints, says string }{
		{"a tool of another kind", "is no nats-server"},
		{"nats-server: v2.9.25", "the Raft probes need 2.10 or newer"},
	} {
		file := filepath.Join(t.TempDir(), "program")
		if err := os.WriteFile(file, []byte("#!/bin/sh\necho '"+test.prints+"'\n"), 0o700); err != nil {
			t.Fatal(err)
		}
		o := programtest.Run(t, g.args(profile(t, []string{propose}, proposeLimits), "--nats-server", file)...)
		programtest.RequireCode(t, o, 2)
		requireSays(t, o.Stderr, test.says)
	}
}

// TestLittleMemory: too little room for the servers beside the volume is refused with
// what is there and what they need, before anything is written.
func TestLittleMemory(t *testing.T) {
	g := newGround(t)
	const room = 16 << 20
	tmpfs, err := slowvolume.NewTmpfs(t.Context(), g.memory, room)
	slowtest.Need(t, "loop", err) // mounting needs root, as a loop device does
	defer func() {
		programtest.Empty(t, g.memory)
		if err := tmpfs.Close(); err != nil {
			t.Error(err)
		}
	}()
	o := programtest.Run(t, g.args(profile(t, []string{propose}, proposeLimits))...)
	programtest.RequireCode(t, o, 2)
	p, err := probes.New("raft-propose")
	if err == nil {
		err = probes.Set(p, "streams", "2")
	}
	if err != nil {
		t.Fatal(err)
	}
	needed := float64(2*p.Info().Peers.Bytes) * 1.1
	requireSays(t, o.Stderr, measure.Size(room).Human()+" available", measure.Size(needed).Human(), "--memory-dir")
}
