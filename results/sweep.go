package results

import (
	"cmp"
	"maps"
	"slices"

	"storebench/internal/measure"
)

// Sweep is what a sweep varied. Its cells are the run's steps: one for each
// combination of the axes' values, with that value in the step's labels, and so
// in those of its measurements. What was found, the Matrix, is derived from them
// by Evaluate, as a verdict is by Judge.
type Sweep struct {
	Probe string `json:"probe"`
	// Axes are the parameters that were varied, one or two, as the user gave
	// them.
	Axes []Axis `json:"axes"`
	// SlotsAxis is the parameter that is nats-server's max_concurrent_io; empty where it was
	// not varied.
	SlotsAxis string `json:"slots_axis,omitempty"`
	// Metric is the latency that the cells are compared by, and whose
	// operations a second are their throughput.
	Metric string `json:"metric"`
	// ThroughputMetric is the probe's own metric of throughput where it has one.
	ThroughputMetric string `json:"throughput_metric,omitempty"`
}

// Axis is a parameter with the values that it had in the cells, each in the
// form that the steps' parameters have: ascending where they are quantities,
// else as the user gave them.
type Axis struct {
	Parameter string   `json:"parameter"`
	Values    []string `json:"values"`
}

// NewAxis returns an axis with each value once, ascending where all are
// quantities, else in the order given.
func NewAxis(parameter string, values []string) Axis {
	axis := Axis{Parameter: parameter}
	quantities := true
	for _, value := range values {
		_, ok := quantity(value)
		quantities = quantities && ok
		if !slices.Contains(axis.Values, value) {
			axis.Values = append(axis.Values, value)
		}
	}
	if quantities {
		slices.SortStableFunc(axis.Values, byQuantity)
	}
	return axis
}

// Values are those of the axis of a parameter, nil where it was not varied.
func (s *Sweep) Values(parameter string) []string {
	for _, axis := range s.Axes {
		if axis.Parameter == parameter {
			return axis.Values
		}
	}
	return nil
}

// byQuantity orders values that are quantities.
func byQuantity(a, b string) int {
	x, _ := quantity(a)
	y, _ := quantity(b)
	return cmp.Compare(x, y)
}

// Matrix is what a sweep found.
type Matrix struct {
	Metric string `json:"metric"` // of the latencies
	// Longest says that the metric is one value a round, so that the latency of
	// a cell is the longest of its rounds and not a quantile.
	Longest bool `json:"longest,omitempty"`
	// Unit is that of the throughput.
	Unit measure.Unit `json:"throughput_unit"`
	// Cells stand in the order of the axes' values, the last axis varying
	// fastest; a cell without data has no figures.
	Cells []Cell `json:"cells"`
	// Knees are where more of a parameter stops to pay, for each axis of
	// quantities at each value of the other one.
	Knees []Knee `json:"knees,omitempty"`
	// Slots is set where one axis is max-concurrent-io.
	Slots *SlotsFound `json:"slots,omitempty"`
	// Undecided names the cells (by their steps' titles) of which more rounds
	// could settle a knee or the slots.
	Undecided []string `json:"undecided,omitempty"`
}

// Cell is one combination of values.
type Cell struct {
	Step   string            `json:"step"` // its title
	At     map[string]string `json:"at"`   // the value on each axis
	Rounds int               `json:"rounds"`
	Median *float64          `json:"median_seconds,omitempty"`
	P99    Estimate          `json:"p99"`        // seconds
	Rate   Estimate          `json:"throughput"` // in the matrix's unit; the mean of the rounds
	// Short says that a turn of the cell is too short for its operations: so few
	// fit in one after another that where it begins and ends decides the
	// throughput, which the noise between rounds does not show.
	Short bool `json:"short_turn,omitempty"`
}

// Estimate is a figure with its interval (97.5 % a side), each part nil where it
// is not known.
type Estimate struct {
	Value *float64 `json:"value,omitempty"`
	Low   *float64 `json:"low,omitempty"`
	High  *float64 `json:"high,omitempty"`
	// AtLeast says that the value is a lower bound: operations were cut.
	AtLeast bool `json:"at_least,omitempty"`
}

// KneeState says what is known of a knee. The zero value claims nothing.
type KneeState string

// The states of a knee.
const (
	KneeUnclear KneeState = "unclear" // the noise does not allow to say
	KneeFound   KneeState = "found"
	KneeBeyond  KneeState = "beyond" // throughput still pays at the largest value
)

// Knee is where more of a parameter stops to pay in throughput.
type Knee struct {
	Parameter string            `json:"parameter"`
	At        map[string]string `json:"at,omitempty"` // the value of the other axis
	State     KneeState         `json:"state"`
	// Value is the value observed as the knee; Low and High are the smallest and
	// the largest value that the noise does not exclude.
	Value  string `json:"value,omitempty"`
	Low    string `json:"low,omitempty"`
	High   string `json:"high,omitempty"`
	Reason string `json:"reason"` // the evidence in words
}

// SlotsFound is which max_concurrent_io a server on this volume needs.
type SlotsFound struct {
	// Enough is the smallest value that is shown to be within 5 % of the best
	// throughput observed, and of that of every larger value; 0 when the noise
	// allows to say so of none.
	Enough int `json:"enough,omitempty"`
	// Line is the nats.conf line for Enough.
	Line string `json:"line,omitempty"`
	// At is the value of the other axis that it was found at: where the volume
	// does most.
	At   map[string]string `json:"at,omitempty"`
	Best int               `json:"best"` // the value with the most throughput observed
	// Ratio is the throughput of Enough over that of the best.
	Ratio Estimate `json:"ratio"`
	// Open are the smaller values (all where Enough is 0) of which the noise does
	// not exclude that they are within 5 % too.
	Open   []int  `json:"open,omitempty"`
	Reason string `json:"reason"` // the evidence in words
}

// Cell returns the cell with these values on the axes, nil when there is none.
func (m *Matrix) Cell(at map[string]string) *Cell {
	i := slices.IndexFunc(m.Cells, func(c Cell) bool { return maps.Equal(c.At, at) })
	if i < 0 {
		return nil
	}
	return &m.Cells[i]
}
