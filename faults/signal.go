package faults

import (
	"context"
	"strings"
	"time"

	"github.com/hadrill/hadrill/faults/agent"
	"github.com/hadrill/hadrill/harness"
)

var _ = describe(Entry{
	Name:    "signal",
	Meaning: "the node is told something by a signal that it handles: read your configuration again, hand over to a successor",
	Ladder:  []Mechanism{Pidfd},
	Proof:   "the process handles the signal, and it is pending no more",
	Healing: "none is needed; a node that ended of it is started again",
})

// Signal sends a signal, named "HUP" or "SIGHUP", to the nodes' first
// processes, as an operator or a deployment does: nginx reads its configuration
// again at HUP, a gateway hands its listener to a successor at USR2. A process
// that does not handle the signal is an error and not an operation.
func Signal(aim harness.Selector, name string) Fault {
	return signal{aim, strings.TrimPrefix(name, "SIG")}
}

type signal struct {
	aim  harness.Selector
	name string
}

func (s signal) Spec() Spec            { return Spec{"signal", text(s.aim), s.name} }
func (s signal) Requires() []Mechanism { return []Mechanism{Pidfd} }

func (s signal) Inject(ctx context.Context, f *Field) (Injection, error) {
	nodes, err := resolve(ctx, f, "signal", s.aim)
	if err != nil {
		return nil, err
	}
	return once(strike(ctx, f, nodes, agent.ActionSignal, agent.SignalParams{Signal: s.name, Nonce: time.Now().UnixNano()}))
}

var _ = written("signal", "NODES NAME", func(p *parser) Fault {
	aim := p.nodes()
	name := ""
	p.argument("name", "a signal's name such as HUP", func(v string) bool {
		name = v
		return v != "" && v == strings.ToUpper(v)
	})
	return Signal(aim, name)
})
