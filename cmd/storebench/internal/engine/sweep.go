package engine

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"storebench/internal/measure"
	"storebench/probes"
	"storebench/profiles"
	"storebench/results"
)

// Sweep is a matrix as asked for: a probe with one or two parameters varied. Each
// combination of their values is a cell, which is a step of the run. What no
// parameter says, the workload of Options.Profile does.
type Sweep struct {
	Probe string
	// Vary holds the lists of values, Set single ones. Their Probe is empty, or
	// names the sweep's.
	Vary, Set []Override
	// Metric is the latency that cells are compared by; empty is the probe's
	// first one that is measured.
	Metric string
	// Duration is how long a cell is measured in each of its Rounds; 0 takes what
	// the budget leaves.
	Duration time.Duration
	Rounds   int
}

// Bounds of what a sweep can be asked.
const (
	maxCells  = 64 // of a step's variants
	maxVaried = 2
	// minTurn is the shortest Duration; one that is left to the budget lies
	// between leastTurn and mostTurn, and is so long that the rounds take
	// budgetShare of the budget: those of slow cells take longer.
	minTurn     = 50 * time.Millisecond
	leastTurn   = 200 * time.Millisecond
	mostTurn    = 2 * time.Second
	budgetShare = 0.8
	// A turn's warm-up is this share of its duration, and not more than the most.
	warmupShare = 0.2
	maxWarmup   = 200 * time.Millisecond
)

// unhurried are the parameters by which a probe is paced. Unless one of them is
// named, a probe that can go as fast as it goes does: a sweep asks for the most.
var unhurried = []string{"mode", "rate"}

// profile is a profile of one step whose variants are the cells.
func (s *Sweep) profile(base *profiles.Profile, budget time.Duration) (*profiles.Profile, error) {
	probe, err := probes.New(s.Probe)
	if err != nil {
		return nil, usagef("%w%s", err, didYouMean(s.Probe, probes.Names()))
	}
	if err := s.check(probe); err != nil {
		return nil, usage(err)
	}
	p := *base
	p.Name, p.Description, p.Limits, p.Figures = "sweep", "one probe over a matrix of parameters", nil, nil
	p.Budget, p.Rounds = profiles.Duration(budget), s.Rounds
	step := profiles.Step{Name: s.Probe, Probe: s.Probe, Set: s.set(probe)}
	cells := len(step.Variants())
	if cells > maxCells {
		return nil, usagef("a matrix of %d cells: at most %d can be told apart on a page; give fewer values", cells, maxCells)
	}
	turn := s.turn(budget, cells*s.Rounds)
	step.Duration = profiles.Duration(turn)
	step.Warmup = profiles.Duration(min(time.Duration(warmupShare*float64(turn)), maxWarmup))
	p.Steps = []profiles.Step{step}
	return &p, nil
}

// turn is how long a cell is measured in a round.
func (s *Sweep) turn(budget time.Duration, turns int) time.Duration {
	if s.Duration > 0 {
		return s.Duration
	}
	each := budgetShare*float64(budget-closing)/float64(turns) - float64(overhead)
	turn := time.Duration(each / (1 + warmupShare)).Truncate(10 * time.Millisecond)
	return min(max(turn, leastTurn), mostTurn)
}

// check refuses what makes no matrix. Whether a probe takes a value, the plan
// finds out.
func (s *Sweep) check(probe probes.Probe) error {
	switch {
	case len(s.Vary) == 0 || len(s.Vary) > maxVaried:
		return fmt.Errorf("%d parameters are varied: a sweep varies one or two, such as --vary concurrency=1,16,64", len(s.Vary))
	case s.Duration != 0 && s.Duration < minTurn:
		return fmt.Errorf("a turn of %v is too short: it takes at least %v", s.Duration, minTurn)
	case s.Rounds < 1:
		return fmt.Errorf("%d rounds: a sweep takes at least 1, and at least 2 to know its noise", s.Rounds)
	}
	named := map[string]bool{}
	for _, o := range slices.Concat(s.Vary, s.Set) {
		if o.Probe != "" && o.Probe != s.Probe {
			return fmt.Errorf("%s.%s is a parameter of another probe than %s, which is swept", o.Probe, o.Parameter, s.Probe)
		}
		if _, has := probes.Value(probe, o.Parameter); !has {
			return probes.Set(probe, o.Parameter, o.Value)
		}
		if named[o.Parameter] {
			return fmt.Errorf("parameter %s is given twice", o.Parameter)
		}
		named[o.Parameter] = true
	}
	for _, o := range s.Set {
		if strings.Contains(o.Value, ",") {
			return fmt.Errorf("%s=%s is fixed and takes one value: lists are for --vary", o.Parameter, o.Value)
		}
	}
	if s.Metric == "" {
		return nil
	}
	metric, err := metricOf(probe.Info(), s.Metric)
	if err == nil && metric.Unit != measure.Seconds {
		err = fmt.Errorf("metric %s of probe %s is in %s: cells are compared by a latency", s.Metric, s.Probe, metric.Unit)
	}
	return err
}

// set are the parameters of the sweep's step.
func (s *Sweep) set(probe probes.Probe) map[string]string {
	set := map[string]string{}
	for _, o := range slices.Concat(s.Set, s.Vary) {
		set[o.Parameter] = o.Value
	}
	paced := slices.ContainsFunc(unhurried, func(name string) bool { _, named := set[name]; return named })
	for _, p := range probes.Parameters(probe) {
		if p.Name == "mode" && slices.Contains(p.Choices, "closed") && !paced {
			set[p.Name] = "closed"
		}
	}
	return set
}

// planSweep puts the sweep's own profile in the place of o's, plans the cells,
// and refuses a matrix that the budget does not hold.
func planSweep(o *Options) (*plan, error) {
	profile, err := o.Sweep.profile(o.Profile, o.Budget)
	if err != nil {
		return nil, err
	}
	o.Profile = profile
	p, err := newPlan(*o)
	if err != nil {
		return nil, err
	}
	p.sweep = &results.Sweep{Probe: o.Sweep.Probe, Metric: o.Sweep.Metric}
	for _, v := range o.Sweep.Vary {
		if err := p.addAxis(*o, v); err != nil {
			return nil, usage(err)
		}
	}
	if need := p.least(); need > o.Budget {
		return nil, usagef("%d cells with %d rounds of %v each need %v at least, and the budget is %v: give --budget %v, fewer values, fewer --rounds or a shorter --duration",
			len(p.steps), o.Sweep.Rounds, p.steps[0].Duration, need, o.Budget, need)
	}
	return p, nil
}

// least is what all rounds take on a volume that needs no time for anything
// besides, in whole seconds.
func (p *plan) least() time.Duration {
	total := closing
	for _, s := range p.steps {
		total += time.Duration(s.Rounds) * (s.Duration + s.Warmup + overhead)
	}
	return (total + time.Second - 1).Truncate(time.Second)
}

// addAxis adds a varied parameter with the values in force: a probe may bring
// one into line with its other parameters, of which a note tells.
func (p *plan) addAxis(o Options, varied Override) error {
	step, name := o.Profile.Steps[0], varied.Parameter
	if name == slotsParameter && o.Server.Slots > 0 && standsOnPeers(step) {
		return fmt.Errorf("nats-server %s does not take max_concurrent_io, so there is nothing to vary: name a nats-server from 2.12.14 or 2.14.4 on, or leave --nats-server out", o.Server.Version)
	}
	probe, err := probes.New(step.Probe)
	if err != nil {
		return err
	}
	set, named, err := parametersOf(o, step, probe)
	if err != nil {
		return err
	}
	inForce := map[string]string{} // by the value that was asked for
	var values []string
	for _, asked := range (profiles.Step{Set: set}).Variants() {
		cell, err := newStep(o, step, 1, asked, named)
		if err != nil {
			return err
		}
		value := cell.Parameters[name]
		if other, known := inForce[asked[name]]; known && other != value {
			return fmt.Errorf("%s=%s is %s in some cells and %s in others, since %s brings its parameters into line: leave this value out", name, asked[name], other, value, step.Probe)
		} else if !known {
			inForce[asked[name]], values = value, append(values, value)
			p.tellAdjusted(probe, name, asked[name], value)
		}
	}
	axis := results.NewAxis(name, values)
	if len(axis.Values) < 2 {
		return fmt.Errorf("--vary %s=%s leaves %s alone to compare: give at least two values that differ", name, varied.Value, strings.Join(axis.Values, ", "))
	}
	p.sweep.Axes = append(p.sweep.Axes, axis)
	if name == slotsParameter {
		p.sweep.SlotsAxis = name
	}
	return nil
}

// tellAdjusted notes a value that runs as another.
func (p *plan) tellAdjusted(probe probes.Probe, name, asked, inForce string) {
	if err := probes.Set(probe, name, asked); err != nil {
		return // the plan has refused it already
	}
	if canonical, _ := probes.Value(probe, name); canonical != inForce {
		p.notes = append(p.notes, fmt.Sprintf("%s=%s ran as %s: %s brings it into line with its other parameters (storebench probes show %s)",
			name, asked, inForce, probe.Info().Name, probe.Info().Name))
	}
}

// nameMetrics says which metrics the cells are shown by: of the probe's metrics
// the first latency that was measured, unless one was asked for, and the first
// throughput.
func (e *engine) nameMetrics() {
	sweep := e.plan.sweep
	for _, metric := range e.plan.steps[0].probe.Info().Metrics {
		measured := slices.ContainsFunc(e.run.Measurements, func(m measure.Measurement) bool { return m.Metric == metric.Name })
		switch {
		case !measured:
		case metric.Unit == measure.Seconds && sweep.Metric == "":
			sweep.Metric = metric.Name
		case (metric.Unit == measure.PerSecond || metric.Unit == measure.BytesPerSecond) && sweep.ThroughputMetric == "":
			sweep.ThroughputMetric = metric.Name
		}
	}
}
