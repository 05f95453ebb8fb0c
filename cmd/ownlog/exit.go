package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/ownlog/ownlog/format"
)

// The exit codes, as documented in the help text and in docs/.
const (
	exitFine        = 0
	exitCheckFailed = 1
	exitUsage       = 2
	exitEnvironment = 3
)

// codedError is an error that says how the command exits.
type codedError struct {
	code int
	err  error
}

func (e *codedError) Error() string { return e.err.Error() }
func (e *codedError) Unwrap() error { return e.err }

// usageError marks a mistake in the command line.
func usageError(err error) error { return &codedError{exitUsage, err} }

// checkFailed marks the result of a check, as against a failure to check.
func checkFailed(err error) error { return &codedError{exitCheckFailed, err} }

// exitCode says how the command exits after an error.
func exitCode(err error) int {
	var coded *codedError
	var corrupt *format.CorruptError
	switch {
	case err == nil:
		return exitFine
	case errors.As(err, &coded):
		return coded.code
	case errors.As(err, &corrupt), errors.Is(err, format.ErrIncomplete):
		return exitCheckFailed
	}
	return exitEnvironment
}

// report prints an error and returns the exit code.
func report(w io.Writer, err error) int {
	code := exitCode(err)
	if err == nil {
		return code
	}
	if errors.Is(err, context.Canceled) {
		err = errors.New("interrupted; what was acknowledged is safe, run it again to go on")
	}
	fmt.Fprintf(w, "ownlog: %v\n", err)
	return code
}
