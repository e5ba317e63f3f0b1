package results

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"storebench/internal/cause"
	"storebench/internal/measure"
	"storebench/internal/volume"
)

// persistenceRule is the name of the rule that a volume keeps what it
// acknowledged.
const persistenceRule = "the volume persists"

// persistence fails volumes that are known not to keep what they acknowledged.
func persistence(run *Run) []Finding {
	volumes := []volume.Facts{run.Volume}
	if run.Raft != nil {
		volumes = append(volumes, run.Raft.Targets...)
	}
	var all []Finding
	for i, v := range volumes {
		if v.Persistence.State != volume.NotPersistent {
			continue
		}
		how, labels := v.Persistence.How, map[string]string(nil)
		if i > 0 {
			how, labels = v.Path+": "+how, map[string]string{"target": v.Path}
		}
		all = append(all, Finding{
			Name: persistenceRule, Title: "The volume does not persist", Labels: labels, Status: Fail, Reason: how,
			Cause:   &cause.Cause{Name: cause.FileSystem, Evidence: []string{how}},
			Meaning: "acknowledged messages, votes and terms are gone after a power cut or a restart of the machine; Raft relies on them",
		})
	}
	return all
}

// incidentRule says what a kind of incident is to a verdict.
type incidentRule struct {
	name    string
	title   string
	status  Status
	meaning string
}

// incidentRules has a rule for every kind but OutOfTime, which leaves it to the
// limits: they have too little data then, or enough.
var incidentRules = map[IncidentKind]incidentRule{
	Stalled:     {"the volume answers", "The volume stopped answering", Fail, "a server on this volume stops: its readloops, its acknowledgements, its leaders"},
	VolumeError: {"the volume gives no error", "The volume gave an error", Fail, "since nats-server 2.14.0 a critical write error ends the store that meets it"},
	ToolError:   {"the step ran", "A step could not be run", Inconclusive, "nothing is known of what this step measures"},
	Full:        {"free space stays above the reserve", "The reserve of free space was reached", Inconclusive, "the run ended before the volume was full; a full volume stops JetStream"},
	Hurting:     {"live data is not slowed down", "Live data was slowed down", Inconclusive, "the run ended because it slowed down fsyncs beside live data: this volume has little room left"},
	Cut:         {"the round ended by itself", "A round was stopped", Inconclusive, "operations or the server's stop took longer than a round may wait for them; what they would have taken is not known"},
	Interrupted: {"the run was not interrupted", "The run was interrupted", Inconclusive, "what was measured until then is kept"},
}

// incidents turns what went wrong into findings.
func incidents(run *Run) []Finding {
	var all []Finding
	for _, in := range run.Incidents {
		if in.Kind == OutOfTime || in.Kind == Cut && run.Sweep != nil {
			continue // in a sweep, what a cell did until it was cut is its figure
		}
		rule, known := incidentRules[in.Kind]
		if !known {
			rule = incidentRule{"nothing unknown went wrong", "Something unknown went wrong", Inconclusive, "this program does not know what such an incident means"}
		}
		f := Finding{Name: rule.name, Title: rule.title, Status: rule.status, Step: in.Step, Meaning: rule.meaning,
			Reason: fmt.Sprintf("%s after %s: %s", in.word(), in.At.Sub(run.Started).Round(100*time.Millisecond), in.Detail)}
		if in.Kind == Stalled || in.Kind == VolumeError {
			f.Cause = incidentCause(run, in)
		}
		all = append(all, f)
	}
	if run.Interrupted && !slices.ContainsFunc(run.Incidents, func(in Incident) bool { return in.Kind == Interrupted }) {
		rule := incidentRules[Interrupted]
		all = append(all, Finding{Name: rule.name, Title: rule.title, Status: rule.status, Reason: string(Interrupted), Meaning: rule.meaning})
	}
	return all
}

// word is what happened, as a reason begins.
func (in Incident) word() string {
	if in.Kind == Cut {
		return "stopped"
	}
	return string(in.Kind)
}

// sweptRule is the name of the finding that stands in a sweep for limits.
const sweptRule = "every cell was measured"

// swept says whether a sweep has data of all its cells.
func swept(run *Run) []Finding {
	m := Evaluate(run)
	if m == nil {
		return nil
	}
	var without []string
	for _, c := range m.Cells {
		if c.Rate.Value == nil && c.P99.Value == nil {
			without = append(without, c.Step)
		}
	}
	with := float64(len(m.Cells) - len(without))
	f := Finding{Name: sweptRule, Unit: measure.Count, Observed: &with, Status: Pass, Reason: "met"}
	if with == 0 || len(without) > 0 {
		f.Status = Inconclusive
		f.Reason = fmt.Sprintf("%d of %s have no data: %s", len(without), counted(len(m.Cells), "cell"), strings.Join(without[:min(maxTold, len(without))], ", "))
		f.Meaning = "the matrix has holes, and what it says of the others stands"
	}
	return []Finding{f}
}

// incidentCause blames the layer that gave no answer or an error: a network, what
// holds requests back above the device if the rounds that did end show it, what is
// below the file system where there is a block device, else the file system.
func incidentCause(run *Run, in Incident) *cause.Cause {
	volumes := run.Volumes(run.Step(in.Step))
	if i := slices.IndexFunc(run.raft().Targets, func(v volume.Facts) bool { return in.Target != "" && v.Path == in.Target }); i >= 0 {
		volumes = run.raft().Targets[i : i+1]
	}
	c := cause.Case{FileSystems: fileSystems(volumes), CPUs: run.Host.CPUs}
	if in.Kind == Stalled {
		for _, m := range run.Measurements {
			c.Rounds = append(c.Rounds, m.Rounds...)
		}
	}
	seen := cause.Find(c)
	evidence := append([]string{in.Detail}, seen.Evidence...)
	switch {
	case seen.Name == cause.Network, seen.Name == cause.Throttle:
		return &cause.Cause{Name: seen.Name, Evidence: evidence}
	case slices.ContainsFunc(volumes, func(v volume.Facts) bool { return v.Device.Name != "" }):
		return &cause.Cause{Name: cause.Device, Evidence: evidence[:1]}
	}
	return &cause.Cause{Name: cause.FileSystem, Evidence: evidence[:1]}
}

// stalls tells when operations stood still longest and what share of the
// measured time that took; max limits judge it, quantiles do not see it.
func (f *Finding) stalls(rounds []measure.Round) {
	if f.Status == Pass {
		return
	}
	var all []standstill
	stalled, measured := 0.0, 0.0
	for _, r := range rounds {
		measured += r.Elapsed
		if r.Distribution == nil {
			continue
		}
		for _, s := range standstills(r.Distribution.Stalls) {
			s.round = r.Start
			all = append(all, s)
			stalled += s.end - s.begin
		}
	}
	if len(all) == 0 || measured <= 0 {
		return
	}
	slices.SortStableFunc(all, func(a, b standstill) int { return cmp.Compare(b.end-b.begin, a.end-a.begin) })
	var told []string
	for _, s := range all[:min(maxTold, len(all))] {
		told = append(told, s.String())
	}
	f.Reason += fmt.Sprintf("; stalled %.0f %% of the time: %s", 100*min(1, stalled/measured), strings.Join(told, ", "))
}

// maxTold is how many standstills a finding names: the longest.
const maxTold = 3

// standstill is a time in which operations waited: seconds since the start of
// its round.
type standstill struct {
	round      time.Time
	begin, end float64
}

func (s standstill) String() string {
	begin := s.round.Add(time.Duration(s.begin * float64(time.Second)))
	return fmt.Sprintf("%.1f s at %s", s.end-s.begin, begin.UTC().Format("15:04:05.0 UTC"))
}

// standstills joins stalls that overlap: operations of many writers wait for
// one and the same.
func standstills(stalls []measure.Stall) []standstill {
	var all []standstill
	for _, s := range stalls {
		all = append(all, standstill{begin: max(0, s.At-s.Seconds), end: max(0, s.At)})
	}
	slices.SortFunc(all, func(a, b standstill) int { return cmp.Compare(a.begin, b.begin) })
	joined := all[:0]
	for _, s := range all {
		if last := len(joined) - 1; last >= 0 && s.begin <= joined[last].end {
			joined[last].end = max(joined[last].end, s.end)
			continue
		}
		joined = append(joined, s)
	}
	return joined
}
