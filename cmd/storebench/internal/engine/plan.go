package engine

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"storebench/probes"
	"storebench/profiles"
	"storebench/results"
)

// Options are how a person asks for a run.
type Options struct {
	Profile *profiles.Profile
	// Set overrides parameters of probes, in the order given.
	Set []Override
	// Slots are the values of max_concurrent_io that the user's servers have;
	// empty means that nothing is known of them.
	Slots []string
	// Only and Skip choose steps by globs over the step's or the probe's name.
	Only, Skip []string
	// Budget is how long the run may take; 0 is the profile's.
	Budget time.Duration
	// FailFast ends the run at the first failure that no further round can take back.
	FailFast bool
	// BesideLiveData keeps to a rate-capped set of steps.
	BesideLiveData bool
	// Precondition writes as much as the rounds may take before the first of
	// them. Its time is none of the budget's.
	Precondition bool
	// Sweep puts a matrix of cells in the place of the profile's steps and
	// limits; nil for a check. It needs a Budget.
	Sweep *Sweep
	// CPUs is how many processors nats-server would see here.
	CPUs int
	// Targets are directories on further volumes, for the second and the third
	// server of a Raft group; relative ones mean what they mean to the user.
	Targets []string
	// MemoryDir is where the servers of a Raft group stand that have no volume.
	// One in memory is looked for when it is empty.
	MemoryDir string
	// Server is what Raft groups are made of.
	Server Server
}

// Server is an installed nats-server; the zero value is the one linked in.
type Server struct {
	Program string // its file
	Version string
	// Chooses says that a leader that steps down chooses the next one by itself.
	Chooses bool
	// NoRaftz says that it has no endpoint /raftz.
	NoRaftz bool
	// Slots are its own, where it does not take max_concurrent_io; else 0.
	Slots int
}

// Override gives a parameter a value. With an empty Probe it goes to every
// probe that has such a parameter.
type Override struct{ Probe, Parameter, Value string }

// slotsParameter is the one parameter whose values may be server versions.
const slotsParameter = "max-concurrent-io"

// plan is what a run will do.
type plan struct {
	steps   []*plannedStep
	skipped []string       // names of the profile's steps that the user left out
	need    probes.Need    // of all rounds on the volume
	target  probes.Need    // of all rounds on each further target
	peer    probes.Need    // of the largest round, of a server beside the volume
	sweep   *results.Sweep // nil for a check
	notes   []string       // caveats of the plan
}

// plannedStep is one variant of a step with all its parameters in force.
type plannedStep struct {
	results.Step
	probe   probes.Probe
	done    int           // rounds so far
	most    int           // rounds that it gets, its extension included
	longest time.Duration // of its rounds so far, with their preparation
	stopped bool          // no further round: it was cut, met an error, or has no time left
}

// newPlan expands a profile's steps into variants and checks every name and
// value, so that a typo is found before anything is written.
func newPlan(o Options) (*plan, error) {
	p := &plan{}
	scale := scaleOf(o)
	for _, step := range o.Profile.Steps {
		if !chosen(o, step) {
			p.skipped = append(p.skipped, step.Name)
			continue
		}
		if step.Informative && len(o.Slots) > 0 {
			continue // it stands in for slots that are now known
		}
		variants, err := expand(o, step, scale)
		if err != nil {
			return nil, fmt.Errorf("step %s: %w", step.Name, err)
		}
		variants = p.runnable(o, step, variants)
		if len(variants) == 0 {
			p.skipped = append(p.skipped, step.Name)
		}
		p.steps = append(p.steps, variants...)
	}
	if err := p.check(o); err != nil {
		return nil, err
	}
	return p, nil
}

// runnable leaves out the variants of a step that cannot run as things are.
func (p *plan) runnable(o Options, step profiles.Step, variants []*plannedStep) []*plannedStep {
	if o.BesideLiveData {
		variants = slices.DeleteFunc(variants, func(s *plannedStep) bool { return !s.probe.Info().Gentle })
	}
	why := ""
	variants = slices.DeleteFunc(variants, func(s *plannedStep) bool {
		info := s.probe.Info()
		switch {
		case info.Unfit != "":
			why = info.Unfit
		case info.Linked && o.Server.Program != "":
			why = "it makes calls that only the linked-in nats-server takes, and --nats-server names another"
		default:
			return false
		}
		return true
	})
	if why != "" {
		p.notes = append(p.notes, fmt.Sprintf("step %s was left out%s: %s", step.Name, inPart(variants), why))
	}
	return variants
}

// inPart says that some variants of a step are left.
func inPart(left []*plannedStep) string {
	if len(left) == 0 {
		return ""
	}
	return " in part"
}

// slots are the values of max_concurrent_io that the run is judged at. Those that
// a server of a Raft group has whatever was asked for are not among them.
func (p *plan) slots(o Options) []int {
	var all []int
	for _, s := range p.steps {
		value := s.Parameters[slotsParameter]
		if o.Server.Slots > 0 && s.raft() && !slices.Contains(o.Slots, value) {
			continue
		}
		n, err := strconv.Atoi(value)
		if err == nil && !s.Informative && !slices.Contains(all, n) {
			all = append(all, n)
		}
	}
	slices.Sort(all)
	return all
}

// check refuses a plan with nothing to do, and overrides and globs that reach
// no step: they are typos.
func (p *plan) check(o Options) error {
	if err := checkGlobs(o); err != nil {
		return err
	}
	if err := checkOverrides(o); err != nil {
		return err
	}
	if len(p.steps) == 0 {
		return usagef("%s", strings.Join(append([]string{"no step is left to run"}, p.notes...), "; "))
	}
	p.addNeeds(o)
	p.tellUnused(o)
	return p.checkTargets(o)
}

// tellUnused notes what was said of servers that the plan does not have.
func (p *plan) tellUnused(o Options) {
	if o.MemoryDir != "" && p.inMemory(o) == 0 {
		p.notes = append(p.notes, "--memory-dir is not used: no chosen step has a server without a volume")
	}
	if o.Server.Program != "" && !slices.ContainsFunc(p.steps, (*plannedStep).raft) {
		p.notes = append(p.notes, "--nats-server runs nowhere: no chosen step has a Raft group")
		return
	}
	if o.overrulesSlots() {
		p.notes = append(p.notes, fmt.Sprintf("nats-server %s does not take max_concurrent_io: the steps with a Raft group run once, with the %d slots that it has by itself here", o.Server.Version, o.Server.Slots))
	}
}

// overrulesSlots says whether other slots were asked for than the servers of a Raft
// group have.
func (o Options) overrulesSlots() bool {
	if o.Server.Slots == 0 {
		return false
	}
	asked := slices.Clone(o.Slots)
	for _, ov := range o.Set {
		if ov.Parameter == slotsParameter {
			asked = append(asked, ov.Value)
		}
	}
	for _, s := range o.Profile.Steps {
		if value, has := s.Set[slotsParameter]; has && standsOnPeers(s) {
			asked = append(asked, value)
		}
	}
	own := strconv.Itoa(o.Server.Slots)
	return slices.ContainsFunc(asked, func(value string) bool { return value != own })
}

// addNeeds adds up what the rounds take. A sweep's cells are many, and each
// round's files go before the next one's come.
func (p *plan) addNeeds(o Options) {
	add := sum
	if o.Sweep != nil {
		add = larger
	}
	for _, s := range p.steps {
		info := s.probe.Info()
		p.need = add(p.need, info.Need)
		if s.beside() {
			p.target, p.peer = add(p.target, info.Peers), larger(p.peer, info.Peers)
		}
	}
}

func sum(a, b probes.Need) probes.Need {
	return probes.Need{Bytes: a.Bytes + b.Bytes, Files: a.Files + b.Files}
}

func larger(a, b probes.Need) probes.Need {
	return probes.Need{Bytes: max(a.Bytes, b.Bytes), Files: max(a.Files, b.Files)}
}

// groupSize is how many servers a Raft group has.
const groupSize = 3

// checkTargets refuses further targets that no server would stand on.
func (p *plan) checkTargets(o Options) error {
	switch {
	case len(o.Targets) == 0:
		return nil
	case len(o.Targets) >= groupSize:
		return usagef("%d directories to measure: a Raft group has %d servers, each on one of them, so give no more", len(o.Targets)+1, groupSize)
	case !slices.ContainsFunc(p.steps, (*plannedStep).raft):
		return usagef("--target is a volume for another server of a Raft group, and no chosen step runs one: leave it out, or choose such a step")
	}
	for _, s := range p.steps {
		if s.raft() && !s.beside() {
			return usagef("step %s puts all %d servers on the first volume (%s=%s), and leaves none for --target: leave one of the two out", s.Title(), groupSize, placeParameter, placeAll)
		}
	}
	return nil
}

// inMemory is how many servers of the run's Raft groups stand in memory.
func (p *plan) inMemory(o Options) int {
	if len(p.besideNames()) == 0 {
		return 0
	}
	return groupSize - 1 - len(o.Targets)
}

// besideNames are the names of the steps with servers beside the volume.
func (p *plan) besideNames() []string {
	var names []string
	for _, s := range p.steps {
		if s.beside() && !slices.Contains(names, s.Name) {
			names = append(names, s.Name)
		}
	}
	return names
}

// placeParameter is what only a step with a Raft group has: which of its servers stand on the
// volume.
const placeParameter = "place"

// placeAll puts all servers of a Raft group on the volume.
const placeAll = "all"

// raft says whether the step runs a Raft group.
func (s *plannedStep) raft() bool {
	_, placed := s.Parameters[placeParameter]
	return placed || s.probe.Info().Peers != probes.Need{}
}

// beside says whether servers of its Raft group stand beside the volume.
func (s *plannedStep) beside() bool {
	return s.raft() && s.Parameters[placeParameter] != placeAll
}

// scaleOf stretches or shrinks the rounds to the budget that was asked for. Steps
// of a Raft group that the user leaves out give their time back: they are a good
// part of it, whatever else is asked. A profile whose budget is short for its steps
// has less to give: what is left of it is at least what the chosen steps measure.
func scaleOf(o Options) float64 {
	if o.Budget <= 0 {
		return 1
	}
	left, least := time.Duration(o.Profile.Budget), time.Duration(0)
	for _, s := range o.Profile.Steps {
		rounds, measuring := time.Duration(s.RoundsOf(o.Profile)), time.Duration(s.Duration+s.Warmup)
		switch {
		case chosen(o, s):
			least += rounds * (measuring + overhead)
		case standsOnPeers(s):
			left -= rounds * (measuring + raftOverhead)
		}
	}
	return float64(o.Budget) / float64(max(left, least))
}

// raftOverhead is what a round with a Raft group costs on a sound volume besides
// its measuring time: three servers that find each other, their streams.
const raftOverhead = 2500 * time.Millisecond

// standsOnPeers says whether a step's probe runs a Raft group.
func standsOnPeers(s profiles.Step) bool {
	probe, err := probes.New(s.Probe)
	return err == nil && probe.Info().Peers != probes.Need{}
}

func chosen(o Options, s profiles.Step) bool {
	return (len(o.Only) == 0 || matchesAny(o.Only, s)) && !matchesAny(o.Skip, s)
}

func matchesAny(globs []string, s profiles.Step) bool {
	return slices.ContainsFunc(globs, func(glob string) bool { return matches(glob, s) })
}

func matches(glob string, s profiles.Step) bool {
	for _, name := range []string{s.Name, s.Probe} {
		if ok, _ := path.Match(glob, name); ok {
			return true
		}
	}
	return false
}

// checkGlobs refuses a glob that no step matches.
func checkGlobs(o Options) error {
	var names []string
	for _, s := range o.Profile.Steps {
		names = append(names, s.Name)
	}
	for _, glob := range slices.Concat(o.Only, o.Skip) {
		if _, err := path.Match(glob, ""); err != nil {
			return usagef("%q is no glob: %w", glob, err)
		}
		if !slices.ContainsFunc(o.Profile.Steps, func(s profiles.Step) bool { return matches(glob, s) }) {
			return usagef("no step of profile %s matches %q%s (there are: %s)", o.Profile.Name, glob, didYouMean(glob, names), strings.Join(names, ", "))
		}
	}
	return nil
}

// checkOverrides refuses an override for a probe that the profile does not use
// or a parameter that no probe of it has.
func checkOverrides(o Options) error {
	for _, ov := range o.Set {
		reached := false
		for _, s := range o.Profile.Steps {
			if ov.Probe != "" && ov.Probe != s.Probe {
				continue
			}
			probe, err := probes.New(s.Probe)
			if err != nil {
				return usage(err)
			}
			if _, has := probes.Value(probe, ov.Parameter); has {
				reached = true
			} else if ov.Probe != "" {
				return usage(probes.Set(probe, ov.Parameter, ov.Value))
			}
		}
		if !reached {
			return usagef("profile %s has no step of %s with parameter %q (storebench probes show PROBE names them)", o.Profile.Name, ov.probeWords(), ov.Parameter)
		}
	}
	return nil
}

func (o Override) probeWords() string {
	if o.Probe == "" {
		return "any probe"
	}
	return fmt.Sprintf("probe %q", o.Probe)
}

func didYouMean(word string, known []string) string {
	if near := profiles.Nearest(word, known); near != "" {
		return fmt.Sprintf(" (did you mean %q?)", near)
	}
	return ""
}

// expand makes a planned step for each combination of the values that a
// step's parameters have.
func expand(o Options, s profiles.Step, scale float64) ([]*plannedStep, error) {
	probe, err := probes.New(s.Probe)
	if err != nil {
		return nil, usage(err)
	}
	set, named, err := parametersOf(o, s, probe)
	if err != nil {
		return nil, err
	}
	var variants []*plannedStep
	for _, values := range (profiles.Step{Set: set}).Variants() {
		variant, err := newStep(o, s, scale, values, named)
		if err != nil {
			return nil, usage(err)
		}
		if slices.ContainsFunc(variants, func(other *plannedStep) bool { return maps.Equal(other.Parameters, variant.Parameters) }) {
			continue // the same value in two spellings
		}
		variants = append(variants, variant)
	}
	nameVariants(variants, slices.Sorted(maps.Keys(set)))
	return variants, nil
}

// nameVariants tells the variants of a step apart by the parameters in which
// they differ.
func nameVariants(variants []*plannedStep, names []string) {
	for _, name := range names {
		differs := slices.ContainsFunc(variants, func(s *plannedStep) bool { return s.Parameters[name] != variants[0].Parameters[name] })
		for _, s := range variants {
			if differs {
				s.Variant = strings.TrimSpace(s.Variant + " " + name + "=" + s.Parameters[name])
			}
		}
	}
}

// parametersOf gathers a step's parameters: the workload's, then the step's,
// then what the user says, then what its server has in any case. named are those
// that label its measurements: all but the workload's, which the whole run shares.
func parametersOf(o Options, s profiles.Step, probe probes.Probe) (set map[string]string, named map[string]bool, err error) {
	set, named = map[string]string{}, map[string]bool{}
	for name, value := range workload(o.Profile.Workload) {
		if _, has := probes.Value(probe, name); has {
			set[name] = value
		}
	}
	assign := func(name, value string) { set[name], named[name] = value, true }
	for name, value := range s.Set {
		assign(name, value)
	}
	if _, has := probes.Value(probe, slotsParameter); has && len(o.Slots) > 0 {
		assign(slotsParameter, strings.Join(o.Slots, ","))
	}
	for _, ov := range o.Set {
		if _, has := probes.Value(probe, ov.Parameter); has && (ov.Probe == "" || ov.Probe == s.Probe) {
			assign(ov.Parameter, ov.Value)
		}
	}
	if o.BesideLiveData {
		for name, value := range probe.Info().Gently {
			assign(name, value)
		}
	}
	if o.Server.Slots > 0 && standsOnPeers(s) {
		set[slotsParameter] = strconv.Itoa(o.Server.Slots)
	}
	if value, has := set[slotsParameter]; has {
		if set[slotsParameter], err = resolveSlots(value, o.CPUs); err != nil {
			return nil, nil, err
		}
	}
	return set, named, nil
}

// workload names the parameters that all probes take from the profile's
// workload.
func workload(w profiles.Workload) map[string]string {
	set := map[string]string{
		"rate":         strconv.FormatFloat(w.Rate, 'f', -1, 64),
		"message-size": w.MessageSize.String(),
		"streams":      strconv.Itoa(w.Streams),
		"consumers":    strconv.Itoa(w.Consumers),
		"groups":       strconv.Itoa(w.Groups),
		"sync":         w.Sync,
		"cipher":       w.Cipher,
		"compression":  w.Compression,
	}
	if w.Slots > 0 {
		set[slotsParameter] = strconv.Itoa(w.Slots)
	}
	return set
}

// resolveSlots turns versions of nats-server in a list of slots into numbers.
func resolveSlots(list string, cpus int) (string, error) {
	var values []string
	for value := range strings.SplitSeq(list, ",") {
		slots, _, err := probes.SlotsOf(strings.TrimSpace(value), cpus)
		if err != nil {
			return "", usage(err)
		}
		values = append(values, strconv.Itoa(slots))
	}
	return strings.Join(values, ","), nil
}

// newStep sets the values on a probe of its own, which checks them.
func newStep(o Options, s profiles.Step, scale float64, values map[string]string, named map[string]bool) (*plannedStep, error) {
	probe, err := probes.New(s.Probe)
	if err != nil {
		return nil, err
	}
	for name, value := range values {
		if err := probes.Set(probe, name, value); err != nil {
			return nil, err
		}
	}
	probes.Adjust(probe)
	labels, parameters := map[string]string{}, map[string]string{}
	for _, parameter := range probes.Parameters(probe) { // in canonical form
		parameters[parameter.Name] = parameter.Value
		if named[parameter.Name] {
			labels[parameter.Name] = parameter.Value
		}
	}
	rounds := s.RoundsOf(o.Profile)
	slots, _ := strconv.Atoi(parameters[slotsParameter]) // 0 where it has none
	planned := &plannedStep{probe: probe, most: rounds, Step: results.Step{
		Name: s.Name, Probe: s.Probe, Labels: labels, Parameters: parameters, Topic: probe.Info().Topic, Asked: probes.Asked(probe), Loop: probes.LoopOf(probe), Slots: slots, Informative: s.Informative, Note: slotsNote(s, o.CPUs),
		Rounds: rounds, Duration: scaled(s.Duration, scale), Warmup: scaled(s.Warmup, min(scale, 1)),
	}}
	planned.Raft = planned.raft()
	return planned, nil
}

// slotsNote says whose slots a step has that names a server's version.
func slotsNote(s profiles.Step, cpus int) string {
	_, note, err := probes.SlotsOf(s.Set[slotsParameter], cpus)
	if err != nil {
		return "" // it names none
	}
	return note
}

func scaled(d profiles.Duration, scale float64) time.Duration {
	return time.Duration(float64(d) * scale).Round(time.Millisecond)
}

// Validate checks every probe, parameter and limit of a profile.
func Validate(p *profiles.Profile) error {
	if _, err := CheckLimits(p.Limits); err != nil {
		return err
	}
	if _, err := CheckFigures(p.Figures); err != nil {
		return err
	}
	_, err := newPlan(Options{Profile: p, CPUs: 1})
	return err
}
