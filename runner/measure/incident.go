package measure

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hadrill/hadrill/runner/record"
)

// proof gathers what the log says about one planned fault.
type proof struct {
	plan      record.FaultPlan
	nodes     []string
	effective *record.Event // the earliest
	healing   *record.Event
	healed    *record.Event // the latest: healed means all of it
	unproven  string        // why the effect is not proven; "" when it is
	unhealed  string        // why the healing is not proven; "" when it is
	gap       string        // the target restarted and ran without the fault; "" when it did not
}

// readProofs reads the life of every planned fault from the events.
func readProofs(log *record.Log) []*proof {
	var ps []*proof
	byID := map[string]*proof{}
	for _, plan := range log.Header.Scenario.Faults {
		p := &proof{plan: plan}
		ps, byID[plan.ID] = append(ps, p), p
	}
	for i := range log.Events {
		e := &log.Events[i]
		if e.Kind != record.EventFault {
			continue
		}
		if p := byID[e.Fault]; p != nil {
			p.read(e)
			continue
		}
		for _, p := range ps { // the agent knows a gap's node, not its step
			if e.Name == record.StepGap && slices.Contains(p.nodes, e.Node) {
				p.read(e)
			}
		}
	}
	for _, p := range ps {
		what := fmt.Sprintf("fault %s (%s of %s)", p.plan.ID, p.plan.Fault, p.plan.Aim)
		switch {
		case p.unproven != "":
			p.unproven = what + " was not proven: " + p.unproven
		case p.effective == nil:
			p.unproven = what + " was never seen to take effect"
		case p.unhealed != "":
			p.unhealed = "healing of " + what + " was not proven: " + p.unhealed
		case p.healed == nil:
			p.unhealed = "healing of " + what + " was never seen"
		}
	}
	return ps
}

func (p *proof) read(e *record.Event) {
	for _, n := range strings.Split(e.Node, ",") {
		if n = strings.TrimSpace(n); n != "" && !slices.Contains(p.nodes, n) {
			p.nodes = append(p.nodes, n)
		}
	}
	because := func(s string) string {
		if s == "" {
			return "no evidence"
		}
		return s
	}
	switch e.Name {
	case record.StepEffective:
		if p.effective == nil || brackets(e).Before < brackets(p.effective).Before {
			p.effective = e
		}
	case record.StepUnproven, record.StepFailed:
		p.unproven = because(e.Text)
	case record.StepHealing:
		if p.healing == nil {
			p.healing = e
		}
	case record.StepHealed:
		if p.healed == nil || brackets(e).After > brackets(p.healed).After {
			p.healed = e
		}
	case record.StepHealUnproven:
		p.unhealed = because(e.Text)
	case record.StepGap:
		if p.healed == nil {
			p.gap = fmt.Sprintf("%s restarted and ran without fault %s (%s) for a while", e.Node, p.plan.ID, p.plan.Fault)
		}
	}
}

// brackets returns an event's bracket, or its instant as one.
func brackets(e *record.Event) record.Bracket {
	if e.Bracket != nil {
		return *e.Bracket
	}
	return record.Bracket{Before: e.At, After: e.At}
}

// problem says what is not proven, the effect or the healing; "" when both
// are. A run that was cut short is excused from healing: it is inconclusive
// anyway.
func (p *proof) problem(truncated bool) string {
	if p.unproven != "" || truncated {
		return p.unproven
	}
	return p.unhealed
}

var noMarks = record.Marks{
	T0: record.Never, T1: record.Never, T2: record.Never, T3: record.Never,
	T4: record.Never, T5: record.Never, T6: record.Never, T7: record.Never,
}

// incidents returns one incident a planned fault, and one a failback: a fault
// healed while the load still ran. They are in order of t0; what has none
// comes last. Marks other than t0 are not filled in.
func incidents(ps []*proof, run span) []record.Incident {
	var all []record.Incident
	for _, p := range ps {
		in := record.Incident{Fault: p.plan, Nodes: p.nodes, Marks: noMarks, HealedAt: record.Never}
		in.Bracket = record.Bracket{Before: record.Never, After: record.Never}
		if p.healed != nil {
			in.Healed, in.HealedAt = p.unhealed == "", brackets(p.healed).After
		}
		if p.effective != nil && p.unproven == "" {
			in.Proven, in.How, in.Bracket = true, p.effective.How, brackets(p.effective)
			in.Marks.T0 = in.Bracket.Before
		}
		all = append(all, in)
		if in.Proven && p.healed != nil && run.has(brackets(p.healed).Before) {
			back := in
			back.Failback, back.How, back.Bracket = true, p.healed.How, brackets(p.healed)
			back.Marks.T0 = back.Bracket.Before
			all = append(all, back)
		}
	}
	slices.SortStableFunc(all, func(a, b record.Incident) int {
		switch {
		case a.Proven != b.Proven && a.Proven:
			return -1
		case a.Proven != b.Proven:
			return 1
		case a.Marks.T0 < b.Marks.T0:
			return -1
		case a.Marks.T0 > b.Marks.T0:
			return 1
		}
		return 0
	})
	return all
}
