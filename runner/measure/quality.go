package measure

import (
	"math"

	"github.com/hadrill/hadrill/runner/record"
)

// quality returns an objective's sub-score in 0..1: the upper tail of a
// log-normal distribution with quality(target) = 0.9 and quality(limit) = 0.5,
// and 1 at perfection. (Lighthouse scores web pages with the same curve.)
//
//	1   ┤────────╮
//	0.9 ┤·········╲ target
//	0.5 ┤··········╲ limit
//	0   ┤           ╰──────────
//
// A ratio is scored by what it lacks to 1, any other quantity of which more is
// better by its inverse. Where the target leaves no room (zero losses, or a
// target as strict as its limit) the curve is a step: a value past the limit
// has no quality at all. A censored value counts as past the limit.
func quality(o record.Objective, value float64, censored bool) float64 {
	cost := func(v float64) float64 {
		switch {
		case o.Higher && o.Unit == "ratio":
			return max(0, 1-v)
		case o.Higher && v <= 0:
			return math.Inf(1)
		case o.Higher:
			return 1 / v
		}
		return max(0, v)
	}
	x, target, limit := cost(value), cost(o.Target), cost(o.Limit)
	if censored {
		x = max(x, limit)
	}
	switch {
	case x == 0 && !censored:
		return 1
	case math.IsInf(x, 1) || x > limit+1e-12 && (limit == 0 || target >= limit):
		return 0
	case target >= limit:
		return 0.9
	case target == 0:
		target = limit / 10 // perfection is the target: the curve needs a point below the limit
	}
	const z90 = 1.2815515655446004 // the standard normal's 90 % quantile
	sigma := (math.Log(limit) - math.Log(target)) / z90
	z := (math.Log(x) - math.Log(limit)) / sigma
	return 0.5 * math.Erfc(z/math.Sqrt2)
}

// round3 rounds to three significant digits.
func round3(v float64) float64 {
	if v == 0 || math.IsInf(v, 0) || math.IsNaN(v) {
		return v
	}
	scale := math.Pow(10, 2-math.Floor(math.Log10(math.Abs(v))))
	return math.Round(v*scale) / scale
}
