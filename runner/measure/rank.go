package measure

import (
	"math"
	"slices"
)

// exactSize bounds the samples for which the exact distribution of U is
// computed; above it the normal approximation is good to four digits.
const exactSize = 30

// MannWhitney returns the one-sided p-value of the hypothesis that values of
// y are not larger than values of x: small p means y tends to be larger
// (Mann, Whitney, "On a Test of Whether one of Two Random Variables is
// Stochastically Larger than the Other", 1947). u counts the pairs in which y
// is larger, ties as half. Without ties and up to 30 values a side p is
// exact; otherwise it is the normal approximation with tie and continuity
// corrections. p is 1 when either side is empty.
func MannWhitney(x, y []float64) (u, p float64) {
	n, m := len(x), len(y)
	if n == 0 || m == 0 {
		return 0, 1
	}
	ties := false
	for _, b := range y {
		for _, a := range x {
			switch {
			case b > a:
				u++
			case b == a:
				u += 0.5
				ties = true
			}
		}
	}
	if !ties && n <= exactSize && m <= exactSize {
		return u, exactTail(n, m, int(u))
	}
	return u, normalTail(x, y, u)
}

// exactTail returns P(U >= u) under the null hypothesis. The number of
// arrangements with statistic u obeys f(n,m,u) = f(n-1,m,u-m) + f(n,m-1,u):
// the largest value is either an x or a y. Counts stay below 2^57 for 30 and
// 30, and float64 sums of them are good to 15 digits.
func exactTail(n, m, u int) float64 {
	rows := make([][]float64, m+1) // rows[j][u] for the current i
	for j := range rows {
		rows[j] = make([]float64, n*m+1)
		rows[j][0] = 1 // i = 0: no pair
	}
	for i := 1; i <= n; i++ {
		next := make([][]float64, m+1)
		for j := range next {
			next[j] = make([]float64, n*m+1)
			if j == 0 {
				next[0][0] = 1
				continue
			}
			for k := range i*j + 1 {
				c := next[j-1][k]
				if k >= j {
					c += rows[j][k-j]
				}
				next[j][k] = c
			}
		}
		rows = next
	}
	var tail, all float64
	for k, c := range rows[m] {
		all += c
		if k >= u {
			tail += c
		}
	}
	return tail / all
}

func normalTail(x, y []float64, u float64) float64 {
	n, m := float64(len(x)), float64(len(y))
	pool := slices.Concat(x, y)
	slices.Sort(pool)
	var tied float64
	for i := 0; i < len(pool); {
		j := i
		for j < len(pool) && pool[j] == pool[i] {
			j++
		}
		t := float64(j - i)
		tied += t*t*t - t
		i = j
	}
	total := n + m
	variance := n * m / 12 * (total + 1 - tied/(total*(total-1)))
	if variance <= 0 {
		return 1 // all values are equal: no evidence of anything
	}
	z := (u - n*m/2 - 0.5) / math.Sqrt(variance)
	return 0.5 * math.Erfc(z/math.Sqrt2)
}

// Holm returns the p-values adjusted for having asked so many questions: with
// each compared to alpha, the chance of any false alarm stays below alpha
// (Holm, "A Simple Sequentially Rejective Multiple Test Procedure", 1979).
func Holm(ps []float64) []float64 {
	order := make([]int, len(ps))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		switch {
		case ps[a] < ps[b]:
			return -1
		case ps[a] > ps[b]:
			return 1
		}
		return 0
	})
	adjusted := make([]float64, len(ps))
	running := 0.0
	for k, i := range order {
		running = max(running, min(1, float64(len(ps)-k)*ps[i]))
		adjusted[i] = running
	}
	return adjusted
}

// HodgesLehmann returns the shift from x to y: the median of all differences
// y-x (Hodges, Lehmann, 1963). NaN when either side is empty.
func HodgesLehmann(x, y []float64) float64 {
	ds := make([]float64, 0, len(x)*len(y))
	for _, b := range y {
		for _, a := range x {
			ds = append(ds, b-a)
		}
	}
	return median(ds)
}

// median returns the middle value, the mean of both for an even number; NaN
// for none. It sorts its argument.
func median(xs []float64) float64 {
	n := len(xs)
	if n == 0 {
		return math.NaN()
	}
	slices.Sort(xs)
	if n%2 == 1 {
		return xs[n/2]
	}
	return (xs[n/2-1] + xs[n/2]) / 2
}
