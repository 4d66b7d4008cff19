package reports

import (
	"fmt"
	"html/template"
	"math"
	"slices"
	"strings"

	"github.com/hadrill/hadrill/reports/draw"
)

// maxNights bounds the control charts, and maxCharts their number.
const (
	maxNights = 60
	maxCharts = 16
)

// history draws a control chart of the score and of each safe scenario's
// headline over the nights; the last point is this scorecard.
func (p *suitePage) history(before []*Scorecard) {
	if len(before) == 0 {
		return
	}
	nights := append(slices.Clone(before), p.Card)
	nights = nights[max(0, len(nights)-maxNights):]
	label := func(c *Scorecard) string { return c.Began.UTC().Format("2006-01-02") }
	var score []draw.Night
	for i, c := range nights {
		n := draw.Night{Label: label(c), Missing: c.Grade.Score == nil}
		if !n.Missing {
			n.Value = *c.Grade.Score
		}
		if i > 0 {
			n.Change = versionsChanged(nights[i-1], c)
		}
		score = append(score, n)
	}
	p.History = append(p.History, template.HTML(draw.Control("score", score, math.NaN(), func(v float64) string { return fmt.Sprintf("%.0f", v) }).Inline()))
	for _, s := range p.cards() {
		if s.TwinOf != "" || len(p.History) >= maxCharts {
			continue
		}
		if o := s.headline(); o != nil {
			p.History = append(p.History, template.HTML(scenarioHistory(nights, s.Name, *o, label).Inline()))
		}
	}
}

func scenarioHistory(nights []*Scorecard, scenario string, o ObjectiveCard, label func(*Scorecard) string) *draw.Picture {
	var points []draw.Night
	config := ""
	for i, c := range nights {
		n := draw.Night{Label: label(c), Missing: true}
		if card := c.scenario(scenario); card != nil {
			for _, co := range card.Objectives {
				if co.Name == o.Name && co.Median != nil {
					n.Value, n.Missing = *co.Median, false
				}
			}
			if card.Config != "" {
				if config != "" && config != card.Config {
					n.Change = "configuration or image changed"
				}
				config = card.Config
			}
		}
		if i > 0 && n.Change == "" {
			n.Change = versionsChanged(nights[i-1], c)
		}
		points = append(points, n)
	}
	return draw.Control(scenario+": "+o.Name, points, o.Target, func(v float64) string { return Value(v, o.Unit) })
}

func (c *Scorecard) scenario(name string) *ScenarioCard {
	for i := range c.Rows {
		for k := range c.Rows[i].Scenarios {
			if s := &c.Rows[i].Scenarios[k]; s.Name == name {
				return s
			}
		}
	}
	return nil
}

func versionsChanged(a, b *Scorecard) string {
	var out []string
	for _, v := range b.Versions {
		if !slices.Contains(a.Versions, v) {
			out = append(out, v.Name+" "+v.Value)
		}
	}
	return strings.Join(out, ", ")
}
