package faults

import (
	"context"

	"github.com/hadrill/hadrill/faults/agent"
	"github.com/hadrill/hadrill/harness"
)

var (
	_ = describe(Entry{
		Name:    "dns-timeout",
		Meaning: "no answer of a name server reaches the node: its look-ups time out",
		Ladder:  []Mechanism{Nftables},
		Proof:   "a question sent in the node's namespace: the rule counted its answer",
		Healing: filterHealing,
	})
	_ = describe(Entry{
		Name:    "dns-no-such-name",
		Meaning: "every look-up of the node is answered: no such name (NXDOMAIN)",
		Ladder:  []Mechanism{Nftables},
		Proof:   "a question sent in the node's namespace was answered by the fault",
		Healing: filterHealing,
	})
	_ = describe(Entry{
		Name:    "dns-failure",
		Meaning: "every look-up of the node is answered: server failure (SERVFAIL)",
		Ladder:  []Mechanism{Nftables},
		Proof:   "a question sent in the node's namespace was answered by the fault",
		Healing: filterHealing,
	})
)

// DNSTimeout makes the nodes' look-ups time out.
func DNSTimeout(aim harness.Selector) Fault {
	return resolving{"dns-timeout", aim, agent.ActionDNSSilence, nil}
}

// DNSNoSuchName answers the nodes' look-ups with "no such name". Long-lived
// caches of the process itself are not touched.
func DNSNoSuchName(aim harness.Selector) Fault {
	return resolving{"dns-no-such-name", aim, agent.ActionDNSAnswer, agent.DNSAnswerParams{Code: 3}}
}

// DNSFailure answers the nodes' look-ups with "server failure".
func DNSFailure(aim harness.Selector) Fault {
	return resolving{"dns-failure", aim, agent.ActionDNSAnswer, agent.DNSAnswerParams{Code: 2}}
}

// resolving is every fault of name resolution.
type resolving struct {
	name   string
	aim    harness.Selector
	action string
	params any
}

func (r resolving) Spec() Spec            { return Spec{Fault: r.name, Aim: text(r.aim)} }
func (r resolving) Requires() []Mechanism { return []Mechanism{Nftables} }

func (r resolving) Inject(ctx context.Context, f *Field) (Injection, error) {
	nodes, err := resolve(ctx, f, r.name, r.aim)
	if err != nil {
		return nil, err
	}
	return strike(ctx, f, nodes, r.action, r.params)
}
