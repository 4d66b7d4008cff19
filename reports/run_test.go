package reports_test

import (
	"encoding/json"
	"encoding/xml"
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

func TestARunFolderHoldsEveryReport(t *testing.T) {
	for _, s := range sample.All() {
		t.Run(s.Name, func(t *testing.T) {
			log, res := sample.Run(s)
			dir := t.TempDir()
			require.NoError(t, reports.WriteRun(dir, log, res))

			var back record.Result
			require.NoError(t, json.Unmarshal(read(t, dir, reports.RunFile), &back))
			assert.Equal(t, res.Run, back.Run)
			assert.Equal(t, record.SchemaVersion, back.Schema)
			assert.Equal(t, res.Verdict, back.Verdict)

			page := string(read(t, dir, reports.PageFile))
			for _, id := range []string{"promises", "film", "lanes", "instrument", "phases", "reproduce"} {
				contains(t, page, `id="`+id+`"`)
			}
			lacks(t, page, "src=")
			assert.Less(t, len(page), 200_000)
			leftovers, err := filepath.Glob(filepath.Join(dir, ".*"))
			require.NoError(t, err)
			assert.Empty(t, leftovers, "no temporary file stays")
			if keep := os.Getenv("HADRILL_PAGES"); keep != "" {
				require.NoError(t, os.WriteFile(filepath.Join(keep, strings.ReplaceAll(s.Name, "/", "-")+".html"), []byte(page), 0o644))
			}
		})
	}
}

func TestTheSameRunGivesTheSameBytes(t *testing.T) {
	log, res := sample.Run(sample.Twin)
	a, b := t.TempDir(), t.TempDir()
	require.NoError(t, reports.WriteRun(a, log, res))
	require.NoError(t, reports.WriteRun(b, log, res))
	for _, f := range []string{reports.RunFile, reports.FilmFile, reports.JUnitFile, reports.PageFile} {
		assert.Equal(t, string(read(t, a, f)), string(read(t, b, f)), f)
	}
}

func TestARunWithoutALogIsStillReported(t *testing.T) {
	res := &record.Result{Schema: 1, Run: "r", Verdict: record.HarnessError, Reason: "image redis could not be built",
		Scenario: record.Scenario{Name: "redis-sentinel/primary-kill"}}
	dir := t.TempDir()
	require.NoError(t, reports.WriteRun(dir, nil, res))
	contains(t, string(read(t, dir, reports.PageFile)), "image redis could not be built")
	contains(t, string(read(t, dir, reports.JUnitFile)), `type="harness-error"`)
}

func TestAnErrorNamesTheFileAndTheRemedy(t *testing.T) {
	log, res := sample.Run(sample.Empty)
	err := reports.WriteRun(filepath.Join(t.TempDir(), "absent"), log, res)
	require.Error(t, err)
	assert.Contains(t, err.Error(), "run.json")
	assert.Contains(t, err.Error(), "create the folder first")
	assert.ErrorIs(t, err, os.ErrNotExist)
}

// hostile is text that a broken or malicious component could log.
const hostile = `"><script>alert(1)</script><img src=x onerror=alert(2)>'` + "\x00\x1b[31m\u202e\xff" + `{{.}}]]>`

func poison(log *record.Log, res *record.Result) {
	res.Scenario.Name, res.Scenario.Doc, res.Reason, res.Command = hostile, hostile, hostile, hostile
	res.Scenario.Row, res.Scenario.System, res.Scenario.Config = hostile, hostile, hostile
	res.Images, res.Versions = map[string]string{hostile: hostile}, map[string]string{hostile: hostile}
	for i := range res.Judgements {
		res.Judgements[i].Reason, res.Judgements[i].Objective.Name = hostile, hostile
	}
	for i := range res.Findings {
		res.Findings[i].Text, res.Findings[i].Picture, res.Findings[i].Name = hostile, hostile, hostile
	}
	for i := range res.Incidents {
		res.Incidents[i].How, res.Incidents[i].Nodes, res.Incidents[i].Fault.Fault = hostile, []string{hostile}, hostile
	}
	for i := range res.Lanes {
		res.Lanes[i].Lane.Name, res.Lanes[i].Errors = hostile, map[string]int{hostile: 1}
	}
	res.Instrument.Reason, res.Instrument.Saturated = hostile, true
	for i := range log.Header.Lanes {
		log.Header.Lanes[i].Name = hostile
	}
	for i := range log.Events {
		log.Events[i].Text, log.Events[i].How, log.Events[i].Node = hostile, hostile, hostile
	}
	log.Events = append(log.Events, record.Event{At: 8 * sample.Second, Kind: record.EventLog, Node: "../../etc/passwd", Text: hostile})
}

func TestHostileTextIsShownAndNeverRun(t *testing.T) {
	log, res := sample.Run(sample.Twin)
	poison(log, res)
	dir := t.TempDir()
	require.NoError(t, reports.WriteRun(dir, log, res))
	page := string(read(t, dir, reports.PageFile))
	assert.Equal(t, 1, strings.Count(page, "<script"), "only the page's own script")
	lacks(t, page, "<img")
	lacks(t, page, "etc/passwd.log")
	contains(t, page, "alert(1)")
	var any struct{}
	require.NoError(t, xml.Unmarshal(read(t, dir, reports.JUnitFile), &any))
}

func read(t testing.TB, dir, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, name))
	require.NoError(t, err)
	return b
}
