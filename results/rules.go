package results

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"storebench/internal/cause"
	"storebench/internal/measure"
	"storebench/internal/volume"
)

// persistence fails a volume that is known not to keep what it acknowledged.
func persistence(run *Run) []Finding {
	p := run.Volume.Persistence
	if p.State != volume.NotPersistent {
		return nil
	}
	return []Finding{{
		Name: "the volume persists", Status: Fail, Reason: p.How,
		Cause:   &cause.Cause{Name: cause.FileSystem, Evidence: []string{p.How}},
		Meaning: "acknowledged messages, votes and terms are gone after a power cut or a restart of the machine; Raft relies on them",
	}}
}

// incidentRules says what each kind of incident is to a verdict. An incident
// that is not here (OutOfTime) leaves it to the limits, which have too little
// data then.
var incidentRules = map[IncidentKind]struct {
	name    string
	status  Status
	meaning string
}{
	Stalled:     {"the volume answers", Fail, "a server on this volume stops: its readloops, its acknowledgements, its leaders"},
	VolumeError: {"the volume gives no I/O error", Fail, "since nats-server 2.14.0 a critical write error ends the store that meets it"},
	ToolError:   {"the step ran", Inconclusive, "nothing is known of what this step asks"},
	Full:        {"the reserve of free space is kept", Inconclusive, "the run ended before the volume was full; a full volume stops JetStream"},
	Hurting:     {"live data is not slowed down", Inconclusive, "the run ended because it slowed down fsyncs beside live data: this volume has little room left"},
	Interrupted: {"the run was not interrupted", Inconclusive, "what was measured until then is kept"},
}

// incidents turns what went wrong into findings.
func incidents(run *Run) []Finding {
	var all []Finding
	for _, in := range run.Incidents {
		rule, ok := incidentRules[in.Kind]
		if !ok {
			continue
		}
		f := Finding{Name: rule.name, Status: rule.status, Step: in.Step, Meaning: rule.meaning,
			Reason: fmt.Sprintf("%s after %s: %s", in.Kind, in.At.Sub(run.Started).Round(100*time.Millisecond), in.Detail)}
		if in.Kind == Stalled || in.Kind == VolumeError {
			f.Cause = &cause.Cause{Name: incidentCause(run), Evidence: []string{in.Detail}}
		}
		all = append(all, f)
	}
	return all
}

// incidentCause blames the layer that gave no answer or an error: what is
// below the file system where there is a block device, else the file system.
func incidentCause(run *Run) cause.Name {
	if run.Volume.Device.Name != "" {
		return cause.Device
	}
	return cause.FileSystem
}

// stalls tells when the longest operations happened and what share of the
// measured time they take; it is judged by max limits, never by quantiles.
func (f *Finding) stalls(rounds []measure.Round) {
	if f.Status == Pass {
		return
	}
	var told []string
	stalled, measured := 0.0, 0.0
	for _, r := range rounds {
		measured += r.Elapsed
		if r.Distribution == nil {
			continue
		}
		for _, s := range r.Distribution.Stalls {
			begin := r.Start.Add(time.Duration((s.At - s.Seconds) * float64(time.Second)))
			told = append(told, fmt.Sprintf("%.1f s from %s on", s.Seconds, begin.UTC().Format("15:04:05.0 UTC")))
		}
		stalled += stalledTime(r.Distribution.Stalls)
	}
	if len(told) > 0 && measured > 0 {
		f.Reason += fmt.Sprintf("; stalled %.0f %% of the time: %s", 100*min(1, stalled/measured), strings.Join(told[:min(3, len(told))], ", "))
	}
}

// stalledTime is the length of the union of stalls: operations of many writers
// wait for one and the same.
func stalledTime(stalls []measure.Stall) float64 {
	sorted := slices.Clone(stalls)
	slices.SortFunc(sorted, func(a, b measure.Stall) int {
		if a.At-a.Seconds < b.At-b.Seconds {
			return -1
		}
		return 1
	})
	total, until := 0.0, 0.0
	for _, s := range sorted {
		if begin := max(s.At-s.Seconds, until); s.At > begin {
			total, until = total+s.At-begin, s.At
		}
	}
	return total
}

// askedWords are the parameters that say what a figure was found at, in the
// order in which a person reads them, and the value that goes without saying.
var askedWords = []struct{ parameter, words, unsaid string }{
	{"groups", "%s Raft groups", ""},
	{"role", "each as %s", ""},
	{"rate", "%s msg/s", ""},
	{"size", "writes of %s", ""},
	{"message-size", "messages of %s", ""},
	{"streams", "%s streams", ""},
	{"concurrency", "writers: %s", ""},
	{"writes-per-second", "%s writes/s", "0"},
	{"sync", "sync %s", "default"},
	{"cipher", "cipher %s", "none"},
	{"compression", "compression %s", "none"},
	{"max-concurrent-io", "%s slots", "4096"},
}

// asked says in words what a step asks of the volume.
func asked(s Step) string {
	var words []string
	for _, w := range askedWords {
		value, has := s.Parameters[w.parameter]
		switch {
		case !has, value == w.unsaid && s.Parameters["mode"] != "storm":
		case w.parameter == "rate" && s.Parameters["mode"] == "closed":
			words = append(words, "as fast as it goes")
		case (w.parameter == "groups" || w.parameter == "role") && s.Parameters["mode"] == "write":
		default:
			words = append(words, fmt.Sprintf(w.words, value))
		}
	}
	return strings.Join(words, ", ")
}
