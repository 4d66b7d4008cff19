// Package scenarios declares what hadrill verifies: one file a row of the
// matrix, each scenario a claim as plain data, each twin the safe scenario
// with one setting changed, so that the difference is the lesson.
//
//	row                     safe scenarios                      known-bad twins
//	calibration             known-outage                        (the instrument itself)
//	entry/nginx-upstream    null, kill, failback, backup-kill,  kill-no-next-upstream,
//	                        still-dead, pause,                  pause-default-timeout,
//	                        both-kill-return                    both-kill-return-textbook,
//	                                                            still-dead-default-timeout
//	entry/nginx-pool        null, kill, pause, slow, flapping,  pause-default-timeout,
//	                        kill-effects                        kill-effects-non-idempotent
//	entry/vip               null, kill, kill-return, stop,      nginx-death-no-check,
//	                        nginx-death, pause, cut,            cut-no-arbiter
//	                        kill-arbiter
//	entry/l4                null, kill, haproxy-death,          backend-pause-no-check
//	                        backend-pause, backend-drain
//	zones/dual-active       null, far, zone-kill,               zone-kill-no-spare-capacity,
//	                        zone-kill-return, zone-cut,         zone-kill-majority-inside,
//	                        zone-one-way, orders-null,          zone-cut-two-writers,
//	                        orders-zone-kill, orders-zone-cut,  orders-zone-cut-long-fail-timeout,
//	                        whole-null, whole-zone-kill,        whole-zone-kill-witness-inside
//	                        whole-zone-cut, whole-zone-return
//	cache/redis-sentinel    null, primary-kill, -pause,         primary-partition-unguarded,
//	                        -partition, replica-kill,           replica-kill-guard-wants-both,
//	                        rolling-restart, latency,           rolling-restart-no-persistence,
//	                        packet-loss,                        clock-jump-primary-kill-unanimous
//	                        clock-jump-primary-kill
//	cache/redis-cluster     null, primary-kill, -pause,         primary-kill-no-replica,
//	                        -partition, replica-kill,           -full-coverage, -stale-map,
//	                        rolling-restart, latency,           rolling-restart-no-persistence,
//	                        packet-loss, clock-jump,            all-power-cut-no-sync
//	                        all-power-cut
//	cache/memcached         null, kill, pause, partition,       kill-no-ejection, kill-modulo,
//	                        kill-return, rolling-restart,       rolling-restart-hurried,
//	                        latency, packet-loss                latency-impatient,
//	                                                            packet-loss-eject-at-once
//	coordination/etcd       null, leader-kill, -pause,          leader-partition-serializable,
//	                        -partition, follower-kill,          all-power-cut-no-sync,
//	                        rolling-restart, latency,           follower-disk-hang-two-members
//	                        packet-loss, clock-jump,
//	                        all-power-cut, leader-disk-slow,
//	                        -hang, -full, follower-disk-hang
//	coordination/lock       null, holder-kill, holder-pause,    holder-pause-unfenced
//	                        -partition, -clock-jump,
//	                        waiter-kill, store-leader-kill
//	db/mysql-semisync       null, source-kill, -kill-return,    replicas-cut-source-kill-asynchronous,
//	                        -pause, -partition, replica-kill,   -fallback, -after-commit,
//	                        manager-kill,                       source-partition-asynchronous
//	                        replicas-cut-source-kill,           source-power-cut-no-sync
//	                        rolling-restart, latency,
//	                        packet-loss, clock-jump, disk-slow,
//	                        disk-full, source-power-cut
//	db/mysql-group          null, primary-kill, -pause,         primary-kill-default-expel,
//	                        -partition, -kill-backlog,          primary-kill-backlog-eventual
//	                        -kill-return, secondary-kill,
//	                        rolling-restart, latency,
//	                        packet-loss
//	db/read-write-split     lag, replica-kill                   lag-any-replica
//	db/isolation            lists, bank, lists-kill             lists-repeatable-read,
//	                                                            bank-repeatable-read
//	mq/kafka                null, leader-kill, -kill-return,    leader-kill-default-session,
//	                        -pause, -partition, -isolate-kill,  leader-isolate-kill-acks-leader,
//	                        follower-kill, controller-kill,     follower-kill-plain-producer,
//	                        replication-cut-leader-kill,        replication-cut-leader-kill-min-insync-1,
//	                        -return, latency, packet-loss,      -unclean,
//	                        clock-jump, rolling-restart,        clock-jump-default-retention,
//	                        leader-power-cut, -disk-full,       replication-cut-leader-power-cut-min-insync-1
//	                        replication-cut-leader-power-cut
//	mq/rabbitmq             null, leader-kill, -kill-return,    leader-kill-classic,
//	                        -pause, -pause-long, -partition,    leader-isolated-kill-no-confirms,
//	                        -isolated-kill, follower-kill,      consumers-cut-auto-ack,
//	                        consumers-cut, rolling-restart,     leader-pause-long-pause-minority,
//	                        latency, packet-loss, given-back    given-back-default-limit
//	disk/redis-single       null, power-cut, -everysec,         power-cut-lying-disk, -no-sync,
//	                        disk-full                           -everysec-no-sync, disk-full-always
//	e2e/orders              null, service-kill,                 service-kill-no-idempotency-key,
//	                        every-hop-kill, -pause, -cut        service-kill-no-outbox
//	release/scale           out-and-in                          out-and-in-cold
//	release/rolling         instances, gateway-upgrade,         instances-at-once,
//	                        everything, nginx-instances,        nginx-instances-no-next-upstream,
//	                        nginx-reload                        nginx-instances-fail-timeout
//	gateway/balance         null, kill, pause, slow,            slow-round-robin
//	                        slow-least-loaded,
//	                        kill-consistent-hash
//	gateway/discovery       null, kill, pause, pause-lease,     pause-registry-only
//	                        registry-leader-kill, registry-kill,
//	                        registry-cut-kill
//	protection/breaker      hang                                hang-no-breaker
//	protection/degrade      kill, hang                          kill-no-fallback
//	protection/overload     surge, ramp, stall,                 surge-unbounded, ramp-unbounded,
//	                        collapse-drained                    stall-retry-storm, collapse-load-kept
//	cache/avalanche         kill                                kill-no-guards
//	security/tls            renewal, renewal-many,              renewal-no-reload,
//	                        gateway-renewal,                    renewal-wrong-chain,
//	                        gateway-clock-jump,                 expiry-seen-no-watch,
//	                        expiry-seen, mutual                 mutual-no-verify
//	security/openid         null, provider-kill, -pause,        provider-kill-keys-per-request,
//	                        -slow, -kill-many, clock-back,      provider-kill-fail-open
//	                        clock-ahead
//	monitor/health          dependency-of-one, -of-all          dependency-of-all-restart-storm,
//	                                                            dependency-of-one-always-ready
//	faults/selftest         one a fault of the catalogue        partition-, delay-, clock-jump-of-a-stranger,
//	                                                            one-way-from-the-other-end
//
// A row without a caught twin is not done: a check that never caught anything
// proves nothing. `go test ./scenarios` runs them all, one subtest each.
package scenarios

import (
	"slices"

	"github.com/hadrill/hadrill/runner"
)

// All returns every scenario, in the order of the matrix.
func All() []runner.Scenario {
	return slices.Concat(
		calibration(),
		faultsSelftest(),
		nginxUpstream(),
		nginxPool(),
		entryVIP(),
		entryL4(),
		zonesDual(),
		redisSentinel(),
		redisCluster(),
		memcachedPool(),
		etcdCluster(),
		lock(),
		mqKafka(),
		mysqlSemiSync(),
		mysqlGroup(),
		mysqlSplit(),
		mysqlIsolation(),
		rabbitMQ(),
		releaseRolling(),
		releaseScale(),
		endToEnd(),
		diskRedisSingle(),
		gatewayBalance(),
		gatewayDiscovery(),
		protectionBreaker(),
		protectionDegrade(),
		protectionOverload(),
		cacheAvalanche(),
		monitorHealth(),
		securityTLS(),
		securityOpenID(),
	)
}

// twin returns the safe scenario as its own known-bad twin: change sets the one
// setting that is wrong, expect names the objectives it must fail on.
func twin(safe runner.Scenario, name, doc string, expect []string, change func(*runner.Scenario)) runner.Scenario {
	bad := safe
	bad.Name = safe.Row + "/" + name
	bad.Doc = doc
	bad.TwinOf = safe.Name
	bad.Expect = expect
	change(&bad)
	return bad
}
