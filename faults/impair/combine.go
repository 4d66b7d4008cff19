package impair

import (
	"fmt"
	"math"
	"time"
)

// Combine is the impairment of a link that has both: delays add, shares are
// drawn one after the other. Two that cannot be told as one are an error.
func Combine(a, b Impairment) (Impairment, error) {
	c := Impairment{
		Delay:     a.Delay + b.Delay,
		Jitter:    time.Duration(math.Hypot(float64(a.Jitter), float64(b.Jitter))),
		InOrder:   a.InOrder || b.InOrder,
		Loss:      either(a.Loss, b.Loss),
		Duplicate: either(a.Duplicate, b.Duplicate),
		Reorder:   either(a.Reorder, b.Reorder),
		Corrupt:   either(a.Corrupt, b.Corrupt),
	}
	switch {
	case a.Jitter > 0 && b.Jitter > 0 && a.Distribution != b.Distribution:
		return c, fmt.Errorf("combine %s with %s: different distributions", a, b)
	case a.Jitter > 0:
		c.Distribution = a.Distribution
	default:
		c.Distribution = b.Distribution
	}
	if a.Burst != nil && b.Burst != nil {
		return c, fmt.Errorf("combine %s with %s: two burst models", a, b)
	}
	if burst := a.Burst; burst != nil || b.Burst != nil {
		if burst == nil {
			burst = b.Burst
		}
		// Loss on its own happens in either state of the model.
		with := *burst
		with.LossGood, with.LossBad = either(with.LossGood, c.Loss), either(with.LossBad, c.Loss)
		c.Burst, c.Loss = &with, 0
	}
	return c, c.Validate()
}

// either is the share of packets hit by at least one of two independent draws.
func either(p, q float64) float64 { return p + q - p*q }
