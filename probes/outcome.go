package probes

import (
	"errors"
	"fmt"
	"time"

	"storebench/internal/load"
	"storebench/internal/measure"
)

// grace is how long operations may go on after their round: long enough to
// measure a stall of 5 s whole, shorter than the 10 s after which a Raft leader
// counts its quorum as lost.
const grace = 6 * time.Second

// merge adds up the outcomes of loads that ran side by side.
func merge(outcomes []load.Outcome) (load.Outcome, error) {
	all := load.Outcome{Response: &measure.Distribution{}, Service: &measure.Distribution{}, Late: &measure.Distribution{}}
	for _, o := range outcomes {
		all.Done, all.Failed, all.Missed, all.Unfinished = all.Done+o.Done, all.Failed+o.Failed, all.Missed+o.Missed, all.Unfinished+o.Unfinished
		all.Elapsed = max(all.Elapsed, o.Elapsed)
		if all.FirstError == nil {
			all.FirstError = o.FirstError
		}
		for all, one := range map[*measure.Distribution]*measure.Distribution{all.Response: o.Response, all.Service: o.Service, all.Late: o.Late} {
			if one == nil {
				continue // closed loop
			}
			if err := all.Merge(one); err != nil {
				return load.Outcome{}, err
			}
		}
	}
	return all, nil
}

// ending is the error that a round with this outcome returns: the first one of
// an operation, or that some are still in flight.
func ending(o load.Outcome) error {
	switch {
	case o.FirstError != nil:
		return fmt.Errorf("%d operations failed, the first with: %w", max(1, o.Failed), o.FirstError)
	case o.Unfinished > 0:
		return ErrCut
	}
	return nil
}

// cutOr joins errors so that a round with writes in flight is known as cut,
// but an error of the volume is not hidden by it.
func cutOr(errs ...error) error {
	cut := false
	var rest []error
	for _, err := range errs {
		if errors.Is(err, ErrCut) {
			cut = true
		} else {
			rest = append(rest, err)
		}
	}
	if err := errors.Join(rest...); err != nil || !cut {
		return err
	}
	return ErrCut
}

// timed is a round of latencies.
func timed(metric string, start time.Time, elapsed time.Duration, context measure.Context, d *measure.Distribution) measure.Measurement {
	return measure.Measurement{Metric: metric, Unit: measure.Seconds, Rounds: []measure.Round{{
		Start: start, Elapsed: elapsed.Seconds(), Context: context, Distribution: d,
	}}}
}

// single is a round of one value.
func single(metric string, unit measure.Unit, start time.Time, elapsed time.Duration, context measure.Context, value float64) measure.Measurement {
	return measure.Measurement{Metric: metric, Unit: unit, Rounds: []measure.Round{{
		Start: start, Elapsed: elapsed.Seconds(), Context: context, Value: &value,
	}}}
}
