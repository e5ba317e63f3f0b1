// Package results is what was found: the run document, the judging of a run
// against its limits, and comparing. Everything here works on a saved run, on
// any machine.
package results

import (
	"maps"
	"slices"
	"time"

	"storebench/internal/measure"
	"storebench/internal/volume"
	"storebench/profiles"
)

// Schema is the version of the run document. A reader refuses a newer one.
const Schema = 1

// Run is the document that a check or a sweep writes: all that was measured, and
// what must be known to read it. The verdict is derived from it by Judge, a
// sweep's matrix by Evaluate.
type Run struct {
	Schema       int                   `json:"schema"`
	Tool         Tool                  `json:"tool"`
	ID           string                `json:"id"`
	Started      time.Time             `json:"started"`
	Ended        time.Time             `json:"ended"`
	Seed         uint64                `json:"seed"`
	Labels       map[string]string     `json:"labels,omitempty"` // the user's own
	Host         Host                  `json:"host"`
	Volume       volume.Facts          `json:"volume"`
	Profile      profiles.Profile      `json:"profile"` // as in force
	Budget       float64               `json:"budget_seconds"`
	Steps        []Step                `json:"steps"`
	Skipped      []string              `json:"skipped,omitempty"` // steps that the user left out
	Slots        Slots                 `json:"slots"`
	Raft         *Raft                 `json:"raft,omitempty"`  // set where a step runs a Raft group
	Sweep        *Sweep                `json:"sweep,omitempty"` // set where the run is a sweep
	Measurements []measure.Measurement `json:"measurements"`
	Incidents    []Incident            `json:"incidents,omitempty"`
	Notes        []string              `json:"notes,omitempty"` // caveats of the whole run
	Interrupted  bool                  `json:"interrupted,omitempty"`
}

// Tool says which program made a run.
type Tool struct {
	Name       string `json:"name"`
	Version    string `json:"version"`
	NATSServer string `json:"nats_server"`
	Go         string `json:"go"`
}

// Host is the machine that a run was made on.
type Host struct {
	OS     string `json:"os"`
	Arch   string `json:"arch"`
	Kernel string `json:"kernel,omitempty"`
	CPUs   int    `json:"cpus"`
	Memory int64  `json:"memory_bytes,omitempty"`
}

// Slots says whose max_concurrent_io the run is judged at.
type Slots struct {
	Judged []int  `json:"judged"`
	Source string `json:"source"` // how they are known
}

// Raft says what the servers of a run's Raft groups were, where those stood that
// were not on the volume, and what they took.
type Raft struct {
	Server  string         `json:"nats_server"`       // its version
	Linked  bool           `json:"linked,omitempty"`  // it is the tool's own
	Targets []volume.Facts `json:"targets,omitempty"` // further volumes, each under one server
	Peers   *volume.Facts  `json:"peers,omitempty"`   // under the servers without a volume: in memory, where there is one
	// Seconds is how long Raft groups lived in all: in each round from the start of
	// the three servers until all was measured. A round that gave no answer is not
	// in it.
	Seconds float64 `json:"seconds,omitempty"`
}

// Step is a step of the run with all its parameters in force.
type Step struct {
	Name        string            `json:"name"`
	Probe       string            `json:"probe"`
	Variant     string            `json:"variant,omitempty"` // what tells it from its sisters
	Labels      map[string]string `json:"labels,omitempty"`  // those that tell its measurements apart
	Parameters  map[string]string `json:"parameters"`
	Topic       string            `json:"topic,omitempty"` // what of a server it is about, such as elections
	Asked       string            `json:"asked,omitempty"` // the parameters that matter, in words
	Raft        bool              `json:"raft,omitempty"`  // it runs a Raft group
	Loop        measure.Loop      `json:"loop,omitempty"`
	Slots       int               `json:"slots,omitempty"` // I/O slots (max_concurrent_io); 0 where it has no such parameter
	Informative bool              `json:"informative,omitempty"`
	Note        string            `json:"note,omitempty"` // whose slots these are
	Rounds      int               `json:"rounds"`         // as planned; an extension may double them
	Extended    bool              `json:"extended,omitempty"`
	Duration    time.Duration     `json:"duration_ns"`
	Warmup      time.Duration     `json:"warmup_ns,omitempty"`
	// Peak is the largest resident memory of a worker of this step.
	Peak int64 `json:"peak_memory_bytes,omitempty"`
}

// Title is the step's name with its variant; it is unique in a run.
func (s Step) Title() string {
	if s.Variant == "" {
		return s.Name
	}
	return s.Name + " " + s.Variant
}

// owns says whether a measurement is one of this step.
func (s Step) owns(m measure.Measurement) bool {
	if m.Step != s.Name {
		return false
	}
	for name, value := range s.Labels {
		if m.Labels[name] != value {
			return false
		}
	}
	return true
}

// StepIndex is where the step of a measurement stands in the profile.
func (run *Run) StepIndex(m measure.Measurement) int {
	return slices.IndexFunc(run.Steps, func(s Step) bool { return s.owns(m) })
}

// Step is the step with that title; one without a name where there is none.
func (run *Run) Step(title string) Step {
	for _, s := range run.Steps {
		if s.Title() == title {
			return s
		}
	}
	return Step{}
}

// Volumes are those that a step writes to: with a Raft group, further targets too.
func (run *Run) Volumes(step Step) []volume.Facts {
	all := []volume.Facts{run.Volume}
	if step.Raft {
		all = append(all, run.raft().Targets...)
	}
	return all
}

// Devices are the names of the block devices below volumes, empty where one is not known.
func Devices(volumes []volume.Facts) []string {
	var names []string
	for _, v := range volumes {
		if !slices.Contains(names, v.Device.Name) {
			names = append(names, v.Device.Name)
		}
	}
	return names
}

func fileSystems(volumes []volume.Facts) []string {
	var names []string
	for _, v := range volumes {
		names = append(names, v.FileSystem)
	}
	return names
}

// label returns the measurement with all parameters of its step as labels, so
// that a limit may name any of them.
func (s Step) label(m measure.Measurement) measure.Measurement {
	labels := maps.Clone(s.Parameters)
	if labels == nil {
		labels = map[string]string{}
	}
	maps.Copy(labels, m.Labels)
	m.Labels = labels
	return m
}

// IncidentKind is what went wrong in a run.
type IncidentKind string

// The kinds of incidents.
const (
	Stalled     IncidentKind = "stalled"     // the volume gave no answer within a round's deadline
	VolumeError IncidentKind = "error"       // the volume answered with an I/O error, or crashed a server
	ToolError   IncidentKind = "tool-error"  // something else failed; says nothing of the volume
	Full        IncidentKind = "reserve"     // the reserve of free space was reached
	Hurting     IncidentKind = "live-data"   // the canary's fsyncs slowed down beside live data
	Interrupted IncidentKind = "interrupted" // the user ended the run
	OutOfTime   IncidentKind = "out-of-time" // the budget ended before all rounds were run
	Cut         IncidentKind = "cut"         // a round was ended with writes in flight
)

// Incident is something that went wrong, with the step that met it.
type Incident struct {
	Kind   IncidentKind `json:"kind"`
	Step   string       `json:"step,omitempty"`  // its title
	Round  int          `json:"round,omitempty"` // from 1
	At     time.Time    `json:"at"`
	Detail string       `json:"detail"`
	Target string       `json:"target,omitempty"` // the further volume that it is of
}
