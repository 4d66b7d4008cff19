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

// securityTLS is row security/tls: https whose certificates live for seconds
// and are renewed under load. Every request of the fresh lane is a full
// handshake, and none may fail: not while a renewal is read, and not when an
// old certificate ends.
//
// What hadrill found: nginx 1.26 closes idle kept connections when it is told
// to read its files again, and a request that is on its way meets the close
// (38 of 800 over five reloads on a busy machine; clients that retry on a lost
// connection do not notice). The gateway, which looks at the file itself, cuts
// no connection; only there is the pooled lane held to no errors.
func securityTLS() []runner.Scenario {
	safe := runner.Scenario{
		Row:        "security/tls",
		Profile:    runner.Nightly,
		System:     secure.Edge{Server: secure.Nginx, Lifetime: 5 * time.Second, Ahead: 3 * time.Second},
		Load:       load.HTTP{Rate: 200, Path: "/", Connections: []string{load.Fresh}},
		Duration:   8 * time.Second,
		SLO:        record.SLO{Latency: 500 * time.Millisecond, Success: 0.999, Stable: 3 * time.Second},
		Resolution: 250 * time.Millisecond,
		Promises:   runner.Promises{runner.NoErrors(), runner.Availability(1, 0.999), runner.LatencyP99(50*time.Millisecond, 500*time.Millisecond)},
	}

	renewal := safe
	renewal.Name = "security/tls/renewal"
	renewal.Profile = runner.Quick
	renewal.Doc = "Certificates of 5 s are renewed 3 s before their end and nginx is told: not one handshake fails."

	noReload := twin(renewal, "renewal-no-reload",
		"Twin: the file is renewed and nginx is never told. certwatch, which looks at what clients are shown, warns 1.5 s before the end; then every new connection is refused by its client.",
		runner.FailsOn("errors", "availability.requests"),
		func(s *runner.Scenario) {
			e := s.System.(secure.Edge)
			e.NoReload = true
			s.System = e
		})

	stranger := twin(renewal, "renewal-wrong-chain",
		"Twin: the renewed certificate is signed by an authority that no client trusts. It is read at once, and every new connection is refused from then on.",
		runner.FailsOn("errors", "availability.requests"),
		func(s *runner.Scenario) {
			e := s.System.(secure.Edge)
			e.Stranger = true
			s.System = e
		})
	stranger.Profile = runner.Nightly

	many := renewal
	many.Name = "security/tls/renewal-many"
	many.Profile = runner.Nightly
	many.Doc = "The same over 20 000 handshakes: 600 new connections a second for 36 s, eighteen renewals."
	many.Load = load.HTTP{Rate: 600, Path: "/", Connections: []string{load.Fresh}}
	many.Duration = 36 * time.Second
	many.Weight = runner.Exclusive // 600 handshakes a second on both ends, beside the control lane

	gateway := renewal
	gateway.Name = "security/tls/gateway-renewal"
	gateway.Profile = runner.Nightly
	gateway.Doc = "The gateway looks at its certificate's file itself: renewals need no signal, not one handshake fails, and no kept connection is cut."
	gateway.Load = load.HTTP{Rate: 200, Path: "/"}
	gateway.System = secure.Edge{Server: secure.Gateway, Lifetime: 5 * time.Second, Ahead: 3 * time.Second}

	jump := gateway
	jump.Name = "security/tls/gateway-clock-jump"
	jump.Doc = "The gateway's clock jumps an hour ahead, past the end of its own certificate. A server does not judge the certificate that it shows: its clients, whose clocks are right, see nothing."
	jump.Faults = faults.Schedule{faults.At(2*time.Second, faults.ClockJump(harness.Named(secure.Gateway), time.Hour)).Lasting(3 * time.Second)}

	return append([]runner.Scenario{renewal, noReload, stranger, many, gateway, jump}, append(expirySeen(safe), mutualTLS(safe)...)...)
}

// expirySeen is the end of a certificate that nothing prevents: what is promised
// is that somebody said so while there was time to act. certwatch looks at what
// clients are shown, so it warns whatever the reason is; here, a renewed file
// that nginx was never told of.
func expirySeen(safe runner.Scenario) []runner.Scenario {
	seen := safe
	seen.Name = "security/tls/expiry-seen"
	seen.Doc = "A certificate ends because nginx was never told of its renewal: certwatch, which looks at what clients are shown, said so two seconds before the first handshake failed."
	unattended := secure.Edge{Server: secure.Nginx, Lifetime: 5 * time.Second, Ahead: 3 * time.Second, Warning: 2 * time.Second, NoReload: true}
	seen.System = unattended
	seen.Promises = runner.Promises{runner.Foreseen(1500*time.Millisecond, time.Second)}

	unseen := twin(seen, "expiry-seen-no-watch",
		"Twin: nobody looks at what clients are shown. Nothing is said before the first handshake fails.",
		runner.FailsOn("foreseen"),
		func(s *runner.Scenario) {
			blind := unattended
			blind.NoWatch = true
			s.System = blind
		})
	return []runner.Scenario{seen, unseen}
}

// mutualTLS is the way between gateway and service. Clients know nothing of it;
// intruders who have got inside knock at a backend past the gateway, without a
// certificate and with one of an authority of their own.
func mutualTLS(safe runner.Scenario) []runner.Scenario {
	mutual := safe
	mutual.Name = "security/tls/mutual"
	mutual.Doc = "Gateway and backends show each other certificates of 5 s, renewed 3 s before their end, on connections that are kept for a second: no request fails, and who has no certificate of theirs is not let in."
	system := secure.Mutual{Lifetime: 5 * time.Second, Ahead: 3 * time.Second}
	mutual.System = system
	mutual.Load = load.Combine(
		load.HTTP{Name: "clients", Rate: 200},
		load.HTTP{Name: "intruder-bare", Door: secure.Bare, Intruder: true, Rate: 25, Connections: []string{load.Fresh}},
		load.HTTP{Name: "intruder-stranger", Door: secure.Stranger, Intruder: true, Rate: 25, Connections: []string{load.Fresh}},
	)
	mutual.Duration = 12 * time.Second
	mutual.Promises = runner.Promises{runner.NoErrors(), runner.Availability(1, 0.999), runner.NoFindings(check.NoIntruder)}

	open := twin(mutual, "mutual-no-verify",
		"Twin: backends show a certificate and ask for none. All is encrypted, clients see no difference, and whoever gets inside is served.",
		runner.FailsOn("check."+check.NoIntruder),
		func(s *runner.Scenario) {
			trusting := system
			trusting.NoVerify = true
			s.System = trusting
		})
	return []runner.Scenario{mutual, open}
}
