package check

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hadrill/hadrill/runner/record"
)

// SingleOwner is the name of the check that no two nodes believed at the same
// time that they are primary.
const SingleOwner = "single-owner"

// OwnerRole is the role of which there may be only one believer.
const OwnerRole = "primary"

func init() {
	register(SingleOwner, "no two nodes that could act believed at the same time that they are primary", singleOwner)
}

// Belief is a span during which one node believed one thing of itself.
//
//	From        Seen            To
//	├────────────┤┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄>
//	first said   last confirmed  first said something else, died, or log's end
//
// Between Seen and To the belief is only presumed: the node changed its mind
// at some instant of it. Frozen spans are split off: a frozen node still holds
// its belief but cannot act on it.
type Belief struct {
	Node   string
	Role   string
	From   record.Time
	Seen   record.Time
	To     record.Time
	Frozen bool
}

// Beliefs returns every span of every node, in order of From, ready to be
// drawn one row a node. A node that dies believes nothing; one that does not
// answer (role "unknown") has a span of that role, except while it is frozen:
// silence is then no change of mind.
func Beliefs(log *record.Log) []Belief {
	b := beliefs{open: map[string]*Belief{}, frozen: map[string]bool{}, end: End(log), plans: map[string]string{}}
	for _, p := range log.Header.Scenario.Faults {
		b.plans[p.ID] = p.Fault
	}
	events := slices.Clone(log.Events)
	slices.SortStableFunc(events, func(x, y record.Event) int { return cmp.Compare(effectiveAt(&x), effectiveAt(&y)) })
	for i := range events {
		b.observe(&events[i])
	}
	for node := range b.open {
		b.close(node, b.end)
	}
	slices.SortFunc(b.spans, func(x, y Belief) int {
		return cmp.Or(cmp.Compare(x.From, y.From), strings.Compare(x.Node, y.Node))
	})
	return b.spans
}

// effectiveAt is when an event is known to have been true: the bracket of a
// fault's proof says it better than the moment it was written down.
func effectiveAt(e *record.Event) record.Time {
	if e.Kind == record.EventFault && e.Bracket != nil {
		return e.Bracket.After
	}
	return e.At
}

type beliefs struct {
	open   map[string]*Belief
	frozen map[string]bool
	plans  map[string]string
	spans  []Belief
	end    record.Time
}

func (b *beliefs) observe(e *record.Event) {
	switch e.Kind {
	case record.EventBelief:
		b.said(e)
	case record.EventNode:
		if e.Name == "die" || e.Name == "oom" || e.Name == "kill" || e.Name == "stop" {
			b.close(e.Node, e.At)
			delete(b.frozen, e.Node)
		}
	case record.EventFault:
		b.damaged(e)
	}
}

func (b *beliefs) said(e *record.Event) {
	held := b.open[e.Node]
	if b.frozen[e.Node] && e.Name != OwnerRole {
		return // a frozen node cannot answer; whatever was written down is about the asker
	}
	if held != nil && held.Role == e.Name {
		held.Seen = e.At
		return
	}
	if held != nil && e.Bracket != nil {
		held.Seen = max(held.Seen, e.Bracket.Before) // the last answer before this one
	}
	b.close(e.Node, e.At)
	b.open[e.Node] = &Belief{Node: e.Node, Role: e.Name, From: e.At, Seen: e.At, To: b.end, Frozen: b.frozen[e.Node]}
}

// damaged ends beliefs at proven kills and splits them at proven freezes.
func (b *beliefs) damaged(e *record.Event) {
	kills, freezes := deadly(b.plans[e.Fault]), freezing(b.plans[e.Fault])
	for _, node := range strings.FieldsFunc(e.Node, func(r rune) bool { return r == ',' || r == ' ' }) {
		at := effectiveAt(e)
		switch {
		case e.Name == record.StepEffective && kills:
			b.close(node, at)
		case e.Name == record.StepEffective && freezes:
			b.split(node, at, true)
		case (e.Name == record.StepHealed || e.Name == record.StepGap) && freezes && b.frozen[node]:
			b.split(node, at, false)
		}
	}
}

func (b *beliefs) split(node string, at record.Time, frozen bool) {
	b.frozen[node] = frozen
	held := b.open[node]
	if held == nil {
		return
	}
	role := held.Role
	b.close(node, at)
	seen := at
	if frozen {
		seen = b.end
	}
	b.open[node] = &Belief{Node: node, Role: role, From: at, Seen: seen, To: b.end, Frozen: frozen}
}

func (b *beliefs) close(node string, at record.Time) {
	held := b.open[node]
	if held == nil {
		return
	}
	delete(b.open, node)
	held.To = max(at, held.From)
	held.Seen = min(max(held.Seen, held.From), held.To)
	b.spans = append(b.spans, *held)
}

// deadly and freezing classify the catalogue's faults by what they do to the
// mind of their target.
func deadly(fault string) bool {
	return containsAny(fault, "kill", "power", "crash", "stop", "oom", "restart")
}

func freezing(fault string) bool { return containsAny(fault, "pause", "freeze", "hang") }

func containsAny(s string, words ...string) bool {
	return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(s, w) })
}

// shortestClaim stands for the resolution of a scenario that declares none.
const shortestClaim = record.Time(10 * time.Millisecond)

// Owners returns a finding for every span in which two nodes at once believed
// to be primary: "two owners" when both could act, "stale owner" when one of
// them was frozen then.
//
// Where each node said so while the other's belief lasted, that is certain
// however short it was. Otherwise the old owner may have changed its mind just
// before the new one did, unseen until it was asked again; then an overlap
// that is no longer than the scenario's resolution is not claimed.
func Owners(log *record.Log) []record.Finding {
	resolution := record.Time(log.Header.Scenario.Resolution)
	if resolution <= 0 {
		resolution = shortestClaim
	}
	var owners []Belief
	for _, s := range Beliefs(log) {
		if s.Role == OwnerRole {
			owners = append(owners, s)
		}
	}
	var found []record.Finding
	for i, a := range owners {
		for _, c := range owners[i+1:] {
			if a.Node == c.Node {
				continue
			}
			if f, ok := overlap(a, c, resolution); ok {
				found = append(found, f)
			}
		}
	}
	found = joined(found)
	for i := range found {
		f := &found[i]
		text := "both believed to be primary and could act"
		if f.Name == staleOwner {
			text = "a frozen node still believed to be primary while another was"
		}
		f.Text = fmt.Sprintf("%s and %s: %s, for up to %v", f.Nodes[0], f.Nodes[1], text, f.To.Sub(f.From))
		f.Picture = drawBeliefs(owners, f.From, f.To)
	}
	return found
}

// The findings of Owners.
const (
	twoOwners  = "two owners"
	staleOwner = "stale owner"
)

func overlap(a, c Belief, resolution record.Time) (record.Finding, bool) {
	from, to := max(a.From, c.From), min(a.To, c.To)
	certain := min(a.Seen, c.Seen) >= from
	if to < from || !certain && to-from <= resolution {
		return record.Finding{}, false
	}
	f := record.Finding{Check: SingleOwner, Name: twoOwners, From: from, To: to, Nodes: []string{a.Node, c.Node}}
	if a.Frozen || c.Frozen {
		if to == from {
			return record.Finding{}, false // it was frozen, or thawed, just then
		}
		f.Name = staleOwner
	}
	slices.Sort(f.Nodes)
	return f, true
}

// joined merges overlaps of the same nodes that touch: a belief that was split
// by a poll is still one belief.
func joined(found []record.Finding) []record.Finding {
	slices.SortStableFunc(found, func(a, b record.Finding) int { return cmp.Compare(a.From, b.From) })
	var out []record.Finding
	for _, f := range found {
		i := slices.IndexFunc(out, func(o record.Finding) bool {
			return o.Name == f.Name && slices.Equal(o.Nodes, f.Nodes) && f.From <= o.To
		})
		if i < 0 {
			out = append(out, f)
			continue
		}
		out[i].To = max(out[i].To, f.To)
	}
	return out
}

// singleOwner is the check over Owners. A stale owner is reported by name but
// is no violation of the promise: what cannot act has not broken it.
func singleOwner(_ context.Context, log *record.Log, _ Budget) (Report, error) {
	r := Report{Check: SingleOwner, Guarantee: "no two nodes that could act believed at once that they are primary, at the times they were asked"}
	for _, e := range log.Events {
		if e.Kind == record.EventBelief && e.Name == OwnerRole {
			r.Checked++
		}
	}
	for _, f := range Owners(log) {
		if f.Name == twoOwners {
			r.add(f)
		}
	}
	return r, nil
}

// drawBeliefs draws who believed to be primary around a span, one row a node.
func drawBeliefs(owners []Belief, from, to record.Time) string {
	const width = 60
	margin := max((to-from)/2, 1)
	left, right := from-margin, to+margin
	column := func(t record.Time) int {
		t = min(max(t, left), right)
		return int(float64(t-left) / float64(right-left) * (width - 1))
	}
	rows := map[string][]rune{}
	var nodes []string
	longest := 0
	for _, o := range owners {
		if o.To < left || o.From > right {
			continue
		}
		if rows[o.Node] == nil {
			rows[o.Node] = []rune(strings.Repeat("·", width))
			nodes = append(nodes, o.Node)
			longest = max(longest, len(o.Node))
		}
		mark := '█'
		if o.Frozen {
			mark = '░'
		}
		for c := column(o.From); c <= column(o.To); c++ {
			rows[o.Node][c] = mark
		}
	}
	slices.Sort(nodes)
	var b strings.Builder
	for _, n := range nodes {
		fmt.Fprintf(&b, "%-*s  %s\n", longest, n, string(rows[n]))
	}
	fmt.Fprintf(&b, "%-*s  %.3f s %s %.3f s   (█ primary, ░ primary but frozen)\n", longest, "", left.Seconds(), strings.Repeat(" ", width-22), right.Seconds())
	return b.String()
}
