package command

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hadrill/hadrill/reports"
	"github.com/hadrill/hadrill/runner"
	"github.com/hadrill/hadrill/runner/record"
	"github.com/hadrill/hadrill/runner/suite"
)

func TestAReportStandsWhereTheRunsAreOrWhereItIsWanted(t *testing.T) {
	runs := store(t, t.TempDir(), kills(2, second, 0)...)
	code, out, errs := hadrill("report", runs)
	require.Equal(t, 0, code, errs)
	assert.Equal(t, "scorecard: "+filepath.Join(runs, "index.html")+"\n", out)
	for _, file := range []string{"index.html", "scorecard.json", "junit.xml", "summary.md", "metrics.txt", "badge.svg", "plots"} {
		assert.FileExists(t, dirOrFile(t, filepath.Join(runs, file)))
	}
	elsewhere := filepath.Join(t.TempDir(), "new", "place")
	more := store(t, t.TempDir(), stored{scenario: pauseKill, outage: second, repeat: 1})
	code, _, errs = hadrill("report", "--no-plots", "--out", elsewhere, runs, more)
	require.Equal(t, 0, code, errs)
	card, err := reports.ReadScorecard(filepath.Join(elsewhere, reports.CardFile))
	require.NoError(t, err)
	assert.Equal(t, 3, card.Runs)
	assert.Equal(t, 2, card.Coverage.Declared)
}

// dirOrFile returns a file that exists when path does.
func dirOrFile(t *testing.T, path string) string {
	t.Helper()
	entries, err := os.ReadDir(path)
	if err != nil {
		return path
	}
	require.NotEmpty(t, entries, path)
	return filepath.Join(path, entries[0].Name())
}

func TestAReportWithABaselineShowsWhatChanged(t *testing.T) {
	base := store(t, t.TempDir(), kills(6, second, 0)...)
	now := store(t, t.TempDir(), kills(6, 2*second, 1)...)
	code, _, errs := hadrill("report", "--no-plots", "--profile", "quick", "--baseline", base, now)
	require.Equal(t, 0, code, errs, "writing is not judging")
	card, err := reports.ReadScorecard(filepath.Join(now, reports.CardFile))
	require.NoError(t, err)
	require.NotNil(t, card.Gate)
	assert.Equal(t, reports.GateRegression, card.Gate.Verdict)
	summary, err := os.ReadFile(filepath.Join(now, reports.SummaryFile))
	require.NoError(t, err)
	assert.Contains(t, string(summary), "Gate: **regression**")
}

func TestTheScorecardSpeaksOfOneInvocationAlone(t *testing.T) {
	top := t.TempDir()
	for night := range 3 {
		began := time.Date(2026, 3, 14+night, 2, 0, 0, 0, time.UTC)
		folder, err := newInvocation(top, began)
		require.NoError(t, err)
		store(t, folder, kills(2, second, night)...)
		now, card, err := (&app{}).suite([]string{folder}, scope{})
		require.NoError(t, err)
		card.NoPlots = true
		require.NoError(t, publish(card, top))
		assert.Equal(t, folder, now.dir)
	}
	assert.DirExists(t, filepath.Join(top, "20260316T020000Z"))
	card, err := reports.ReadScorecard(filepath.Join(top, reports.CardFile))
	require.NoError(t, err)
	assert.Equal(t, 2, card.Runs, "the older invocations' runs are not counted again")
	for _, row := range card.Rows {
		for _, s := range row.Scenarios {
			for _, r := range s.Runs {
				assert.FileExists(t, filepath.Join(top, filepath.FromSlash(r.Folder), reports.RunFile), "links work from the top, too")
			}
		}
	}
	// The top stands for the newest.
	newest, err := gather([]string{top})
	require.NoError(t, err)
	assert.Equal(t, filepath.Join(top, "20260316T020000Z"), newest.dir)
	code, out, errs := hadrill("compare", filepath.Join(top, "20260314T020000Z"), filepath.Join(top, "20260315T020000Z"))
	assert.Equal(t, 2, code, out+errs)
	assert.Contains(t, out, "Not compared with the baseline")
}

func TestTwoInvocationsInOneSecondHaveFoldersOfTheirOwn(t *testing.T) {
	top, now := t.TempDir(), time.Date(2026, 3, 14, 2, 17, 0, 0, time.UTC)
	first, err := newInvocation(top, now)
	require.NoError(t, err)
	second, err := newInvocation(top, now)
	require.NoError(t, err)
	assert.NotEqual(t, first, second)
	assert.True(t, isInvocation(filepath.Base(second)))
	assert.Less(t, first, second, "the later one is the newest")
}

func TestAFailedRunIsShownWithTheFolderItIsIn(t *testing.T) {
	a := &app{}
	r := &record.Result{Run: "1f2e3d4c", Scenario: record.Scenario{Name: primaryKill}, Verdict: record.Failed}
	var out strings.Builder
	a.console([]string{"/elsewhere/x-1f2e3d4c"}, []*record.Result{r}).Print(&out, []*record.Result{r})
	assert.Contains(t, out.String(), "/elsewhere/x-1f2e3d4c\n")
}

func TestCompareListsTheMostHarmfulChangeFirst(t *testing.T) {
	slower := repeated(stored{scenario: pauseKill, outage: 2 * second, night: 1}, 6)
	base := store(t, t.TempDir(), append(kills(6, 2*second, 0), repeated(stored{scenario: pauseKill, outage: second}, 6)...)...)
	now := store(t, t.TempDir(), append(kills(6, second, 1), slower...)...)
	code, out, errs := hadrill("compare", base, now)
	assert.Equal(t, 3, code, errs)
	lines := strings.Split(out, "\n")
	assert.Contains(t, lines[0], "2 objectives got worse")
	require.Greater(t, len(lines), 6)
	assert.Regexp(t, `^`+pauseKill+` .*REGRESSION: worse by`, lines[3])
	assert.Regexp(t, `rto +1\.03 s \[1 s, 1\.08 s\] n=6 +2\.03 s \[2 s, 2\.08 s\] n=6`, out)
	assert.Regexp(t, primaryKill+` .*better by`, lines[6])

	code, out, _ = hadrill("compare", "--json", base, now)
	assert.Equal(t, 3, code)
	assert.Contains(t, out, `"verdict":"regression"`)

	same := store(t, t.TempDir(), append(kills(6, 2*second, 2), repeated(stored{scenario: pauseKill, outage: second, night: 2}, 6)...)...)
	code, _, errs = hadrill("compare", base, same)
	assert.Equal(t, 0, code, errs)
}

func TestARunSaysHowToRunItAloneAgain(t *testing.T) {
	s := declaredHere()[1]
	again := suite.Reproduce(s, 42)
	assert.Equal(t, "hadrill run --seed 42 "+pauseKill, again)
	assert.Empty(t, faultsOfCall(strings.TrimPrefix(again, "hadrill ")))
	chosen, err := (&app{scenarios: declaredHere()}).choose([]string{s.Name}, runner.Quick)
	require.NoError(t, err)
	assert.Equal(t, []string{pauseKill}, names(chosen), "this scenario and no other")
}
