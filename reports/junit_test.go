package reports_test

import (
	"encoding/xml"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hadrill/hadrill/reports"
	"github.com/hadrill/hadrill/reports/internal/sample"
	"github.com/hadrill/hadrill/runner/record"
)

type problem struct {
	Type    string `xml:"type,attr"`
	Message string `xml:"message,attr"`
}

type suites struct {
	Tests    int `xml:"tests,attr"`
	Failures int `xml:"failures,attr"`
	Errors   int `xml:"errors,attr"`
	Suite    []struct {
		Name string `xml:"name,attr"`
		Case []struct {
			Name    string   `xml:"name,attr"`
			Failure *problem `xml:"failure"`
			Error   *problem `xml:"error"`
			Skipped *problem `xml:"skipped"`
		} `xml:"testcase"`
	} `xml:"testsuite"`
}

func parse(t *testing.T, results ...*record.Result) suites {
	t.Helper()
	b, err := reports.JUnit(results)
	require.NoError(t, err)
	var s suites
	require.NoError(t, xml.Unmarshal(b, &s), string(b))
	return s
}

func TestWhatCIReadsOfARun(t *testing.T) {
	unjudged := &record.Result{Scenario: record.Scenario{Name: "x"}}
	silent := &record.Result{Scenario: record.Scenario{Name: "x"}, Verdict: record.Pass, Judgements: []record.Judgement{{Verdict: record.VerdictUnset}}}
	_, doubtfulTwin := sample.Run(sample.MissedTwin)
	doubtfulTwin.Verdict = record.Inconclusive
	for _, c := range []struct {
		name             string
		res              *record.Result
		tests, bad, errs int
	}{
		{"a pass has a case an objective", result(sample.Failover), 3, 0, 0},
		{"a caught twin is good although its objectives failed", result(sample.Twin), 4, 0, 0},
		{"a missed twin is a failure although it passed", result(sample.MissedTwin), 4, 1, 0},
		{"an inconclusive twin is an error", doubtfulTwin, 4, 0, 1},
		{"an unproven fault is an error, not a skip", result(sample.Doubtful), 3, 0, 3},
		{"no recovery is a failure", result(sample.Dead), 3, 2, 0},
		{"nothing exercised is an error", result(sample.Empty), 3, 0, 3},
		{"no verdict at all is an error", unjudged, 1, 0, 1},
		{"an objective without a verdict is an error", silent, 2, 0, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := parse(t, c.res)
			assert.Equal(t, []int{c.tests, c.bad, c.errs}, []int{s.Tests, s.Failures, s.Errors})
			require.Len(t, s.Suite, 1)
			for _, k := range s.Suite[0].Case {
				assert.Nil(t, k.Skipped)
			}
		})
	}
}

func TestAMissedTwinSaysWhatWasExpected(t *testing.T) {
	s := parse(t, result(sample.MissedTwin))
	last := s.Suite[0].Case[3]
	require.NotNil(t, last.Failure)
	assert.Contains(t, last.Failure.Message, "expected a failure of lost")
}

func result(s sample.Shape) *record.Result {
	_, res := sample.Run(s)
	return res
}
