package check

import (
	"context"
	"time"

	"github.com/hadrill/hadrill/runner/record"
)

// WindowLead is how long before the fault the window of interest begins:
// writes acknowledged just before a failure are those a failover loses.
const WindowLead = time.Second

// T0 returns the instant at which the first fault of the run was proven
// effective (the After of its bracket: first seen effective), or Never when no
// fault was proven.
func T0(log *record.Log) record.Time {
	t0 := record.Never
	for i := range log.Events {
		e := &log.Events[i]
		if e.Kind == record.EventFault && e.Name == record.StepEffective {
			if at := effectiveAt(e); t0 == record.Never || at < t0 {
				t0 = at
			}
		}
	}
	return t0
}

// End returns the latest instant of a log.
func End(log *record.Log) record.Time {
	var end record.Time
	for i := range log.Events {
		end = max(end, log.Events[i].At)
	}
	for i := range log.Ops {
		end = max(end, log.Ops[i].End)
	}
	return end
}

// judged reports whether an operation's lane is judged at all: the control
// lane is the noise floor and never is.
func judged(h *record.Header, o *record.Op) bool {
	return int(o.Lane) >= len(h.Lanes) || !h.Lanes[o.Lane].Control
}

// definitive reports whether an operation belongs to the read made after
// healing and quiescing.
func definitive(h *record.Header, o *record.Op) bool {
	return int(o.Lane) < len(h.Lanes) && h.Lanes[o.Lane].Definitive
}

// poll asks ctx every 65536th time it is called.
type poll struct {
	ctx context.Context
	n   uint32
}

func (p *poll) stopped() error {
	if p.n++; p.n&0xffff != 0 {
		return nil
	}
	return stopped(p.ctx)
}

// functions counts the operations of a log that are one of the given kinds.
func functions(log *record.Log, of ...record.Function) int {
	var want [256]bool
	for _, f := range of {
		want[f] = true
	}
	n := 0
	for i := range log.Ops {
		if want[log.Ops[i].Function] {
			n++
		}
	}
	return n
}
