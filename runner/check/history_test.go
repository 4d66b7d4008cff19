package check_test

import (
	"time"

	"github.com/hadrill/hadrill/runner/record"
)

// history builds logs for tests: lane 0 is load, 1 is control, 2 is the
// definitive read. Times are milliseconds.
type history struct{ log record.Log }

func newHistory() *history {
	h := &history{}
	h.log.Header.Lanes = []record.Lane{{Name: "load"}, {Name: "control", Control: true}, {Name: "read-back", Evidence: true, Definitive: true}}
	return h
}

func ms(n float64) record.Time { return record.Time(n * float64(time.Millisecond)) }

func (h *history) op(process uint32, from, to float64, f record.Function, key uint64, v int64, outcome record.Outcome) *record.Op {
	h.log.Ops = append(h.log.Ops, record.Op{Intended: ms(from), Start: ms(from), End: ms(to),
		Process: process, Function: f, Key: key, Value: v, Outcome: outcome})
	return &h.log.Ops[len(h.log.Ops)-1]
}

func (h *history) definitive(at float64, f record.Function, key uint64, values ...int64) {
	o := h.op(99, at, at+1, f, key, 0, record.Ok)
	o.Lane = 2
	if f == record.Read || f == record.Dequeue {
		o.Value = values[0]
	} else {
		o.Values = values
	}
}

func (h *history) event(at float64, kind record.EventKind, node, name string) *record.Event {
	h.log.Events = append(h.log.Events, record.Event{At: ms(at), Kind: kind, Node: node, Name: name})
	return &h.log.Events[len(h.log.Events)-1]
}

// fault plans a fault as "1" and proves it effective at a time.
func (h *history) fault(kind, node string, at float64) {
	h.log.Header.Scenario.Faults = []record.FaultPlan{{ID: "1", Fault: kind}}
	e := h.event(at, record.EventFault, node, record.StepEffective)
	e.Fault, e.Bracket = "1", &record.Bracket{Before: ms(at - 1), After: ms(at)}
}

func (h *history) healed(node string, at float64) {
	e := h.event(at, record.EventFault, node, record.StepHealed)
	e.Fault, e.Bracket = "1", &record.Bracket{Before: ms(at - 1), After: ms(at)}
}

func (h *history) believes(at float64, node, role string) {
	h.event(at, record.EventBelief, node, role)
}
