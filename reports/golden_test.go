package reports_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hadrill/hadrill/reports"
	"github.com/hadrill/hadrill/reports/internal/sample"
	"github.com/hadrill/hadrill/runner/record"
)

// The golden files are what a reader gets for one suite that has every
// verdict in it. After a deliberate change write them anew with
// HADRILL_GOLDEN=write and read the difference.
func TestGoldenReports(t *testing.T) {
	s := reports.Suite{Declared: []record.Scenario{{Name: "mysql-group/primary-kill", Row: "db/mysql-group", Faults: []record.FaultPlan{{Fault: "kill"}}}}}
	for _, shape := range sample.All() {
		s.Results = append(s.Results, result(shape))
	}
	broken := &record.Result{Schema: record.SchemaVersion, Run: "20260314T020000Z-vip-kill-1", Verdict: record.HarnessError, Reason: "image keepalived could not be built",
		Scenario: record.Scenario{Name: "vip/kill", Row: "entry/vip", Faults: []record.FaultPlan{{Fault: "kill"}}}, Command: "hadrill run vip/kill"}
	s.Results = append(s.Results, broken)
	card := s.Card()
	scorecard, err := json.MarshalIndent(card, "", "  ")
	require.NoError(t, err)
	junit, err := reports.JUnit(s.Results)
	require.NoError(t, err)
	for name, got := range map[string]string{
		"scorecard.json": string(scorecard) + "\n",
		"summary.md":     reports.Markdown(card),
		"metrics.txt":    reports.OpenMetrics(card),
		"junit.xml":      string(junit),
		"terminal.txt":   terminal(false, s.Results...),
		"badge.svg":      reports.Badge(card) + "\n",
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join("testdata", "golden", name)
			if os.Getenv("HADRILL_GOLDEN") == "write" {
				require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
				require.NoError(t, os.WriteFile(path, []byte(got), 0o644))
			}
			want, err := os.ReadFile(path)
			require.NoError(t, err)
			a, b := strings.Split(string(want), "\n"), strings.Split(got, "\n")
			for i := range min(len(a), len(b)) {
				require.Equal(t, a[i], b[i], "line %d", i+1)
			}
			assert.Len(t, b, len(a))
		})
	}
}

func TestLettersAndCapsAreShownWithTheirEvidence(t *testing.T) {
	lossy := func(n int) []*record.Result {
		var out []*record.Result
		for _, r := range runsOf(sample.Failover, n, 1) {
			r.Caps = []record.Cap{{Letter: "F", Reason: "12 acknowledged writes were lost, and none may be"}}
			out = append(out, r)
		}
		return out
	}
	unquiet := runsOf(sample.Failover, 5, 1)
	for _, r := range unquiet {
		r.Verdict, r.Score, r.Caps = record.Inconclusive, nil, []record.Cap{{Letter: "U", Reason: "inconclusive: the control lane was not quiet"}}
	}
	for _, c := range []struct {
		name, letter, evidence string
		results                []*record.Result
	}{
		{"ten good runs", "A", "lower 95 % bound", runsOf(sample.Failover, 10, 1)},
		{"five good runs stand on the worst", "A", "worst runs", runsOf(sample.Failover, 5, 1)},
		{"one run is provisional", "B", "provisional: 1 of at least 5 repetitions", runsOf(sample.Failover, 1, 1)},
		{"a lost write", "F", "12 acknowledged writes were lost", lossy(10)},
		{"noise", "U", "the control lane was not quiet", unquiet},
		{"nothing", "U", "nothing that ran could be judged", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			card := reports.Suite{Results: c.results}.Card()
			assert.Equal(t, c.letter, card.Grade.Letter)
			page, err := reports.SuitePage(card, noFilm, nil)
			require.NoError(t, err)
			contains(t, string(page), `aria-label="Letter `+c.letter+`"`)
			contains(t, string(page), c.evidence)
		})
	}
}
