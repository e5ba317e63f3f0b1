package results

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"storebench/internal/cause"
	"storebench/internal/measure"
)

// Difference is something about the environment that is not the same on both
// sides of a comparison.
type Difference struct {
	What string `json:"what"`
	Base string `json:"base"`
	New  string `json:"new"`
}

// surroundings are what may make runs differ besides the volume's speed, and how
// it is told of a run. Empty is unknown.
var surroundings = []struct {
	what string
	of   func(run *Run) string
}{
	{"file system", func(run *Run) string { return run.Volume.FileSystem }},
	{"mount options", func(run *Run) string { return strings.Join(run.Volume.MountOptions, ",") }},
	{"device", func(run *Run) string { return run.Volume.Device.Name }},
	{"persistence", func(run *Run) string { return string(run.Volume.Persistence.State) }},
	{"system", func(run *Run) string { return run.Host.OS + "/" + run.Host.Arch }},
	{"kernel", func(run *Run) string { return run.Host.Kernel }},
	{"CPUs", func(run *Run) string { return strconv.Itoa(run.Host.CPUs) }},
	{"memory", func(run *Run) string { return measure.Size(run.Host.Memory).Human() }},
	{"nats-server", func(run *Run) string { return run.Tool.NATSServer }},
	{"nats-server of the Raft groups", func(run *Run) string { return run.raft().Server }},
	{"further targets", func(run *Run) string { return strconv.Itoa(len(run.raft().Targets)) }},
	{"Raft servers without a volume on", func(run *Run) string { return run.raft().peersOn() }},
	{"storebench", func(run *Run) string { return run.Tool.Version }},
	{"profile", func(run *Run) string { return run.Profile.Name }},
	{"messages/s", func(run *Run) string { return fmt.Sprintf("%g", run.Profile.Workload.Rate) }},
	{"message size", func(run *Run) string { return run.Profile.Workload.MessageSize.String() }},
	{"streams", func(run *Run) string { return strconv.Itoa(run.Profile.Workload.Streams) }},
	{"consumers", func(run *Run) string { return strconv.Itoa(run.Profile.Workload.Consumers) }},
	{"Raft groups", func(run *Run) string { return strconv.Itoa(run.Profile.Workload.Groups) }},
	{"sync", func(run *Run) string { return run.Profile.Workload.Sync }},
	{"cipher", func(run *Run) string { return run.Profile.Workload.Cipher }},
	{"compression", func(run *Run) string { return run.Profile.Workload.Compression }},
	{"slots", func(run *Run) string { return strings.Trim(fmt.Sprint(run.Slots.Judged), "[]") }},
	{"budget", func(run *Run) string { return fmt.Sprintf("%g s", run.Budget) }},
	{"steps left out", func(run *Run) string { return strings.Join(run.Skipped, ", ") }},
	{"labels", func(run *Run) string { return strings.ReplaceAll(identity(run.Labels), "\x01", " ") }},
}

// raft is what is known of the run's Raft groups; empty where it has none.
func (run *Run) raft() Raft {
	if run.Raft == nil {
		return Raft{}
	}
	return *run.Raft
}

// peersOn is the file system under the servers without a volume.
func (r Raft) peersOn() string {
	if r.Peers == nil {
		return ""
	}
	return r.Peers.FileSystem
}

// differences finds what is not the same on both sides.
func differences(base, changed []*Run) []Difference {
	var all []Difference
	tell := func(what string, of func(run *Run) string) {
		old, fresh := seenValues(base, of), seenValues(changed, of)
		if !slices.Equal(old, fresh) {
			all = append(all, Difference{what, strings.Join(old, " or "), strings.Join(fresh, " or ")})
		}
	}
	for _, s := range surroundings {
		tell(s.what, s.of)
	}
	for _, title := range titles(base) {
		for _, name := range parameterNames(title, base, changed) {
			tell("step "+title+", "+name, func(run *Run) string { return run.Step(title).Parameters[name] })
		}
	}
	return all
}

// seenValues are the different values of some runs, sorted.
func seenValues(runs []*Run, of func(run *Run) string) []string {
	seen := map[string]bool{}
	for _, run := range runs {
		if value := of(run); value != "" {
			seen[value] = true
		}
	}
	return slices.Sorted(maps.Keys(seen))
}

// titles are the steps of some runs.
func titles(runs []*Run) []string {
	var all []string
	for _, run := range runs {
		for _, s := range run.Steps {
			if !slices.Contains(all, s.Title()) {
				all = append(all, s.Title())
			}
		}
	}
	return all
}

// parameterNames are the parameters of a step that every run has; of one that
// some do not have there is nothing to compare.
func parameterNames(title string, sides ...[]*Run) []string {
	count, runs := map[string]int{}, 0
	for _, run := range slices.Concat(sides...) {
		runs++
		for _, s := range run.Steps {
			if s.Title() == title {
				for name := range s.Parameters {
					count[name]++
				}
			}
		}
	}
	maps.DeleteFunc(count, func(_ string, n int) bool { return n < runs })
	return slices.Sorted(maps.Keys(count))
}

// caveats are what a reader of one side's figures must know: a busy machine and
// runs that did not end by themselves.
func caveats(side string, runs []*Run) []string {
	var all []string
	for _, run := range runs {
		if run.Interrupted {
			all = append(all, fmt.Sprintf("%s: run %s was interrupted", side, run.ID))
		}
		if lost := run.cpuLost(); lost >= cause.CPULittle {
			all = append(all, fmt.Sprintf("%s: the machine of run %s was short of CPU %.0f %% of the time", side, run.ID, 100*lost))
		}
	}
	return all
}

// cpuLost is the mean over all rounds.
func (run *Run) cpuLost() float64 {
	sum, n := 0.0, 0
	for _, m := range run.Measurements {
		for _, r := range m.Rounds {
			if r.Context.CPU != nil {
				sum, n = sum+r.Context.CPULost(), n+1
			}
		}
	}
	return sum / float64(max(1, n))
}
