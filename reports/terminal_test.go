package reports_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/hadrill/hadrill/reports"
	"github.com/hadrill/hadrill/reports/internal/sample"
	"github.com/hadrill/hadrill/runner/record"
)

func terminal(color bool, rs ...*record.Result) string {
	var b strings.Builder
	reports.Terminal(&b, rs, color)
	return b.String()
}

func TestTheTerminalSaysWhatMatters(t *testing.T) {
	out := terminal(false, result(sample.Failover))
	for _, want := range []string{"✓ pass", "redis-sentinel/primary-kill", "rto 2.1 s", "detect 501 ms + failover 1 s + reconnect 100 ms + settle 500 ms", "lost 0", "worst gap 12 ms", "runs/20260314T020000Z-redis-sentinel-primary-kill-0"} {
		assert.Contains(t, out, want)
	}
	assert.NotContains(t, out, "\x1b", "no colour unless asked for")
	assert.Contains(t, terminal(true, result(sample.Failover)), "\x1b[32m✓ pass")
}

func TestACensoredValueIsPrintedAsMoreThan(t *testing.T) {
	assert.Contains(t, terminal(false, result(sample.Dead)), "rto > 8 s")
}

func TestSeveralRunsAreOneLineEachAndTheDoubtfulOnesExplained(t *testing.T) {
	out := terminal(false, result(sample.Null), result(sample.Twin), result(sample.MissedTwin), result(sample.Doubtful), result(sample.Empty))
	assert.Contains(t, out, "5 runs: 1 pass, 1 caught, 1 missed, 1 inconclusive, 1 vacuous")
	assert.Contains(t, out, "the fault was not proven to be effective")
	assert.Contains(t, out, "had to fail on lost and did not")
	assert.NotContains(t, out, "runs/20260314T020000Z-nginx-upstream-null-0", "a pass needs no explanation among several")
	assert.Contains(t, terminal(false), "nothing was verified")
}

func TestRecordedTextCannotSteerTheTerminal(t *testing.T) {
	log, res := sample.Run(sample.Twin)
	poison(log, res)
	res.Caught.Caught = false
	assert.NotContains(t, terminal(false, res), "\x1b")
}

func TestNumbersForPeople(t *testing.T) {
	for _, c := range []struct {
		v    float64
		unit string
		want string
	}{
		{0, "s", "0 s"}, {.0000425, "s", "42.5 µs"}, {.00312, "s", "3.12 ms"}, {.43, "s", "430 ms"}, {1.634, "s", "1.63 s"}, {20.83, "s", "20.8 s"}, {123.4, "s", "123 s"},
		{1, "ratio", "100 %"}, {.9995, "ratio", "99.95 %"}, {.99999, "ratio", "99.999 %"}, {.999999999, "ratio", "99.9999 %"}, {.5, "ratio", "50 %"}, {0, "ratio", "0 %"},
		{0, "ops", "0"}, {1234567, "ops", "1\u202f234\u202f567"}, {-1200, "ops", "−1\u202f200"}, {3, "days", "3 days"},
	} {
		assert.Equal(t, c.want, reports.Value(c.v, c.unit), "%v %s", c.v, c.unit)
	}
}
