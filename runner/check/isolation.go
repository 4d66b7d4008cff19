package check

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/hadrill/hadrill/runner/check/cycle"
	"github.com/hadrill/hadrill/runner/record"
)

// The names of the isolation checks, weakest first. Package cycle says which
// anomaly is what; here is which level forbids it (Adya 1999, chapter 4, for
// items; Crooks et al., PODC 2017, for the session and real-time variants).
//
//	                      G0 G1a G1b G1c  G-single  lost    internal  G2-item
//	                                      G-nonadj. update
//	read-uncommitted       ×
//	read-committed         ×  ×   ×   ×
//	snapshot-isolation     ×  ×   ×   ×      ×        ×        ×
//	serializable           ×  ×   ×   ×      ×        ×        ×         ×
//	session-serializable   and with the order of each process
//	strict-serializable    and with the order of real time
//
// Incompatible orders, duplicate elements and phantoms are forbidden at every
// level: no order of transactions explains them. Repeatable read in Adya's
// sense (PL-2.99) differs from serializable only by predicates, which these
// workloads do not have: ask for serializable.
const (
	ReadUncommitted     = "read-uncommitted"
	ReadCommitted       = "read-committed"
	SnapshotIsolation   = "snapshot-isolation"
	Serializable        = "serializable"
	SessionSerializable = "session-serializable"
	StrictSerializable  = "strict-serializable"
)

var (
	always    = []string{cycle.IncompatibleOrder, cycle.DuplicateElements, cycle.Phantom, cycle.G0}
	committed = append(slices.Clone(always), cycle.G1a, cycle.G1b, cycle.G1c)
	snapshot  = append(slices.Clone(committed), cycle.GSingle, cycle.GNonadjacent, cycle.LostUpdate, cycle.Internal)
	serial    = append(slices.Clone(snapshot), cycle.G2Item)
)

// level is what an isolation level forbids.
type level struct {
	name              string
	forbids           []string
	process, realtime bool
}

func init() {
	for _, l := range []level{
		{name: ReadUncommitted, forbids: always},
		{name: ReadCommitted, forbids: committed},
		{name: SnapshotIsolation, forbids: snapshot},
		{name: Serializable, forbids: serial},
		{name: SessionSerializable, forbids: serial, process: true},
		{name: StrictSerializable, forbids: serial, process: true, realtime: true},
	} {
		register(l.name, "transactions over lists and registers show no anomaly that "+l.name+" forbids", l.run)
	}
}

// breaks reports whether an anomaly is forbidden.
func (l level) breaks(anomaly string) bool {
	base, suffix := cycle.Split(anomaly)
	return slices.Contains(l.forbids, base) && (suffix == "" || suffix == "-process" && l.process || suffix == "-realtime" && l.realtime)
}

func (l level) run(ctx context.Context, log *record.Log, budget Budget) (Report, error) {
	r := Report{Check: l.name, Guarantee: "transactions show no anomaly that " + l.name + " forbids"}
	options, narrowed := l.fit(log, budget.orDefault().Memory)
	r.Narrowed = narrowed
	h := cycle.NewHistory(options.Share, func(i int) record.Op { return log.Ops[i] })
	p := poll{ctx: ctx}
	for i := range log.Ops {
		if err := p.stopped(); err != nil {
			return r, err
		}
		if judged(&log.Header, &log.Ops[i]) {
			h.Add(i, &log.Ops[i])
		}
	}
	res, err := h.Check(ctx, options)
	if err != nil {
		return r, err
	}
	r.Checked = res.Transactions
	total := 0
	for name, n := range res.Counts {
		if l.breaks(name) {
			total += n
		}
	}
	for _, a := range res.Anomalies {
		if l.breaks(a.Name) {
			f := record.Finding{Name: a.Name, Text: a.Text, Witness: a.Witness, Picture: a.Picture}
			f.From, f.To = span(a.Witness)
			r.add(f)
		}
	}
	r.Total = total
	if res.Incomplete != "" {
		r.Narrowed = strings.TrimPrefix(r.Narrowed+"; "+res.Incomplete, "; ")
	}
	if r.Narrowed != "" {
		r.Guarantee += ", but: " + r.Narrowed
	}
	return r, nil
}

// What an analysis holds in memory, in bytes.
const (
	bytesPerTransaction = 64 // its record, its node, the search's marks
	bytesPerBarrier     = 64 // the same for the barrier behind it, and their edges
	bytesPerAccess      = 56 // in two orders, with its edges
)

// fit chooses what a memory budget affords: first the real-time order goes,
// then keys.
func (l level) fit(log *record.Log, memory int64) (cycle.Options, string) {
	var txns, accesses int64
	for i := range log.Ops {
		switch o := &log.Ops[i]; o.Function {
		case record.Transaction:
			txns++
			accesses += int64(len(o.Micro))
		case record.Append, record.ReadList, record.Read, record.Write:
			txns++
			accesses++
		}
	}
	o := cycle.Options{Process: l.process, Realtime: l.realtime, Share: 1}
	need := txns*bytesPerTransaction + accesses*bytesPerAccess
	if !o.Realtime || need+txns*bytesPerBarrier <= memory {
		if need <= memory {
			return o, ""
		}
	}
	var lost []string
	if o.Realtime {
		o.Realtime = false
		lost = append(lost, "memory budget: without the order of real time ("+SessionSerializable+")")
	}
	if need > memory {
		room := max(memory-txns*bytesPerTransaction, memory/8)
		o.Share = uint64((accesses*bytesPerAccess + room - 1) / room)
		lost = append(lost, fmt.Sprintf("memory budget: one key in %d", o.Share))
	}
	return o, strings.Join(lost, "; ")
}
