package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"storebench/internal/measure"
	"storebench/results"
)

// measure runs all rounds while watchers look at the keepers' events.
func (e *engine) measure(ctx context.Context) {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	e.awaitBaselines(ctx, stop, e.watchAll(stop))
	if e.failFast(); e.halted != nil {
		return // the volume is known not to persist
	}
	if e.req.Precondition {
		e.precondition(ctx)
	}
	e.planned(ctx)
	e.extend(ctx)
}

// watchAll starts the watchers. Each canary that has a baseline is told of on
// ready.
func (e *engine) watchAll(stop context.CancelCauseFunc) (ready <-chan struct{}) {
	baselines := make(chan struct{}, len(e.grounds))
	for _, g := range e.grounds {
		go e.watch(g, stop, baselines)
	}
	return baselines
}

// awaitBaselines waits until every canary has a baseline, so that it is taken
// before our load begins.
func (e *engine) awaitBaselines(ctx context.Context, stop context.CancelCauseFunc, ready <-chan struct{}) {
	late := time.After(e.within(silence))
	for _, g := range e.grounds {
		if !e.canaried(g) {
			continue
		}
		select {
		case <-ready:
		case <-ctx.Done():
			return
		case <-late:
			stop(fmt.Errorf("the canary's first fsyncs: %w", errNoAnswer))
			return
		}
	}
}

// watch ends the run when a ground's reserve is reached, its canary slows down, or
// its keeper meets an error. It tells ready of the canary's baseline.
func (e *engine) watch(g *ground, stop context.CancelCauseFunc, ready chan<- struct{}) {
	var c canaryWatch
	for ev := range g.keeper.events {
		hadBaseline := c.baseline > 0
		switch {
		case ev.Err != nil:
			stop(g.mark(ev.Err))
		case ev.Space != nil && ev.Space.Bytes < g.reserve:
			stop(fmt.Errorf("%w: %s has %s available, %s is kept", errReserve, g.Facts.Path, size(ev.Space.Bytes), size(g.reserve)))
		case ev.Space != nil && ev.Space.InodesKnown && ev.Space.Inodes < g.spare:
			stop(fmt.Errorf("%w: %s has %d inodes free, %d are kept", errReserve, g.Facts.Path, ev.Space.Inodes, g.spare))
		case e.canaried(g) && c.slow(ev.Canary):
			stop(fmt.Errorf("%w: median %.1f ms, at the start %.1f ms", errHurting, c.recent()*1e3, c.baseline*1e3))
		}
		if !hadBaseline && c.baseline > 0 {
			ready <- struct{}{}
		}
	}
	// Its events end with the run; before that nobody guards the ground.
	stop(&workerError{Kind: kindTool, Text: "the keeper of " + g.scratch + " ended before the run did"})
}

// firstSets is after how many sets of rounds the limits are first held against what was
// measured, to see where time is needed. Three rounds are the least that tell how much rounds differ.
const firstSets = 3

// planned runs the rounds of the profile. The rounds of a step lie apart in
// time and the steps' order changes from set to set, so that neither a
// bad moment nor what the step before left is taken for the volume. The first set
// keeps the profile's order, in which storms come last: on a volume that is slow
// enough a storm leaves writes in flight that nothing ends, and what follows it
// could not be measured. The cells of a sweep are all alike, and have no order.
//
// The steps whose limits are undecided after the first sets, and after each one that
// follows, get the time that further rounds of the others would take.
func (e *engine) planned(ctx context.Context) {
	sets := 0
	for _, s := range e.plan.steps {
		sets = max(sets, s.Rounds)
	}
	for set := 1; set <= sets; set++ {
		if e.plan.sweep == nil && set > firstSets {
			e.focus()
		}
		order := e.plan.steps
		if set > 1 || e.plan.sweep != nil {
			order = e.shuffled(order)
		}
		for _, s := range order {
			if s.done < s.Rounds*set/sets {
				e.round(ctx, s)
			}
		}
	}
}

func (e *engine) shuffled(steps []*plannedStep) []*plannedStep {
	order := slices.Clone(steps)
	e.rand.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
	return order
}

// focus leaves out what is planned beyond the first sets of the steps whose limits are
// decided, where those of others are not.
func (e *engine) focus() {
	undecided := e.undecided()
	open := func(s *plannedStep) bool { return undecided[s.Title()] && !s.stopped }
	if !slices.ContainsFunc(e.plan.steps, open) {
		return
	}
	for _, s := range e.plan.steps {
		if planned := min(s.Rounds, max(s.done, firstSets)); !open(s) {
			e.total -= s.Rounds - planned
			s.Rounds, s.most = planned, planned
		}
	}
}

// undecided names the steps whose limits another look could decide, or the cells of a
// sweep that its knees and slots are undecided about.
func (e *engine) undecided() map[string]bool {
	run := e.end()
	undecided := results.Judge(run).Undecided()
	if matrix := results.Evaluate(run); matrix != nil {
		for _, title := range matrix.Undecided {
			undecided[title] = true
		}
	}
	return undecided
}

// extend gives each step that is undecided further rounds, up to extension times those
// that were planned, as far as the budget reaches. Then the limits are looked at for the
// second and last time: the bounds of the verdict are made for two looks.
func (e *engine) extend(ctx context.Context) {
	undecided := e.undecided()
	for _, s := range e.plan.steps {
		if undecided[s.Title()] && !s.stopped {
			s.most = extension * s.Rounds
			e.total += s.most - s.done
		}
	}
	for more := true; more; {
		more = false
		for _, s := range e.shuffled(e.plan.steps) {
			if s.done < s.most && e.round(ctx, s) {
				s.Extended, more = s.done > s.Rounds, true
			}
		}
	}
}

// extension is how many times its planned rounds a step may have in all.
const extension = 6

// round runs one round of a step unless the run is halted or the step is
// stopped, and says whether it ran.
func (e *engine) round(ctx context.Context, s *plannedStep) bool {
	if e.halted == nil && ctx.Err() != nil {
		e.halt(s, context.Cause(ctx))
	}
	if e.halted != nil || s.stopped {
		return false
	}
	if left := time.Until(e.deadline) - closing; left < max(s.Duration+s.Warmup+overhead, e.longestOf(s)) {
		e.outOfTime(s)
		return false
	}
	s.done++
	title := s.Title()
	e.tell(Progress{Step: title, Round: s.done, Rounds: s.most})
	began := time.Now()
	err := e.work(ctx, s)
	s.longest = max(s.longest, time.Since(began))
	e.done++
	e.tell(Progress{Step: title, Round: s.done, Rounds: s.most, Done: true})
	if err != nil {
		e.failed(ctx, s, err)
	}
	e.failFast()
	return true
}

// longestOf is how long a round of a step took so far. Of a cell of a sweep that
// had none yet its sisters tell.
func (e *engine) longestOf(s *plannedStep) time.Duration {
	longest := s.longest
	if e.plan.sweep != nil && s.done == 0 {
		for _, sister := range e.plan.steps {
			longest = max(longest, sister.longest)
		}
	}
	return longest
}

// outOfTime ends a step, and notes it when not even its first rounds fitted.
func (e *engine) outOfTime(s *plannedStep) {
	s.stopped = true
	if s.done < s.Rounds {
		e.incident(results.OutOfTime, s.Title(), s.done+1, fmt.Errorf("%d of %d rounds fitted into the budget of %v", s.done, s.Rounds, time.Duration(e.run.Budget*float64(time.Second))))
	}
}

// work is one round in a worker of its own.
func (e *engine) work(ctx context.Context, s *plannedStep) error {
	p, err := start(s.Name, task{Round: &roundTask{
		Scratch: e.main().scratch, Raft: e.raftTask(s), Name: fmt.Sprintf("%s-%d-%d", s.Name, e.done, s.done), Probe: s.Probe, Set: s.Parameters,
		Duration: s.Duration, Warmup: s.Warmup, Devices: results.Devices(e.run.Volumes(s.Step)), Seed: e.rand.Uint64(),
	}})
	if err != nil {
		return err
	}
	sampler := measure.StartContext(nil)
	whole := s.Warmup + s.Duration + s.probe.Info().Extra + silence
	wait := e.within(whole)
	err = p.await(ctx, wait, func(ev event) {
		e.merge(s, ev.Measurements)
		s.Peak = max(s.Peak, ev.Peak)
		if ev.Cut {
			e.cut(s)
		}
	})
	err = errors.Join(err, e.bury(p, s, err))
	err = excused(err, sampler.Stop().CPULost())
	if errors.Is(err, errNoAnswer) && !errors.Is(err, errStarved) && wait < whole && !errors.Is(err, errBlocked) && e.answer(ctx, s) {
		late := errLate
		if s.raft() && wait < s.Warmup+s.Duration+groupLate {
			late = errGroupLate
		}
		return fmt.Errorf("%w: it was ended after %v", late, wait.Round(time.Millisecond))
	}
	return err
}

// errLate is the error of a round that the end of the budget cut short, seconds after
// it should have ended, while the volume answered: it would have had more time, so
// that it is no stall for certain.
var errLate = errors.New("the round did not fit into the rest of the budget")

// errGroupLate is that of a round whose Raft group had no more time than the servers on
// sound disks may need to form one, so that it tells nothing.
var errGroupLate = errors.New("the Raft group had too little of the budget left to form")

// groupLate is how long three servers may take to form a group (formBound in probes).
const groupLate = 20 * time.Second

// answer says whether the volumes that a step writes to take a small durable write each
// at once. All are asked at the same time: the run is past its budget.
func (e *engine) answer(ctx context.Context, s *plannedStep) bool {
	var asked sync.WaitGroup
	var silent atomic.Bool
	for _, g := range e.grounds {
		if g.kind != groundVolume && !(g.kind == groundTarget && s.beside()) {
			continue
		}
		touch := touchTask{Scratch: g.scratch, Bytes: canaryBytes}
		asked.Go(func() {
			if call(ctx, "touch", task{Touch: &touch}, answerWait, func(event) {}) != nil {
				silent.Store(true)
			}
		})
	}
	asked.Wait()
	return !silent.Load()
}

// raftTask is what the Raft group of a step stands on besides the volume; nil for
// a step without one.
func (e *engine) raftTask(s *plannedStep) *raftTask {
	if !s.raft() {
		return nil
	}
	t := &raftTask{Program: e.req.Server.Program, Version: e.req.Server.Version}
	if !s.beside() {
		return t
	}
	for _, g := range e.grounds {
		switch g.kind {
		case groundTarget:
			t.Targets = append(t.Targets, g.scratch)
		case groundMemory:
			t.Memory = g.scratch
		}
	}
	return t
}

// cut ends a step whose round was ended with writes in flight. The limits of an
// informative step change nothing, and neither does this.
func (e *engine) cut(s *plannedStep) {
	s.stopped = true
	if !s.Informative {
		e.incident(results.Cut, s.Title(), s.done, errors.New("its writes were still in flight, so this step got no further round"))
	}
}

// starved is the share of lost CPU above which a worker that gives no answer
// says nothing of the volume. While a volume hangs nobody competes for the
// processors, so a real hang stays far below it.
const starved = 0.3

var errStarved = errors.New("no answer in time, for want of CPU")

// excused is an error of a worker that gave no answer while this share of the
// processors was lost.
func excused(err error, lost float64) error {
	if errors.Is(err, errNoAnswer) && lost > starved {
		return fmt.Errorf("%w: this machine was short of CPU %.0f %% of the time (%w)", errStarved, 100*lost, err)
	}
	return err
}

// bury waits for the worker's end. A worker that is done but blocked in the
// kernel, with writes in flight, gets the time that a volume has; after that the
// volume counts as stalled.
func (e *engine) bury(p *process, s *plannedStep, outcome error) error {
	grace := 100 * time.Millisecond
	if outcome == nil {
		grace = e.within(silence)
	}
	gone := p.stop(grace)
	if !gone && outcome != nil && !errors.Is(outcome, errNoAnswer) {
		e.note("process %d of %s is still blocked in the kernel and was left behind", p.cmd.Process.Pid, s.Title())
		return nil // it was not given the time that a volume has
	}
	if !gone {
		return fmt.Errorf("%w from process %d, which is %w and was left behind", errNoAnswer, p.cmd.Process.Pid, errBlocked)
	}
	return nil
}

// errBlocked is in the error of a process that nothing ends: it waits for the
// volume.
var errBlocked = errors.New("blocked in the kernel")

// failed makes an incident of a round's error and decides what may follow it.
func (e *engine) failed(ctx context.Context, s *plannedStep, err error) {
	var we *workerError
	switch {
	case errors.Is(err, errNoAnswer), errors.Is(err, errStarved):
		e.halt(s, err)
	case errors.Is(err, errGroupLate):
		s.done--
		e.outOfTime(s)
	case errors.Is(err, errLate):
		e.cut(s)
	case ctx.Err() != nil:
		e.halt(s, context.Cause(ctx))
	case errors.As(err, &we) && we.Kind == kindVolume:
		s.stopped = true
		e.incident(results.VolumeError, s.Title(), s.done, we)
	case errors.As(err, &we) && we.Kind == kindSpace:
		e.halt(s, fmt.Errorf("%w: %s", errReserve, we.Text))
	default:
		s.stopped = true
		e.incident(results.ToolError, s.Title(), s.done, err)
	}
}

// halt ends the run: no further round starts.
func (e *engine) halt(s *plannedStep, why error) { e.haltAt(s.Title(), s.done, why) }

// haltAt is halt in the given round of the step with that title.
func (e *engine) haltAt(title string, round int, why error) {
	e.halted = why
	var we *workerError
	kind := results.Interrupted
	switch {
	case errors.Is(why, errStarved):
		kind = results.ToolError
	case errors.Is(why, errNoAnswer):
		kind = results.Stalled
	case errors.Is(why, errReserve):
		kind = results.Full
	case errors.Is(why, errHurting):
		kind = results.Hurting
	case errors.As(why, &we):
		kind = results.ToolError
		if we.Kind == kindVolume {
			kind = results.VolumeError
		}
	default:
		e.run.Interrupted = true
	}
	e.incident(kind, title, round, why)
}
