package doctor

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"storebench/internal/storedir"
	"storebench/internal/volume"
	"storebench/results"
)

// Inspection is what a store directory is made of, what that will cost, and what is to be
// changed.
type Inspection struct {
	// Status is the worst finding's.
	Status   results.Status  `json:"status"`
	Findings []StoreFinding  `json:"findings"` // the worst first
	Costs    []Cost          `json:"costs"`
	Free     *volume.Free    `json:"free,omitempty"` // nil when it is not known
	Slots    int             `json:"max_concurrent_io,omitempty"`
	Store    *storedir.Store `json:"store"`
	// Top is how many rows a person wants of a table; JSON has them all.
	Top int `json:"-"`
}

// StoreFinding is something about a store that has to be changed, or known.
type StoreFinding struct {
	Name      string         `json:"name"` // "small-blocks"; stable
	Status    results.Status `json:"status"`
	What      string         `json:"what"`
	Threshold string         `json:"threshold"`
	Reason    string         `json:"reason"` // what breaks
	Source    string         `json:"source"` // where the threshold comes from
	Change    string         `json:"change"`
	// Where names the streams, groups or files, the worst first, at most mostWhere.
	Where []string `json:"where,omitempty"`
}

// mostWhere bounds the names in a finding.
const mostWhere = 10

// Volume is what is known beside the store.
type Volume struct {
	Free *volume.Free // nil when it is not known
	// Slots is max_concurrent_io, 0 when it is not known.
	Slots int
	// RecoveryRate is how many bytes/s a restart reads, by a saved run of this volume; 0
	// without one.
	RecoveryRate float64
}

// Inspect judges a store.
func Inspect(store *storedir.Store, on Volume) *Inspection {
	i := &Inspection{Store: store, Free: on.Free, Slots: on.Slots, Status: results.Pass, Findings: []StoreFinding{}}
	for _, rule := range storeRules {
		if f := rule(store, on); f != nil {
			f.Where = f.Where[:min(len(f.Where), mostWhere)]
			i.Findings = append(i.Findings, *f)
			if badness(f.Status) > badness(i.Status) {
				i.Status = f.Status
			}
		}
	}
	slices.SortStableFunc(i.Findings, func(a, b StoreFinding) int { return cmp.Compare(badness(b.Status), badness(a.Status)) })
	i.Costs = costs(store, on)
	return i
}

func badness(s results.Status) int {
	return slices.Index([]results.Status{results.Pass, results.Warn, results.Fail}, s)
}

// WriteInspection tells an inspection in a format: text, json, markdown or csv.
func WriteInspection(w io.Writer, format string, i *Inspection) error {
	var page strings.Builder
	switch format {
	case "text":
		i.writeText(&page)
	case "markdown":
		i.writeMarkdown(&page)
	case "csv":
		if err := i.writeCSV(&page); err != nil {
			return err
		}
	case "json":
		enc := json.NewEncoder(&page)
		enc.SetIndent("", "  ")
		enc.SetEscapeHTML(false)
		if err := enc.Encode(i); err != nil {
			return err
		}
	default:
		return fmt.Errorf("the format %s cannot tell an inspection", format)
	}
	_, err := io.WriteString(w, page.String())
	return err
}
