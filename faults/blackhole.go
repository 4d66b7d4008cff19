package faults

import (
	"github.com/hadrill/hadrill/faults/agent"
)

var (
	_ = describe(Entry{
		Name:    "blackhole",
		Meaning: "what is sent to a port is lost: new connections time out, established ones go silent",
		Ladder:  []Mechanism{Nftables},
		Proof:   filterProof,
		Healing: filterHealing,
	})
	_ = describe(Entry{
		Name:    "drop-connects",
		Meaning: "connection attempts time out, established connections go on: a full accept queue, a firewall",
		Ladder:  []Mechanism{Nftables},
		Proof:   filterProof,
		Healing: filterHealing,
	})
	_ = describe(Entry{
		Name:    "refuse-connects",
		Meaning: "connection attempts are refused at once, established connections go on",
		Ladder:  []Mechanism{Nftables},
		Proof:   filterProof,
		Healing: filterHealing,
	})
	_ = describe(Entry{
		Name:    "slow-close",
		Meaning: "the end of connections (FIN, RST) does not arrive: the node keeps what its peers have closed",
		Ladder:  []Mechanism{Nftables},
		Proof:   "the rules as the kernel lists them",
		Healing: "the rules are deleted; the ends then arrive with the next retransmission",
	})
)

// Blackhole loses everything that arrives on a link, of one port if the link
// names one: the process is there, and nobody gets through to it.
func Blackhole(l Link) Fault { return filtered{"blackhole", l, agent.FilterParams{}, ""} }

// DropConnects loses connection attempts on a link; established connections go
// on. Clients wait for their connect time-out.
func DropConnects(l Link) Fault {
	return filtered{"drop-connects", l, agent.FilterParams{Proto: "tcp", Flags: agent.FlagsOpening}, ""}
}

// RefuseConnects answers connection attempts on a link with a reset, as a host
// does whose process is gone; established connections go on.
func RefuseConnects(l Link) Fault {
	return filtered{"refuse-connects", l, agent.FilterParams{Proto: "tcp", Flags: agent.FlagsOpening, Reset: true}, ""}
}

// SlowClose loses the packets that end connections on a link, while everything
// else arrives: the nodes keep connections that their peers have closed.
func SlowClose(l Link) Fault {
	return filtered{"slow-close", l, agent.FilterParams{Proto: "tcp", Flags: agent.FlagsClosing}, ""}
}
