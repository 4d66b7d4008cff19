package reports_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hadrill/hadrill/reports"
	"github.com/hadrill/hadrill/reports/internal/sample"
	"github.com/hadrill/hadrill/runner/record"
)

func TestARunUnderASurgeShowsItsGoodput(t *testing.T) {
	log, res := sample.Run(sample.Twin)
	plain, err := reports.RunPage(log, res)
	require.NoError(t, err)
	lacks(t, string(plain), `id="goodput"`)

	res.Scenario.Surge = &record.Surge{From: time.Second, To: 2 * time.Second, Capacity: 100}
	page, err := reports.RunPage(log, res)
	require.NoError(t, err)
	contains(t, string(page), `id="goodput"`)
	contains(t, string(page), `href="#goodput"`)
	contains(t, string(page), "Goodput against offered load")
}
