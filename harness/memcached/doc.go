// Package memcached starts several Memcached servers and the clients that deal
// keys out to them: the servers do not know of each other, so how well a cache
// survives the loss of one is decided in the client alone.
//
//	               client: hash ring, ejection
//	             ╱            │            ╲
//	   memcached-1       memcached-2       memcached-3       a third of the keys each
//
//	consistent hashing            a dead server's keys go to its neighbours on
//	                              the ring; everybody else's stay where they are
//	modulo hashing                one server fewer changes the place of two keys
//	                              in three
//	ejection                      a server that fails is left out for a while; a
//	                              client without it fails every key of that server
//
// # Configuration, and why
//
// The client is github.com/bradfitz/gomemcache, whose own selector is modulo
// hashing without ejection, with a ring of ours as its selector. The ring is
// laid out as libketama does it, 160 points a server, from the MD5 of
// "name-number": by name and not by address, as twemproxy does it where servers
// have names, because by address the share of one of three servers was between
// 28 and 41 % from one subnet to the next. By name it is 33, 32 and 34 %.
// Ejection has the words of twemproxy (server_failure_limit,
// server_retry_timeout). In the drills a server is left out after two failures in
// a row, for two seconds, and clients wait for it for 100 ms.
//
// # What to expect
//
// Three servers are ready after 0.6 s (0.57 to 0.64 s in four starts on a quiet
// machine) and hold 3.7 MiB.
//
// When one of three is killed no client sees an error, because the lookup that
// finds out goes on to the next server on the ring. The hit ratio dips by the
// share of the dead server and comes back as the keys are looked up: over the worst
// two seconds by 28 to 31 % where a key is looked up every ten seconds (five runs),
// with modulo hashing by 61 %. A server that comes back is empty, and costs the same
// once more. One that hangs, or is cut off, costs each client one Timeout a
// failure, and another one whenever RetryAfter has passed: the 99th percentile of
// all lookups was 36, 102 and 499 ms with a Timeout of 25, 100 and 400 ms.
//
// A server 50 ms away answers 50 ms later and is missed by nobody who waits longer
// than that: no hit was lost with a Timeout of 100 ms, 29 % with one of 25 ms.
//
// # What hadrill found
//
// Upkeep has to wait for the refill and not for the servers. Restarted five seconds
// apart, with each key looked up every 1.25 s, the three servers never cost more
// than 18 % of the hits at a time; restarted one second apart, each of them well again before
// the next, 55 %: the origin gets what the cache is there to keep from it.
//
// One failure is no reason to leave a server out. TCP sends a lost packet again
// after 200 ms at the earliest, longer than clients wait: with one packet in twenty
// lost on the way to one server, clients that leave it out at once lost 15 to 18 %
// of their hits, after two failures in a row 3 to 5 %, after four none. Without
// ejection nearly one lookup in a hundred failed.
//
// What no setting mends: a server that was left out and comes back still holds
// what it held, so a key that was changed meanwhile is stale there. Cached
// values must not change, or expire soon.
package memcached
