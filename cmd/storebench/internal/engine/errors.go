package engine

import (
	"errors"
	"fmt"
)

// The errors that a caller tells apart with errors.Is. They mark an error and
// stand in no message: what the user reads is the reason alone.
var (
	// ErrUsage marks what was asked wrongly.
	ErrUsage = errors.New("usage")
	// ErrRefused marks a target that must not be used now: live data beside it,
	// another run, no room.
	ErrRefused = errors.New("refused")
)

// marked is an error with one of the marks above.
type marked struct {
	error
	mark error
}

func (m marked) Unwrap() []error { return []error{m.error, m.mark} }

func usage(err error) error { return marked{err, ErrUsage} }

func usagef(format string, args ...any) error { return usage(fmt.Errorf(format, args...)) }

func refusedf(format string, args ...any) error {
	return marked{fmt.Errorf(format, args...), ErrRefused}
}
