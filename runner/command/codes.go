package command

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"syscall"

	"github.com/hadrill/hadrill/harness"
	"github.com/hadrill/hadrill/harness/engine"
	"github.com/hadrill/hadrill/runner"
	"github.com/hadrill/hadrill/runner/record"
	"github.com/hadrill/hadrill/runner/suite"
)

// The exit codes, as MEASURES.md documents them; from 64 on those of
// sysexits.h, and 128 + SIGINT.
const (
	exitPass         = 0
	exitFailed       = 1
	exitInconclusive = 2
	exitRegression   = 3
	exitResidue      = 4
	exitUsage        = 64
	exitUnavailable  = 69 // what a run needs is not on this machine
	exitInternal     = 70
	exitInterrupted  = 130
)

// exitError is an error that knows its exit code. A nil err exits silently:
// what was to say has been said.
type exitError struct {
	code int
	err  error
}

func (e exitError) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}

func (e exitError) Unwrap() error { return e.err }

func usage(format string, args ...any) error {
	return exitError{exitUsage, fmt.Errorf(format, args...)}
}

// internal gives an error that has no exit code of its own that of an
// internal one.
func internal(err error) error {
	if err == nil {
		return nil
	}
	if _, known := codeOf(err); known {
		return err
	}
	return exitError{exitInternal, err}
}

// codeOf is the exit code that an error carries or stands for. What is not
// there explains a clean-up that failed, and a failed clean-up must not hide
// behind an interruption: hence the order.
func codeOf(err error) (code int, known bool) {
	var coded exitError
	switch {
	case errors.As(err, &coded):
		return coded.code, true
	case errors.Is(err, engine.ErrNoEngine):
		return exitUnavailable, true
	case errors.Is(err, runner.ErrResidue):
		return exitResidue, true
	case errors.Is(err, engine.ErrNoImage), errors.Is(err, harness.ErrSubnetsUsedUp):
		return exitUnavailable, true
	case errors.Is(err, runner.ErrInterrupted):
		return exitInterrupted, true
	}
	return exitInternal, false
}

// exitCodeOf is the exit code of one outcome.
func exitCodeOf(o suite.Outcome) int {
	if o.Err != nil {
		code, _ := codeOf(o.Err)
		return code
	}
	switch {
	case o.Result == nil || o.Result.Verdict == record.HarnessError:
		return exitInternal
	case o.AsExpected():
		return exitPass
	case o.Result.Verdict == record.Inconclusive || o.Result.Verdict == record.Vacuous:
		return exitInconclusive
	default: // a promise broken, or a twin missed
		return exitFailed
	}
}

// severity orders exit codes: what says least about the systems comes first,
// and before it what the user has to put in order on this machine.
var severity = map[int]int{
	exitPass: 0, exitInconclusive: 1, exitFailed: 2, exitRegression: 3,
	exitInternal: 4, exitInterrupted: 5, exitUnavailable: 6, exitResidue: 7,
}

func worse(a, b int) int {
	if severity[b] > severity[a] {
		return b
	}
	return a
}

// tell prints an error, each of several on a line of its own. Of many writes
// that one full disk has refused, the first is told.
func tell(w io.Writer, err error) {
	told := map[string]bool{}
	full := false
	for _, e := range flatten(err) {
		if again := errors.Is(e, syscall.ENOSPC); again && full {
			continue
		} else if again {
			full = true
		}
		text := strings.ReplaceAll(e.Error(), "\n", "; ")
		if text != "" && !told[text] {
			told[text] = true
			fmt.Fprintf(w, "hadrill: %s\n", text)
		}
	}
}

// flatten takes errors that were joined, and nothing more, apart.
func flatten(err error) []error {
	if coded, ok := err.(exitError); ok { //nolint:errorlint // only an outermost one
		err = coded.err
	}
	joined, ok := err.(interface{ Unwrap() []error }) //nolint:errorlint // a wrapped one has words of its own
	if !ok {
		if err == nil {
			return nil
		}
		return []error{err}
	}
	var parts []string
	var out []error
	for _, e := range joined.Unwrap() {
		parts = append(parts, e.Error())
		out = append(out, flatten(e)...)
	}
	if strings.Join(parts, "\n") != err.Error() {
		return []error{err}
	}
	return out
}
