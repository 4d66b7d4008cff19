package impair

import (
	"fmt"
	"net/netip"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// Link names the packets that an impairment is for, as the receiver sees them
// arrive. Empty fields match everything; of several links that match a packet
// the narrowest rules.
type Link struct {
	From  netip.Prefix `json:"from,omitzero"` // source address
	Proto Proto        `json:"proto,omitempty"`
	Port  uint16       `json:"port,omitempty"` // destination port; needs Proto
}

// Proto is a transport protocol.
type Proto string

// The protocols that have ports, and the one that has none.
const (
	TCP  Proto = "tcp"
	UDP  Proto = "udp"
	ICMP Proto = "icmp"
)

// Number is the protocol's number in the IP header.
func (p Proto) Number() byte {
	switch p {
	case TCP:
		return unix.IPPROTO_TCP
	case UDP:
		return unix.IPPROTO_UDP
	default:
		return unix.IPPROTO_ICMP
	}
}

// FromAddr is the link of all packets of one source address.
func FromAddr(a netip.Addr) Link { return Link{From: netip.PrefixFrom(a, a.BitLen())} }

// Validate reports a link that cannot be matched.
func (l Link) Validate() error {
	switch l.Proto {
	case "", TCP, UDP, ICMP:
	default:
		return fmt.Errorf("link %s: unknown protocol %q (tcp, udp, icmp)", l, l.Proto)
	}
	if l.Port != 0 && l.Proto != TCP && l.Proto != UDP {
		return fmt.Errorf("link %s: a port needs protocol tcp or udp", l)
	}
	return nil
}

// String writes the link: "from 10.0.0.2/32 to tcp/6379".
func (l Link) String() string {
	s := "from anyone"
	if l.From.IsValid() {
		s = "from " + l.From.String()
	}
	switch {
	case l.Port != 0:
		s += fmt.Sprintf(" to %s/%d", l.Proto, l.Port)
	case l.Proto != "":
		s += " to " + string(l.Proto)
	}
	return s
}

// Narrowness orders links that match the same packet: the larger rules. It is
// below 1024.
func (l Link) Narrowness() int {
	n := 0
	if l.From.IsValid() {
		n += 1 + l.From.Bits()
	}
	if l.Proto != "" {
		n += 256
	}
	if l.Port != 0 {
		n += 512
	}
	return n
}

// link is a Link in force: a queue, its impairment, its counters. The dice and
// the last due time belong to the loop's thread.
type link struct {
	id     Link
	queue  uint16
	now    atomic.Pointer[Impairment]
	dice   *dice
	last   int64 // due time of the last packet, for InOrder
	counts counters
}

// counters are written by the loop's thread and read by anyone.
type counters struct {
	seen, lost, duplicated, corrupted, reordered, delayed, released atomic.Uint64
	late                                                            lateness
}

// Counts is what happened to a link's packets so far.
type Counts struct {
	Seen       uint64 // arrived in the queue; a super-packet is one
	Lost       uint64 // dropped on purpose
	Duplicated uint64
	Corrupted  uint64
	Reordered  uint64 // let through ahead of the waiting
	Delayed    uint64 // given a delay above zero
	Released   uint64 // let go, on time or flushed
	// Lateness of releases behind their due time, in nanoseconds: the
	// instrument's own error.
	LateMedian, LateP99 int64
}

func (c *counters) read() Counts {
	return Counts{
		Seen: c.seen.Load(), Lost: c.lost.Load(), Duplicated: c.duplicated.Load(), Corrupted: c.corrupted.Load(),
		Reordered: c.reordered.Load(), Delayed: c.delayed.Load(), Released: c.released.Load(),
		LateMedian: c.late.quantile(0.50), LateP99: c.late.quantile(0.99),
	}
}

// lateness is a histogram of 10 microseconds to 40 milliseconds.
type lateness struct {
	buckets [4001]atomic.Uint32
}

const lateStep = 10_000

func (l *lateness) add(ns int64) {
	l.buckets[min(max(ns, 0)/lateStep, int64(len(l.buckets)-1))].Add(1)
}

func (l *lateness) quantile(q float64) int64 {
	var total, seen uint64
	for i := range l.buckets {
		total += uint64(l.buckets[i].Load())
	}
	for i := range l.buckets {
		seen += uint64(l.buckets[i].Load())
		if total > 0 && float64(seen) >= q*float64(total) {
			return int64(i+1) * lateStep
		}
	}
	return 0
}
