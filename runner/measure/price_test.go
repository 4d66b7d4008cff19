package measure

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/hadrill/hadrill/runner/record"
)

func TestALineThroughPointsIsNotMovedByOneThatIsFarOff(t *testing.T) {
	// y = 1.2 + 2x, one of nine points is a minute off.
	slope, intercept, ok := TheilSen([]float64{1, 1, 1, 2, 2, 2, 4, 4, 4}, []float64{3.2, 3.2, 3.2, 5.2, 5.2, 5.2, 9.2, 9.2, 69.2})
	assert.True(t, ok)
	assert.InDelta(t, 2, slope, 1e-12)
	assert.InDelta(t, 1.2, intercept, 1e-12)
}

func TestTwoSettingsMakeNoLine(t *testing.T) {
	_, _, ok := TheilSen([]float64{1, 1, 2, 2}, []float64{1, 2, 3, 4})
	assert.False(t, ok)
	_, _, ok = TheilSen(nil, nil)
	assert.False(t, ok)
}

// Requests that fail fast or time out are what the latency of everything is
// made of; acknowledgements are what a durability setting costs.
func TestTheLatencyOfAcknowledgementsLeavesOutWhatWasNotAcknowledged(t *testing.T) {
	r := newStory(10*time.Second).writes().down(4*time.Second, 6*time.Second).analyze()
	assert.InEpsilon(t, 0.001, figure(t, r, "acknowledged.p99"), 0.01, "every acknowledgement took 1 ms")

	r = newStory(10 * time.Second).analyze()
	for _, f := range r.Figures {
		assert.NotContains(t, f.Name, "acknowledged", "no write, no figure")
	}
}

func TestAnObjectiveMayBindAcknowledgements(t *testing.T) {
	r := newStory(10 * time.Second).writes().promise(objective("acknowledged.p99", 0.1)).analyze()
	assert.Equal(t, record.Pass, r.Verdict, r.Reason)
	r = newStory(10 * time.Second).promise(objective("acknowledged.p99", 0.1)).analyze()
	assert.Equal(t, record.Vacuous, r.Verdict, r.Reason)
}
