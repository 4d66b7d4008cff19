package load

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/hadrill/hadrill/harness"
	"github.com/hadrill/hadrill/runner/record"
)

// Client performs the operations of one virtual user, one at a time.
type Client interface {
	// Invoke performs op and fills in what came back (Value, Values, Micro).
	// No error means ok, or degraded when Invoke set that outcome; an error
	// for which harness.IsDefinite holds means that nothing took effect; any
	// other error leaves the outcome unknown. Invoke returns soon after
	// ctx's deadline.
	Invoke(ctx context.Context, op *record.Op) error
	// Close disconnects. It may be called while a stuck Invoke is under way,
	// to end it.
	Close() error
}

// readOnly tells whether op cannot take effect, so that it is known to have
// failed when it failed (as in Jepsen's clients).
func readOnly(op *record.Op) bool {
	switch op.Function {
	case record.Request, record.Read, record.ReadSet, record.ReadList:
		return true
	case record.Transaction:
		for _, m := range op.Micro {
			if m.Function != record.Read && m.Function != record.ReadList {
				return false
			}
		}
		return true
	}
	return false
}

// States of a user's operation, for the guard that gives up on users which
// ignore their deadline.
const (
	idle int32 = iota
	underWay
	abandoned
)

// user enforces the rules of a history on a Client: a process has at most one
// operation under way; a process whose operation has an unknown outcome never
// acts again, because that operation may still be running on the server, and
// the user goes on under a new process number; a panic is an unknown outcome
// and an error of the toolkit.
type user struct {
	client  Client
	process uint32

	state   atomic.Int32
	claimed record.Op // what was asked; written before state becomes underWay
}

// do performs op, whose plan (function, key, value, intended) is filled in,
// and records it. ctx is the run's, the operation's deadline is timeout later.
func (u *user) do(ctx context.Context, l *lane, op *record.Op) {
	op.Process = u.process
	op.Start = l.target.now()
	u.claimed = *op
	u.state.Store(underWay)

	bounded, cancel := context.WithTimeout(ctx, l.timeout)
	err := u.invoke(bounded, l, op)
	cancel()

	if !u.state.CompareAndSwap(underWay, idle) {
		return // given up on and already recorded
	}
	op.End = l.target.now()
	l.finish(op, err)
	if op.Outcome == record.Info {
		u.process = l.processes.Add(1) - 1
	}
}

// invoke calls the client and turns a panic into an error.
func (u *user) invoke(ctx context.Context, l *lane, op *record.Op) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic in client: %v", p)
			l.sink.event(record.Event{At: l.target.now(), Kind: record.EventError, Name: "load " + l.spec.Name, Text: err.Error()})
		}
	}()
	return u.client.Invoke(ctx, op)
}

// abandon records the operation of a user that ignored its deadline. It
// reports whether there was one.
func (u *user) abandon(l *lane) bool {
	if !u.state.CompareAndSwap(underWay, abandoned) {
		return false
	}
	op := u.claimed
	op.End = l.target.now()
	l.finish(&op, errIgnored)
	return true
}

const errIgnored = classed("the client ignored its deadline")

// settle derives an operation's outcome from its error.
func settle(op *record.Op, err error) {
	switch {
	case err == nil && op.Outcome == record.Degraded:
	case err == nil:
		op.Outcome = record.Ok
	case harness.IsDefinite(err) || readOnly(op):
		op.Outcome = record.Fail
	default:
		op.Outcome = record.Info
	}
}

// finish settles op's outcome and records it.
func (l *lane) finish(op *record.Op, err error) {
	settle(op, err)
	if err != nil {
		op.Error = l.target.Recorder.ErrorClass(classify(err))
	}
	l.count(op.Outcome)
	l.sink.add(op)
}

// notSent records an operation that never left.
func (l *lane) notSent(op *record.Op, why string) {
	op.Process = l.processes.Load() // no user's
	op.Start = max(l.target.now(), op.Intended)
	op.End = op.Start
	op.Outcome = record.Fail
	op.Error = l.target.Recorder.ErrorClass(why)
	l.count(op.Outcome)
	l.sink.add(op)
}

// counters are the parts of Stats, updated as operations end.
type counters struct {
	intended, ok, degraded, fail, info atomic.Uint64
}

func (c *counters) count(o record.Outcome) {
	switch o {
	case record.Ok:
		c.ok.Add(1)
	case record.Degraded:
		c.degraded.Add(1)
	case record.Fail:
		c.fail.Add(1)
	default:
		c.info.Add(1)
	}
}

func (c *counters) stats() Stats {
	return Stats{c.intended.Load(), c.ok.Load(), c.degraded.Load(), c.fail.Load(), c.info.Load()}
}

// grace is how long a user may take to notice that its deadline has passed.
const grace = 2 * time.Second
