package gateway

import (
	"net/http"

	"github.com/hadrill/hadrill/harness/components/gateway/protect"
)

// Authenticate is the seam for whoever decides who may come in. It wraps the
// whole of the routing: what it does not pass on, no route ever sees, and
// neither do limits, budgets and breakers. Its own state is its own to stop.
type Authenticate func(next http.Handler) http.Handler

// protection is what the gateway asks of a route's guard; *protect.Guard is it.
// The order of its parts around a route is
//
//	Authenticate ─▶ route ─▶ Wrap (fallback, limit) ─▶ proxy ─▶ First, Attempt, Retry ...
type protection interface {
	// Wrap stands around the proxying of the whole request.
	Wrap(next http.Handler) http.Handler
	// Admits tells the balancer whether an instance is worth choosing.
	Admits(instance string) bool
	// Attempt stands before each attempt at an instance; its Done behind it.
	Attempt(instance string) (*protect.Attempt, error)
	// First and Retry keep the budget of retries.
	First()
	Retry() bool
	// Keep forgets instances that are gone.
	Keep(instances []string)
	// Stats are shown as metrics.
	Stats() protect.Stats
}

var _ protection = (*protect.Guard)(nil)

// Seams are what others plug into a gateway. The zero value plugs in nothing.
type Seams struct {
	Authenticate Authenticate // nil: everybody may
	// Ready returns why the gateway is not to be sent requests yet, beside what
	// it knows itself; nil: nothing is asked. Safe for concurrent use.
	Ready func() error
	// Say is told, in one line each, of what changes: an instance leaves or
	// joins a rotation, a breaker opens, the registry is lost. Safe for
	// concurrent use. nil: nobody is.
	Say func(line string)
}
