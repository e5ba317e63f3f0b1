package engine

import (
	"errors"

	"storebench/results"
)

// errFailed is why a run ends that ends at its first failure.
var errFailed = errors.New("the verdict is fail already")

// failFast ends the run, where that was asked for, at the first failure that no further
// round could take back. Limits that a confidence decides are not among them: asked after
// every round, they would fail by chance more often than they may.
func (e *engine) failFast() {
	if !e.req.FailFast || e.halted != nil {
		return
	}
	if f, failed := results.Judge(e.end()).Final(); failed {
		e.halted = errFailed
		e.note("--fail-fast: the run ended at the first failure (%s), and limits that no step had measured by then have no data", f.Name)
	}
}
