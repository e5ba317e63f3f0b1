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
