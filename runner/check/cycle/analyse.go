package cycle

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/hadrill/hadrill/runner/record"
)

// Check analyses the history, once: it consumes what Add collected.
func (h *History) Check(ctx context.Context, o Options) (*Result, error) {
	v, err := h.versions(ctx)
	if err != nil {
		return nil, err
	}
	res := &Result{Counts: h.found.counts}
	for i := range h.txns {
		if h.txns[i].committed() {
			res.Transactions++
		}
	}
	if h.found.ambiguous > 0 {
		res.Incomplete = fmt.Sprintf("objects left out because their values repeat: %d", h.found.ambiguous)
	}
	if !o.NoCycles {
		if err := h.cycles(ctx, v, o, res); err != nil {
			return nil, err
		}
	}
	res.Anomalies = append(h.found.list, res.Anomalies...)
	for i := range res.Anomalies {
		if a := &res.Anomalies[i]; a.Picture == "" {
			a.Picture = drawOps(a.Witness)
		}
	}
	return res, nil
}

func (h *History) cycles(ctx context.Context, v *versions, o Options, res *Result) error {
	g := h.graph(v, o)
	components, err := g.components(ctx, ^kinds(0), nil)
	if err != nil {
		return err
	}
	if len(components) == 0 {
		return nil
	}
	extras := []kinds{0}
	if o.Process {
		extras = append(extras, setOf(Process))
	}
	if o.Realtime {
		extras = append(extras, setOf(Process, Realtime, Pass))
	}
	slices.SortStableFunc(components, func(a, b []uint32) int { return cmp.Compare(len(a), len(b)) })
	work := o.Work
	if work <= 0 {
		work = 200e6
	}
	local := make([]uint32, g.nodes())
	var rings []*ring
	cut := false
	for i, nodes := range components {
		s := newSearcher(ctx, g, nodes, local, &work)
		complete, err := s.classify(extras)
		if err != nil {
			return err
		}
		for _, r := range s.best {
			for j := range r.nodes {
				r.nodes[j] = nodes[r.nodes[j]]
			}
			rings = append(rings, r)
		}
		if !complete && !cut {
			cut = true
			res.Incomplete = strings.TrimPrefix(fmt.Sprintf("%s; cycles of the longer classes were not searched to the end in %d of %d components",
				res.Incomplete, len(components)-i, len(components)), "; ")
		}
	}
	h.report(rings, res)
	return nil
}

// report keeps the shortest cycles of each class.
func (h *History) report(rings []*ring, res *Result) {
	slices.SortStableFunc(rings, func(a, b *ring) int {
		return cmp.Or(strings.Compare(a.class(), b.class()), cmp.Compare(len(a.nodes), len(b.nodes)), slices.Compare(a.nodes, b.nodes))
	})
	for _, r := range rings {
		name := r.class()
		res.Counts[name]++
		if res.Counts[name] > perName {
			continue
		}
		res.Anomalies = append(res.Anomalies, h.explain(name, r))
	}
}

// explain turns a ring into transactions, edges in words, and a picture.
func (h *History) explain(name string, r *ring) Anomaly {
	a := Anomaly{Name: name}
	// Virtual nodes of the real-time order vanish: the edge that led in leads on.
	var txns []uint32
	var ks []Kind
	turn := 0
	for int(r.nodes[turn]) >= len(h.txns) {
		turn++
	}
	for i := range r.nodes {
		n, k := r.nodes[(turn+i)%len(r.nodes)], r.kinds[(turn+i)%len(r.nodes)]
		if int(n) < len(h.txns) {
			txns, ks = append(txns, n), append(ks, k)
		}
	}
	var b strings.Builder
	var words []string
	for i, t := range txns {
		op := h.resolve(int(h.txns[t].index))
		a.Witness = append(a.Witness, op)
		next := h.resolve(int(h.txns[txns[(i+1)%len(txns)]].index))
		why := h.because(&op, &next, ks[i], i+1, (i+1)%len(txns)+1)
		words = append(words, why)
		fmt.Fprintf(&b, "T%d  %s\n │  %s\n ▼\n", i+1, describe(&op), why)
	}
	b.WriteString("T1\n")
	a.Picture = b.String()
	a.Text = fmt.Sprintf("a cycle of %d transactions: %s", len(txns), strings.Join(words, "; "))
	return a
}

// because says in words why one transaction must come before another.
func (h *History) because(from, to *record.Op, k Kind, i, j int) string {
	switch k {
	case Process:
		return fmt.Sprintf("process: process %d ran T%d, then T%d", from.Process, i, j)
	case Realtime:
		return fmt.Sprintf("realtime: T%d ended at %.6f s, before T%d began at %.6f s", i, from.End.Seconds(), j, to.Start.Seconds())
	}
	for _, a := range microOf(from) {
		for _, b := range microOf(to) {
			if !same(&a, &b) {
				continue
			}
			aw, bw := writes(a.Function), writes(b.Function)
			switch {
			case k == WW && aw && bw && h.follows(&a, &b, to):
				return fmt.Sprintf("ww on %d: T%d wrote %d, and T%d's %d came after it", a.Key, i, a.Value, j, b.Value)
			case k == WR && aw && !bw && shows(&b, a.Value):
				return fmt.Sprintf("wr on %d: T%d wrote %d, which T%d read", a.Key, i, a.Value, j)
			case k == RW && !aw && bw && !shows(&a, b.Value):
				return fmt.Sprintf("rw on %d: T%d read it without %d, which T%d wrote", a.Key, i, b.Value, j)
			}
		}
	}
	return fmt.Sprintf("%s: T%d before T%d", k, i, j)
}

// follows reports whether b's version is known to come after a's: by the
// longest read of the list, or because b's transaction had read a's.
func (h *History) follows(a, b *record.Micro, by *record.Op) bool {
	if a.Function == record.Write {
		return slices.ContainsFunc(microOf(by), func(m record.Micro) bool { return m.Function == record.Read && same(&m, a) && m.Value == a.Value })
	}
	longest := h.objects[h.ids[name{true, a.Key}]].longest
	i, j := slices.Index(longest, a.Value), slices.Index(longest, b.Value)
	return i >= 0 && (j < 0 || i < j)
}

func shows(m *record.Micro, value int64) bool {
	if m.Function == record.Read {
		return m.Value == value
	}
	return slices.Contains(m.Values, value)
}

func microOf(o *record.Op) []record.Micro {
	if o.Function != record.Transaction {
		return []record.Micro{{Function: o.Function, Key: o.Key, Value: o.Value, Values: o.Values}}
	}
	return o.Micro
}

func drawOps(ops []record.Op) string {
	var b strings.Builder
	for i := range ops {
		fmt.Fprintf(&b, "T%d  %s\n", i+1, describe(&ops[i]))
	}
	return b.String()
}

// describe writes a transaction on one line.
func describe(o *record.Op) string {
	var parts []string
	for _, m := range microOf(o) {
		switch {
		case m.Function == record.ReadList:
			vs := m.Values
			dots := ""
			if len(vs) > 8 {
				dots, vs = "... ", vs[len(vs)-8:]
			}
			parts = append(parts, fmt.Sprintf("read %d = [%s%s", m.Key, dots, fmt.Sprint(vs)[1:]))
		case m.Value == record.Absent:
			parts = append(parts, fmt.Sprintf("%s %d = nothing", m.Function, m.Key))
		case m.Function == record.Read:
			parts = append(parts, fmt.Sprintf("read %d = %d", m.Key, m.Value))
		default:
			parts = append(parts, fmt.Sprintf("%s %d %d", m.Function, m.Key, m.Value))
		}
	}
	return fmt.Sprintf("process %d  {%s} %s  %.6f..%.6f s", o.Process, strings.Join(parts, ", "), o.Outcome, o.Start.Seconds(), o.End.Seconds())
}
