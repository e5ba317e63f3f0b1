package engine

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"storebench/internal/measure"
	"storebench/internal/volume"
	"storebench/probes"
	"storebench/profiles"
	"storebench/results"
)

// fakeProbe is a probe with a Raft group.
type fakeProbe struct {
	info probes.Info
	run  func(env *probes.Env) error
}

func (p *fakeProbe) Info() probes.Info { return p.info }

func (p *fakeProbe) Run(_ context.Context, env *probes.Env) ([]measure.Measurement, error) {
	return nil, p.run(env)
}

// raftStep is a step with a Raft group whose servers take so much each.
func raftStep(name, place string, peer probes.Need) *plannedStep {
	return &plannedStep{
		Step:  results.Step{Name: name, Probe: "fake", Parameters: map[string]string{placeParameter: place}},
		probe: &fakeProbe{info: probes.Info{Name: "fake", Need: probes.Need{Bytes: 1 << 20, Files: 10}, Peers: peer}},
	}
}

var smallPeer = probes.Need{Bytes: 1 << 20, Files: 10}

// place is an empty directory in memory, where there is such.
func place(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp(sharedMemory, "storebench-test-")
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

// engineOf is an engine that has done nothing yet.
func engineOf(t *testing.T, o Options, dir string, steps ...*plannedStep) *engine {
	t.Helper()
	p := &plan{steps: steps}
	p.addNeeds(o)
	if err := p.checkTargets(o); err != nil {
		t.Fatal(err)
	}
	o.Profile = &profiles.Profile{Name: "test", Budget: profiles.Duration(time.Minute)}
	return newEngine(Request{Options: o, Dir: dir, Tool: results.Tool{Version: "test", NATSServer: "2.15.3"}}, p, profiles.Profile{})
}

// openApart opens an engine's grounds without a look at JetStream stores beside
// them: other tests have some in memory and in the temporary directory.
func openApart(t *testing.T, e *engine) error {
	t.Helper()
	t.Cleanup(e.close)
	if err := e.look(t.Context()); err != nil {
		return err
	}
	for _, g := range e.grounds {
		g.Guard = volume.Guard{}
	}
	if err := e.admit(t.Context()); err != nil {
		return err
	}
	return e.lock(t.Context())
}

// opened is an engine that holds its grounds; they are given back at the end.
func opened(t *testing.T, e *engine) *engine {
	t.Helper()
	if err := openApart(t, e); err != nil {
		t.Fatal(err)
	}
	return e
}

func entries(t *testing.T, dir string) []string {
	t.Helper()
	var names []string
	found, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range found {
		names = append(names, entry.Name())
	}
	return names
}

func requireNote(t *testing.T, e *engine, words string) {
	t.Helper()
	if !slices.ContainsFunc(e.run.Notes, func(note string) bool { return strings.Contains(note, words) }) {
		t.Errorf("no note says %q: %q", words, e.run.Notes)
	}
}

// TestGrounds: each ground gets a scratch directory of the run's, the round is
// told of them, and nothing stays.
func TestGrounds(t *testing.T) {
	dir, target, memory := place(t), place(t), place(t)
	e := opened(t, engineOf(t, Options{Targets: []string{target}, MemoryDir: memory, Server: Server{Program: "/bin/server", Version: "2.12.4"}}, dir, raftStep("raft", "leader", smallPeer)))
	name := "storebench-" + e.run.ID
	for _, d := range []string{dir, target, memory} {
		if diff := cmp.Diff([]string{name}, entries(t, d)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", d, diff)
		}
		if found, err := volume.Leftovers(t.Context(), d); err != nil || len(found) != 1 || !found[0].Locked && !found[0].Lockless {
			t.Errorf("%s: %+v, %v; want one that is held", d, found, err)
		}
	}
	want := &raftTask{Program: "/bin/server", Version: "2.12.4", Memory: filepath.Join(memory, name), Targets: []string{filepath.Join(target, name)}}
	if diff := cmp.Diff(want, e.raftTask(e.plan.steps[0])); diff != "" {
		t.Errorf("task (-want +got):\n%s", diff)
	}
	if r := e.run.Raft; r == nil || r.Server != "2.12.4" || r.Linked || len(r.Targets) != 1 || r.Targets[0].Path != target || r.Peers == nil || r.Peers.Path != memory {
		t.Errorf("the run has %+v", r)
	}
	requireNote(t, e, "lie on one file system")
	e.close()
	for _, d := range []string{dir, target, memory} {
		if left := entries(t, d); len(left) != 0 {
			t.Errorf("%s holds %v", d, left)
		}
	}
}

// TestGroundsOfSteps: servers stand elsewhere only where a step has such.
func TestGroundsOfSteps(t *testing.T) {
	plain := func() *plannedStep {
		return &plannedStep{Step: results.Step{Name: "plain"}, probe: &fakeProbe{info: probes.Info{Need: smallPeer}}}
	}
	leader := func() *plannedStep { return raftStep("raft", "leader", smallPeer) }
	all := func() *plannedStep { return raftStep("raft-all", placeAll, smallPeer) }
	tests := []struct {
		name    string
		targets []string
		steps   []*plannedStep
		kinds   []groundKind
		need    probes.Need // of the last
		raft    bool
	}{
		{"no Raft group", nil, []*plannedStep{plain()}, []groundKind{groundVolume}, smallPeer, false},
		{"all servers on the volume", nil, []*plannedStep{plain(), all()}, []groundKind{groundVolume}, probes.Need{Bytes: 2 << 20, Files: 20}, true},
		{"two in memory", nil, []*plannedStep{leader(), all()}, []groundKind{groundVolume, groundMemory}, probes.Need{Bytes: 2 << 20, Files: 20}, true},
		{"the largest counts in memory", nil, []*plannedStep{leader(), raftStep("more", "follower", probes.Need{Bytes: 5 << 20, Files: 5})}, []groundKind{groundVolume, groundMemory}, probes.Need{Bytes: 10 << 20, Files: 20}, true},
		{"one in memory", []string{"b"}, []*plannedStep{leader()}, []groundKind{groundVolume, groundTarget, groundMemory}, smallPeer, true},
		{"none in memory", []string{"b", "c"}, []*plannedStep{leader(), leader()}, []groundKind{groundVolume, groundTarget, groundTarget}, probes.Need{Bytes: 2 << 20, Files: 20}, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			e := engineOf(t, Options{Targets: test.targets}, "a", test.steps...)
			var kinds []groundKind
			for _, g := range e.grounds {
				kinds = append(kinds, g.kind)
			}
			if diff := cmp.Diff(test.kinds, kinds); diff != "" {
				t.Errorf("grounds (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(test.need, e.grounds[len(e.grounds)-1].need); diff != "" {
				t.Errorf("need of the last (-want +got):\n%s", diff)
			}
			e.describe()
			if (e.run.Raft != nil) != test.raft || test.raft && (!e.run.Raft.Linked || e.run.Raft.Server != "2.15.3") {
				t.Errorf("the run has %+v, want one: %v", e.run.Raft, test.raft)
			}
			for _, s := range e.plan.steps {
				if task := e.raftTask(s); (task != nil) != s.raft() {
					t.Errorf("step %s has the task %+v", s.Name, task)
				}
			}
		})
	}
}

// TestOneDirectoryTwice: it is found by what the directory is, not by its name.
func TestOneDirectoryTwice(t *testing.T) {
	dir := place(t)
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Skip("no symbolic links here")
	}
	tests := []struct {
		name    string
		options Options
		says    string
	}{
		{"as a target", Options{Targets: []string{dir}}, "are one directory"},
		{"as a target through a link", Options{Targets: []string{link}}, "are one directory"},
		{"two targets", Options{Targets: []string{place(t), link}}, "are one directory"},
		{"as memory", Options{MemoryDir: link}, "--memory-dir"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			e := engineOf(t, test.options, dir, raftStep("raft", "leader", smallPeer))
			err := openApart(t, e)
			if !errors.Is(err, ErrUsage) || !strings.Contains(err.Error(), test.says) {
				t.Errorf("error %v, want ErrUsage and %q in it", err, test.says)
			}
			if left := entries(t, dir); len(left) != 0 {
				t.Errorf("it holds %v", left)
			}
		})
	}
}

// TestBadGrounds: what cannot be used is refused as the volume itself would be.
func TestBadGrounds(t *testing.T) {
	dir, file := place(t), filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name    string
		options Options
		peer    probes.Need
		usage   bool
		says    []string
	}{
		{"a target that is missing", Options{Targets: []string{file + "-not"}}, smallPeer, true, []string{"file-not does not exist"}},
		{"a target that is a file", Options{Targets: []string{file}}, smallPeer, true, []string{"is not a directory"}},
		{"memory that is missing", Options{MemoryDir: file + "-not"}, smallPeer, true, []string{"file-not does not exist", "--memory-dir"}},
		{"too little memory", Options{MemoryDir: place(t)}, probes.Need{Bytes: 1 << 50, Files: 1}, true,
			[]string{" available", "2 servers", "up to 2253 TiB", "--memory-dir", "--skip raft,raft-b"}},
		{"a target that is too small", Options{Targets: []string{place(t), place(t)}}, probes.Need{Bytes: 1 << 50, Files: 1}, false,
			[]string{" available; this run needs up to"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			e := engineOf(t, test.options, dir, raftStep("raft", "leader", test.peer), raftStep("raft-b", "follower", smallPeer), raftStep("raft-b", "leader", smallPeer))
			err := openApart(t, e)
			if err == nil || errors.Is(err, ErrUsage) != test.usage {
				t.Fatalf("error %v, want ErrUsage: %v", err, test.usage)
			}
			for _, words := range test.says {
				if !strings.Contains(err.Error(), words) {
					t.Errorf("error %q, want %q in it", err, words)
				}
			}
			if left := entries(t, dir); len(left) != 0 {
				t.Errorf("the volume holds %v", left)
			}
		})
	}
}

// abandoned is a scratch directory of a run that was killed.
func abandoned(t *testing.T, dir string) {
	t.Helper()
	e := engineOf(t, Options{}, dir, raftStep("raft", placeAll, smallPeer))
	opened(t, e)
	k := e.main().keeper
	if err := k.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-k.exited
	if err := os.WriteFile(filepath.Join(e.main().scratch, "data"), []byte("left behind"), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestKilledRunsGrounds: the next run finds what a killed one left, everywhere.
func TestKilledRunsGrounds(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("there are no locks on directories")
	}
	dir, target, memory := place(t), place(t), place(t)
	for _, d := range []string{dir, target, memory} {
		abandoned(t, d)
	}
	e := opened(t, engineOf(t, Options{Targets: []string{target}, MemoryDir: memory}, dir, raftStep("raft", "leader", smallPeer)))
	for _, d := range []string{dir, target, memory} {
		requireNote(t, e, "removed "+d)
		if diff := cmp.Diff([]string{"storebench-" + e.run.ID}, entries(t, d)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", d, diff)
		}
	}
}

// TestBesideALivingRun: a volume is measured by one run at a time; memory is
// shared.
func TestBesideALivingRun(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("there are no locks on directories")
	}
	dir, target, memory := place(t), place(t), place(t)
	held := func(in string) *volume.Scratch {
		s, err := volume.CreateScratch(t.Context(), in, volume.Marker{RunID: "other"})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Release() })
		return s
	}
	step := raftStep("raft", "leader", smallPeer)
	other := held(memory)
	e := opened(t, engineOf(t, Options{Targets: []string{target}, MemoryDir: memory}, dir, step))
	requireNote(t, e, "stays beside this run")
	e.close()
	if diff := cmp.Diff([]string{filepath.Base(other.Path)}, entries(t, memory)); diff != "" {
		t.Errorf("memory (-want +got):\n%s", diff)
	}
	held(target)
	e = engineOf(t, Options{Targets: []string{target}, MemoryDir: memory}, dir, step)
	if err := openApart(t, e); err == nil || !strings.Contains(err.Error(), "holds it") {
		t.Errorf("a target under another run: %v", err)
	}
}

// TestLockFails: what was made before stays nowhere.
func TestLockFails(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("there are no locks on directories")
	}
	dir, target := place(t), place(t)
	e := engineOf(t, Options{Targets: []string{target}, MemoryDir: place(t)}, dir, raftStep("raft", "leader", smallPeer))
	if err := errors.Join(e.look(t.Context()), e.distinct(), e.room()); err != nil {
		t.Fatal(err)
	}
	late, err := volume.CreateScratch(t.Context(), target, volume.Marker{RunID: "late"})
	if err != nil {
		t.Fatal(err)
	}
	defer late.Release()
	if err := e.lock(t.Context()); err == nil || !strings.Contains(err.Error(), "run late") {
		t.Errorf("error %v, want that run late is alive", err)
	}
	e.close()
	if left := entries(t, dir); len(left) != 0 {
		t.Errorf("the volume holds %v", left)
	}
	if diff := cmp.Diff([]string{filepath.Base(late.Path)}, entries(t, target)); diff != "" {
		t.Errorf("target (-want +got):\n%s", diff)
	}
}

// TestSpaceGuardOnEveryGround: the reserve of each is kept.
func TestSpaceGuardOnEveryGround(t *testing.T) {
	const more = 1 << 62 // than there is
	for i, name := range []string{"volume", "target", "memory"} {
		t.Run(name, func(t *testing.T) {
			e := opened(t, engineOf(t, Options{Targets: []string{place(t)}, MemoryDir: place(t)}, place(t), raftStep("raft", "leader", smallPeer)))
			requireGuard(t, e, e.grounds[i], func(g *ground) { g.reserve = more }, "available")
		})
	}
	t.Run("inodes", func(t *testing.T) {
		e := opened(t, engineOf(t, Options{}, place(t), raftStep("raft", placeAll, smallPeer)))
		if e.main().Facts.Inodes == 0 {
			t.Skip("it has no fixed number of inodes")
		}
		requireGuard(t, e, e.main(), func(g *ground) { g.spare = more }, "inodes free")
	})
}

// requireGuard requires that the run ends at a ground's reserve once ask has changed it.
func requireGuard(t *testing.T, e *engine, g *ground, ask func(*ground), says string) {
	t.Helper()
	ask(g)
	ctx, stop := context.WithCancelCause(t.Context())
	e.watchAll(stop)
	<-ctx.Done()
	err := context.Cause(ctx)
	if !errors.Is(err, errReserve) || !strings.Contains(err.Error(), g.Facts.Path) || !strings.Contains(err.Error(), says) {
		t.Errorf("it ended with %v, want the reserve of %s and %q", err, g.Facts.Path, says)
	}
}

// TestRoundOnGrounds: a round has a directory on each ground, the locks to hand
// on, and leaves nothing unless it was cut.
func TestRoundOnGrounds(t *testing.T) {
	tests := []struct {
		name string
		ends error
		left bool
	}{
		{"it ends", nil, false},
		{"it fails", errors.New("failed"), false},
		{"it is cut", probes.ErrCut, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var scratches []string
			for range 4 {
				s, err := volume.CreateScratch(t.Context(), t.TempDir(), volume.Marker{RunID: "run"})
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = s.Release() })
				scratches = append(scratches, s.Path)
			}
			probe := &fakeProbe{run: func(env *probes.Env) error {
				want := probes.RaftEnv{Program: "/bin/server", Version: "2.12.4", Memory: filepath.Join(scratches[1], "round"),
					Targets: []string{filepath.Join(scratches[2], "round"), filepath.Join(scratches[3], "round")}}
				if diff := cmp.Diff(want, env.Raft); diff != "" {
					t.Errorf("environment (-want +got):\n%s", diff)
				}
				for _, dir := range append([]string{env.Dir, env.Raft.Memory}, env.Raft.Targets...) {
					if left := entries(t, dir); len(left) != 0 {
						t.Errorf("%s holds %v", dir, left)
					}
				}
				if len(env.Hold) != 4 || slices.Contains(env.Hold, nil) {
					t.Errorf("locks %v, want 4", env.Hold)
				}
				return test.ends
			}}
			w := &worker{out: json.NewEncoder(io.Discard)}
			err := w.exercise(t.Context(), roundTask{Scratch: scratches[0], Name: "round",
				Raft: &raftTask{Program: "/bin/server", Version: "2.12.4", Memory: scratches[1], Targets: scratches[2:]}}, probe)
			if errors.Is(err, errors.ErrUnsupported) || (err != nil) != (test.ends != nil && !test.left) {
				t.Errorf("error %v", err)
			}
			for _, scratch := range scratches {
				if _, err := os.Stat(filepath.Join(scratch, "round")); (err == nil) != test.left {
					t.Errorf("%s: %v; want it there: %v", scratch, err, test.left)
				}
			}
		})
	}
}

// TestRoundWithoutPeers: a round that puts nothing beside the volume gets no
// directory there.
func TestRoundWithoutPeers(t *testing.T) {
	s, err := volume.CreateScratch(t.Context(), t.TempDir(), volume.Marker{RunID: "run"})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Release()
	probe := &fakeProbe{run: func(env *probes.Env) error {
		if env.Raft.Memory != "" || env.Raft.Targets != nil || len(env.Hold) != 1 {
			t.Errorf("%+v with %d locks", env.Raft, len(env.Hold))
		}
		return nil
	}}
	w := &worker{out: json.NewEncoder(io.Discard)}
	for _, raft := range []*raftTask{nil, {Program: "/bin/server"}} {
		if err := w.exercise(t.Context(), roundTask{Scratch: s.Path, Name: "round", Raft: raft}, probe); err != nil {
			t.Error(err)
		}
	}
}

// TestRaftSeconds: the time of Raft groups is that of the steps that have one, the
// rounds of all of them together.
func TestRaftSeconds(t *testing.T) {
	lived := func(step string, seconds ...float64) measure.Measurement {
		m := measure.Measurement{Step: step, Metric: livedMetric}
		for _, s := range seconds {
			m.Rounds = append(m.Rounds, measure.Round{Elapsed: s})
		}
		return m
	}
	disk := planned(t, Options{}).steps[0]
	e := &engine{
		plan: &plan{steps: []*plannedStep{disk, raftStep("raft", "leader", smallPeer), raftStep("raft-all", placeAll, probes.Need{})}},
		run:  &results.Run{Raft: &results.Raft{}},
	}
	other := lived("raft", 100)
	other.Metric = "publish"
	e.run.Measurements = []measure.Measurement{lived(disk.Name, 50), lived("raft", 1, 2.5), other, lived("raft-all", 4)}
	if got := e.end().Raft.Seconds; got != 7.5 {
		t.Errorf("%v s, want 7.5 s", got)
	}
	if again := e.end().Raft.Seconds; again != 7.5 {
		t.Errorf("asked again %v s, want 7.5 s", again)
	}
	e.run.Raft = nil
	if run := e.end(); run.Raft != nil {
		t.Errorf("a run without a Raft group has %+v", run.Raft)
	}
}
