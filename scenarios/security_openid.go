package scenarios

import (
	"time"

	"github.com/hadrill/hadrill/faults"
	"github.com/hadrill/hadrill/harness"
	"github.com/hadrill/hadrill/harness/secure"
	"github.com/hadrill/hadrill/runner"
	"github.com/hadrill/hadrill/runner/check"
	"github.com/hadrill/hadrill/runner/load"
	"github.com/hadrill/hadrill/runner/record"
)

// intruders knock with everything that must not be let in, rate requests a
// second each.
func intruders(rate float64) []load.Load {
	var all []load.Load
	for _, kind := range []string{secure.None, secure.Expired, secure.Forged, secure.WrongAudience} {
		all = append(all, load.HTTP{Name: "intruder-" + kind, Token: kind, Intruder: true, Rate: rate, Connections: []string{load.Pooled}})
	}
	return all
}

// securityOpenID is row security/openid: tokens of an OpenID provider are
// verified at the gateway with keys that it keeps. Whatever happens to the
// provider, nobody with a valid token is kept out, and an intruder, who tries
// without a token, with an expired, a forged and somebody else's one during
// the whole of every drill, is never let in.
func securityOpenID() []runner.Scenario {
	safe := runner.Scenario{
		Row:        "security/openid",
		Profile:    runner.Nightly,
		System:     secure.Identity{Rotate: 3 * time.Second},
		Load:       load.Combine(append(intruders(25), load.HTTP{Name: "clients", Token: secure.Valid, Rate: 150})...),
		Duration:   7 * time.Second,
		SLO:        record.SLO{Latency: 500 * time.Millisecond, Success: 0.999, Stable: 3 * time.Second},
		Resolution: 250 * time.Millisecond,
		Promises:   runner.Promises{runner.NoErrors(), runner.Availability(1, 0.999), runner.NoFindings(check.NoIntruder)},
	}

	null := safe
	null.Name = "security/openid/null"
	null.Doc = "No fault; the provider's key rotates twice and more. Nobody notices, and no intruder is let in."

	kill := safe
	kill.Name = "security/openid/provider-kill"
	kill.Profile = runner.Quick
	kill.Doc = "The provider dies. Tokens are verified with the keys that the gateway has; no client sees it, and no intruder is let in."
	kill.Faults = faults.Schedule{faults.At(2*time.Second, faults.Kill(harness.Named(secure.Provider))).Lasting(3 * time.Second)}

	pause := safe
	pause.Name = "security/openid/provider-pause"
	pause.Doc = "The provider hangs while keys should rotate: asking it takes time, and no client waits for it."
	pause.Faults = faults.Schedule{faults.At(2*time.Second, faults.Pause(harness.Named(secure.Provider))).Lasting(3 * time.Second)}

	slow := safe
	slow.Name = "security/openid/provider-slow"
	slow.Doc = "Every packet to the provider is 300 ms late, over a rotation of its keys: no client waits for it."
	slow.Faults = faults.Schedule{faults.At(2*time.Second, faults.Delay(faults.Link{To: harness.Named(secure.Provider), From: faults.Side{Nodes: harness.Named(secure.Gateway)}}, 300*time.Millisecond)).Lasting(3 * time.Second)}

	back := safe
	back.Name = "security/openid/clock-back"
	back.Doc = "The gateway's clock jumps back five minutes, to when expired tokens were still valid. The verifier goes by the clock it began with and the monotonic one: they are refused all the same."
	back.Faults = faults.Schedule{faults.At(2*time.Second, faults.ClockJump(harness.Named(secure.Gateway), -5*time.Minute)).Lasting(3 * time.Second)}

	ahead := safe
	ahead.Name = "security/openid/clock-ahead"
	ahead.Doc = "The gateway's clock jumps an hour ahead: tokens that are valid stay so."
	ahead.Faults = faults.Schedule{faults.At(2*time.Second, faults.ClockJump(harness.Named(secure.Gateway), time.Hour)).Lasting(3 * time.Second)}

	many := kill
	many.Name = "security/openid/provider-kill-many"
	many.Profile = runner.Nightly
	many.Doc = "The same with more than 10 000 attempts of intruders."
	many.Load = load.Combine(append(intruders(150), load.HTTP{Name: "clients", Token: secure.Valid, Rate: 150})...)
	many.Duration = 18 * time.Second
	many.Faults = faults.Schedule{faults.At(4*time.Second, faults.Kill(harness.Named(secure.Provider))).Lasting(9 * time.Second)}

	fetch := twin(kill, "provider-kill-keys-per-request",
		"Twin: the gateway fetches the keys with each request. The provider's outage is everybody's.",
		runner.FailsOn("errors", "availability.requests"),
		func(s *runner.Scenario) { s.System = secure.Identity{Rotate: 3 * time.Second, FetchPerRequest: true} })
	fetch.Profile = runner.Nightly

	open := twin(kill, "provider-kill-fail-open",
		"Twin: while the provider cannot be asked, the gateway lets everybody in. Clients are happy, and so are intruders.",
		runner.FailsOn("check."+check.NoIntruder),
		func(s *runner.Scenario) { s.System = secure.Identity{Rotate: 3 * time.Second, FailOpen: true} })

	return []runner.Scenario{null, kill, pause, slow, back, ahead, many, fetch, open}
}
