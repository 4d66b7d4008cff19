package runner

import (
	"time"

	"github.com/hadrill/hadrill/runner/record"
)

// Promises are the objectives a scenario is held to: each gates on its limit
// and scores against its target (MEASURES.md, "Score").
type Promises []record.Objective

// RTO promises t5-t0, the time from the effective fault to the first stable
// window, over the worst incident of the run.
func RTO(target, limit time.Duration) record.Objective {
	return record.Objective{Name: "rto", Kind: record.KindRTO, Unit: "s", Target: target.Seconds(), Limit: limit.Seconds()}
}

// Availability promises the share of good operations among the intended.
func Availability(target, limit float64) record.Objective {
	return record.Objective{Name: "availability.requests", Kind: record.KindAvailability, Unit: "ratio", Higher: true, Target: target, Limit: limit}
}

// Dip promises by how much the worst window of that length after the first
// fault may fall short of the share of good operations before it: 0.33 is a
// third of all operations.
func Dip(window time.Duration, target, limit float64) record.Objective {
	return record.Objective{Name: "availability.dip." + window.String(), Kind: record.KindAvailability, Unit: "ratio", Target: target, Limit: limit}
}

// NoErrors promises that no client sees a bad operation at all.
func NoErrors() record.Objective {
	return record.Objective{Name: "errors", Kind: record.KindAvailability, Unit: "ops"}
}

// NoLostWrites promises that every acknowledged write is in the definitive read.
func NoLostWrites() record.Objective {
	return record.Objective{Name: "lost", Kind: record.KindDurability, Unit: "ops"}
}

// RPO promises that acknowledged writes are lost only if they were
// acknowledged at most this long before the fault.
func RPO(target, limit time.Duration) record.Objective {
	return record.Objective{Name: "rpo.seconds", Kind: record.KindDurability, Unit: "s", Target: target.Seconds(), Limit: limit.Seconds()}
}

// SplitBrain bounds how long after the fault a write that is lost in the end
// was still acknowledged.
func SplitBrain(target, limit time.Duration) record.Objective {
	return record.Objective{Name: "split_brain", Kind: record.KindConsistency, Unit: "s", Target: target.Seconds(), Limit: limit.Seconds()}
}

// LatencyP99 promises the 99th percentile of End-Intended over the whole load.
func LatencyP99(target, limit time.Duration) record.Objective {
	return record.Objective{Name: "latency.p99", Kind: record.KindLatency, Unit: "s", Target: target.Seconds(), Limit: limit.Seconds()}
}

// Exposed promises t7-t0, the time until redundancy is restored.
func Exposed(target, limit time.Duration) record.Objective {
	return record.Objective{Name: "exposed", Kind: record.KindRedundancy, Unit: "s", Target: target.Seconds(), Limit: limit.Seconds()}
}

// NoFindings promises that a named check of runner/check finds nothing.
func NoFindings(check string) record.Objective {
	return record.Objective{Name: "check." + check, Kind: record.KindConsistency, Unit: "findings"}
}

// CalibrationError promises how far a measured outage may be from the true one.
func CalibrationError(target, limit time.Duration) record.Objective {
	return record.Objective{Name: "calibration.error", Kind: record.KindAvailability, Unit: "s", Target: target.Seconds(), Limit: limit.Seconds()}
}

// Returned promises how long after the fault a healed node has its place as
// primary back.
func Returned(node string, target, limit time.Duration) record.Objective {
	return record.Objective{Name: "returned." + node, Kind: record.KindRedundancy, Unit: "s", Target: target.Seconds(), Limit: limit.Seconds()}
}

// Failback promises t5-t0 of healing alone: how long after the damage was
// undone the service was good again.
func Failback(target, limit time.Duration) record.Objective {
	return record.Objective{Name: "rto.failback", Kind: record.KindRTO, Unit: "s", Target: target.Seconds(), Limit: limit.Seconds()}
}

// Detect promises t2-t0, until a component declares the failure.
func Detect(target, limit time.Duration) record.Objective {
	return record.Objective{Name: "detect", Kind: record.KindRTO, Unit: "s", Target: target.Seconds(), Limit: limit.Seconds()}
}

// LatencyRise promises by how much the 99th percentile of latency may rise
// while faults are in force, as a share of what it was before: 0.2 is a fifth.
func LatencyRise(target, limit float64) record.Objective {
	return record.Objective{Name: "latency.p99.rise", Kind: record.KindLatency, Unit: "ratio", Target: target, Limit: limit}
}

// Degraded promises that at least this share of the operations was answered,
// correctly, in a degraded way: that a fallback was at work at all. Such
// answers count as good.
func Degraded(target, limit float64) record.Objective {
	return record.Objective{Name: "degraded", Kind: record.KindAvailability, Unit: "ratio", Higher: true, Target: target, Limit: limit}
}

// SurgeGoodput promises the good operations a second during the surge, as a
// share of the capacity.
func SurgeGoodput(target, limit float64) record.Objective {
	return record.Objective{Name: "surge.goodput", Kind: record.KindAvailability, Unit: "ratio", Higher: true, Target: target, Limit: limit}
}

// SurgeRecovery promises how long after the surge the service is good again.
func SurgeRecovery(target, limit time.Duration) record.Objective {
	return record.Objective{Name: "surge.recovery", Kind: record.KindRTO, Unit: "s", Target: target.Seconds(), Limit: limit.Seconds()}
}

// NoRestarts promises that no node but those that a fault took down was
// started again while the load ran.
func NoRestarts() record.Objective {
	return record.Objective{Name: "restarts", Kind: record.KindRedundancy, Unit: "restarts"}
}

// Removed promises how long after the fault a node that lost its life was still
// sent requests: until the last of those who route believes it primary no more.
func Removed(node string, target, limit time.Duration) record.Objective {
	return record.Objective{Name: "removed." + node, Kind: record.KindRTO, Unit: "s", Target: target.Seconds(), Limit: limit.Seconds()}
}
