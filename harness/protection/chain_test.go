package protection

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/hadrill/hadrill/harness"
	"github.com/hadrill/hadrill/harness/components/gateway"
	"github.com/hadrill/hadrill/harness/components/gateway/protect"
)

func route() gateway.Route { return gateway.Route{Name: "all", Path: "/"} }

func TestADeclarationIsCheckedFieldByField(t *testing.T) {
	for field, c := range map[string]Chain{
		"Services": {Services: 10, Routes: []gateway.Route{route()}},
		"numbers":  {Work: -1, Routes: []gateway.Route{route()}},
		"Routes":   {},
		"Liveness": {Liveness: "hope", Routes: []gateway.Route{route()}},
	} {
		assert.ErrorContains(t, c.check(), field)
	}
	assert.NoError(t, Chain{Routes: []gateway.Route{route()}}.check())
}

// The declaration's text is what two runs are compared by: the same for the
// same settings, another for another.
func TestADeclarationReadsAsWhatTheGatewayIsTold(t *testing.T) {
	limited := func(most int) Chain {
		r := route()
		r.Limit = &protect.LimitConfig{Max: most}
		return Chain{Work: 80 * time.Millisecond, Routes: []gateway.Route{r}}
	}
	assert.Equal(t, limited(24).String(), limited(24).String())
	assert.NotEqual(t, limited(24).String(), limited(25).String())
	assert.Contains(t, limited(24).String(), `"limit":{"max":24}`)
}

func TestTheGatewaysWordsAreMilestones(t *testing.T) {
	r := &Running{}
	for line, want := range map[string]harness.Milestone{
		"gateway: breaker of route dependent at service-1: closed -> open":    {Declared: true, Keep: true, Text: "breaker of route dependent at service-1: closed -> open"},
		"gateway: breaker of route dependent at service-1: half-open -> open": {Keep: true, Text: "breaker of route dependent at service-1: half-open -> open"},
		"gateway: rotation: service-1 leaves all: health: timeout":            {Declared: true, Keep: true, Text: "rotation: service-1 leaves all: health: timeout"},
		"gateway: rotation: service-1 joins all":                              {Keep: true, Text: "rotation: service-1 joins all"},
	} {
		got, ok := r.Milestone(GatewayName, line)
		assert.True(t, ok, line)
		assert.Equal(t, want, got)
	}
	for _, line := range []string{"gateway: serves on port 8080", ""} {
		_, ok := r.Milestone(GatewayName, line)
		assert.False(t, ok, line)
	}
	_, ok := r.Milestone("service-1", "breaker of route a at b: closed -> open")
	assert.False(t, ok, "only the gateway has breakers")
}
