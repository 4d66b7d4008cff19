package reports

import (
	"fmt"

	"github.com/hadrill/hadrill/reports/draw"
	"github.com/hadrill/hadrill/runner/measure"
)

type ledgerRow struct {
	ID, Name                                                    string
	Twin                                                        bool
	Runs                                                        int
	Acknowledged, Present, Lost, Duplicates, Unknown, Recovered int
	Meaning                                                     string
}

type instrumentRow struct {
	ID, Name             string
	Gap, Resolution, Lag float64
	Quiet, Saturated     bool
	Steal                float64
	How, Within          string
}

// tables fills the sections that are one line a scenario.
func (p *suitePage) tables() {
	for _, s := range p.cards() {
		if !s.Ran {
			continue
		}
		p.ledger(s)
		p.instrument(s)
		p.Commands = append(p.Commands, s.results[s.worstFirst()[0]].Command)
	}
}

func (p *suitePage) ledger(s *ScenarioCard) {
	row := ledgerRow{ID: s.id, Name: s.Name, Twin: s.TwinOf != ""}
	losing := 0
	for _, r := range s.results {
		l := r.Ledger
		if l == nil || !l.Definitive {
			continue
		}
		row.Runs++
		row.Acknowledged += l.Acknowledged
		row.Present += l.Present
		row.Lost += l.Lost
		row.Duplicates += l.Duplicates
		row.Unknown += l.Unknown
		row.Recovered += l.Recovered
		if l.Lost > 0 {
			losing++
		}
	}
	if row.Runs == 0 {
		return
	}
	switch {
	case losing > 0:
		row.Meaning = fmt.Sprintf("lost in %d of %s", losing, plural(row.Runs, "run", "runs"))
	case row.Twin:
		row.Meaning = "nothing lost; see what it had to fail on"
	default:
		row.Meaning = fmt.Sprintf("loss in a run is at most %.0f %% likely (95 %% bound)", 100*measure.LossUpperBound(row.Runs))
	}
	p.Ledgers = append(p.Ledgers, row)
}

func (p *suitePage) instrument(s *ScenarioCard) {
	row := instrumentRow{ID: s.id, Name: s.Name, Quiet: true, Within: "–"}
	widest := -1.0
	for _, r := range s.results {
		in := r.Instrument
		row.Gap, row.Lag, row.Steal = max(row.Gap, in.WorstGap), max(row.Lag, in.MaxLag), max(row.Steal, in.CPUSteal)
		row.Resolution = max(row.Resolution, in.Resolution)
		row.Quiet, row.Saturated = row.Quiet && in.Quiet, row.Saturated || in.Saturated
		for _, inc := range r.Incidents {
			switch {
			case inc.Failback:
			case !inc.Proven:
				row.How = "not proven"
			default:
				if row.How == "" {
					row.How = inc.How
				}
				widest = max(widest, inc.Bracket.After.Sub(inc.Bracket.Before).Seconds())
			}
		}
	}
	if widest >= 0 {
		row.Within = draw.Seconds(widest)
	}
	p.Instruments = append(p.Instruments, row)
}
