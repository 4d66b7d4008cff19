package impair

import (
	"math"
	"math/rand/v2"
	"time"
)

// fate is what was drawn for one packet.
type fate struct {
	drop      bool
	duplicate bool
	corrupt   bool
	reorder   bool
	delay     time.Duration
}

// dice draws fates. Its sequence depends on the seed alone. It is not safe for
// concurrent use: each link has its own, on the loop's thread.
type dice struct {
	rng *rand.Rand
	bad bool // state of the Gilbert-Elliott model
}

func newDice(seed1, seed2 uint64) *dice {
	return &dice{rng: rand.New(rand.NewPCG(seed1, seed2))}
}

// roll draws in netem's order: loss, duplication, corruption, then the delay.
func (d *dice) roll(im *Impairment) fate {
	var f fate
	if im.Burst != nil {
		f.drop = d.burst(im.Burst)
	} else {
		f.drop = d.hit(im.Loss)
	}
	if f.drop {
		return f
	}
	f.duplicate = d.hit(im.Duplicate)
	f.corrupt = d.hit(im.Corrupt)
	if f.reorder = d.hit(im.Reorder); f.reorder {
		return f
	}
	f.delay = d.delay(im)
	return f
}

func (d *dice) hit(p float64) bool {
	return p > 0 && d.rng.Float64() < p
}

func (d *dice) burst(b *Burst) bool {
	if d.bad {
		d.bad = !d.hit(b.LeaveBad)
	} else {
		d.bad = d.hit(b.EnterBad)
	}
	if d.bad {
		return d.hit(b.LossBad)
	}
	return d.hit(b.LossGood)
}

// Pareto with shape 3 and scale 1 has mean 3/2 and variance 3/4.
var paretoMean, paretoDeviation = 1.5, math.Sqrt(0.75)

func (d *dice) delay(im *Impairment) time.Duration {
	if im.Jitter == 0 {
		return im.Delay
	}
	var z float64
	switch im.Distribution {
	case Uniform:
		z = 2*d.rng.Float64() - 1
	case Pareto:
		z = (math.Pow(1-d.rng.Float64(), -1.0/3) - paretoMean) / paretoDeviation
		z = min(z, 8) // one draw in 400 would lie beyond; bounded so that no packet waits for ever
	default:
		z = d.rng.NormFloat64()
	}
	return max(0, im.Delay+time.Duration(z*float64(im.Jitter)))
}
