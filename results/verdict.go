package results

import (
	"fmt"
	"slices"

	"storebench/internal/cause"
	"storebench/internal/measure"
	"storebench/profiles"
)

// Status is how a limit or a run ended. The zero value never passes.
type Status int

// The statuses.
const (
	Inconclusive Status = iota
	Pass
	Warn
	Fail
)

var statusNames = map[Status]string{Inconclusive: "inconclusive", Pass: "pass", Warn: "warn", Fail: "fail"}

// String is the status in lower case, as the run document and reports have it.
func (s Status) String() string { return statusNames[s] }

// MarshalText writes the status by its name.
func (s Status) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads the status by its name.
func (s *Status) UnmarshalText(text []byte) error {
	for status, name := range statusNames {
		if name == string(text) {
			*s = status
			return nil
		}
	}
	return fmt.Errorf("status %q is none of pass, warn, fail, inconclusive", text)
}

func (s Status) weight() int { return slices.Index(byWeight, s) }

// Finding is a limit held against one measurement, or a rule about the run.
type Finding struct {
	Name   string          `json:"name"`            // the limit's text, or the rule's name
	Title  string          `json:"title,omitempty"` // what a person reads in the name's place
	Topic  string          `json:"topic,omitempty"` // what of a server it is about, such as elections
	Limit  *profiles.Limit `json:"limit,omitempty"`
	Status Status          `json:"status"`
	// Undecided says that there was data, and not enough of it: another look could
	// decide. A limit at level warn that is undecided is a warning, the worst that it
	// could have become, whether too little data or the machine's own trouble left it so.
	Undecided bool `json:"undecided,omitempty"`
	// NoData says that the run ended before anything was measured for the limit.
	NoData   bool              `json:"no_data,omitempty"`
	Step     string            `json:"step,omitempty"` // its title
	Labels   map[string]string `json:"labels,omitempty"`
	Asked    string            `json:"asked,omitempty"` // the workload that the figure was found at
	Unit     measure.Unit      `json:"unit,omitempty"`
	Observed *float64          `json:"observed,omitempty"` // base unit
	// AtLeast says that the observed value is a lower bound: it was cut.
	AtLeast bool `json:"at_least,omitempty"`
	// Low and High are the interval of the observed value (97.5 % a side).
	Low  *float64 `json:"low,omitempty"`
	High *float64 `json:"high,omitempty"`
	// Headroom is how many times over the bound is kept; under 1 it is not.
	Headroom *float64 `json:"headroom,omitempty"`
	// Effective is the number of independent operations that the confidence
	// rests on; it is 0 for statistics over rounds.
	Effective float64      `json:"effective,omitempty"`
	Cause     *cause.Cause `json:"cause,omitempty"`
	// Log are lines that nats-servers logged meanwhile, the gravest first.
	Log    []string `json:"log,omitempty"`
	Reason string   `json:"reason"`
	// Meaning is what it means for NATS.
	Meaning string `json:"meaning,omitempty"`
}

// Word is the finding's status, and whether it is undecided where the status does not say
// so.
func (f Finding) Word() string {
	if f.Status == Warn && f.Undecided {
		return "warn, undecided"
	}
	return f.Status.String()
}

// Warned says whether the finding warns of what was found, and not of what could not be
// decided.
func (f Finding) Warned() bool { return f.Status == Warn && !f.Undecided }

// Verdict is what a run says of its volume.
type Verdict struct {
	Status Status `json:"status"`
	// Partial says that a limit was not judged because the user left its step
	// out.
	Partial  bool      `json:"partial,omitempty"`
	Findings []Finding `json:"findings"`
	// Informative findings change neither the status nor the exit code: the
	// same limits at the slots of servers that the run is not about.
	Informative []Finding `json:"informative,omitempty"`
	// Skipped are the limits that were not judged.
	Skipped []string `json:"skipped,omitempty"`
	// Carries are the profile's figures: what the volume carries, in plain numbers.
	Carries []Carried `json:"carries,omitempty"`
	// FirstTouch is what was slower in the first round than later. It changes no
	// status.
	FirstTouch []FirstTouch `json:"first_touch,omitempty"`
}

// byWeight are the statuses in the order of how much they matter to a verdict:
// a failure stands whatever else is unknown, and what is unknown cannot pass.
var byWeight = []Status{Pass, Warn, Inconclusive, Fail}

// worst is the verdict of findings. Where no limit was held against anything
// there is nothing to pass by; a sweep has its own rule.
func worst(findings []Finding) Status {
	weight, judged := 0, false
	for _, f := range findings {
		weight = max(weight, f.Status.weight())
		judged = judged || f.Limit != nil || f.Name == sweptRule
	}
	if !judged {
		weight = max(weight, Inconclusive.weight())
	}
	return byWeight[weight]
}

// Final is a failure that stands whatever is measured after it: of a rule, or of a limit
// that every round must keep.
func (v Verdict) Final() (f Finding, found bool) {
	i := slices.IndexFunc(v.Findings, func(f Finding) bool {
		everyRound := f.Limit == nil || f.Limit.Stat.Name == profiles.StatMax || f.Limit.Stat.Name == profiles.StatValue
		return f.Status == Fail && everyRound
	})
	if i < 0 {
		return Finding{}, false
	}
	return v.Findings[i], true
}

// Undecided names the steps (by title) whose limits another look could decide.
func (v Verdict) Undecided() map[string]bool {
	steps := map[string]bool{}
	for _, f := range v.Findings {
		if f.Undecided {
			steps[f.Step] = true
		}
	}
	return steps
}
