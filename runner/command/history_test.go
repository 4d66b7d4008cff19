package command

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hadrill/hadrill/reports"
)

// nightsIn stores one invocation a night in a fresh folder; outage tells each
// night's.
func nightsIn(t *testing.T, n int, outage func(night int) time.Duration) string {
	t.Helper()
	top := t.TempDir()
	for night := range n {
		folder := filepath.Join(top, fmt.Sprintf("202603%02dT020000Z", 14+night))
		store(t, folder, kills(1, outage(night), night)...)
		code, _, errs := hadrill("report", "--no-plots", folder)
		require.Equal(t, 0, code, errs)
	}
	return top
}

func steady(night int) time.Duration { return second + time.Duration(night%3)*40*time.Millisecond }

func TestHistoryPointsAtTheNightThatIsUnlikeTheOthers(t *testing.T) {
	runs := nightsIn(t, 7, func(night int) time.Duration {
		if night == 6 {
			return 1800 * time.Millisecond
		}
		return steady(night)
	})
	code, out, errs := hadrill("history", runs)
	require.Equal(t, 0, code, errs)
	assert.Regexp(t, `(?m)^2026-03-14 02:01 +\w +\d+ +pass +1 +1/1 `, out)
	assert.Regexp(t, `(?m)^`+primaryKill+` +rto +7 +1\.8\d* s .* OUTSIDE: something changed$`, out)
	page, err := os.ReadFile(filepath.Join(runs, reports.PageFile))
	require.NoError(t, err, "the page of the folder that was named is written")
	assert.Contains(t, string(page), "natural limits")
}

func TestHistoryRaisesNoAlarmOverWhatAlwaysVaries(t *testing.T) {
	code, out, _ := hadrill("history", "--no-page", nightsIn(t, 8, steady))
	require.Equal(t, 0, code)
	assert.NotContains(t, out, "OUTSIDE")
	assert.Regexp(t, `rto +8 .* none\n`, out)
}

func TestHistoryNeedsFiveEarlierNightsForLimits(t *testing.T) {
	code, out, _ := hadrill("history", "--no-page", nightsIn(t, 5, steady))
	require.Equal(t, 0, code)
	assert.Contains(t, out, "needs five earlier nights")
	assert.NotContains(t, out, "OUTSIDE")
}

// The nights of continuous integration: only scorecards are kept, and
// tonight's runs are beside them.
func TestKeptScorecardsAreAHistoryForTonightsRuns(t *testing.T) {
	kept := t.TempDir()
	for i, folder := range folders(t, nightsIn(t, 6, steady)) {
		b, err := os.ReadFile(filepath.Join(folder, reports.CardFile))
		require.NoError(t, err)
		night := filepath.Join(kept, fmt.Sprint(1000-i)) // run ids say nothing of the order
		require.NoError(t, os.MkdirAll(night, 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(night, reports.CardFile), b, 0o644))
	}
	tonight := store(t, t.TempDir(), kills(2, second, 6)...)
	code, _, errs := hadrill("report", "--no-plots", "--history", kept, tonight)
	require.Equal(t, 0, code, errs)
	page, err := os.ReadFile(filepath.Join(tonight, reports.PageFile))
	require.NoError(t, err)
	assert.Contains(t, string(page), "natural limits")

	code, out, errs := hadrill("history", kept, tonight)
	require.Equal(t, 0, code, errs)
	assert.Regexp(t, `(?m)^score +- +7 `, out)
	code, _, errs = hadrill("history", kept)
	assert.Equal(t, 0, code)
	assert.Contains(t, errs, "holds no runs, so no page was written")
}

func TestScoresOverOtherScenariosAreNoTrend(t *testing.T) {
	runs := nightsIn(t, 6, steady)
	odd := filepath.Join(runs, "20260313T020000Z")
	store(t, odd, stored{scenario: pauseKill, outage: second, repeat: 1})
	code, _, _ := hadrill("report", "--no-plots", odd)
	require.Equal(t, 0, code)
	code, out, errs := hadrill("history", "--no-page", runs)
	require.Equal(t, 0, code)
	assert.Contains(t, errs, "left out 1 scorecard of mostly other scenarios")
	assert.Regexp(t, `(?m)^score +- +6 `, out)
}

func folders(t *testing.T, top string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(top, "2026*"))
	require.NoError(t, err)
	return found
}
