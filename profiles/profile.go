// Package profiles is what is asked of a volume: the workload it must carry,
// the steps that find out, and the limits that decide. The built-in profiles
// are the YAML files beside this one.
package profiles

import (
	"cmp"
	"time"

	"storebench/internal/measure"
)

// Profile is a set of steps and limits with the workload they stand for. Load
// and Parse return one that nobody else holds: the caller may change it.
type Profile struct {
	Name        string   `yaml:"name" json:"name"`
	Description string   `yaml:"description" json:"description"`
	Workload    Workload `yaml:"workload" json:"workload"`
	// Budget is how long the whole run may take, and its deadline.
	Budget Duration `yaml:"budget" json:"budget"`
	// Rounds is how many rounds a step has, typically 5, 3 in a quick profile.
	Rounds int     `yaml:"rounds" json:"rounds"`
	Steps  []Step  `yaml:"steps" json:"steps"`
	Limits []Limit `yaml:"limits" json:"limits"`
	// Figures are what a report says in plain numbers of what the volume carries.
	Figures []Figure `yaml:"figures,omitempty" json:"figures,omitempty"`
}

// Workload is what is asked: what the operator's server does to the disk.
// A finding names it, and headroom is measured against it. The values in the
// comments are those of the profile raft.
type Workload struct {
	Rate        float64      `yaml:"messages-per-second" json:"messages_per_second"` // over all streams: 1,000
	MessageSize measure.Size `yaml:"message-size" json:"message_size"`               // of the payload: 1 KiB
	Streams     int          `yaml:"streams" json:"streams"`                         // that are written at once: 4
	Consumers   int          `yaml:"consumers" json:"consumers"`                     // in all streams together: 43
	Groups      int          `yaml:"raft-groups" json:"raft_groups"`                 // on this server, which vote in an election storm: 2,000
	Sync        string       `yaml:"sync" json:"sync"`                               // default or always
	Cipher      string       `yaml:"cipher" json:"cipher"`                           // none, chacha or aes
	Compression string       `yaml:"compression" json:"compression"`                 // none or s2
	// Slots is max_concurrent_io; 0 is today's default.
	Slots int `yaml:"max-concurrent-io" json:"max_concurrent_io"`
}

// Step is one turn of a probe with its parameters.
type Step struct {
	Name  string `yaml:"name" json:"name"`
	Probe string `yaml:"probe" json:"probe"`
	// Set holds the probe's parameters by name. A value with commas makes one
	// variant of the step for each.
	Set map[string]string `yaml:"set,omitempty" json:"set,omitempty"`
	// Duration is how long one round measures, at the profile's own budget.
	Duration Duration `yaml:"duration" json:"duration"`
	// Warmup is how long it runs before that; what it does then is not counted.
	Warmup Duration `yaml:"warmup,omitempty" json:"warmup,omitempty"`
	// Rounds is the profile's when 0.
	Rounds int `yaml:"rounds,omitempty" json:"rounds,omitempty"`
	// Informative steps are measured and shown and change neither the status
	// nor the exit code.
	Informative bool `yaml:"informative,omitempty" json:"informative,omitempty"`
}

// RoundsOf is how many rounds the step has in a profile.
func (s Step) RoundsOf(p *Profile) int { return cmp.Or(s.Rounds, p.Rounds) }

// Level says what a limit that does not hold does to the verdict.
type Level string

// The levels of a limit.
const (
	LevelFail Level = "fail"
	LevelWarn Level = "warn"
)

// Limit is a bound on a statistic of a metric:
//
//	probe ["." metric] ["{" label "=" value, … "}"] stat op bound
//
// Its text form prints back what was parsed. It holds when every measurement
// that it matches holds.
type Limit struct {
	Level Level  `json:"level"`
	Why   string `json:"why"` // what breaks in NATS, and the source of the number
	// Title is what a person reads in place of the text, where there is one.
	// {name} stands for the value of the step's parameter of that name.
	Title  string            `json:"title,omitempty"`
	Probe  string            `json:"probe"`
	Metric string            `json:"metric,omitempty"` // empty: the probe's first
	Labels map[string]string `json:"labels,omitempty"` // "step" matches the step's name
	Stat   Stat              `json:"stat"`
	Op     Op                `json:"op"`
	Bound  float64           `json:"bound"`          // base unit
	Unit   measure.Unit      `json:"unit,omitempty"` // of the bound as written; empty when it had none
	Text   string            `json:"text"`           // canonical text form
}

// Op compares an observed value with a bound.
type Op string

// The comparisons.
const (
	Less         Op = "<"
	LessEqual    Op = "<="
	Greater      Op = ">"
	GreaterEqual Op = ">="
)

// Stat is what is taken of a measurement: a quantile, or one of the named ones.
type Stat struct {
	Name string // min, mean, max, rate, value, or quantile
	// Quantile is in 0 to 1 when Name is quantile: p99.9 is 0.999.
	Quantile float64
}

// Duration is a time.Duration that reads and writes itself as "1.5s".
type Duration time.Duration
