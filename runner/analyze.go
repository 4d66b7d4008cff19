package runner

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hadrill/hadrill/runner/check"
	"github.com/hadrill/hadrill/runner/measure"
	"github.com/hadrill/hadrill/runner/record"
)

// LogName is the event log's name inside a run folder.
const LogName = "run.log"

// ErrNoLog is returned (wrapped) when a folder holds no readable event log.
var ErrNoLog = errors.New("no event log")

// Analyze derives everything from a run folder's event log and nothing else:
// the same log gives the same result byte for byte, whenever it is analysed.
func Analyze(ctx context.Context, dir string) (*record.Log, *record.Result, error) {
	path := filepath.Join(dir, LogName)
	if info, err := os.Stat(dir); err == nil && !info.IsDir() {
		path = dir
	}
	log, err := record.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil, fmt.Errorf("analyze %s: %w; give the folder of a run, which holds %s", dir, ErrNoLog, LogName)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("analyze %s: %w", dir, err)
	}
	evidence, err := Judge(ctx, log)
	if err != nil {
		return log, nil, fmt.Errorf("analyze %s: %w", dir, err)
	}
	return log, measure.Analyze(log, evidence), nil
}

// checkPrefix marks the objectives that name a check of runner/check.
const checkPrefix = "check."

// Judge runs the checks that the scenario's objectives name, and balances the
// ledger where the load wrote anything. A check that gives no answer (a panic,
// a spent budget, an unknown name) is recorded as unanswered, which is
// inconclusive; only the end of ctx is an error.
func Judge(ctx context.Context, log *record.Log) (record.Evidence, error) {
	var e record.Evidence
	if wrote(log) {
		e.Ledger, e.Findings = check.Durability(log)
	}
	for _, objective := range log.Header.Scenario.Objectives {
		name, named := strings.CutPrefix(objective.Name, checkPrefix)
		if !named {
			continue
		}
		if name == check.SingleOwner {
			e.Owners = check.Ownership(log)
		}
		c, err := check.Lookup(name)
		report := check.Report{Check: name}
		if err == nil {
			report, err = check.Run(ctx, c, log, check.Budget{})
		}
		if ctx.Err() != nil {
			return e, ctx.Err()
		}
		e.Checks = append(e.Checks, report.Record(err))
		e.Findings = append(e.Findings, report.Findings...)
	}
	return e, nil
}

// wrote tells whether the load kept anything that a ledger could balance.
func wrote(log *record.Log) bool {
	return slices.ContainsFunc(log.Ops, func(o record.Op) bool {
		switch o.Function {
		case record.Add, record.Enqueue, record.Write, record.Append:
			return true
		case record.Transaction:
			return slices.ContainsFunc(o.Micro, func(m record.Micro) bool { return m.Function == record.Append })
		default:
			return false
		}
	})
}
