package command

import (
	"bytes"
	"errors"
	"fmt"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/hadrill/hadrill/harness"
	"github.com/hadrill/hadrill/harness/engine"
	"github.com/hadrill/hadrill/runner"
	"github.com/hadrill/hadrill/runner/suite"
)

func TestTheCauseOfAFailedRunPicksTheExitCode(t *testing.T) {
	residue := fmt.Errorf("run 1: %w", runner.ErrResidue)
	for _, c := range []struct {
		why  string
		err  error
		code int
	}{
		{"no engine", engine.ErrNoEngine, 69},
		{"no image", fmt.Errorf("start: %w", engine.ErrNoImage), 69},
		{"no address range", fmt.Errorf("start: %w", harness.ErrSubnetsUsedUp), 69},
		{"interrupted", runner.ErrInterrupted, 130},
		{"anything else", errors.New("disk full"), 70},
		{"residue", residue, 4},
		{"residue after an interruption: 130 would claim a clean machine", errors.Join(runner.ErrInterrupted, residue), 4},
		{"residue after a missing image", errors.Join(engine.ErrNoImage, residue), 4},
		{"residue because the engine is gone", errors.Join(engine.ErrNoEngine, residue), 69},
	} {
		t.Run(c.why, func(t *testing.T) {
			assert.Equal(t, c.code, exitCodeOf(suite.Outcome{Err: c.err}))
		})
	}
	assert.Equal(t, exitResidue, worse(exitInterrupted, exitResidue), "a dirty machine is never hidden")
	assert.Equal(t, exitInterrupted, worse(exitInterrupted, exitFailed))
}

func TestOneCauseIsToldOnce(t *testing.T) {
	full := func(file string) error { return fmt.Errorf("write %s: %w", file, syscall.ENOSPC) }
	for _, c := range []struct {
		why  string
		err  error
		told string
	}{
		{"one error", errors.New("a"), "hadrill: a\n"},
		{"two errors", errors.Join(errors.New("a"), errors.New("b")), "hadrill: a\nhadrill: b\n"},
		{"the same error of two runs", errors.Join(errors.New("a"), errors.New("a")), "hadrill: a\n"},
		{"all that a full disk refused", errors.Join(full("run.log"), errors.Join(full("run.json"), errors.New("b"))), "hadrill: write run.log: no space left on device\nhadrill: b\n"},
		{"a wrapped pair stays one sentence", fmt.Errorf("x: %w", errors.Join(errors.New("a"), errors.New("b"))), "hadrill: x: a; b\n"},
		{"an error that has been told", exitError{code: 2}, ""},
		{"an error with a code", exitError{70, errors.New("a")}, "hadrill: a\n"},
	} {
		t.Run(c.why, func(t *testing.T) {
			var out bytes.Buffer
			tell(&out, c.err)
			assert.Equal(t, c.told, out.String())
		})
	}
}
