package engine

import (
	"errors"
	"fmt"
)

// ErrUsage is in the error of what was asked wrongly, for errors.Is. It stands in
// no message: what the user reads is the reason alone.
var ErrUsage = errors.New("usage")

// usageError is an error marked with ErrUsage.
type usageError struct{ error }

func (e usageError) Unwrap() []error { return []error{e.error, ErrUsage} }

func usage(err error) error { return usageError{err} }

func usagef(format string, args ...any) error { return usage(fmt.Errorf(format, args...)) }

// stalledError is the error of a volume under test that gave no answer before the
// first round.
type stalledError struct{ error }

func (e stalledError) Unwrap() error { return e.error }

// targetError is an error of a further volume.
type targetError struct {
	error
	path string
}

func (e targetError) Unwrap() error { return e.error }

// targetOf is the path of the further volume that an error is of; empty for others.
func targetOf(err error) string {
	var of targetError
	errors.As(err, &of)
	return of.path
}
