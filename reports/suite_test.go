package reports_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hadrill/hadrill/reports"
	"github.com/hadrill/hadrill/reports/film"
	"github.com/hadrill/hadrill/reports/internal/sample"
	"github.com/hadrill/hadrill/runner/measure"
	"github.com/hadrill/hadrill/runner/record"
)

// nightly makes a folder of runs: every sample and n repetitions of the
// failover and of its twin.
func nightly(t *testing.T, n int) reports.Suite {
	t.Helper()
	s := reports.Suite{Dir: t.TempDir(), NoPlots: true}
	if keep := os.Getenv("HADRILL_PAGES"); keep != "" {
		s.Dir = filepath.Join(keep, strings.ReplaceAll(t.Name(), "/", "-"))
		require.NoError(t, os.MkdirAll(s.Dir, 0o755))
	}
	add := func(shape sample.Shape) {
		log, res := sample.Run(shape)
		dir := filepath.Join(s.Dir, res.Run)
		require.NoError(t, os.MkdirAll(dir, 0o755))
		require.NoError(t, reports.WriteRun(dir, log, res))
		s.Results, s.Folders = append(s.Results, res), append(s.Folders, dir)
	}
	for _, shape := range sample.All() {
		add(shape)
	}
	for i := 1; i < n; i++ {
		for _, shape := range []sample.Shape{sample.Failover, sample.Twin} {
			shape.Repeat, shape.Seed, shape.Outage = i+1, uint64(100+i), shape.Outage+float64(i%5)*.21
			add(shape)
		}
	}
	return s
}

func TestASuiteFolderHoldsEveryReport(t *testing.T) {
	s := nightly(t, 6)
	s.NoPlots = false
	s.Declared = []record.Scenario{{Name: "mysql-group/primary-kill", Row: "db/mysql-group", Faults: []record.FaultPlan{{Fault: "kill"}}}}
	require.NoError(t, s.Write())

	card, err := reports.ReadScorecard(filepath.Join(s.Dir, reports.CardFile))
	require.NoError(t, err)
	assert.Equal(t, len(s.Results), card.Runs)
	assert.Equal(t, measure.Coverage{Measured: 5, Declared: 8}, card.Coverage, "what was not run, unproven or vacuous is not covered")
	assert.Equal(t, reports.Twins{Caught: 1, Total: 2}, card.Twins)
	assert.Equal(t, record.Failed, card.Verdict)
	assert.Zero(t, card.Losses.Lost, "what a twin loses is not the system's loss")
	require.NotNil(t, card.WorstRTO)
	assert.True(t, card.WorstRTO.Censored, "what did not recover is the worst")

	page := string(read(t, s.Dir, reports.PageFile))
	for _, id := range []string{"strip", "matrix", "drills", "ledger", "instrument", "reproduce", "drill-redis-sentinel-primary-kill"} {
		contains(t, page, `id="`+id+`"`)
	}
	contains(t, page, `href="`+filepath.Base(s.Folders[1])+`/index.html"`)
	contains(t, page, "not run")
	contains(t, string(read(t, s.Dir, reports.SummaryFile)), "rabbitmq/auto-ack")
	assert.True(t, strings.HasSuffix(string(read(t, s.Dir, reports.MetricsFile)), "# EOF\n"))
	wellFormedXML(t, read(t, s.Dir, reports.BadgeFile))
	wellFormedXML(t, read(t, s.Dir, "plots/redis-sentinel-primary-kill-film.svg"))
	assert.NotEmpty(t, read(t, s.Dir, "plots/redis-sentinel-primary-kill-recovery.png"))
	wellFormedXML(t, read(t, s.Dir, reports.JUnitFile))
}

func TestTheCommandCanReportAFolderAgain(t *testing.T) {
	s := nightly(t, 2)
	require.NoError(t, s.Write())
	first := read(t, s.Dir, reports.PageFile)
	results, folders, err := reports.ReadSuite(s.Dir)
	require.NoError(t, err)
	assert.Len(t, results, len(s.Results))
	require.NoError(t, reports.WriteSuite(s.Dir, results, folders))
	assert.Len(t, read(t, s.Dir, reports.PageFile), len(first))

	require.NoError(t, os.WriteFile(filepath.Join(folders[0], reports.RunFile), []byte(`{"schema":99}`), 0o644))
	_, _, err = reports.ReadSuite(s.Dir)
	assert.ErrorContains(t, err, "schema 99")
}

func TestAFullSuiteIsOneSmallFile(t *testing.T) {
	var entries []reports.Entry
	films := map[string]*film.Film{}
	for row := range 30 {
		for k, base := range []sample.Shape{sample.Failover, sample.Twin} {
			for rep := range 10 {
				shape := base
				shape.Name, shape.Row = fmt.Sprintf("row%d/scenario-%d", row, k), fmt.Sprintf("layer/row%d", row)
				if k == 1 {
					shape.TwinOf = fmt.Sprintf("row%d/scenario-0", row)
				}
				shape.Rate, shape.Seconds, shape.Repeat, shape.Seed = 100, 12, rep+1, uint64(row*100+rep)
				log, res := sample.Run(shape)
				entries = append(entries, reports.Entry{Result: res, Folder: res.Run})
				films[res.Run] = film.Make(log, res, film.Window{Bins: 240})
			}
		}
	}
	card := reports.NewScorecard(entries, nil)
	page, err := reports.SuitePage(card, func(c reports.ScenarioCard, i int) *film.Film { return films[c.Runs[i].Run] }, nil)
	require.NoError(t, err)
	inside := strings.Count(string(page), "Failover film of")
	if keep := os.Getenv("HADRILL_PAGES"); keep != "" {
		require.NoError(t, os.WriteFile(filepath.Join(keep, "full.html"), page, 0o644))
	}
	t.Logf("%d runs: %d bytes, %d films inside", len(entries), len(page), inside)
	assert.Less(t, len(page), 1_000_000)
	assert.Equal(t, 60, strings.Count(string(page), "<details class=\"drill\""))
	assert.GreaterOrEqual(t, inside, 50, "nearly every scenario has its film")
	contains(t, string(page), "drills come without their film here")
}

func TestEdgesOfASuite(t *testing.T) {
	only := func(shapes ...sample.Shape) *reports.Scorecard {
		s := reports.Suite{}
		for _, sh := range shapes {
			s.Results = append(s.Results, result(sh))
		}
		return s.Card()
	}
	unicode := sample.Failover
	unicode.Name, unicode.Row = "数据库/主节点—čtení 🚀", "数据库"
	for _, c := range []struct {
		name    string
		card    *reports.Scorecard
		verdict record.Verdict
	}{
		{"no run is vacuous, never a pass", only(), record.Vacuous},
		{"one pass", only(sample.Failover), record.Pass},
		{"all inconclusive", only(sample.Doubtful, sample.Doubtful), record.Inconclusive},
		{"a caught twin alone is as it should be", only(sample.Twin), record.Pass},
		{"a missed twin is a failure", only(sample.Failover, sample.MissedTwin), record.Failed},
		{"unrecovered", only(sample.Failover, sample.Dead), record.Failed},
		{"nothing exercised", only(sample.Failover, sample.Empty), record.Vacuous},
		{"names in any script", only(unicode), record.Pass},
	} {
		t.Run(c.name, func(t *testing.T) {
			assert.Equal(t, c.verdict, c.card.Verdict)
			page, err := reports.SuitePage(c.card, noFilm, nil)
			require.NoError(t, err)
			contains(t, string(page), c.card.Sentence()[:5])
			b, err := json.Marshal(c.card)
			require.NoError(t, err)
			assert.NotContains(t, string(b), "null,null")
		})
	}
}

func noFilm(reports.ScenarioCard, int) *film.Film { return nil }

func TestHostileTextInASuite(t *testing.T) {
	log, res := sample.Run(sample.Twin)
	poison(log, res)
	s := reports.Suite{Dir: t.TempDir(), NoPlots: true, Results: []*record.Result{res}, Folders: []string{""}}
	require.NoError(t, s.Write())
	page := string(read(t, s.Dir, reports.PageFile))
	assert.Equal(t, 1, strings.Count(page, "<script"))
	lacks(t, page, "<img")
	lacks(t, string(read(t, s.Dir, reports.SummaryFile)), "<script")
	for _, l := range strings.Split(string(read(t, s.Dir, reports.MetricsFile)), "\n") {
		assert.True(t, l == "" || strings.HasPrefix(l, "#") || strings.HasPrefix(l, "hadrill_"), l)
	}
}
