package runner

import (
	"time"

	"github.com/hadrill/hadrill/runner/record"
)

// OwnerGap bounds the longest time in which no node believed that it owns what
// one node must. It needs the promise of a single owner beside it.
func OwnerGap(target, limit time.Duration) record.Objective {
	return record.Objective{Name: "owner.gap", Kind: record.KindRTO, Unit: "s", Target: target.Seconds(), Limit: limit.Seconds()}
}
