package stormtruth

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"storebench/internal/measure"
	"storebench/internal/natscluster"
	"storebench/internal/slowvolume"
	"storebench/internal/slowvolume/slowtest"
	"storebench/probes"
)

// scripts/storm.sh sets these.
var (
	groups = flag.Int("storm", 0, "make real election storms of so many Raft groups and hold the probe's against them")
	flush  = flag.Duration("storm-flush", 15*time.Millisecond, "what a flush of the volume takes during the storms")
	slots  = flag.Int("storm-slots", 6, "max_concurrent_io of the servers")
	window = flag.Duration("storm-window", time.Minute, "how long an election of all groups is watched")
)

const (
	// shortest and longest are nats-server's election timeouts (minElectionTimeout
	// and maxElectionTimeout in raft.go).
	shortest, longest = 4 * time.Second, 9 * time.Second
	// quiet is how long no group may write until a storm counts as over.
	quiet = longest + time.Second
	// restartBound is how long a restart may take.
	restartBound = 5 * time.Minute
	// probeBound is the largest bound of the probe.
	probeBound = 60 * time.Second
	// tolerated is how many times a figure may be what it is held against.
	tolerated = 2.0
)

// TestStorm holds what the probe term-vote measures on a volume with slow flushes
// against three real servers of which one stores on that volume: they are restarted
// together, and then the one that leads every group is killed.
func TestStorm(t *testing.T) {
	if *groups == 0 {
		t.Skip("it takes minutes: scripts/storm.sh runs it")
	}
	v := slowtest.Block(t, slowvolume.BlockConfig{FS: "ext4", Size: 4 << 30, Dir: t.TempDir()})
	c := startCluster(t, v.Path())
	makeStreams(t, c, *groups)
	r := restartTogether(t, v, c)
	e := killLeader(t, v, c)
	closeCluster(t, c)
	p := askProbe(t, v)
	fmt.Print(r.row(p), e.row(p))
	r.hold(t, p)
	e.hold(t, p)
}

// probed is what the probe measured.
type probed struct {
	alone time.Duration // one write, with no other beside it: the mean
	drain time.Duration // a storm of all groups
	lost  float64       // share of the processors
}

// pace is how many terms and votes it wrote in a second.
func (p probed) pace() float64 { return float64(2**groups) / p.drain.Seconds() }

// restart is what the server on the volume did when all were started again.
type restart struct {
	termVote, peers, snapshots sum
	last, led                  time.Duration // from the start of the processes: until the last term or vote, and until it knew all leaders
	lost                       float64
}

// restartTogether kills all servers and starts them again.
func restartTogether(t *testing.T, v *slowvolume.Block, c *natscluster.Cluster) (r restart) {
	awaitLeaders(t, c, target, setUpBound)
	eachNode(t, c, func(n *natscluster.Node) error { return n.Kill(t.Context()) })
	w := watchGroups(t, groupDirs(t, v.Path()))
	withFlush(t, v, func() {
		sampler, begin := measure.StartContext([]string{v.Device()}), time.Now()
		eachNode(t, c, (*natscluster.Node).Restart)
		awaitLeaders(t, c, target, restartBound)
		r.led = time.Since(begin)
		r.termVote = awaitQuiet(t, w)
		r.peers, r.snapshots = w.sum(t, peers), w.sum(t, snapshot)
		r.last, r.lost = r.termVote.last.Sub(begin), sampler.Stop().CPULost()
	})
	w.end()
	return r
}

// foretold is how long the groups take to start. They do so one after the other, each
// with a durable write of its peers that shares no flush with another. From the
// shortest election timeout on the groups that have started write, too. The file
// system's journal is never idle then: each write waits for the commit that is under
// way and then for its own, which takes twice as long.
func (r restart) foretold(p probed) time.Duration {
	alone := time.Duration(*groups) * p.alone
	return alone + max(0, alone-shortest)
}

func (r restart) row(p probed) string {
	return fmt.Sprintf("| restart | %d | %d | %v | %.1f | %.1f | %.2f | %.0f | %.1f | %.1f | %.2f | %d, %d, %d | %.1f | %.0f, %.0f |\n",
		*groups, *slots, *flush, p.drain.Seconds(), r.termVote.span().Seconds(), r.termVote.span().Seconds()/p.drain.Seconds(),
		1000*p.alone.Seconds(), r.foretold(p).Seconds(), r.peers.started.Seconds(), r.peers.started.Seconds()/r.foretold(p).Seconds(),
		r.termVote.writes, r.peers.writes, r.snapshots.writes, r.led.Seconds(), 100*r.lost, 100*p.lost)
}

// hold fails the test when the groups do not start as foretold.
func (r restart) hold(t *testing.T, p probed) {
	if ratio := r.peers.started.Seconds() / r.foretold(p).Seconds(); !within(ratio) {
		t.Errorf("the groups took %.2f times as long to start as foretold, which is not within a factor of %v", ratio, tolerated)
	}
}

func within(ratio float64) bool { return ratio <= tolerated && ratio >= 1/tolerated }

// election is what came of all groups losing their leader.
type election struct {
	termVote sum
	led      int           // groups with a new leader at the end
	after    time.Duration // when the last of them had one, or that the window was over
	terms    int           // that all groups went through
	single   map[role]int  // groups that went through one term alone, and their writes
	lost     float64
}

// role is what a server was in an election, and how often it wrote its term and vote.
type role struct {
	candidate bool
	writes    int
}

// killLeader moves all leaders to one server and kills it. The vote of the server on
// the volume is then needed for every election, its own or the survivor's.
func killLeader(t *testing.T, v *slowvolume.Block, c *natscluster.Cluster) (e election) {
	leadAll(t, c, *groups, witness)
	before := awaitLeaders(t, c, target, setUpBound)
	w := watchGroups(t, groupDirs(t, v.Path()))
	withFlush(t, v, func() {
		sampler, begin := measure.StartContext([]string{v.Device()}), time.Now()
		if err := c.Node(witness).Kill(t.Context()); err != nil {
			t.Fatal(err)
		}
		after := e.watch(t, c, before, begin)
		e.after = time.Since(begin)
		e.termVote, e.lost = w.sum(t, termVote), sampler.Stop().CPULost()
		e.count(w, before, after)
	})
	w.end()
	return e
}

// watch looks at the groups until all have a new leader, or the window is over. It
// asks the survivor, whose locks no slow volume holds.
func (e *election) watch(t *testing.T, c *natscluster.Cluster, before map[string]natscluster.Group, begin time.Time) map[string]natscluster.Group {
	t.Helper()
	ctx, cancel := context.WithDeadline(t.Context(), begin.Add(*window))
	defer cancel()
	var last map[string]natscluster.Group
	for {
		all, err := c.Node(survivor).Raftz(ctx)
		if err == nil {
			last, e.led = all, 0
			for name, g := range all {
				if g.Leader != "" && g.Leader != before[name].Leader {
					e.led++
				}
			}
		}
		if err == nil && e.led == *groups {
			return last
		}
		select {
		case <-ctx.Done():
			if last == nil {
				t.Fatalf("ask the survivor for its groups: %v", err)
			}
			return last
		case <-time.After(pollInterval):
		}
	}
}

// count notes how many terms there were, and what groups wrote that had one alone.
func (e *election) count(w *watch, before, after map[string]natscluster.Group) {
	e.single = map[role]int{}
	for name, g := range after {
		terms := int(g.Term - before[name].Term)
		e.terms += terms
		if terms == 1 && g.Leader != "" && g.Leader != before[name].Leader {
			e.single[role{g.Leader == before[name].ID, w.of(name, termVote)}]++
		}
	}
}

// pace is how many terms and votes were written in a second.
func (e election) pace() float64 { return float64(e.termVote.writes) / e.termVote.span().Seconds() }

func (e election) row(p probed) string {
	return fmt.Sprintf("| election | %d | %d | %v | %.1f | %d | %.1f | %.1f | %d | %.1f | %.1f | %.2f | %.0f, %.0f |\n",
		*groups, *slots, *flush, p.drain.Seconds(), e.led, e.after.Seconds(), float64(e.terms)/float64(*groups),
		e.termVote.writes, e.pace(), p.pace(), p.pace()/e.pace(), 100*e.lost, 100*p.lost)
}

// hold fails the test when the groups write at another pace than the probe, where the
// pace is the volume's and not that of the election timeouts; when a storm that is
// over within the shortest of them leaves a group without a leader; or when one that
// outlasts the longest does not.
func (e election) hold(t *testing.T, p probed) {
	t.Logf("groups with one term alone, by role and writes: %+v", e.single)
	switch {
	case p.drain > longest && e.led == *groups:
		t.Errorf("all groups have a leader, though the probe's storm took %v", p.drain)
	case p.drain > longest && !within(e.pace()/p.pace()):
		t.Errorf("%.1f writes a second, the probe's storm %.1f: not within a factor of %v", e.pace(), p.pace(), tolerated)
	case p.drain < shortest && e.led < *groups:
		t.Errorf("%d of %d groups have a leader, though the probe's storm took %v", e.led, *groups, p.drain)
	}
	for r, n := range e.single {
		if r.writes != 2 {
			t.Errorf("%d groups (the server a candidate: %v) wrote %d times in one term, want twice", n, r.candidate, r.writes)
		}
	}
}

// awaitQuiet waits until no group has written its term and vote for a while.
func awaitQuiet(t *testing.T, w *watch) sum {
	t.Helper()
	late := time.After(restartBound)
	for {
		s := w.sum(t, termVote)
		if s.inFlight == 0 && time.Since(s.last) > quiet {
			return s
		}
		select {
		case <-late:
			t.Fatalf("the storm goes on: %+v", s)
		case <-time.After(pollInterval):
		}
	}
}

// askProbe asks the probe for the same storm on the same volume.
func askProbe(t *testing.T, v *slowvolume.Block) (p probed) {
	t.Helper()
	withFlush(t, v, func() {
		alone := runProbe(t, v, "write", 5*time.Second, "write")
		p.alone = time.Duration(alone.Distribution.Mean() * float64(time.Second))
		storm := runProbe(t, v, "storm", probeBound, "drain")
		p.drain, p.lost = time.Duration(*storm.Value*float64(time.Second)), storm.Context.CPULost()
	})
	return p
}

func runProbe(t *testing.T, v *slowvolume.Block, mode string, duration time.Duration, metric string) measure.Round {
	t.Helper()
	dir := filepath.Join(v.Path(), mode)
	p, err := probes.New("term-vote")
	for name, value := range map[string]string{
		"mode": mode, "role": "voter", "groups": strconv.Itoa(*groups), "max-concurrent-io": strconv.Itoa(*slots), "bound": probeBound.String(),
	} {
		err = errors.Join(err, probes.Set(p, name, value))
	}
	if err := errors.Join(err, os.Mkdir(dir, 0o700)); err != nil {
		t.Fatal(err)
	}
	measured, err := p.Run(t.Context(), &probes.Env{Dir: dir, Duration: duration, Devices: []string{v.Device()}, Rand: rand.New(rand.NewPCG(1, 2))})
	if err != nil {
		t.Fatalf("the probe in mode %s: %v", mode, err)
	}
	for _, m := range measured {
		if m.Metric == metric {
			return m.Rounds[0]
		}
	}
	t.Fatalf("the probe in mode %s has no %s", mode, metric)
	return measure.Round{}
}
