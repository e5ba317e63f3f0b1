package engine

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"storebench/internal/measure"
	"storebench/probes"
	"storebench/profiles"
	"storebench/results"
)

// testProfile asks for one step of each kind that a plan treats differently.
func testProfile() *profiles.Profile {
	return &profiles.Profile{
		Name: "test", Budget: profiles.Duration(20 * time.Second), Rounds: 5,
		Workload: profiles.Workload{
			Rate: 500, MessageSize: measure.Size(2 << 10), Streams: 3, Groups: 700,
			Sync: "default", Cipher: "none", Compression: "none",
		},
		Steps: []profiles.Step{
			{Name: "floor", Probe: "raw-sync", Set: map[string]string{"concurrency": "1"}, Duration: profiles.Duration(time.Second)},
			{Name: "write", Probe: "block-write", Set: map[string]string{"mode": "open"}, Duration: profiles.Duration(time.Second), Warmup: profiles.Duration(200 * time.Millisecond)},
			{Name: "storm", Probe: "term-vote", Set: map[string]string{"mode": "storm"}, Duration: profiles.Duration(time.Second), Rounds: 3},
			{Name: "storm-older", Probe: "term-vote", Set: map[string]string{"mode": "storm", "max-concurrent-io": "2.12.12"}, Duration: profiles.Duration(time.Second), Rounds: 2, Informative: true},
		},
	}
}

func planned(t *testing.T, o Options) *plan {
	t.Helper()
	if o.Profile == nil {
		o.Profile = testProfile()
	}
	if o.CPUs == 0 {
		o.CPUs = 6
	}
	p, err := newPlan(o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func titles(p *plan) []string {
	var all []string
	for _, s := range p.steps {
		all = append(all, s.Title())
	}
	return all
}

func (p *plan) step(t *testing.T, title string) *plannedStep {
	t.Helper()
	i := slices.IndexFunc(p.steps, func(s *plannedStep) bool { return s.Title() == title })
	if i < 0 {
		t.Fatalf("no step %q in %q", title, titles(p))
	}
	return p.steps[i]
}

func TestPlanChooses(t *testing.T) {
	tests := []struct {
		name    string
		options Options
		steps   []string
		skipped []string
	}{
		{"all", Options{}, []string{"floor", "write", "storm", "storm-older"}, nil},
		{"only by name", Options{Only: []string{"storm"}}, []string{"storm"}, []string{"floor", "write", "storm-older"}},
		{"only by probe", Options{Only: []string{"term-vote"}}, []string{"storm", "storm-older"}, []string{"floor", "write"}},
		{"only by glob", Options{Only: []string{"storm*"}}, []string{"storm", "storm-older"}, []string{"floor", "write"}},
		{"two globs", Options{Only: []string{"raw-*", "write"}}, []string{"floor", "write"}, []string{"storm", "storm-older"}},
		{"skip", Options{Skip: []string{"storm*"}}, []string{"floor", "write"}, []string{"storm", "storm-older"}},
		{"skip of only", Options{Only: []string{"storm*"}, Skip: []string{"*-older"}}, []string{"storm"}, []string{"floor", "write", "storm-older"}},
		{"known slots need no stand-in", Options{Slots: []string{"16"}}, []string{"floor", "write", "storm"}, nil},
		{"two slots", Options{Slots: []string{"6", "4096"}}, []string{
			"floor", "write max-concurrent-io=6", "write max-concurrent-io=4096", "storm max-concurrent-io=6", "storm max-concurrent-io=4096",
		}, nil},
		{"the same slots twice", Options{Slots: []string{"6", " 6"}}, []string{"floor", "write", "storm"}, nil},
		{"beside live data", Options{BesideLiveData: true}, []string{"floor", "write"}, []string{"storm", "storm-older"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p := planned(t, test.options)
			if diff := cmp.Diff(test.steps, titles(p)); diff != "" {
				t.Errorf("steps (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(test.skipped, p.skipped); diff != "" {
				t.Errorf("skipped (-want +got):\n%s", diff)
			}
		})
	}
}

// TestPlanParameters: the workload, then the step, then the slots that are
// known, then what is set, in that order; the workload's label nothing.
func TestPlanParameters(t *testing.T) {
	tests := []struct {
		name, step string
		options    Options
		parameters map[string]string // some of them
		labels     map[string]string // all of them
	}{
		{"the workload and the step", "write", Options{},
			map[string]string{"rate": "500", "message-size": "2KiB", "streams": "3", "mode": "open", "concurrency": "4"},
			map[string]string{"mode": "open"}},
		{"the workload's groups", "storm", Options{},
			map[string]string{"groups": "700", "max-concurrent-io": "4096"}, map[string]string{"mode": "storm"}},
		{"a server's version on 6 cores", "storm-older", Options{},
			map[string]string{"max-concurrent-io": "6"}, map[string]string{"mode": "storm", "max-concurrent-io": "6"}},
		{"slots that are known", "storm", Options{Slots: []string{"16"}},
			map[string]string{"max-concurrent-io": "16"}, map[string]string{"mode": "storm", "max-concurrent-io": "16"}},
		{"set for one probe", "storm", Options{Set: []Override{{"term-vote", "groups", "9"}}},
			map[string]string{"groups": "9"}, map[string]string{"mode": "storm", "groups": "9"}},
		{"set for every probe", "write", Options{Set: []Override{{"", "concurrency", "8"}}},
			map[string]string{"concurrency": "8"}, map[string]string{"mode": "open", "concurrency": "8"}},
		{"set over the step", "write", Options{Set: []Override{{"block-write", "mode", "closed"}}},
			map[string]string{"mode": "closed"}, map[string]string{"mode": "closed"}},
		{"set over the slots", "storm", Options{Slots: []string{"16"}, Set: []Override{{"term-vote", "max-concurrent-io", "8"}}},
			map[string]string{"max-concurrent-io": "8"}, map[string]string{"mode": "storm", "max-concurrent-io": "8"}},
		{"the last one wins", "storm", Options{Set: []Override{{"term-vote", "groups", "9"}, {"term-vote", "groups", "10"}}},
			map[string]string{"groups": "10"}, map[string]string{"mode": "storm", "groups": "10"}},
		{"in one form", "write", Options{Set: []Override{{"block-write", "message-size", "4096B"}}},
			map[string]string{"message-size": "4KiB"}, map[string]string{"mode": "open", "message-size": "4KiB"}},
		{"gently beside live data", "floor", Options{BesideLiveData: true},
			map[string]string{"writes-per-second": "100"}, map[string]string{"concurrency": "1", "writes-per-second": "100"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := planned(t, test.options).step(t, test.step)
			for name, want := range test.parameters {
				if got := s.Parameters[name]; got != want {
					t.Errorf("%s=%s, want %s", name, got, want)
				}
				if got, _ := probes.Value(s.probe, name); got != want {
					t.Errorf("the probe has %s=%s, want %s", name, got, want)
				}
			}
			if diff := cmp.Diff(test.labels, s.Labels); diff != "" {
				t.Errorf("labels (-want +got):\n%s", diff)
			}
		})
	}
}

func TestPlanVariants(t *testing.T) {
	p := planned(t, Options{Only: []string{"write"}, Set: []Override{{"", "concurrency", "3,4"}, {"block-write", "message-size", "1KiB,64KiB"}}})
	want := []string{
		"write concurrency=3 message-size=1KiB", "write concurrency=3 message-size=64KiB",
		"write concurrency=4 message-size=1KiB", "write concurrency=4 message-size=64KiB",
	}
	if diff := cmp.Diff(want, titles(p)); diff != "" {
		t.Errorf("variants (-want +got):\n%s", diff)
	}
	seen := map[string]bool{}
	for _, s := range p.steps {
		key := strings.Join(slices.Sorted(maps.Values(s.Labels)), " ")
		if seen[key] {
			t.Errorf("%s: another variant has the same labels", s.Title())
		}
		seen[key] = true
	}
}

func TestPlanSlotsNote(t *testing.T) {
	p := planned(t, Options{CPUs: 64})
	s := p.step(t, "storm-older")
	if !s.Informative || s.Parameters["max-concurrent-io"] != "32" || !strings.Contains(s.Note, "2.12.12") {
		t.Errorf("informative %v, slots %s, note %q", s.Informative, s.Parameters["max-concurrent-io"], s.Note)
	}
	if note := p.step(t, "storm").Note; note != "" {
		t.Errorf("a step without a version has the note %q", note)
	}
}

func TestPlanTimes(t *testing.T) {
	tests := []struct {
		name             string
		budget           time.Duration
		duration, warmup time.Duration
	}{
		{"the profile's", 0, time.Second, 200 * time.Millisecond},
		{"half", 10 * time.Second, 500 * time.Millisecond, 100 * time.Millisecond},
		{"ten times; a warm-up need not be longer", 200 * time.Second, 10 * time.Second, 200 * time.Millisecond},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p := planned(t, Options{Budget: test.budget})
			s := p.step(t, "write")
			if s.Duration != test.duration || s.Warmup != test.warmup {
				t.Errorf("duration %v, warm-up %v; want %v and %v", s.Duration, s.Warmup, test.duration, test.warmup)
			}
			if s.Rounds != 5 || p.step(t, "storm").Rounds != 3 {
				t.Errorf("rounds %d and %d, want 5 and 3", s.Rounds, p.step(t, "storm").Rounds)
			}
		})
	}
}

// TestPlanTimesWithoutRaft: what Raft steps give back is never more than the profile
// has.
func TestPlanTimesWithoutRaft(t *testing.T) {
	for _, test := range []struct {
		budget, raft time.Duration // the profile's, and a Raft step's
		want         time.Duration // of the step write, in as much as the profile's budget
	}{
		{60 * time.Second, 2 * time.Second, 1600 * time.Millisecond},         // 5 rounds of 4.5 s are given back
		{20 * time.Second, 1400 * time.Millisecond, 1096 * time.Millisecond}, // 19.5 s of 20 s
		{20 * time.Second, 2 * time.Second, 1096 * time.Millisecond},         // more than all
	} {
		profile := testProfile()
		profile.Budget = profiles.Duration(test.budget)
		profile.Steps = append(profile.Steps, profiles.Step{Name: "raft", Probe: "raft-propose", Duration: profiles.Duration(test.raft)})
		p := planned(t, Options{Profile: profile, Skip: []string{"raft"}, Budget: test.budget})
		var took time.Duration
		for _, s := range p.steps {
			took += time.Duration(s.Rounds) * (s.Duration + s.Warmup + overhead)
		}
		if got := p.step(t, "write").Duration; got != test.want || took > test.budget {
			t.Errorf("budget %v, Raft rounds of %v: %v a round, want %v; all rounds take %v", test.budget, test.raft, got, test.want, took)
		}
	}
}

// TestPlanNeed: the room of a plan is enough for each of its steps.
func TestPlanNeed(t *testing.T) {
	p := planned(t, Options{})
	for _, s := range p.steps {
		if need := s.probe.Info().Need; need.Bytes > p.need.Bytes || need.Files > p.need.Files {
			t.Errorf("%s needs %+v, the plan has %+v", s.Title(), need, p.need)
		}
	}
	more := planned(t, Options{Set: []Override{{"block-write", "streams", "30"}}})
	if more.need.Bytes <= p.need.Bytes {
		t.Errorf("ten times the streams need %d bytes, before %d", more.need.Bytes, p.need.Bytes)
	}
}

func TestBuiltinPlansFit(t *testing.T) {
	most := map[string]int64{"raft": 2 << 30, "quick": 512 << 20}
	for _, name := range profiles.Names() {
		profile, err := profiles.Load(name)
		if err != nil {
			t.Fatal(err)
		}
		p := planned(t, Options{Profile: profile})
		if limit, has := most[name]; has && p.need.Bytes > limit {
			t.Errorf("%s needs %d bytes, at most %d are promised", name, p.need.Bytes, limit)
		}
		var took time.Duration
		for _, s := range p.steps {
			took += time.Duration(s.Rounds) * (s.Duration + s.Warmup + overhead)
		}
		if budget := time.Duration(profile.Budget) - closing; took > budget {
			t.Errorf("%s: its rounds take %v, the budget leaves %v", name, took, budget)
		}
	}
}

func TestPlanRefuses(t *testing.T) {
	set := func(probe, parameter, value string) Options {
		return Options{Set: []Override{{probe, parameter, value}}}
	}
	tests := []struct {
		name    string
		options Options
		says    string
	}{
		{"a glob's typo", Options{Only: []string{"stom"}}, `did you mean "storm"?`},
		{"a glob that reaches nothing", Options{Skip: []string{"xyz*"}}, "there are: floor, write, storm, storm-older"},
		{"no glob", Options{Only: []string{"["}}, "no glob"},
		{"nothing left", Options{Skip: []string{"*"}}, "no step is left"},
		{"nothing gentle left", Options{Only: []string{"storm"}, BesideLiveData: true}, "no step is left"},
		{"a probe's typo", set("term-vot", "groups", "9"), `"term-vot"`},
		{"a probe that the profile has not", set("block-sync", "dirty", "1MiB"), `"block-sync"`},
		{"a parameter's typo", set("term-vote", "group", "9"), "it has: mode, groups"},
		{"a parameter of no probe", set("", "frobs", "9"), `no step of any probe with parameter "frobs"`},
		{"a target and no Raft group", Options{Targets: []string{"b"}}, "no chosen step runs one"},
		{"too few", set("", "concurrency", "0"), "at least 1"},
		{"one bad value of a list", set("", "concurrency", "4,0"), "at least 1"},
		{"no value in a list", set("", "concurrency", "4,"), "not a whole number"},
		{"too few slots", Options{Slots: []string{"3"}}, "at least 4"},
		{"too many slots", Options{Slots: []string{"9000"}}, "at most 8192"},
		{"no such server", set("term-vote", "max-concurrent-io", "2.13.1"), "2.13"},
		{"a negative size", set("block-write", "message-size", "-1KiB"), "negative"},
		{"a bad choice", set("block-write", "cipher", "rot13"), "none, chacha, aes"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			test.options.Profile, test.options.CPUs = testProfile(), 2
			_, err := newPlan(test.options)
			if !errors.Is(err, ErrUsage) {
				t.Fatalf("error %v, want ErrUsage", err)
			}
			if !strings.Contains(err.Error(), test.says) {
				t.Errorf("error %q, want %q in it", err, test.says)
			}
		})
	}
}

// TestPlanTargets: a further volume needs a server to stand on it.
func TestPlanTargets(t *testing.T) {
	tests := []struct {
		name    string
		targets []string
		steps   []*plannedStep
		says    string // empty where it is taken
	}{
		{"none", nil, nil, ""},
		{"two", []string{"b", "c"}, []*plannedStep{raftStep("raft", "leader", smallPeer)}, ""},
		{"three", []string{"b", "c", "d"}, []*plannedStep{raftStep("raft", "leader", smallPeer)}, "4 directories to measure"},
		{"no Raft group", []string{"b"}, nil, "no chosen step runs one"},
		{"all servers on the volume", []string{"b"}, []*plannedStep{raftStep("raft", "leader", smallPeer), raftStep("raft", placeAll, smallPeer)}, "place=all"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p := planned(t, Options{})
			p.steps = append(p.steps, test.steps...)
			err := p.checkTargets(Options{Targets: test.targets})
			if test.says == "" && err == nil {
				return
			}
			if test.says == "" || !errors.Is(err, ErrUsage) || !strings.Contains(err.Error(), test.says) {
				t.Errorf("error %v, want ErrUsage and %q in it", err, test.says)
			}
		})
	}
}

// TestPlanUnused: what nothing is made of is told.
func TestPlanUnused(t *testing.T) {
	given := Options{MemoryDir: "/mem", Server: Server{Program: "/bin/server", Version: "2.12.4"}}
	tests := []struct {
		name  string
		step  *plannedStep
		notes int
	}{
		{"no Raft group", planned(t, Options{}).steps[0], 2},
		{"no server beside the volume", raftStep("raft", placeAll, smallPeer), 1},
		{"all is used", raftStep("raft", "leader", smallPeer), 0},
	}
	for _, test := range tests {
		p := &plan{steps: []*plannedStep{test.step}}
		if p.tellUnused(given); len(p.notes) != test.notes {
			t.Errorf("%s: notes %q, want %d", test.name, p.notes, test.notes)
		}
		p.notes = nil
		if p.tellUnused(Options{}); len(p.notes) > 0 {
			t.Errorf("%s: notes %q of nothing", test.name, p.notes)
		}
	}
}

// TestPlanOwnSlots: a server that does not take max_concurrent_io has its own,
// whatever is asked of the other steps.
func TestPlanOwnSlots(t *testing.T) {
	profile := testProfile()
	profile.Steps = append(profile.Steps, profiles.Step{Name: "raft", Probe: "raft-propose", Duration: profiles.Duration(time.Second)})
	disk := []string{"floor", "write max-concurrent-io=4", "write max-concurrent-io=4096", "storm max-concurrent-io=4", "storm max-concurrent-io=4096"}
	older := Server{Program: "/bin/server", Version: "2.12.4", Slots: 6}
	asked := []string{"4", "4096"}
	tests := []struct {
		name    string
		options Options
		steps   []string
		own     string // slots of the step raft, when it has no variants
		judged  []int
		notes   int
	}{
		{"it takes them", Options{Slots: asked, Server: Server{Program: "/bin/server", Version: "2.15.2"}},
			append(slices.Clone(disk), "raft max-concurrent-io=4", "raft max-concurrent-io=4096"), "", []int{4, 4096}, 0},
		{"it does not", Options{Slots: asked, Server: older}, append(slices.Clone(disk), "raft"), "6", []int{4, 4096}, 1},
		{"its own were asked for", Options{Slots: []string{"6"}, Server: older}, []string{"floor", "write", "storm", "raft"}, "6", []int{6}, 0},
		{"nothing was asked for", Options{Only: []string{"raft"}, Server: older}, []string{"raft"}, "6", nil, 0},
		{"set for the probe", Options{Only: []string{"raft"}, Slots: []string{"6"}, Server: older, Set: []Override{{"raft-propose", slotsParameter, "8,16"}}}, []string{"raft"}, "6", []int{6}, 1},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			test.options.Profile = profile
			p := planned(t, test.options)
			if diff := cmp.Diff(test.steps, titles(p)); diff != "" {
				t.Errorf("steps (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(test.judged, p.slots(test.options)); diff != "" {
				t.Errorf("slots that are judged (-want +got):\n%s", diff)
			}
			if test.own != "" && p.step(t, "raft").Parameters[slotsParameter] != test.own {
				t.Errorf("the step has %s slots, want %s", p.step(t, "raft").Parameters[slotsParameter], test.own)
			}
			if len(p.notes) != test.notes {
				t.Errorf("notes %q, want %d", p.notes, test.notes)
			}
		})
	}
}

// TestPlanLinked: what needs the linked-in nats-server is left out beside another.
func TestPlanLinked(t *testing.T) {
	variants := func() []*plannedStep {
		linked := raftStep("raft", "leader", smallPeer)
		linked.probe.(*fakeProbe).info.Linked = true
		return []*plannedStep{linked, raftStep("raft", "follower", smallPeer)}
	}
	step := profiles.Step{Name: "raft"}
	p := &plan{}
	if kept := p.runnable(Options{}, step, variants()); len(kept) != 2 || len(p.notes) != 0 {
		t.Errorf("%d variants kept, notes %q", len(kept), p.notes)
	}
	foreign := Options{Server: Server{Program: "/bin/server", Version: "2.12.4"}}
	if kept := p.runnable(foreign, step, variants()); len(kept) != 1 || kept[0].Parameters[placeParameter] != "follower" {
		t.Errorf("%d variants kept", len(kept))
	}
	if len(p.notes) != 1 || !strings.Contains(p.notes[0], "step raft was left out") {
		t.Errorf("notes %q", p.notes)
	}
	unfit := variants()
	unfit[1].probe.(*fakeProbe).info.Unfit = "a follower has nothing to do"
	if kept := p.runnable(Options{}, step, unfit); len(kept) != 1 || kept[0].Parameters[placeParameter] != "leader" {
		t.Errorf("%d variants kept", len(kept))
	}
	if last := p.notes[len(p.notes)-1]; last != "step raft was left out in part: a follower has nothing to do" {
		t.Errorf("note %q", last)
	}
	foreign.Profile = testProfile()
	if err := p.check(foreign); !errors.Is(err, ErrUsage) || !strings.Contains(err.Error(), "--nats-server") {
		t.Errorf("nothing left: %v, want ErrUsage and why", err)
	}
}

func TestRoundsThatTheBudgetCutShort(t *testing.T) {
	disk := planned(t, Options{}).steps[0]
	group := raftStep("raft", "leader", smallPeer)
	for _, test := range []struct {
		step *plannedStep
		err  error
		want results.IncidentKind
	}{{disk, errLate, results.Cut}, {group, errLate, results.Cut}, {group, errGroupLate, results.OutOfTime}} {
		e := &engine{run: &results.Run{}}
		test.step.Rounds, test.step.done, test.step.stopped = 3, 2, false
		e.failed(t.Context(), test.step, test.err)
		if len(e.run.Incidents) != 1 || e.run.Incidents[0].Kind != test.want || !test.step.stopped {
			t.Errorf("%s: %+v, want %s and no further round", test.step.Name, e.run.Incidents, test.want)
		}
	}
}
