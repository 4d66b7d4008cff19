// Package load puts open-loop load on a system and writes what its clients
// saw as a checkable history.
//
// Open loop means that operations are due when the schedule says, whether the
// system keeps up or not: operation n is intended at start+Schedule.At(n), and
// its latency counts from there. A closed loop would wait for the answer
// before it asks again, so an outage of a second would cost it one slow
// request where a thousand users were turned away (coordinated omission; Tene,
// "How NOT to Measure Latency"; Schroeder et al., "Open Versus Closed", NSDI
// 2006).
//
//	Schedule ── due times ─▶ leader ─┬─▶ user 0 ─ Client ─▶ system
//	                                 ├─▶ user 1 ─ Client ─▶
//	                                 └─▶ user 2 ...          each one operation
//	                                       │                 at a time
//	                                       └─▶ record: Op{Intended, Start, End, Outcome}
//
// Users are bounded. An operation for which no user is free waits, its
// intended time unchanged; after its patience it is recorded as failed with
// the class NotSent. Either way it is in the history: as many operations are
// recorded as were due, exactly.
//
// A Load is plain data (Sets, Registers, HTTP, Control ...). Open connects it
// to a started system through the system's capabilities and gives a Session,
// which the runner drives. HTTP goes through vegeta, everything else through
// the Client interface and the driver of this package; both write the same
// record.Op.
package load

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/hadrill/hadrill/harness"
	"github.com/hadrill/hadrill/runner/record"
)

// Classes of errors that are the load's own. The first two concern operations
// that never left; a class that begins with GeneratorPrefix means that the
// generator ran out of its own means (files, ports), which invalidates a run.
const (
	NotSent         = "not sent: every client was busy"
	NotSentEnd      = "not sent: the run ended"
	GeneratorPrefix = "generator: "
)

// Load is the declaration of a load.
type Load interface {
	// Describe returns the parameters, defaults included, as canonical text:
	// two loads that describe themselves alike do the same.
	Describe() string
	// Lanes returns the lanes that the load's operations go into, in order.
	Lanes() []record.Lane
	// Open connects the load's users. It fails when the system lacks what
	// the load needs.
	Open(ctx context.Context, t Target) (Session, error)
}

// Target is what a load is aimed at and where its history goes.
type Target struct {
	Running  harness.Running
	Vantage  func(zone string) (harness.Vantage, error) // nil: loopback addresses only
	Recorder *record.Writer
	Clock    harness.Clock
	LaneBase uint8  // number of the load's first lane in the log's header
	KeyBase  uint64 // added to every key, so that combined loads share none
	Seed     uint64
}

// now returns the run's time.
func (t Target) now() record.Time { return record.Time(t.Clock.Now()) }

// processes returns the counter that numbers a load's processes. Loads of one
// log share no process: each begins at a number of its own.
func (t Target) processes() *atomic.Uint32 {
	p := new(atomic.Uint32)
	p.Store(uint32(t.LaneBase) << 24)
	return p
}

// vantage returns where clients of a zone dial from.
func (t Target) vantage(zone string) (harness.Vantage, error) {
	if t.Vantage == nil {
		return loopback{}, nil
	}
	v, err := t.Vantage(zone)
	if err != nil {
		return nil, fmt.Errorf("client zone %q: %w", zone, err)
	}
	return v, nil
}

// Session is an opened load. Run may be called several times in turn; the
// sequence of operations goes on where it ended. Stats may be called at any
// time, Close while nothing else is under way.
type Session interface {
	// Run offers load from start for d and returns when the last operation
	// has ended: at the latest one patience, one timeout and a short grace
	// after start+d, or a timeout and the grace after ctx ended. The error
	// is the instrument's (a full disk, a client that ignores its deadline),
	// never the system's: what the system did is in the history.
	Run(ctx context.Context, start record.Time, d time.Duration) error
	// ReadBack makes the definitive read, in the lane marked Definitive,
	// retrying until it is complete, ctx ends or 30 s have passed. Loads
	// without state have none and return nil.
	ReadBack(ctx context.Context) error
	// Stats returns the progress so far, for a line on a terminal.
	Stats() Stats
	// Close disconnects the users. Nothing of the session runs afterwards.
	Close() error
}

// Stats counts operations: those that were due, and how they ended.
type Stats struct {
	Intended, Ok, Degraded, Fail, Info uint64
}

// Plus sums s and o.
func (s Stats) Plus(o Stats) Stats {
	return Stats{s.Intended + o.Intended, s.Ok + o.Ok, s.Degraded + o.Degraded, s.Fail + o.Fail, s.Info + o.Info}
}
