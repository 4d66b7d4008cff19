package reports

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/hadrill/hadrill/reports/draw"
)

// PlotsFolder holds the pictures of a suite: for each scenario the film of
// its worst run, the split of its recoveries and, under a surge, goodput, as SVG and as PNG, for chats
// and documents that show no page.
const PlotsFolder = "plots"

// plotZoom is the PNG's pixels a unit: sharp on a dense screen.
const plotZoom = 2

func (s Suite) plots(c *Scorecard) error {
	dir := filepath.Join(s.Dir, PlotsFolder)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("write report %s: %w%s", dir, err, remedy(err))
	}
	for i := range c.Rows {
		for k := range c.Rows[i].Scenarios {
			card := &c.Rows[i].Scenarios[k]
			if err := s.plot(dir, card); err != nil {
				return err
			}
			if err := s.plotGoodput(dir, card, c.Rows[i].Scenarios); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s Suite) plot(dir string, card *ScenarioCard) error {
	order := card.worstFirst()
	if len(order) == 0 {
		return nil
	}
	name := card.id[len("drill-"):]
	if f := s.film(*card, order[0]); f != nil && f.Bins > 0 {
		if err := picture(dir, name+"-film", draw.Film(f, draw.FilmOptions{})); err != nil {
			return err
		}
	}
	rows := card.stacks(order)
	if len(rows) == 0 {
		return nil
	}
	worst := card.results[order[0]]
	return picture(dir, name+"-recovery", draw.Recovery(rows, rtoTarget(worst), rtoLimit(worst)))
}

// plotGoodput draws goodput against offered load, a twin beside its safe
// scenario, which is of the same row.
func (s Suite) plotGoodput(dir string, card *ScenarioCard, row []ScenarioCard) error {
	var safe *ScenarioCard
	for i := range row {
		if row[i].Name == card.TwinOf {
			safe = &row[i]
		}
	}
	p := goodputPlot(card, safe, s.film)
	if p == nil {
		return nil
	}
	return picture(dir, card.id[len("drill-"):]+"-goodput", p)
}

func picture(dir, name string, p *draw.Picture) error {
	png, err := p.PNG(plotZoom)
	if err != nil {
		return err
	}
	if err := write(filepath.Join(dir, name+".svg"), []byte(p.SVG())); err != nil {
		return err
	}
	return write(filepath.Join(dir, name+".png"), png)
}
