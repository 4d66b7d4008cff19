package measure

import (
	"math"
	"math/rand/v2"
	"slices"
)

// resamples is how many bootstrap samples a bound is read off.
const resamples = 10_000

// LowerBound returns the lower 95 % bound of the mean score over repetitions,
// by the bias-corrected and accelerated bootstrap (Efron, "Better Bootstrap
// Confidence Intervals", 1987): scores end at 100 and have their tail on the
// low side, where the plain percentile promises too much. Whole runs are
// resampled, never requests, because requests of one run are not independent.
// Below FewestBootstrap runs, where any bootstrap covers too little, it is
// the worst run. The same scores, in any order, and the same seed give the
// same bound. NaN for no scores.
func LowerBound(scores []float64, seed uint64) float64 {
	n := len(scores)
	switch {
	case n == 0:
		return math.NaN()
	case n < FewestBootstrap:
		return slices.Min(scores)
	}
	sorted := slices.Clone(scores)
	slices.Sort(sorted) // the order of runs must not matter
	if sorted[0] == sorted[n-1] {
		return sorted[0]
	}
	random := rand.New(rand.NewPCG(seed, uint64(n)))
	centre, below := mean(sorted), 0.0
	means := make([]float64, resamples)
	for i := range means {
		sum := 0.0
		for range n {
			sum += sorted[random.IntN(n)]
		}
		means[i] = sum / float64(n)
		switch {
		case means[i] < centre:
			below++
		case means[i] == centre:
			below += 0.5
		}
	}
	slices.Sort(means)
	bias := normalQuantile(below / resamples)
	z := bias + normalQuantile(0.05)
	adjusted := bias + z/(1-acceleration(sorted, centre)*z)
	return means[nearestRank(normal(adjusted), resamples)-1]
}

// acceleration estimates how fast the mean's standard error changes with the
// mean, from the skewness of the sample (for a mean, the jackknife's
// leave-one-out values differ from it by the deviations alone).
func acceleration(xs []float64, centre float64) float64 {
	var squares, cubes float64
	for _, x := range xs {
		d := x - centre
		squares += d * d
		cubes += d * d * d
	}
	return cubes / (6 * math.Pow(squares, 1.5))
}

// normal is the standard normal distribution function.
func normal(z float64) float64 { return 0.5 * math.Erfc(-z/math.Sqrt2) }

// normalQuantile is its inverse, for 0 < p < 1.
func normalQuantile(p float64) float64 { return math.Sqrt2 * math.Erfinv(2*p-1) }
