package measure

import "slices"

// TheilSen fits y = intercept + slope*x through points of which some may be
// far off: the slope is the median of the slopes of all pairs with different
// x, the intercept the median of what is left (Theil, "A Rank-invariant Method
// of Linear and Polynomial Regression Analysis", 1950; Sen, 1968). Up to 29 %
// of the points may be anywhere. ok is false below three different x.
func TheilSen(x, y []float64) (slope, intercept float64, ok bool) {
	distinct := slices.Compact(slices.Sorted(slices.Values(x)))
	if len(x) != len(y) || len(distinct) < 3 {
		return 0, 0, false
	}
	var slopes, left []float64
	for i := range x {
		for j := range i {
			if x[i] != x[j] {
				slopes = append(slopes, (y[i]-y[j])/(x[i]-x[j]))
			}
		}
	}
	slope = median(slopes)
	for i := range x {
		left = append(left, y[i]-slope*x[i])
	}
	return slope, median(left), true
}
