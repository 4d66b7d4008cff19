package reports

import (
	"fmt"
	"strings"

	"github.com/hadrill/hadrill/reports/draw"
	"github.com/hadrill/hadrill/runner/measure"
	"github.com/hadrill/hadrill/runner/record"
)

// Markdown returns the scorecard for a CI step summary: the sentence, then a
// line a scenario, what is not as it should be first.
func Markdown(c *Scorecard) string {
	var b strings.Builder
	fmt.Fprintf(&b, "## Failover scorecard: %s\n\n**%s %s** %s\n\n", c.Grade.Letter, symbol(c.Verdict), c.Verdict, cell(c.Sentence()))
	if c.Gate != nil {
		fmt.Fprintf(&b, "Gate: **%s**, %s\n\n", c.Gate.Verdict, cell(c.Gate.Sentence))
	}
	fmt.Fprintf(&b, "%d of %d scenarios measured, %d of %d known-bad twins caught, %s acknowledged writes lost of %s.\n\n",
		c.Coverage.Measured, c.Coverage.Declared, c.Twins.Caught, c.Twins.Total, grouped(int64(c.Losses.Lost)), grouped(int64(c.Losses.Acknowledged)))
	for _, k := range c.hardestCaps(5) {
		fmt.Fprintf(&b, "- %s: %s\n", capName(k), cell(k.Reason))
	}
	b.WriteString("\n")
	b.WriteString("| | scenario | worst | target | n | why |\n|---|---|---|---|---:|---|\n")
	for _, wanted := range []bool{false, true} {
		for _, r := range c.Rows {
			for i := range r.Scenarios {
				if s := &r.Scenarios[i]; (s.meaning() == record.Pass) == wanted {
					markdownRow(&b, s)
				}
			}
		}
	}
	return b.String()
}

func markdownRow(b *strings.Builder, s *ScenarioCard) {
	bd := s.badge()
	worst, target := "–", "–"
	if o := s.headline(); o != nil {
		worst, target = o.Name+" "+o.Text(), o.TargetText()
	}
	fmt.Fprintf(b, "| %s %s | %s | %s | %s | %d | %s |\n", bd.Sign, bd.Word, cell(s.Name), cell(worst), cell(target), len(s.Runs), cell(s.Reason))
}

// cell keeps recorded text from being read as Markdown or HTML.
func cell(s string) string {
	var b strings.Builder
	for _, r := range clean(s) {
		switch r {
		case '|', '\\', '`', '*', '_', '[', ']', '#', '~':
			b.WriteByte('\\')
			b.WriteRune(r)
		case '<':
			b.WriteString("&lt;")
		case '>':
			b.WriteString("&gt;")
		case '&':
			b.WriteString("&amp;")
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// OpenMetrics returns the scorecard in the OpenMetrics text format 1.0, for a
// push gateway or a textfile collector. Values are those of the worst
// repetition; what was not measured has no sample.
func OpenMetrics(c *Scorecard) string {
	var b strings.Builder
	family := func(name, unit, help string) {
		fmt.Fprintf(&b, "# TYPE %s gauge\n", name)
		if unit != "" {
			fmt.Fprintf(&b, "# UNIT %s %s\n", name, unit)
		}
		fmt.Fprintf(&b, "# HELP %s %s\n", name, help)
	}
	each := func(f func(*ScenarioCard)) {
		for _, r := range c.Rows {
			for i := range r.Scenarios {
				f(&r.Scenarios[i])
			}
		}
	}
	family("hadrill_as_expected", "", "1 when the scenario passed, or the known-bad twin was caught.")
	each(func(s *ScenarioCard) {
		fmt.Fprintf(&b, "hadrill_as_expected{scenario=\"%s\",twin=\"%t\",verdict=\"%s\"} %d\n", label(s.Name), s.TwinOf != "", s.Verdict, b2i(s.meaning() == record.Pass))
	})
	family("hadrill_objective", "", "Worst value of an objective over the repetitions, in the unit of its label.")
	each(func(s *ScenarioCard) {
		for _, o := range s.Objectives {
			if o.Worst != nil {
				fmt.Fprintf(&b, "hadrill_objective{scenario=\"%s\",objective=\"%s\",unit=\"%s\",censored=\"%t\"} %g\n", label(s.Name), label(o.Name), label(o.Unit), o.Censored, *o.Worst)
			}
		}
	})
	family("hadrill_objective_target", "", "Target of an objective.")
	each(func(s *ScenarioCard) {
		for _, o := range s.Objectives {
			fmt.Fprintf(&b, "hadrill_objective_target{scenario=\"%s\",objective=\"%s\",unit=\"%s\"} %g\n", label(s.Name), label(o.Name), label(o.Unit), o.Target)
		}
	})
	family("hadrill_scenarios", "", "Scenarios by whether they were measured.")
	fmt.Fprintf(&b, "hadrill_scenarios{state=\"measured\"} %d\nhadrill_scenarios{state=\"declared\"} %d\n", c.Coverage.Measured, c.Coverage.Declared)
	family("hadrill_lost_writes", "", "Acknowledged writes lost, all safe scenarios.")
	fmt.Fprintf(&b, "hadrill_lost_writes %d\n", c.Losses.Lost)
	if g := c.Grade; g.Score != nil {
		family("hadrill_score_ratio", "ratio", "Score of the suite.")
		fmt.Fprintf(&b, "hadrill_score_ratio %g\n", *g.Score/100)
	}
	family("hadrill_control_gap_seconds", "seconds", "Worst gap of the control lane: the noise floor.")
	fmt.Fprintf(&b, "hadrill_control_gap_seconds %g\n", c.Noise.WorstGap)
	b.WriteString("# EOF\n")
	return b.String()
}

func label(s string) string {
	return strings.NewReplacer("\\", "\\\\", "\"", "\\\"", "\n", "\\n").Replace(strings.ToValidUTF8(s, "\ufffd"))
}

// Badge returns a small SVG for a README: the letter, or the verdict where
// nothing was graded.
func Badge(c *Scorecard) string {
	text, good := c.Grade.Letter, c.Grade.Letter == "A" || c.Grade.Letter == "B"
	switch {
	case text == measure.Ungraded:
		text = c.Verdict.String()
	case c.Grade.Provisional:
		text += " provisional"
	}
	return draw.Badge("failover", text, good)
}
