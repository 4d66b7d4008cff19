package scenarios

import (
	"time"

	"github.com/hadrill/hadrill/faults"
	"github.com/hadrill/hadrill/harness"
	"github.com/hadrill/hadrill/harness/memcached"
	"github.com/hadrill/hadrill/runner"
	"github.com/hadrill/hadrill/runner/load"
)

// memcachedVariants are the scenarios of row cache/memcached in which a server
// is out of reach, far away or badly connected, or upkeep goes round.
func memcachedVariants(kill runner.Scenario, sound memcached.Pool) []runner.Scenario {
	const server, users = "memcached-1", "users"
	kill.Profile = runner.Nightly
	answered := kill.Promises[:2:2] // no errors, everything answered in time

	cut := kill
	cut.Name = "cache/memcached/partition"
	cut.Doc = "One of three servers is cut off from the clients: nobody refuses them, so each waits for it twice, leaves it out, and tries it again every two seconds; no client sees an error."
	cut.Clients = []string{users}
	inZone := kill.Load.(load.Cache)
	inZone.Zone = users
	cut.Load = inZone
	cut.Faults = faults.Schedule{faults.At(2*time.Second, faults.Isolate(harness.Named(server), users)).Lasting(4 * time.Second)}
	cut.Duration = 10 * time.Second
	cut.Promises = runner.Promises{
		on("cache@"+users, runner.NoErrors()), on("cache@"+users, runner.Availability(1, 0.999)), hitsLost("cache/hits@" + users),
	}

	// Fewer keys, so that what a restart has emptied is filled again, but for
	// two keys in a hundred, before the next: the cache is filled at the rate at
	// which its keys are asked for, and upkeep has to wait for that.
	rolling := kill
	rolling.Name = "cache/memcached/rolling-restart"
	rolling.Doc = "Every server is restarted, one after the other, and each comes back empty: the next one waits until the keys of the last have been looked up again, so no more than a third is ever missing."
	few := kill.Load.(load.Cache)
	few.Keys = 1500
	rolling.Load = few
	rolling.Faults = restarts(2*time.Second, 7*time.Second, 12*time.Second)
	rolling.Duration = 17 * time.Second
	hurried := twin(rolling, "rolling-restart-hurried",
		"Twin: the next server is restarted a second after the last, as soon as that one answers. Each is well, and the cache is empty: the origin gets nearly every lookup at once.",
		runner.FailsOn(hitsLost("cache/hits").Name),
		func(s *runner.Scenario) { s.Faults = restarts(2*time.Second, 3*time.Second, 4*time.Second) })

	far := kill
	far.Name = "cache/memcached/latency"
	far.Doc = "One of three servers is 50 ms away, half of what clients wait for it: its lookups take that much longer, and they still hit."
	far.Faults = faults.Schedule{faults.At(2*time.Second, faults.Delay(faults.Link{To: harness.Named(server)}, 50*time.Millisecond)).Lasting(5 * time.Second)}
	far.Duration = 10 * time.Second
	// A server that is slow has lost nothing, so the hits may not dip.
	far.Promises = append(answered, on("cache", runner.LatencyP99(80*time.Millisecond, 250*time.Millisecond)),
		on("cache/hits", runner.Dip(2*time.Second, 0.03, 0.15)))
	impatient := twin(far, "latency-impatient",
		"Twin: clients wait for 25 ms. They leave out a server that is only far, and a third of the cache with it.",
		runner.FailsOn(far.Promises[3].Name),
		func(s *runner.Scenario) {
			hasty := sound
			hasty.Timeout = 25 * time.Millisecond
			s.System = hasty
		})

	// TCP sends a lost packet again after 200 ms at the earliest, which is more
	// than clients wait. Lost twice, a lookup leaves the server out.
	loss := kill
	loss.Name = "cache/memcached/packet-loss"
	loss.Doc = "One packet in twenty to one of three servers is lost: a lookup that meets it is asked again over a new connection, and only clients that fail twice in a row leave the server out for a while."
	loss.Faults = faults.Schedule{faults.At(2*time.Second, faults.Loss(faults.Link{To: harness.Named(server)}, 0.05)).Lasting(6 * time.Second)}
	loss.Duration = 11 * time.Second
	loss.Promises = append(answered, on("cache/hits", runner.Dip(2*time.Second, 0.05, 0.1)))
	rash := twin(loss, "packet-loss-eject-at-once",
		"Twin: one failure and the server is left out for two seconds. At any moment nearly half of the clients do without a third of the cache, because of single packets.",
		runner.FailsOn(loss.Promises[2].Name),
		func(s *runner.Scenario) {
			touchy := sound
			touchy.EjectAfter = 1
			s.System = touchy
		})

	return []runner.Scenario{cut, rolling, hurried, far, impatient, loss, rash}
}

// restarts restarts the three servers at those times.
func restarts(first, second, third time.Duration) faults.Schedule {
	return faults.Schedule{
		faults.At(first, faults.Restart(harness.Named("memcached-1"))),
		faults.At(second, faults.Restart(harness.Named("memcached-2"))),
		faults.At(third, faults.Restart(harness.Named("memcached-3"))),
	}
}

// memcachedEjection prices the number of failures in a row after which a client
// leaves a server out (twemproxy's server_failure_limit).
func memcachedEjection() runner.Sweep {
	loss := named(memcachedPool(), "cache/memcached/packet-loss")
	at := func(failures int) func(*runner.Scenario) {
		return func(s *runner.Scenario) {
			system := s.System.(memcached.Pool)
			system.EjectAfter = failures
			s.System = system
		}
	}
	return runner.SweepOf(loss, "server_failure_limit",
		"How many failures in a row it takes until a client leaves a server out. With one, each lost packet costs a client a third of its hits for two seconds; with many, a lookup waits for its time-out as often.",
		runner.Choice{Label: "1", Turn: at(1)}, runner.Choice{Label: "2", Turn: at(2)}, runner.Choice{Label: "4", Turn: at(4)},
		runner.Choice{Label: "never", Turn: at(0)})
}
