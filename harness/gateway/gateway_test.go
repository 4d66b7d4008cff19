package gateway

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hadrill/hadrill/harness"
	proxy "github.com/hadrill/hadrill/harness/components/gateway"
	"github.com/hadrill/hadrill/harness/components/registry"
)

func TestWhatCannotBeMeantIsRefused(t *testing.T) {
	for want, p := range map[string]Pool{
		"fields Gateways, Services": {Services: 10},
		"durations":                 {Latency: -1},
		"field Lease":               {Lease: 1500 * time.Millisecond},
		"field Route":               {Route: proxy.Route{Instances: []registry.Instance{{ID: "a"}}}},
	} {
		require.ErrorContains(t, p.check(), want)
	}
}

func TestWhatAGatewaySaysIsReadFromItsLog(t *testing.T) {
	r := &Running{}
	for line, want := range map[string]harness.Milestone{
		"gateway-1: worker 1: rotation: service-1 leaves all: health: no answer in time": {Declared: true, Keep: true, Text: "rotation: service-1 leaves all: health: no answer in time"},
		"gateway-1: worker 1: rotation: service-1 joins all":                             {Keep: true, Text: "rotation: service-1 joins all"},
		"gateway-1: worker 2: breaker of route all at service-1: closed -> open":         {Keep: true, Text: "breaker of route all at service-1: closed -> open"},
		"gateway-1: upgrade: worker 2 is ready and takes over from worker 1":             {Keep: true, Text: "upgrade: worker 2 is ready and takes over from worker 1"},
		"gateway-1: worker 1: all: registry: not reachable, goes on trying: x":           {Keep: true, Text: "all: registry: not reachable, goes on trying: x"},
		"gateway-1: worker 1 has died: exit status 2; starts another":                    {Keep: true, Text: "worker 1 has died: exit status 2; starts another"},
		"gateway-1: worker 1: ready":                                                     {},
		"something else":                                                                 {},
	} {
		got, ok := r.Milestone("gateway-1", line)
		require.Equal(t, want != harness.Milestone{}, ok, line)
		require.Equal(t, want, got, line)
	}
}
