// Package gateway is a reverse proxy for services of which single instances
// die, freeze and grow slow: it finds them, watches them, and keeps what
// happens to one of them from its clients.
//
//	             ┌ Authenticate ┐  ┌──────────── route ─────────────┐
//	client ─────▶│   who may    │─▶│ fallback ▸ limit ▸ attempts ───┼─▶ instance
//	  X-Deadline │   come in    │  │                      │  ▲      │   X-Deadline
//	             └──────────────┘  │                      ▼  │again │
//	                               │   rotation ▸ balance ▸ breaker │
//	                               └───▲────────▲───────────▲───────┘
//	                            registry   active checks   outcomes
//	                            (etcd)     (GET /ready)    of attempts
//
// # Who is sent requests
//
// Three witnesses, from the slowest to the fastest, and any of them can take an
// instance out: its lease in the registry (seconds), an active check that it
// does not pass (a few intervals), and attempts that fail in a row (as soon as
// they do). They fail differently, too: the registry does not see a frozen
// process before its lease ends, checks see one that still answers /ready but
// nothing else as healthy, and outcomes need requests. See rotation.
//
// The registry is believed about who exists, never about who is well, and least
// of all about "nobody": its outage stops nothing, see package registry. The
// last list is kept in a file, too, so that a gateway can start without it.
//
// # What a client is told
//
//	503          nothing was done; it may be tried again
//	502, 504     nobody knows whether it was done
//	X-Hadrill-Degraded   a fallback answer
//	X-Hadrill-Shed       turned away by the limit
//	X-Hadrill-Attempts   how many attempts it took
//	X-Hadrill-Gateway    which gateway
//
// Only what is known not to have been done, or may be done twice, is attempted
// again: see attempts.
//
// # Deadlines
//
// X-Deadline-Ms says how much time is left, in whole milliseconds. The gateway
// takes the lesser of that and the route's timeout, and tells each instance
// what remains of it.
//
// # Ports, environment, signals
//
// The contract of the image, for HADRILL_IMAGE_GATEWAY as well. A replacement
// is an image with an executable /gateway, started without arguments, that reads
// at least HADRILL_NODE and HADRILL_ROUTES; it may refuse, with exit code 64 and one line
// naming the key, what it cannot do.
//
//	port 8080  HADRILL_PORT        requests
//	port 8081  HADRILL_ADMIN_PORT  GET /live     200 while the process can answer
//	                               GET /ready    200 while requests should be sent here
//	                               GET /metrics  Prometheus text format
//	                               GET /pool     JSON, a list of Pool: what Pools returns
//
//	HADRILL_NODE             the gateway's name, answered in X-Hadrill-Gateway
//	HADRILL_ROUTES           JSON, a list of Route; unknown keys are refused
//	HADRILL_REGISTRY         etcd members "IP:port,IP:port"
//	HADRILL_REGISTRY_PREFIX  instances are PREFIX/SERVICE/ID = {"id","addr"}
//	HADRILL_CACHE            file of the last known instances, "off" for none
//	HADRILL_DRAIN            from "not ready" to no new connections
//	HADRILL_TLS_CERT, _KEY   PEM files, shown to clients; read again when they change
//	HADRILL_UPSTREAM_CERT, _KEY, _ROOTS
//	                         PEM files: instances are spoken to over mutual TLS, the
//	                         gateway shows the certificate, read again when it
//	                         changes, and trusts instances of these authorities only
//	HADRILL_TRACE            share of requests whose spans (OpenTelemetry) go to
//	                         standard output as JSON, default 0; the header
//	                         traceparent is passed on in any case
//
//	SIGTERM  stop: not ready, HADRILL_DRAIN, no new connections, end of the rest
//	SIGUSR2  hot upgrade: another process of the same executable file takes
//	         over the listening sockets; no connection is refused. See Supervise.
//
// Standard output has one line for each change: "rotation: NODE leaves ROUTE:
// WHY", "rotation: NODE joins ROUTE", "breaker of route ROUTE at NODE: closed ->
// open", "registry: not reachable ...", "upgrade: ...". Drills read them.
//
// # What it does not do
//
// HTTP/1.1 only, towards both sides. An upgraded connection (WebSocket) lives
// no longer than its route's timeout. Bodies above 64 KiB, or of unknown
// length, pass through but are never sent twice.
package gateway
