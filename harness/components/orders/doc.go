// Package orders is a small shop's order service: what stands between a
// customer's click and the effect that it has elsewhere, with every guard that
// such a service needs, each of which can be left out to see what it was for.
//
//	customer ── POST /orders, Idempotency-Key ──▶ service
//	                                                │ one transaction:
//	                                                │   orders  (key is unique)
//	                                                │   outbox
//	                                                ▼
//	                                              MySQL ◀── relay ──▶ bus (Kafka, or a table)
//	                                                ▲                     │
//	                                                └── effects ◀── consumer
//	                                                    (order id is unique)
//
// # An order takes effect exactly once
//
// Three places make that true, and none of them alone does. The customer's
// client repeats a request whose answer it did not get; the idempotency key,
// unique in the orders table, makes the repetition find the first order. The
// transaction that stores the order stores the message about it as well, in the
// outbox, so that there is never one without the other; a relay publishes what
// is in the outbox and removes it after it was acknowledged, which can publish
// twice and never not at all. The consumer stores an effect under the order's
// id before it acknowledges the message, so that the second message about an
// order changes nothing. (Richardson, "Microservices Patterns", 2018, chapter
// 3: transactional outbox, idempotent consumer.)
//
// # Reads
//
// GET /items is read from a cache in Redis, then from a replica of MySQL that
// has at least what the customer has seen (WAIT_FOR_EXECUTED_GTID_SET), then
// from the primary. Of many requests that miss at once one asks the database
// (single-flight); a value that is no longer fresh is still served while one
// request refreshes it (stale-while-revalidate, RFC 5861); lifetimes are
// jittered so that values that were cached together do not end together. A
// cache that fails is left alone for a moment: it costs time, never an answer.
//
// # Capacity
//
// A request holds one of Slots places for Cost. So an instance answers
// Slots/Cost requests a second and not one more, on any machine, and throughput
// follows instances. A new instance is cold: its first Cold requests cost ten
// times as much. With WarmUp it does that work by itself before it is ready.
//
// # Health
//
// Live says that the process runs. Ready asks MySQL, because an instance that
// cannot reach it can do nothing for anybody; Redis and the bus are not asked,
// because without them it still can.
package orders
