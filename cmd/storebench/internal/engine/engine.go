package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"storebench/internal/measure"
	"storebench/internal/volume"
	"storebench/profiles"
	"storebench/results"
)

// The engine's own times. All of them lie inside the run's budget, but for
// closing, which comes after it at the worst.
const (
	// silence is how long a round may take beyond its own time before the
	// volume counts as stalled: after 10 s a Raft leader counts its quorum as
	// lost (lostQuorumInterval in nats-server's raft.go).
	silence = 10 * time.Second
	// overhead is what a round costs besides its measuring time: a process, a
	// server, its streams and their removal.
	overhead = 150 * time.Millisecond
	// closing is what is kept of the budget for the end of the run: the keeper,
	// the removal of the scratch directory, the report.
	closing = 1500 * time.Millisecond
	// overtime is how long a round that has begun may go on after the budget,
	// so that a volume that hangs near the end is told from one that is slow.
	overtime = 2 * time.Second
	// lateClosing bounds the removal on a volume that gave no answer when the
	// budget is already spent, and lateGrace each wait for a process's end.
	lateClosing = 700 * time.Millisecond
	lateGrace   = 300 * time.Millisecond
	// watchInterval is how often the keeper reads the free space, and
	// canaryInterval how often beside live data, with an fsync of the canary.
	watchInterval  = 200 * time.Millisecond
	canaryInterval = 50 * time.Millisecond
)

// Request is one run as asked for.
type Request struct {
	Options
	Dir     string
	Reserve Reserve
	Labels  map[string]string
	Seed    uint64
	Tool    results.Tool
	Host    results.Host
	Slots   results.Slots // whose slots are judged, for the document
	Notes   []string      // caveats known before the run
	// Observe is told what happens; it may be nil.
	Observe func(Progress)
}

// Reserve is the room on the volume that is never touched.
type Reserve struct {
	Bytes int64
	Share float64 // of the volume; used when Bytes is 0
}

// Progress is one thing that happened in a run.
type Progress struct {
	Step    string // with its variant
	Round   int    // from 1
	Rounds  int
	Done    bool    // the round has ended
	Overall float64 // share of all planned rounds that are done
	Note    string  // something to tell the user
}

var (
	errReserve = errors.New("the reserve of free space was reached")
	errHurting = errors.New("the canary beside live data slowed down")
)

// Run checks the volume below req.Dir and returns all that was measured. An
// error means that there is no run to judge; whatever goes wrong later stands
// in the run as an incident. Run removes what it wrote, also when ctx ends,
// and returns within the budget and a few seconds whatever the volume does.
func Run(ctx context.Context, req Request) (*results.Run, error) {
	plan, limits, err := req.prepare()
	if err != nil {
		return nil, err
	}
	e := newEngine(req, plan, limits)
	found, err := e.inspect(ctx)
	if errors.Is(err, errNoAnswer) {
		e.incident(results.Stalled, "", 0, "the first look at the volume: "+err.Error())
		return e.end(), nil
	}
	if err != nil {
		return nil, err
	}
	if err := e.admit(ctx, found); err != nil {
		return nil, err
	}
	keeper, err := e.lock(ctx)
	if errors.Is(err, errNoAnswer) {
		e.incident(results.Stalled, "", 0, "making the scratch directory: "+err.Error())
		return e.end(), nil
	}
	if err != nil {
		return nil, err
	}
	e.measure(ctx, keeper)
	e.close(keeper)
	return e.end(), nil
}

// prepare checks what is asked and plans it. A sweep's profile takes the place of
// the one that it was given, whose workload it keeps.
func (req *Request) prepare() (*plan, []profiles.Limit, error) {
	if req.Sweep != nil {
		plan, err := planSweep(&req.Options)
		return plan, []profiles.Limit{}, err
	}
	if err := req.Profile.Validate(); err != nil {
		return nil, nil, usagef("profile %s: %w", req.Profile.Name, err)
	}
	limits, err := CheckLimits(req.Profile.Limits)
	if err != nil {
		return nil, nil, err
	}
	plan, err := newPlan(req.Options)
	return plan, limits, err
}

// engine is one run under way.
type engine struct {
	req      Request
	plan     *plan
	run      *results.Run
	start    time.Time
	deadline time.Time
	scratch  string
	reserve  int64
	rand     *rand.Rand
	// halted says why no further round may start; nil while it may.
	halted error
	done   int // rounds
	total  int
}

func newEngine(req Request, p *plan, limits []profiles.Limit) *engine {
	now := time.Now()
	budget := req.Budget
	if budget <= 0 {
		budget = time.Duration(req.Profile.Budget)
	}
	profile := *req.Profile
	profile.Limits = limits
	e := &engine{
		req: req, plan: p, start: now, deadline: now.Add(budget),
		rand: rand.New(rand.NewPCG(req.Seed, 1)),
	}
	if p.sweep == nil {
		req.Slots.Judged = p.slots()
	}
	e.run = &results.Run{
		Schema: results.Schema, Tool: req.Tool, Started: now.UTC(), Seed: req.Seed, Labels: req.Labels,
		ID:   fmt.Sprintf("%s-%04x", now.UTC().Format("20060102T150405Z"), rand.N(1<<16)),
		Host: req.Host, Profile: profile, Budget: budget.Seconds(), Slots: req.Slots, Skipped: p.skipped,
		Sweep: p.sweep, Notes: slices.Concat(req.Notes, p.notes),
	}
	for _, s := range p.steps {
		e.total += s.Rounds
	}
	return e
}

// end is the run with what has become of its steps.
func (e *engine) end() *results.Run {
	e.run.Ended = time.Now().UTC()
	e.run.Steps = nil
	for _, s := range e.plan.steps {
		e.run.Steps = append(e.run.Steps, s.Step)
	}
	if e.plan.sweep != nil {
		e.nameMetrics()
	}
	return e.run
}

func (e *engine) tell(p Progress) {
	if e.req.Observe != nil {
		p.Overall = float64(e.done) / float64(max(1, e.total))
		e.req.Observe(p)
	}
}

func (e *engine) note(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	e.run.Notes = append(e.run.Notes, text)
	e.tell(Progress{Note: text})
}

func (e *engine) incident(kind results.IncidentKind, step string, round int, detail string) {
	detail = strings.ReplaceAll(detail, "\n", "; ") // as errors.Join parts them
	e.run.Incidents = append(e.run.Incidents, results.Incident{Kind: kind, Step: step, Round: round, At: time.Now().UTC(), Detail: detail})
	e.tell(Progress{Step: step, Round: round, Note: strings.TrimSpace(step + " " + detail)})
}

// call runs a worker for a short task and waits for its end.
func (e *engine) call(ctx context.Context, name string, t task, wait time.Duration, each func(event)) error {
	p, err := start(name, t)
	if err != nil {
		return err
	}
	err = p.await(ctx, wait, each)
	p.stop(100 * time.Millisecond)
	return err
}

// inspect looks at the target. It runs where the user stands, so that a
// relative DIR means what the user meant; only the worker resolves it.
func (e *engine) inspect(ctx context.Context) (*inspection, error) {
	var found *inspection
	err := e.call(ctx, "inspect", task{Inspect: &inspectTask{Dir: e.req.Dir}}, e.within(silence), func(ev event) {
		if ev.Inspection != nil {
			found = ev.Inspection
		}
	})
	if err != nil {
		return nil, asUserError(err)
	}
	e.run.Volume = found.Facts
	return found, nil
}

// asUserError turns a worker's error into one that a caller can tell apart.
func asUserError(err error) error {
	var we *workerError
	if !errors.As(err, &we) {
		return err
	}
	if we.Kind == kindUsage {
		return usage(we)
	}
	return err
}

// within is wait, or what is left of the budget and its overtime if that is
// less.
func (e *engine) within(wait time.Duration) time.Duration {
	return max(lateGrace, min(wait, time.Until(e.deadline)+overtime))
}

// admit decides whether the run may write to the volume at all.
func (e *engine) admit(ctx context.Context, found *inspection) error {
	if err := e.guard(found.Guard); err != nil {
		return err
	}
	for _, old := range found.Leftovers {
		if !old.Removable() {
			return fmt.Errorf("%s: %s", old.Path, held(old))
		}
		if err := e.clear(ctx, clearTask{Scratch: old.Path}, e.within(silence)); err != nil {
			return fmt.Errorf("the leftover %s of run %s cannot be removed: %w", old.Path, old.Marker.RunID, err)
		}
		e.note("removed %s, left behind by run %s of %s", old.Path, old.Marker.RunID, old.Marker.Started.Format(time.RFC3339))
	}
	return e.room(found.Facts)
}

// held says why a leftover cannot be removed now, and what to do.
func held(old volume.Leftover) string {
	switch {
	case old.Unreadable:
		return "it belongs to another user, so nobody here can tell whether a run still uses it: remove it as that user with storebench clean"
	case old.Locked:
		return fmt.Sprintf("a process of run %s (process %d) holds it: wait for that run to end; if it is dead, one of its workers is still blocked in the kernel and lets go when the volume answers", old.Marker.RunID, old.Marker.PID)
	}
	return fmt.Sprintf("locks prove nothing on this file system, so run %s (process %d) may still be alive: if it is not, remove the directory", old.Marker.RunID, old.Marker.PID)
}

// guard refuses to load a file system that live streams stand on.
func (e *engine) guard(g volume.Guard) error {
	for _, blind := range g.Blind {
		e.note("looking for live JetStream data: %s", blind)
	}
	if len(g.Stores) == 0 {
		return nil
	}
	var places []string
	for _, s := range g.Stores {
		places = append(places, fmt.Sprintf("%s (%s)", s.Path, s.Why))
	}
	where := strings.Join(places[:min(3, len(places))], "; ")
	if !e.req.BesideLiveData {
		return fmt.Errorf("JetStream data lies on the same volume: %s. A full load would slow that server down; %s", where, e.gentler())
	}
	e.note("running beside live JetStream data: %s", where)
	return nil
}

// gentler is what to do beside live data.
func (e *engine) gentler() string {
	if e.plan.sweep != nil {
		return "sweep an empty volume of the same kind"
	}
	return "--beside-live-data runs a rate-capped set of steps that stops when it hurts"
}

// less is how to ask for less room.
func (e *engine) less() string {
	if e.plan.sweep != nil {
		return "smaller values, --set max-bytes=1MiB or --set groups=100 where the probe has them, --reserve"
	}
	return "--profile quick, --skip, --reserve, --set term-vote.groups=500"
}

// room compares what the steps need with what is free, and keeps a reserve.
func (e *engine) room(f volume.Facts) error {
	for _, s := range e.plan.steps {
		if foretold := s.probe.Info().Foretold; foretold > f.SizeBytes {
			return usagef("step %s: a store of %s does not fit on %s, which has %s in all: ask for a smaller one", s.Title(), size(foretold), f.Path, size(f.SizeBytes))
		}
	}
	e.reserve = e.req.Reserve.Bytes
	if e.reserve == 0 {
		e.reserve = int64(e.req.Reserve.Share * float64(f.SizeBytes))
	}
	if left := f.AvailableBytes - e.plan.need.Bytes; left < e.reserve {
		return fmt.Errorf("%s has %s available; this run needs up to %s and keeps %s in reserve: free some space, or ask for less (%s)", f.Path, size(f.AvailableBytes), size(e.plan.need.Bytes), size(e.reserve), e.less())
	}
	if f.Inodes > 0 && f.InodesFree < e.plan.need.Files+e.plan.need.Files/10 {
		return fmt.Errorf("%s has %d inodes free; this run needs up to %d: make room, or ask for less (%s)", f.Path, f.InodesFree, e.plan.need.Files, e.less())
	}
	return nil
}

func size(n int64) string { return measure.Size(n).Human() }

// lock starts the keeper and waits until it holds the scratch directory.
func (e *engine) lock(ctx context.Context) (*process, error) {
	keep := keepTask{
		Dir: e.run.Volume.Path, Interval: watchInterval, Canary: e.req.BesideLiveData,
		Marker: volume.Marker{Version: e.req.Tool.Version, RunID: e.run.ID, Started: e.run.Started, PID: os.Getpid()},
	}
	if keep.Canary {
		keep.Interval = canaryInterval
	}
	keeper, err := start("keeper", task{Keep: &keep})
	if err != nil {
		return nil, err
	}
	timeout := time.NewTimer(e.within(silence))
	defer timeout.Stop()
	select {
	case ev, ok := <-keeper.events:
		switch {
		case !ok:
			err = keeper.crashed()
		case ev.Err != nil:
			err = asUserError(ev.Err)
		case ev.Kept != nil:
			e.scratch = ev.Kept.Scratch
			if ev.Kept.Lockless {
				e.note("this file system has no directory locks: two runs at once would not see each other, and a leftover is not removed by itself")
			}
			return keeper, nil
		}
	case <-timeout.C:
		err = fmt.Errorf("keeper: %w", errNoAnswer)
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	keeper.stop(100 * time.Millisecond)
	if !errors.Is(err, errNoAnswer) {
		// It may have made the directory without our having read so.
		own := clearTask{Scratch: filepath.Join(e.run.Volume.Path, "storebench-"+e.run.ID), Own: true}
		_ = e.clear(context.WithoutCancel(ctx), own, lateClosing) // most often there is none
	}
	return nil, err
}

// close ends the keeper and removes the scratch directory. A volume that gave
// no answer gets only what is left of the budget for that; one that is merely
// slow may take a little longer than the budget rather than keep our files.
func (e *engine) close(keeper *process) {
	keeper.stop(lateGrace)
	wait := silence
	if errors.Is(e.halted, errNoAnswer) && !errors.Is(e.halted, errStarved) {
		wait = max(lateClosing, min(silence, time.Until(e.deadline)))
	}
	if err := e.clear(context.Background(), clearTask{Scratch: e.scratch, Own: true}, wait); err != nil {
		e.note("the scratch directory %s could not be removed (%v); remove it with: storebench clean %s", e.scratch, err, e.run.Volume.Path)
	}
}

func (e *engine) clear(ctx context.Context, t clearTask, wait time.Duration) error {
	t.Wait = wait - 200*time.Millisecond
	return e.call(ctx, "clear", task{Clear: &t}, wait, func(event) {})
}

// Save writes a file through a worker, so that a hung volume under the user's
// home cannot keep the program. It returns within wait.
func Save(ctx context.Context, path string, data []byte, wait time.Duration) error {
	p, err := start("save", task{Save: &saveTask{Path: path, Data: data}})
	if err != nil {
		return err
	}
	err = p.await(ctx, wait, func(event) {})
	p.stop(100 * time.Millisecond)
	return err
}

// merge adds a round's measurements to the run's.
func (e *engine) merge(s *plannedStep, measured []measure.Measurement) {
	for _, m := range measured {
		labels := maps.Clone(s.Labels)
		maps.Copy(labels, m.Labels)
		m.Step, m.Probe, m.Labels = s.Name, s.Probe, labels
		i := slices.IndexFunc(e.run.Measurements, func(have measure.Measurement) bool {
			return have.Step == m.Step && have.Metric == m.Metric && maps.Equal(have.Labels, m.Labels)
		})
		if i < 0 {
			e.run.Measurements = append(e.run.Measurements, m)
			continue
		}
		have := &e.run.Measurements[i]
		have.Rounds = append(have.Rounds, m.Rounds...)
		for _, w := range m.Warnings {
			if !slices.Contains(have.Warnings, w) {
				have.Warnings = append(have.Warnings, w)
			}
		}
	}
}
