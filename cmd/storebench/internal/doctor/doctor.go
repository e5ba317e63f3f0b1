// Package doctor puts what was seen of a cluster together into a diagnosis: what
// happened, since when, on which nodes, how certain that is with what speaks for and
// against it, and what to do. It reads and changes nothing: others give it the lines.
//
// It would rather say that it cannot tell than guess. What it takes for a threshold
// stands in nats-server's source; see internal/serverlog.
package doctor

import (
	"time"

	"storebench/results"
)

// Diagnosis is what logs tell.
type Diagnosis struct {
	// Status is Fail for a failing pattern of storage, Warn for one that is not
	// failing yet, Pass where nothing speaks of storage, and Inconclusive where slow
	// storage can neither be told nor excluded.
	Status   results.Status `json:"status"`
	Findings []Finding      `json:"findings"` // of the worst incident, the most important first
	// Others are the other incidents, the newest first: logs of months hold several.
	Others []Incident `json:"other_incidents,omitempty"`
	Nodes  []Node     `json:"nodes"`
	Kinds  []Kind     `json:"kinds"`
	Strip  Strip      `json:"timeline"`
	Notes  []string   `json:"notes,omitempty"`

	From  time.Time `json:"from,omitzero"` // the first and the last line with a time
	To    time.Time `json:"to,omitzero"`
	Lines int64     `json:"lines"`
	// Foreign lines are not nats-server's; Undated ones tell of trouble, but not when.
	Foreign int64 `json:"foreign"`
	Undated int64 `json:"undated"`
	Skipped int64 `json:"skipped"` // outside of what was asked for
}

// Finding is a pattern that was recognised.
type Finding struct {
	Name   string         `json:"name"` // "slow-storage"; stable
	Status results.Status `json:"status"`
	// Storage is false for what is not the volume's doing.
	Storage   bool      `json:"storage"`
	What      string    `json:"what"`
	Certainty Certainty `json:"certainty"`
	Since     time.Time `json:"since,omitzero"`
	Until     time.Time `json:"until,omitzero"`
	Nodes     []string  `json:"nodes"`
	Order     []string  `json:"order,omitempty"` // in which it came, for what comes in steps
	For       []string  `json:"for"`
	Against   []string  `json:"against,omitempty"`
	Now       []string  `json:"now"`   // what to do in the next five minutes
	After     []string  `json:"after"` // what to look at then
}

// Certainty is how sure a finding is.
type Certainty string

// From a line that says it itself to a pattern that has other explanations.
const (
	Certain  Certainty = "certain"
	Likely   Certainty = "likely"
	Possible Certainty = "possible"
)

// Incident is a time of trouble in short.
type Incident struct {
	From   time.Time      `json:"from"`
	To     time.Time      `json:"to"`
	Status results.Status `json:"status"`
	What   string         `json:"what"`
	Nodes  []string       `json:"nodes"`
}

// Node is a server of which there are lines.
type Node struct {
	Name    string    `json:"name"`
	Version string    `json:"version,omitempty"`
	From    time.Time `json:"from,omitzero"`
	To      time.Time `json:"to,omitzero"`
	Lines   int64     `json:"lines"`
	Starts  int       `json:"starts"`
}

// Kind is a row of the table: what lines of a kind tell together.
type Kind struct {
	Kind     string        `json:"kind"`
	Count    int64         `json:"count"`
	Worst    string        `json:"worst,omitempty"` // as text, with its unit
	Took     time.Duration `json:"took_ns,omitempty"`
	First    time.Time     `json:"first,omitzero"`
	Last     time.Time     `json:"last,omitzero"`
	Nodes    []string      `json:"nodes"`
	Subjects []string      `json:"subjects,omitempty"`
	More     bool          `json:"more_subjects,omitempty"`
	Example  string        `json:"example"`
}

// Strip is how many lines of each kind there were, by time.
type Strip struct {
	Start time.Time     `json:"start,omitzero"`
	Step  time.Duration `json:"step_ns"`
	Rows  []StripRow    `json:"rows"`
}

// StripRow has one count a step; the kinds stand in the order in which they came.
type StripRow struct {
	Kind   string  `json:"kind"`
	Counts []int64 `json:"counts"`
}
