package runner

import (
	"time"

	"github.com/hadrill/hadrill/runner/record"
)

// Foreseen promises how long before the first failed operation a component
// declares the failure: for what comes with notice, such as the end of a
// certificate.
func Foreseen(target, limit time.Duration) record.Objective {
	return record.Objective{Name: "foreseen", Kind: record.KindRTO, Unit: "s", Higher: true, Target: target.Seconds(), Limit: limit.Seconds()}
}
