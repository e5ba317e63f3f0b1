package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"storebench/internal/measure"
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
	// answerWait is how long a volume has to show that it answers when a round was
	// ended by the end of the budget.
	answerWait = time.Second
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
	plan, profile, err := req.prepare()
	if err != nil {
		return nil, err
	}
	e := newEngine(req, plan, profile)
	var stalled stalledError
	err = e.open(ctx)
	switch {
	case err == nil:
		e.measure(ctx)
	case errors.As(err, &stalled):
		e.incident(results.Stalled, "", 0, err)
		err = nil
	}
	e.close()
	if err != nil {
		return nil, err
	}
	return e.end(), nil
}

// open looks at every ground, decides whether the run may write there, and takes
// the locks.
func (e *engine) open(ctx context.Context) error {
	if err := e.look(ctx); err != nil {
		return err
	}
	if err := e.admit(ctx); err != nil {
		return err
	}
	return e.lock(ctx)
}

// prepare checks what is asked and plans it. It returns the profile with what its limits
// and figures left out. A sweep's profile takes the place of the one that it was given,
// whose workload it keeps.
func (req *Request) prepare() (*plan, profiles.Profile, error) {
	if req.Sweep != nil {
		plan, err := planSweep(&req.Options)
		full := *req.Profile
		full.Limits = []profiles.Limit{}
		return plan, full, err
	}
	if err := req.Profile.Validate(); err != nil {
		return nil, profiles.Profile{}, usagef("profile %s: %w", req.Profile.Name, err)
	}
	full := *req.Profile
	var err error
	if full.Limits, err = CheckLimits(full.Limits); err != nil {
		return nil, full, err
	}
	if full.Figures, err = CheckFigures(full.Figures); err != nil {
		return nil, full, err
	}
	plan, err := newPlan(req.Options)
	return plan, full, err
}

// engine is one run under way.
type engine struct {
	req      Request
	plan     *plan
	run      *results.Run
	start    time.Time
	deadline time.Time
	grounds  []*ground // the volume's first
	rand     *rand.Rand
	// halted says why no further round may start; nil while it may.
	halted error
	done   int // rounds
	total  int
}

func newEngine(req Request, p *plan, profile profiles.Profile) *engine {
	now := time.Now()
	budget := req.Budget
	if budget <= 0 {
		budget = time.Duration(req.Profile.Budget)
	}
	e := &engine{
		req: req, plan: p, start: now, deadline: now.Add(budget), grounds: groundsOf(req, p),
		rand: rand.New(rand.NewPCG(req.Seed, 1)),
	}
	if p.sweep == nil {
		req.Slots.Judged = p.slots(req.Options)
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
	if e.run.Raft != nil {
		e.run.Raft.Seconds = e.raftSeconds()
	}
	if e.plan.sweep != nil {
		e.nameMetrics()
	}
	return e.run
}

// livedMetric is measured once in each round of a Raft group, over all of its life.
const livedMetric = "memory"

// raftSeconds is how long the run's Raft groups lived in all.
func (e *engine) raftSeconds() float64 {
	total := 0.0
	for _, m := range e.run.Measurements {
		i := e.run.StepIndex(m)
		if m.Metric != livedMetric || i < 0 || !e.plan.steps[i].raft() {
			continue
		}
		for _, r := range m.Rounds {
			total += r.Elapsed
		}
	}
	return total
}

func (e *engine) tell(p Progress) {
	if e.req.Observe != nil {
		p.Overall = float64(e.done) / float64(max(1, e.total))
		e.req.Observe(p)
	}
}

// note tells a caveat of the run, once: two grounds may have the same.
func (e *engine) note(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if slices.Contains(e.run.Notes, text) {
		return
	}
	e.run.Notes = append(e.run.Notes, text)
	e.tell(Progress{Note: text})
}

func (e *engine) incident(kind results.IncidentKind, step string, round int, why error) {
	detail := strings.ReplaceAll(why.Error(), "\n", "; ") // as errors.Join parts them
	e.run.Incidents = append(e.run.Incidents, results.Incident{Kind: kind, Step: step, Round: round, At: time.Now().UTC(), Detail: detail, Target: targetOf(why)})
	e.tell(Progress{Step: step, Round: round, Note: strings.TrimSpace(step + " " + detail)})
}

// call runs a worker for a short task and waits for its end.
func call(ctx context.Context, name string, t task, wait time.Duration, each func(event)) error {
	p, err := start(name, t)
	if err != nil {
		return err
	}
	err = p.await(ctx, wait, each)
	p.stop(100 * time.Millisecond)
	return err
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

func (e *engine) clear(ctx context.Context, t clearTask, wait time.Duration) error {
	t.Wait = wait - 200*time.Millisecond
	return call(ctx, "clear", task{Clear: &t}, wait, func(event) {})
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
