package reports_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hadrill/hadrill/reports"
	"github.com/hadrill/hadrill/reports/internal/sample"
)

func schema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	b, err := os.ReadFile("scorecard.schema.json")
	require.NoError(t, err)
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
	require.NoError(t, err)
	c := jsonschema.NewCompiler()
	require.NoError(t, c.AddResource("scorecard.json", doc))
	s, err := c.Compile("scorecard.json")
	require.NoError(t, err)
	return s
}

func valid(t *testing.T, s *jsonschema.Schema, data []byte) error {
	t.Helper()
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	require.NoError(t, err)
	return s.Validate(v)
}

func TestEveryScorecardFollowsItsSchema(t *testing.T) {
	s := schema(t)
	full := nightly(t, 7)
	full.Baseline = runsOf(sample.Failover, 7, .8)
	for name, suite := range map[string]reports.Suite{"nothing": {}, "full, with a baseline": full, "one": {Results: runsOf(sample.Dead, 1, 1)}} {
		t.Run(name, func(t *testing.T) {
			b, err := json.Marshal(suite.Card())
			require.NoError(t, err)
			assert.NoError(t, valid(t, s, b))
		})
	}
	require.NoError(t, full.Write())
	b, err := os.ReadFile(filepath.Join(full.Dir, reports.CardFile))
	require.NoError(t, err)
	assert.NoError(t, valid(t, s, b))

	for _, planted := range [][2]string{{`"letter":`, `"grade_letter":`}, {`"schema": 1`, `"schema": 2`}, {`"caught": 1`, `"caught": -1`}, {`"verdict": "fail"`, `"verdict": "bad"`}} {
		broken := strings.Replace(string(b), planted[0], planted[1], 1)
		require.NotEqual(t, string(b), broken)
		assert.Error(t, valid(t, s, []byte(broken)), "the schema must notice %s", planted[1])
	}
}
