package main

import (
	"errors"
	"fmt"
	"os"

	"storebench/cmd/storebench/internal/engine"
	"storebench/profiles"
	"storebench/results"
)

// The exit codes; the README lists them.
const (
	exitPass         = 0
	exitTool         = 1
	exitUsage        = 2
	exitFail         = 3
	exitInconclusive = 4
	exitInterrupted  = 130
)

// usageError is a mistake in what was asked.
type usageError struct{ err error }

func (e usageError) Error() string { return e.err.Error() }
func (e usageError) Unwrap() error { return e.err }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// asUsage marks an error as the user's to mend.
func asUsage(err error) error {
	if err == nil {
		return nil
	}
	return usageError{err}
}

// codeError ends the program with an exit code and no further word: the
// report has said why.
type codeError int

func (c codeError) Error() string { return fmt.Sprintf("exit code %d", int(c)) }

// exitCode is what the shell gets for an error.
func exitCode(err error) int {
	var code codeError
	var usage usageError
	var limit *profiles.LimitError
	switch {
	case err == nil:
		return exitPass
	case errors.As(err, &code):
		return int(code)
	case errors.As(err, &usage), errors.As(err, &limit), errors.Is(err, engine.ErrUsage):
		return exitUsage
	}
	return exitTool
}

// errorText is what a person reads about an error.
func errorText(err error) string {
	var code codeError
	if err == nil || errors.As(err, &code) {
		return ""
	}
	return err.Error()
}

// ending is what the shell gets after a report: the verdict's code, also when an
// output could not be written. A pass that was not written is the tool's failure.
func ending(unwritten, verdict error) error {
	if unwritten == nil || verdict == nil {
		return errors.Join(unwritten, verdict)
	}
	fmt.Fprintf(os.Stderr, "storebench: %v\n", unwritten)
	return verdict
}

// verdictCode is the exit code of a run's verdict.
func verdictCode(run *results.Run, v results.Verdict, failOnWarn bool) error {
	switch {
	case run.Interrupted:
		return codeError(exitInterrupted)
	case v.Status == results.Fail, v.Status == results.Warn && failOnWarn:
		return codeError(exitFail)
	case v.Status == results.Inconclusive:
		return codeError(exitInconclusive)
	}
	return nil
}
