package film

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/hadrill/hadrill/runner/record"
)

// maxEvents bounds the ticks of a film; errors are kept beyond it.
const maxEvents = 200

var markTexts = [...]string{
	"fault effective", "first bad operation", "failure declared", "new owner accepts",
	"first good operation", "stable again", "back in the baseline band", "redundancy restored",
}

// MarkText says in three words what mark i (0..7) is.
func MarkText(i int) string { return markTexts[i] }

// MarkTimes lists t0..t7.
func MarkTimes(m record.Marks) [8]record.Time {
	return [8]record.Time{m.T0, m.T1, m.T2, m.T3, m.T4, m.T5, m.T6, m.T7}
}

func (f *Film) pins(res *record.Result) {
	for _, in := range res.Incidents {
		for i, t := range MarkTimes(in.Marks) {
			if t != record.Never {
				f.Pins = append(f.Pins, Pin{t, fmt.Sprintf("t%d", i), markTexts[i], in.Failback})
			}
		}
	}
	slices.SortStableFunc(f.Pins, func(a, b Pin) int { return cmp.Compare(a.At, b.At) })
}

func (f *Film) incidents(res *record.Result) {
	part := func(p *float64) float64 {
		if p == nil {
			return -1
		}
		return *p
	}
	for _, in := range res.Incidents {
		name := in.Fault.Fault
		if in.Failback {
			name += ", healed"
		}
		f.Incidents = append(f.Incidents, Incident{name, part(in.Detect), part(in.Failover), part(in.Reconnect),
			part(in.Settle), part(in.RTO), in.Censored})
	}
}

// bands reads each fault step's life from the log: one band a target node.
func (f *Film) bands(log *record.Log, res *record.Result) {
	names := map[string]string{}
	for _, p := range res.Scenario.Faults {
		names[p.ID] = p.Fault
	}
	type key struct{ fault, node string }
	at := map[key]int{}
	for i := range log.Events {
		ev := &log.Events[i]
		if ev.Kind != record.EventFault {
			continue
		}
		k := key{ev.Fault, ev.Node}
		n, open := at[k]
		switch ev.Name {
		case record.StepEffective, record.StepUnproven:
			b := Band{ID: ev.Fault, Name: cmp.Or(names[ev.Fault], ev.Fault), Node: ev.Node, How: ev.How,
				Proven: ev.Name == record.StepEffective, Begin: bracket(ev), End: record.Bracket{Before: record.Never, After: record.Never}}
			at[k] = len(f.Bands)
			f.Bands = append(f.Bands, b)
		case record.StepHealed, record.StepHealUnproven:
			if open {
				f.Bands[n].End, f.Bands[n].Healed = bracket(ev), ev.Name == record.StepHealed
				delete(at, k)
			}
		}
	}
}

func bracket(ev *record.Event) record.Bracket {
	if ev.Bracket != nil {
		return *ev.Bracket
	}
	return record.Bracket{Before: ev.At, After: ev.At}
}

// roles turns readings of what each node believes into spans. A belief holds
// until the node's next reading; a dead node believes nothing.
func (f *Film) roles(log *record.Log) {
	order, open := []string{}, map[string]Span{}
	spans := map[string][]Span{}
	end := func(node string, t record.Time) {
		if s, ok := open[node]; ok && t > s.From {
			s.To = t
			spans[node] = append(spans[node], s)
		}
		delete(open, node)
	}
	begin := func(node string, t record.Time, role, text string) {
		if s, ok := open[node]; ok && s.Role == role && s.Text == text {
			return
		}
		end(node, t)
		open[node] = Span{From: t, Role: role, Text: text}
		if !slices.Contains(order, node) {
			order = append(order, node)
		}
	}
	for i := range log.Events {
		ev := &log.Events[i]
		switch ev.Kind {
		case record.EventBelief:
			begin(ev.Node, ev.At, cmp.Or(ev.Name, "unknown"), ev.Text)
		case record.EventNode:
			if ev.Name == "die" || ev.Name == "oom" {
				begin(ev.Node, ev.At, "down", "")
			} else if ev.Name == "start" {
				end(ev.Node, ev.At)
			}
		case record.EventRedundancy:
			f.Redundancy = append(f.Redundancy, Level{ev.At, ev.Number, ev.Of})
		}
	}
	to := f.To()
	for _, node := range order {
		end(node, max(to, open[node].From+1))
		clipped := make([]Span, 0, len(spans[node]))
		for _, s := range spans[node] {
			s.From, s.To = max(s.From, f.From), min(s.To, to)
			if s.From < s.To {
				clipped = append(clipped, s)
			}
		}
		if len(clipped) > 0 { // a node that said nothing has no row
			f.Nodes = append(f.Nodes, Node{node, clipped})
		}
	}
	slices.SortStableFunc(f.Nodes, func(a, b Node) int { return cmp.Compare(a.Name, b.Name) })
	f.overlaps()
}

// overlaps finds the time during which two nodes believe themselves primary.
func (f *Film) overlaps() {
	type edge struct {
		at record.Time
		d  int
	}
	var edges []edge
	for _, n := range f.Nodes {
		for _, s := range n.Spans {
			if s.Role == "primary" {
				edges = append(edges, edge{s.From, 1}, edge{s.To, -1})
			}
		}
	}
	slices.SortFunc(edges, func(a, b edge) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.d, b.d)) })
	depth, since := 0, record.Time(0)
	for _, e := range edges {
		was := depth
		depth += e.d
		if was < 2 && depth >= 2 {
			since = e.at
		}
		if was >= 2 && depth < 2 && e.at > since {
			f.Overlaps = append(f.Overlaps, Span{From: since, To: e.at, Role: "two owners"})
		}
	}
}

// events keeps what deserves a tick: declarations, owners, deaths, log lines,
// errors. Errors always stay; the rest is bounded.
func (f *Film) events(log *record.Log) {
	to := f.To()
	for i := range log.Events {
		ev := &log.Events[i]
		switch ev.Kind {
		case record.EventDeclared, record.EventOwner, record.EventNode, record.EventLog, record.EventError, record.EventFault:
		default:
			continue
		}
		if ev.At < f.From || ev.At > to {
			continue
		}
		if len(f.Events) >= maxEvents && ev.Kind != record.EventError {
			f.Dropped++
			continue
		}
		f.Events = append(f.Events, Event{ev.At, ev.Kind, Sentence(ev), i})
	}
}

// Sentence says an event in one line.
func Sentence(ev *record.Event) string {
	if ev.Kind == record.EventBelief {
		s := ev.Node + " believes itself " + cmp.Or(ev.Name, "nothing")
		if ev.Text != "" {
			s += ", primary is " + ev.Text
		}
		return s
	}
	s := ""
	for _, p := range []string{ev.Node, ev.Name, ev.Text} {
		if p != "" {
			if s != "" {
				s += " "
			}
			s += p
		}
	}
	if ev.How != "" {
		s += " (" + ev.How + ")"
	}
	if ev.Kind == record.EventRedundancy {
		s = fmt.Sprintf("%g of %g in service %s", ev.Number, ev.Of, s)
	}
	if ev.Kind == record.EventSample {
		s = fmt.Sprintf("%s = %g", s, ev.Number)
	}
	return s
}
