package probes_test

import (
	"context"
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"storebench/internal/measure"
	"storebench/probes"
)

var (
	kebab = regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]+)*$`)
	snake = regexp.MustCompile(`^[a-z][a-z0-9]*(_[a-z0-9]+)*$`)
	units = []measure.Unit{measure.Seconds, measure.Bytes, measure.BytesPerSecond, measure.PerSecond, measure.Count}
)

// small makes rounds that are quick on any disk, and small enough that the
// ration of bytes is used up and begins again.
var small = map[string]string{
	"max-bytes": "1MiB", "groups": "8", "bound": "500ms", "dirty": "256KiB", "concurrency": "4",
	"blocks": "3", "block-size": "64KiB", "subjects": "10", "deletes": "5",
	"stored": "256KiB", "consumers": "3", "store-size": "1GiB",
}

// each runs a test for every registered probe.
func each(t *testing.T, test func(t *testing.T, name string)) {
	names := probes.Names()
	if len(names) == 0 {
		t.Fatal("no probe is registered")
	}
	for _, name := range names {
		t.Run(name, func(t *testing.T) { test(t, name) })
	}
}

func newProbe(t *testing.T, name string) probes.Probe {
	t.Helper()
	p, err := probes.New(name)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func set(t *testing.T, p probes.Probe, name, value string) {
	t.Helper()
	if err := probes.Set(p, name, value); err != nil {
		t.Fatalf("set %s=%s: %v", name, value, err)
	}
}

// variants are a probe's kinds of rounds, made small: its defaults, and each
// value of each parameter that has a choice.
func variants(t *testing.T, name string) map[string]probes.Probe {
	t.Helper()
	tiny := func() probes.Probe {
		p := newProbe(t, name)
		for parameter, value := range small {
			if _, has := probes.Value(p, parameter); has {
				set(t, p, parameter, value)
			}
		}
		return p
	}
	all := map[string]probes.Probe{"defaults": tiny()}
	for _, parameter := range probes.Parameters(all["defaults"]) {
		for _, choice := range parameter.Choices {
			if choice != parameter.Value {
				p := tiny()
				set(t, p, parameter.Name, choice)
				all[parameter.Name+"="+choice] = p
			}
		}
	}
	return all
}

func TestInfo(t *testing.T) {
	each(t, func(t *testing.T, name string) {
		info := newProbe(t, name).Info()
		if info.Name != name || !kebab.MatchString(name) {
			t.Errorf("name %q, registered as %q: want kebab-case and the same", info.Name, name)
		}
		if info.Topic == "" {
			t.Error("it has no topic")
		}
		if info.Summary == "" || strings.Contains(info.Summary, "\n") {
			t.Errorf("summary %q: want one line", info.Summary)
		}
		if info.Why == "" {
			t.Error("it does not say what breaks in NATS")
		}
		if len(info.Metrics) == 0 {
			t.Error("it measures nothing")
		}
		seen := map[string]bool{}
		for _, m := range info.Metrics {
			if !snake.MatchString(m.Name) || seen[m.Name] {
				t.Errorf("metric %q: want snake_case, once", m.Name)
			}
			if m.Help == "" || !slices.Contains(units, m.Unit) {
				t.Errorf("metric %s: help %q, unit %q", m.Name, m.Help, m.Unit)
			}
			if text, has := probes.Value(newProbe(t, name), m.Until); m.Until != "" && (!has || !isDuration(text)) {
				t.Errorf("metric %s is given up after the parameter %q, which is no duration of the probe", m.Name, m.Until)
			}
			if late := strings.HasSuffix(m.Name, "_sched_delay"); late != (m.Kind == measure.Harness) {
				t.Errorf("metric %s has the kind %q", m.Name, m.Kind)
			}
			seen[m.Name] = true
		}
	})
}

func isDuration(text string) bool {
	_, err := time.ParseDuration(text)
	return err == nil
}

// hasGroup says whether a probe runs a Raft group, with these parameters or others.
func hasGroup(p probes.Probe) bool {
	_, placed := probes.Value(p, "place")
	return placed || p.Info().Peers != probes.Need{}
}

// few leaves out the variants of a Raft group whose rounds differ in nothing but
// what its servers do: each takes seconds to form.
func few(name string, all map[string]probes.Probe) map[string]probes.Probe {
	kept := map[string]probes.Probe{}
	for variant, p := range all {
		if !hasGroup(p) || variant == "defaults" || name == "raft-propose" && (variant == "mode=closed" || variant == "place=follower") {
			kept[variant] = p
		}
	}
	return kept
}

// TestNeed: whatever its parameters, a probe says what room it takes, on the volume
// and for each server of its group beside it.
func TestNeed(t *testing.T) {
	each(t, func(t *testing.T, name string) {
		for variant, p := range variants(t, name) {
			info := p.Info()
			if need := info.Need; need.Bytes <= 0 || need.Files <= 0 {
				t.Errorf("%s: need %+v, want bytes and files above zero", variant, need)
			}
			beside := hasGroup(p) && variant != "place=all"
			if peers := info.Peers; (peers.Bytes > 0) != beside || (peers.Files > 0) != beside {
				t.Errorf("%s: need %+v of a server beside the volume, want some: %v", variant, peers, beside)
			}
		}
	})
}

func TestParameters(t *testing.T) {
	each(t, func(t *testing.T, name string) {
		p := newProbe(t, name)
		seen := map[string]bool{}
		for _, parameter := range probes.Parameters(p) {
			if !kebab.MatchString(parameter.Name) || seen[parameter.Name] {
				t.Errorf("parameter %q: want kebab-case, once", parameter.Name)
			}
			seen[parameter.Name] = true
			if parameter.Help == "" {
				t.Errorf("%s has no help", parameter.Name)
			}
			for _, value := range append([]string{parameter.Value}, parameter.Choices...) {
				set(t, p, parameter.Name, value)
				if got, has := probes.Value(p, parameter.Name); !has || got != value {
					t.Errorf("%s set to %q reads %q (%v)", parameter.Name, value, got, has)
				}
			}
		}
		if len(seen) == 0 {
			t.Error("it has no parameters")
		}
	})
}

func TestParametersRefused(t *testing.T) {
	each(t, func(t *testing.T, name string) {
		for _, parameter := range probes.Parameters(newProbe(t, name)) {
			for _, value := range []string{"", "-1", "no such value", "1e400", "NaN"} {
				p := newProbe(t, name)
				err := probes.Set(p, parameter.Name, value)
				if err == nil {
					t.Errorf("%s=%q is taken", parameter.Name, value)
					continue
				}
				if !strings.Contains(err.Error(), parameter.Name) {
					t.Errorf("%s=%q: the error does not name the parameter: %v", parameter.Name, value, err)
				}
				for _, choice := range parameter.Choices {
					if !strings.Contains(err.Error(), choice) {
						t.Errorf("%s=%q: the error does not offer %s: %v", parameter.Name, value, choice, err)
					}
				}
				if got, _ := probes.Value(p, parameter.Name); got != parameter.Value {
					t.Errorf("%s=%q was refused and left %q, it was %q", parameter.Name, value, got, parameter.Value)
				}
			}
		}
	})
}

func TestOutOfRange(t *testing.T) {
	tests := map[string][]string{
		"concurrency":       {"0", "1025"},
		"streams":           {"0"},
		"max-concurrent-io": {"3", "8193"},
		"groups":            {"0", "32001"},
		"message-size":      {"0"},
		"size":              {"0"},
		"max-bytes":         {"1023KiB"},
		"rate":              {"0"},
		"syncs":             {"0"},
		"blocks":            {"0"},
		"block-size":        {"4095", "9MiB"},
		"subjects":          {"-1", "1000001"},
		"deletes":           {"-1", "1000001"},
		"stored":            {"4095"},
		"consumers":         {"-1", "10001"},
		"cut-after":         {"9ms", "11m"},
		"form-bound":        {"999ms", "6m"},
		"sync-every":        {"499ms", "11m"},
		"bound":             {"0s", "-1s", "999us", "61s"},
	}
	each(t, func(t *testing.T, name string) {
		for parameter, values := range tests {
			for _, value := range values {
				p := newProbe(t, name)
				before, has := probes.Value(p, parameter)
				if !has {
					continue
				}
				if err := probes.Set(p, parameter, value); err == nil {
					t.Errorf("%s=%s is taken", parameter, value)
				}
				if after, _ := probes.Value(p, parameter); after != before {
					t.Errorf("%s=%s was refused and left %q, it was %q", parameter, value, after, before)
				}
			}
		}
	})
}

func TestUnknownNames(t *testing.T) {
	_, err := probes.New("no-such-probe")
	if !errors.Is(err, probes.ErrUnknown) {
		t.Errorf("New: %v, want ErrUnknown", err)
	}
	for _, name := range probes.Names() {
		if !strings.Contains(err.Error(), name) {
			t.Errorf("the error does not name %s: %v", name, err)
		}
	}
	each(t, func(t *testing.T, name string) {
		p := newProbe(t, name)
		err := probes.Set(p, "no-such-parameter", "1")
		if !errors.Is(err, probes.ErrUnknown) {
			t.Fatalf("Set: %v, want ErrUnknown", err)
		}
		for _, parameter := range probes.Parameters(p) {
			if !strings.Contains(err.Error(), parameter.Name) {
				t.Errorf("the error does not name %s: %v", parameter.Name, err)
			}
		}
		if _, has := probes.Value(p, "no-such-parameter"); has {
			t.Error("it has a value")
		}
	})
}

// TestGently: what is said to make a probe gentle does.
func TestGently(t *testing.T) {
	each(t, func(t *testing.T, name string) {
		for variant, p := range variants(t, name) {
			gently := p.Info().Gently
			for parameter, value := range gently {
				set(t, p, parameter, value)
			}
			if len(gently) > 0 && !p.Info().Gentle {
				t.Errorf("%s: not gentle with %v", variant, gently)
			}
		}
	})
}

// TestGentleIsCapped: a load that no rate caps, or none that a volume has, does
// not run beside live data.
func TestGentleIsCapped(t *testing.T) {
	tests := []struct {
		probe, parameter, value string
		want                    bool
	}{
		{"block-write", "rate", "10000", true},
		{"block-write", "rate", "10001", false},
		{"block-write", "mode", "closed", false},
		{"block-sync", "dirty", "0", true},
		{"block-sync", "dirty", "1MiB", false},
		{"block-sync", "rate", "10001", false},
	}
	for _, tt := range tests {
		p := newProbe(t, tt.probe)
		for parameter, value := range p.Info().Gently {
			set(t, p, parameter, value)
		}
		set(t, p, tt.parameter, tt.value)
		if got := p.Info().Gentle; got != tt.want {
			t.Errorf("%s with %s=%s: gentle %v, want %v", tt.probe, tt.parameter, tt.value, got, tt.want)
		}
	}
}

// TestAdjust: parameters that give way to others read as they are taken.
func TestAdjust(t *testing.T) {
	tests := []struct {
		probe           string
		set             map[string]string
		parameter, want string
	}{
		{"block-write", map[string]string{"streams": "4", "concurrency": "1"}, "concurrency", "4"},
		{"block-write", map[string]string{"streams": "4", "concurrency": "7"}, "concurrency", "7"},
		{"block-sync", map[string]string{"streams": "8", "concurrency": "7"}, "concurrency", "8"},
		{"block-sync", map[string]string{"sync": "always"}, "dirty", "0B"},
		{"block-sync", map[string]string{"dirty": "1MiB"}, "dirty", "1MiB"},
		{"raw-sync", map[string]string{"concurrency": "1"}, "concurrency", "1"},
		{"full-state", map[string]string{"sync": "always"}, "dirty", "0B"},
		{"full-state", map[string]string{"blocks": "10", "block-size": "4MiB", "dirty": "0"}, "max-bytes", "80MiB"},
		{"recovery", map[string]string{"of": "stores"}, "consumers", "0"},
		{"recovery", map[string]string{"of": "server"}, "consumers", "43"},
	}
	for _, tt := range tests {
		p := newProbe(t, tt.probe)
		for parameter, value := range tt.set {
			set(t, p, parameter, value)
		}
		probes.Adjust(p)
		if got, _ := probes.Value(p, tt.parameter); got != tt.want {
			t.Errorf("%s with %v: %s reads %s, want %s", tt.probe, tt.set, tt.parameter, got, tt.want)
		}
	}
}

// TestErrorHasItsCause: what stops a server's start keeps the operating
// system's error number, by which the engine tells whose fault it is.
func TestErrorHasItsCause(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "gone")
	if err := os.WriteFile(dir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"block-write", "block-sync", "full-state", "recovery", "last-checksum", "mixed", "consumer-state", "raft-propose", "meta-snapshot"} {
		p := newProbe(t, name)
		_, err := p.Run(t.Context(), env(t, p, dir, time.Second))
		if !errors.Is(err, syscall.ENOTDIR) || errors.Is(err, probes.ErrCut) {
			t.Errorf("%s in a file: %v; want ENOTDIR", name, err)
		}
	}
}

// TestRun runs every kind of round: it returns what it declares, each once and
// with one round, and takes no more room than it said.
func TestRun(t *testing.T) {
	each(t, func(t *testing.T, name string) {
		measured := map[string]bool{}
		missing := func() (names []string) {
			for _, m := range newProbe(t, name).Info().Metrics {
				if !measured[m.Name] {
					names = append(names, m.Name)
				}
			}
			return names
		}
		// What meets an event may not do so in a short round of a busy machine.
		for try := 0; try < 3 && len(missing()) > 0; try++ {
			for variant, p := range few(name, variants(t, name)) {
				t.Run(variant, func(t *testing.T) {
					for _, metric := range runOnce(t, p) {
						measured[metric] = true
					}
				})
			}
		}
		if names := missing(); len(names) > 0 {
			t.Errorf("no kind of round measures %v", names)
		}
	})
}

// runOnce runs one round and returns the metrics that it measured.
func runOnce(t *testing.T, p probes.Probe) []string {
	dir := roundDir(t)
	info := p.Info()
	around := env(t, p, dir, 300*time.Millisecond)
	if info.Name == "raft-stall" {
		around.Duration = 3 * time.Second // it asks for one thing after another
	}
	used, beside := watchRoom(t, dir), watchRoom(t, around.Raft.Memory)
	measured, err := p.Run(t.Context(), around)
	if err != nil && !errors.Is(err, probes.ErrCut) {
		t.Fatalf("run: %v", err)
	}
	checkRoom(t, "on the volume", used(), info.Need)
	checkRoom(t, "beside it", beside(), probes.Need{Bytes: 2 * info.Peers.Bytes, Files: 2 * info.Peers.Files})
	seen := map[string]bool{}
	for _, m := range measured {
		if seen[m.Metric] {
			t.Errorf("%s is measured twice", m.Metric)
		}
		seen[m.Metric] = true
		checkMeasurement(t, info, m)
	}
	if len(measured) == 0 {
		t.Error("it measured nothing")
	}
	metrics := []string{}
	for metric := range seen {
		metrics = append(metrics, metric)
	}
	return metrics
}

func checkRoom(t *testing.T, where string, took, said probes.Need) {
	t.Helper()
	if took.Bytes > said.Bytes || took.Files > said.Files {
		t.Errorf("it took %+v %s and said %+v", took, where, said)
	}
}

func checkMeasurement(t *testing.T, info probes.Info, m measure.Measurement) {
	t.Helper()
	at := slices.IndexFunc(info.Metrics, func(d probes.Metric) bool { return d.Name == m.Metric })
	switch {
	case at < 0:
		t.Errorf("%s is not declared", m.Metric)
		return
	case m.Unit != info.Metrics[at].Unit:
		t.Errorf("%s is in %s, declared in %s", m.Metric, m.Unit, info.Metrics[at].Unit)
	case len(m.Rounds) != 1:
		t.Errorf("%s has %d rounds, want 1", m.Metric, len(m.Rounds))
		return
	}
	round, kinds := m.Rounds[0], 0
	for _, is := range []bool{round.Distribution != nil, round.Value != nil, round.Series != nil} {
		if is {
			kinds++
		}
	}
	if kinds != 1 {
		t.Errorf("%s: the round has %d kinds of figures, want one", m.Metric, kinds)
	}
	if round.Start.IsZero() || round.Elapsed <= 0 {
		t.Errorf("%s: start %v, elapsed %v s", m.Metric, round.Start, round.Elapsed)
	}
	if d := round.Distribution; d != nil && d.Count() > 0 && (d.Min() < 0 || d.Max() < d.Min()) {
		t.Errorf("%s: min %v, max %v", m.Metric, d.Min(), d.Max())
	}
}

// patience is how long an ended context may take to end a round. It only tells
// a probe that listens from one that runs its hour.
const patience = 2 * time.Minute

// TestCancel: a round that should take an hour ends with its context, without
// a claim that it is whole.
func TestCancel(t *testing.T) {
	each(t, func(t *testing.T, name string) {
		for variant, p := range few(name, variants(t, name)) {
			if variant == "mode=storm" || variant == "mode=capacity" {
				continue // it ends by its own bound
			}
			t.Run(variant, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				ended := underWay(ctx, t, p)
				cancel()
				endsSoon(t, ended)
			})
		}
		t.Run("beforehand", func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			p := variants(t, name)["defaults"]
			endsSoon(t, runFor(ctx, p, env(t, p, roundDir(t), time.Hour)))
		})
	})
}

// underWay begins a round of an hour and returns when it writes. On a starved machine a
// Raft group may not form, which ends the round; then another is begun.
func underWay(ctx context.Context, t *testing.T, p probes.Probe) <-chan error {
	t.Helper()
	for range 3 {
		dir, over := roundDir(t), false
		ended := runFor(ctx, p, env(t, p, dir, time.Hour))
		await(t, "data below "+dir, func() bool {
			select {
			case err := <-ended:
				t.Logf("the round ended before it began to write, with error %v", err)
				over = true
			default:
			}
			return over || hasData(dir, hasGroup(p))
		})
		if !over {
			return ended
		}
	}
	t.Fatal("no round began to write")
	return nil
}

// runFor runs a round beside the test; its error comes on the channel.
func runFor(ctx context.Context, p probes.Probe, around *probes.Env) <-chan error {
	ended := make(chan error, 1)
	go func() {
		_, err := p.Run(ctx, around)
		ended <- err
	}()
	return ended
}

func endsSoon(t *testing.T, ended <-chan error) {
	t.Helper()
	select {
	case err := <-ended:
		if err == nil {
			t.Error("a round whose context ended returned no error")
		}
	case <-time.After(patience):
		t.Fatalf("still running %v after its context ended", patience)
	}
}

// await waits until something holds.
func await(t *testing.T, what string, holds func() bool) {
	t.Helper()
	tick, late := time.NewTicker(time.Millisecond), time.NewTimer(patience)
	defer tick.Stop()
	defer late.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-late.C:
			t.Fatalf("no %s after %v", what, patience)
		}
	}
}

// hasData says whether a file below dir has data, so that what is ended is a round
// under way and not the start of its server. A group of servers has some before it
// is formed.
func hasData(dir string, group bool) bool {
	found := false
	_ = filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() || group && !roundFiles.MatchString(filepath.ToSlash(path)) {
			return nil
		}
		if info, err := entry.Info(); err == nil && info.Size() > 0 {
			found = true
			return fs.SkipAll
		}
		return nil
	})
	return found
}

// roundFiles are files of a group's servers that come when the round is under way:
// of messages, or of the last consumer where there are consumers first.
var roundFiles = regexp.MustCompile(`/streams/STOREBENCH-\d+/(msgs/\d+\.blk|obs/consumer-2/.*)$`)

// env is what a round of p gets. The servers of a Raft group that do not stand on
// the volume get a directory in memory, where there is one.
func env(t *testing.T, p probes.Probe, dir string, duration time.Duration) *probes.Env {
	t.Helper()
	around := &probes.Env{Dir: dir, Duration: duration, Warmup: 10 * time.Millisecond, Rand: rand.New(rand.NewPCG(1, 2))}
	if hasGroup(p) {
		around.Raft.Memory = tempDir(t, memoryDir())
	}
	return around
}

func memoryDir() string {
	if info, err := os.Stat("/dev/shm"); err == nil && info.IsDir() {
		return "/dev/shm"
	}
	return ""
}

// roundDir is an empty directory that is removed also while the last writes of
// a round that was cut go on in it.
func roundDir(t *testing.T) string {
	t.Helper()
	return tempDir(t, "")
}

func tempDir(t *testing.T, in string) string {
	t.Helper()
	dir, err := os.MkdirTemp(in, "storebench-probe-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		var err error
		for end := time.Now().Add(patience); time.Now().Before(end); {
			if err = os.RemoveAll(dir); err == nil {
				return
			}
		}
		t.Error(err)
	})
	return dir
}

// watchRoom looks again and again at what lies in dir. The function returned
// ends that and says how much it was at most.
func watchRoom(t *testing.T, dir string) func() probes.Need {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	found := make(chan probes.Need, 1)
	go func() {
		var most probes.Need
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for last := false; !last; {
			select {
			case <-ctx.Done():
				last = true
			case <-tick.C:
			}
			now := room(dir)
			most.Bytes, most.Files = max(most.Bytes, now.Bytes), max(most.Files, now.Files)
		}
		found <- most
	}()
	return func() probes.Need { stop(); return <-found }
}

// block is the unit in which file systems give out room.
const block = 4096

// room counts what lies below dir, in whole blocks. What vanishes meanwhile is
// not counted.
func room(dir string) probes.Need {
	var n probes.Need
	_ = filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return nil
		}
		if info, err := entry.Info(); err == nil {
			n.Bytes += (info.Size() + block - 1) / block * block
			n.Files++
		}
		return nil
	})
	return n
}

// TestFullStateShapes: the state grows with blocks, subjects and interior deletes;
// without them it is as small as in the outage, where it had 71 to 73 bytes.
func TestFullStateShapes(t *testing.T) {
	size := func(parameters map[string]string) float64 {
		p := newProbe(t, "full-state")
		for parameter, value := range parameters {
			set(t, p, parameter, value)
		}
		measured, err := p.Run(t.Context(), env(t, p, roundDir(t), 20*time.Millisecond))
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range measured {
			if m.Metric == "state_size" {
				return *m.Rounds[0].Value
			}
		}
		t.Fatal("the size of the state was not measured")
		return 0
	}
	// What the round itself stores must not fill another block.
	shape := func(blocks, subjects, deletes string) map[string]string {
		return map[string]string{"mode": "alone", "streams": "1", "message-size": "16B", "block-size": "512KiB", "blocks": blocks, "subjects": subjects, "deletes": deletes}
	}
	least := size(shape("1", "0", "0"))
	if least < 50 || least > 80 {
		t.Errorf("one block, no subject: %v bytes", least)
	}
	if one := size(shape("1", "1", "0")); one <= least || one > 100 {
		t.Errorf("one block, one subject: %v bytes, without it %v", one, least)
	}
	for what, s := range map[string]map[string]string{"blocks": shape("20", "0", "0"), "subjects": shape("1", "20", "0"), "deletes": shape("1", "0", "20")} {
		if got := size(s); got < least+20 {
			t.Errorf("20 %s: %v bytes, without them %v", what, got, least)
		}
	}
}
