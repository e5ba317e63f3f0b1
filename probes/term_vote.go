package probes

import (
	"context"
	"fmt"
	"math/bits"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"storebench/internal/load"
	"storebench/internal/measure"
	"storebench/internal/natsfs"
)

// TermVote makes the durable writes of Raft elections.
type TermVote struct {
	Mode   string        `param:"mode" choices:"write,storm,capacity" help:"write: one after the other; storm: all groups at once; capacity: storms of twice the size until one is not done within the bound"`
	Groups int           `param:"groups" min:"1" max:"32000" help:"Raft groups in the storm; in capacity, in the first one"`
	Role   string        `param:"role" choices:"voter,candidate" help:"voter: two writes a group, one after the other, as voters and candidates make them; candidate: one, as a candidate of nats-server 2.12.4 and older that had voted for itself before"`
	Slots  int           `param:"max-concurrent-io" min:"4" max:"8192" help:"I/O slots of the server"`
	Bound  time.Duration `param:"bound" min:"1ms" max:"60s" help:"when a storm is cut"`
}

// shortestElectionTimeout is nats-server's minElectionTimeout (raft.go): a
// group that is not done by then stands for election again.
const shortestElectionTimeout = 4 * time.Second

// groupPreparation is what making and removing the directory of one group may
// take, on a file system whose every metadata operation crosses a network.
const groupPreparation = 5 * time.Millisecond

// maxGroups bounds the storms of capacity: each group is a goroutine, and those
// that hold a slot a thread.
const maxGroups = 32000

var _ = register(func() Probe {
	return &TermVote{Mode: "write", Groups: 2000, Role: "voter", Slots: natsfs.DefaultSlots, Bound: shortestElectionTimeout}
})

// Info describes the probe.
func (p *TermVote) Info() Info {
	groups, waits := int64(p.Groups), p.Bound
	switch p.Mode {
	case "write":
		groups, waits = 1, grace
	case "capacity":
		groups = 2 * maxGroups // the storms before the last stay until the round ends
		waits = time.Duration(bits.Len(uint(maxGroups/p.Groups))+1) * p.Bound
	}
	return Info{
		Name:    "term-vote",
		Topic:   "elections",
		Summary: "write Raft terms and votes durably, one by one or for all groups at once",
		Why:     "A Raft group cannot elect a leader before its term and vote are durable (O_SYNC write, rename, directory fsync, holding an I/O slot throughout). When the storm after a restart outlasts the election timeout, groups stand again and again and none has a leader.",
		Metrics: []Metric{
			{Name: "election", Unit: measure.Seconds, Help: "a group from the start of the storm until its last write is durable", Kind: measure.Whole, Until: "bound"},
			{Name: "write", Unit: measure.Seconds, Help: "one durable term and vote write (mode write)"},
			{Name: "drain", Unit: measure.Seconds, Help: "from the start of the storm until the last group is done; absent when it was cut"},
			{Name: "groups_elected", Unit: measure.Count, Help: "groups that this volume elects within the bound"},
		},
		// A group takes a directory, its file and the temporary one, a block each.
		Need:  Need{Bytes: groups * 3 * 4096, Files: groups*3 + 2},
		Extra: waits + time.Duration(groups)*groupPreparation,
	}
}

// Run measures one round.
func (p *TermVote) Run(ctx context.Context, env *Env) ([]measure.Measurement, error) {
	slots, err := natsfs.NewSlots(p.Slots)
	if err != nil {
		return nil, err
	}
	switch p.Mode {
	case "storm":
		return p.storm(ctx, env, slots)
	case "capacity":
		return p.capacity(ctx, env)
	}
	return p.write(ctx, env, slots)
}

// peer is the name of the peer voted for: 8 bytes, as nats-server's are.
const peer = "storebch"

// votes are the writes of one group in one election, one after the other: the new
// term, and then the vote (processVoteRequest in nats-server's raft.go; for a
// candidate, switchToCandidate and requestVote). A candidate of 2.12.4 and older kept
// its earlier vote with the new term: had it voted for itself, one write was all.
func (p *TermVote) votes() [][]byte {
	const term = 7
	voter := natsfs.Voter(term, peer)
	if p.Role == "candidate" {
		return [][]byte{voter.Vote}
	}
	return [][]byte{voter.NewTerm, voter.Vote}
}

// write is one writer on one group, election after election.
func (p *TermVote) write(ctx context.Context, env *Env, slots *natsfs.Slots) ([]measure.Measurement, error) {
	dirs, err := prepareGroups(ctx, env.Dir, 1)
	if err != nil {
		return nil, err
	}
	votes := p.votes()
	start, sampler := time.Now(), measure.StartContext(env.Devices)
	out, runErr := load.Run(ctx, load.Config{Workers: 1, Pacer: load.Closed{}, Duration: env.Duration, Warmup: env.Warmup, Grace: grace},
		func(_ int, n int64) error { return slots.WriteTermVote(dirs[0], votes[n%int64(len(votes))]) })
	around := sampler.Stop()
	around.Slots = slotWaits(slots.Waits())
	return []measure.Measurement{timed("write", start.Add(env.Warmup), out.Elapsed, around, out.Response)}, cutOr(runErr, ending(out))
}

// prepareGroups makes the directories of n groups, each with the file of an
// earlier term, as those of a running server have, and writes them out.
func prepareGroups(ctx context.Context, dir string, n int) ([]string, error) {
	dirs := make([]string, n)
	earlier := natsfs.TermVote(1, peer)
	for i := range dirs {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		dirs[i] = filepath.Join(dir, fmt.Sprintf("S-R3F-%05d", i))
		if err := os.Mkdir(dirs[i], 0o700); err != nil {
			return nil, fmt.Errorf("make the directory of a group: %w", err)
		}
		if err := os.WriteFile(filepath.Join(dirs[i], "tav.idx"), earlier, 0o600); err != nil {
			return nil, fmt.Errorf("make the file of a group: %w", err)
		}
	}
	return dirs, settle(dir)
}

// storm is one election of all groups at once.
func (p *TermVote) storm(ctx context.Context, env *Env, slots *natsfs.Slots) ([]measure.Measurement, error) {
	dirs, err := prepareGroups(ctx, env.Dir, p.Groups)
	if err != nil {
		return nil, err
	}
	start, sampler := time.Now(), measure.StartContext(env.Devices)
	s := runStorm(ctx, slots, dirs, p.votes(), p.Bound)
	around := sampler.Stop()
	around.Slots = slotWaits(slots.Waits())
	labels := map[string]string{"max-concurrent-io": strconv.Itoa(p.Slots)}
	measured := []measure.Measurement{timed("election", start, s.elapsed, around, s.distribution())}
	measured[0].Rounds[0].Progress = s.progress
	inBound := single("groups_elected", measure.Count, start, s.elapsed, around, float64(s.finished))
	if s.drained() {
		measured = append(measured, single("drain", measure.Seconds, start, s.elapsed, around, s.elapsed.Seconds()))
		*inBound.Rounds[0].Value *= float64(p.Bound) / float64(s.elapsed)
		inBound.Warnings = []string{"groups_elected is reckoned from the rate of a storm that ended sooner; --set term-vote.mode=capacity measures it"}
	}
	measured = append(measured, inBound)
	for i := range measured {
		measured[i].Labels = labels
	}
	return measured, s.ending(ctx)
}

// capacity grows the storm until it is not done within the bound; what is done
// by then is what the volume elects. A storm with a failed write is the last: a
// larger one would only hide its error.
func (p *TermVote) capacity(ctx context.Context, env *Env) ([]measure.Measurement, error) {
	for groups := p.Groups; ; groups = min(2*groups, maxGroups) {
		dir := filepath.Join(env.Dir, strconv.Itoa(groups))
		if err := os.Mkdir(dir, 0o700); err != nil {
			return nil, err
		}
		dirs, err := prepareGroups(ctx, dir, groups)
		if err != nil {
			return nil, err
		}
		slots, err := natsfs.NewSlots(p.Slots)
		if err != nil {
			return nil, err
		}
		start, sampler := time.Now(), measure.StartContext(env.Devices)
		s := runStorm(ctx, slots, dirs, p.votes(), p.Bound)
		around := sampler.Stop()
		around.Slots = slotWaits(slots.Waits())
		if groups < maxGroups && s.ending(ctx) == nil {
			continue
		}
		m := single("groups_elected", measure.Count, start, s.elapsed, around, float64(s.finished))
		m.Labels = map[string]string{"max-concurrent-io": strconv.Itoa(p.Slots)}
		if s.finished == maxGroups {
			m.Warnings = []string{fmt.Sprintf("at least this many: a storm of %d groups, the largest that is made, was done within the bound", maxGroups)}
		}
		return []measure.Measurement{m}, s.ending(ctx)
	}
}

// stormResult is what came of one storm. The latencies of groups that were not
// done when it was cut are not in it; their goroutines go on and touch only
// what is theirs.
type stormResult struct {
	latencies []time.Duration // of the groups that are done
	groups    int
	finished  int
	failed    int64
	first     error
	elapsed   time.Duration
	progress  float64 // share of its writes that a storm that was cut had done
}

func (s stormResult) drained() bool { return s.finished+int(s.failed) == s.groups }

// ending is the error of a round that ends with this storm.
func (s stormResult) ending(ctx context.Context) error {
	switch {
	case s.first != nil:
		return fmt.Errorf("%d of %d groups failed, the first with: %w", s.failed, s.groups, s.first)
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case !s.drained():
		return ErrCut
	}
	return nil
}

// distribution holds each group's latency since the start of the storm; groups
// that were not done count as unfinished.
func (s stormResult) distribution() *measure.Distribution {
	recorder := measure.NewRecorder(1, s.elapsed)
	for _, took := range s.latencies {
		recorder.Shard(0).Record(took, took)
	}
	d := recorder.Distribution()
	d.Failed = s.failed
	d.GiveUp(s.elapsed.Seconds(), s.elapsed.Seconds(), int64(s.groups-s.finished)-s.failed)
	return d
}

// runStorm starts one goroutine a group, as nats-server has, and waits until
// all are done, the bound, or the end of ctx.
func runStorm(ctx context.Context, slots *natsfs.Slots, dirs []string, votes [][]byte, bound time.Duration) stormResult {
	latencies := make([]atomic.Int64, len(dirs))
	var written, failed atomic.Int64
	var first error
	var once sync.Once
	var all sync.WaitGroup
	begin := make(chan struct{})
	var start time.Time
	for i, dir := range dirs {
		all.Go(func() {
			<-begin
			for _, vote := range votes {
				if err := slots.WriteTermVote(dir, vote); err != nil {
					once.Do(func() { first = err })
					failed.Add(1)
					return
				}
				written.Add(1)
			}
			latencies[i].Store(int64(max(1, time.Since(start))))
		})
	}
	done := make(chan struct{})
	go func() { all.Wait(); close(done) }()
	start = time.Now()
	close(begin)
	cut := time.NewTimer(bound)
	defer cut.Stop()
	select {
	case <-done:
	case <-cut.C:
	case <-ctx.Done():
	}
	s := stormResult{groups: len(dirs), elapsed: time.Since(start), failed: failed.Load()}
	for i := range latencies {
		if took := latencies[i].Load(); took > 0 {
			s.latencies = append(s.latencies, time.Duration(took))
		}
	}
	s.finished = len(s.latencies)
	if !s.drained() {
		s.progress = float64(written.Load()) / float64(len(dirs)*len(votes))
	}
	if s.failed > 0 {
		once.Do(func() {}) // first is set once this returns
		s.first = first
	}
	return s
}
