// Package protect keeps a gateway, and what stands behind it, alive when a
// part of it is not: circuit breakers, fallback answers, an adaptive limit
// with priorities, and a budget for retries. It knows nothing of routing; a
// [Guard] wraps the handler of one route and is asked before each attempt.
//
//	request ─▶ fallback ─▶ limit ─────▶ route's handler ─▶ attempt ─▶ instance
//	              ▲        │ priority    │ picks, retries   │ breaker of
//	              │        │ queue       │                  │ (route, instance)
//	   5xx of what stands  ▼ full, late  ▼ budget empty     ▼ open
//	   below becomes a    503           no retry           another instance
//	   marked answer
//
// Each part answers one question:
//
//   - Breaker: is it worth asking this instance? A dependency that hangs is
//     worse than one that is dead, because every request to it holds a
//     connection, a worker and a user for a whole time-out, until there are
//     none left for requests that have nothing to do with it. Nygard,
//     "Release It!", calls the remedy a circuit breaker.
//   - Limit: how many requests at once? A server's throughput stops growing at
//     its capacity; what is sent beyond it waits, and what waits longer than
//     its user does is work for nobody. The limit follows the latency, in the
//     manner of TCP Vegas, and a short queue with priorities in front of it
//     decides who waits and who is turned away at once.
//   - Budget: how many retries? Each retry is load that the trouble itself
//     brings about. Unbounded retries keep a system down after the cause is
//     gone (Bronson, Aghayev, Charapko, Zhu, "Metastable Failures in
//     Distributed Systems", HotOS 2021).
//   - Fallback: what is said when all of that was not enough? Something
//     useful, and marked, so that nobody takes it for the real answer.
//
// The state machines are failsafe-go's; this package binds them to HTTP, and
// adds what HTTP needs: outcomes that count for nothing (the client hung up),
// results that come too late to be evidence, and a queue that knows who is
// important. Everything reads time from package time alone, so tests simulate
// it with testing/synctest.
package protect
