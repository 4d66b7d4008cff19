package draw

import (
	"math"
	"strconv"
	"strings"
)

// scale maps values to places along one axis.
type scale struct {
	lo, hi float64 // values
	a, b   float64 // places of lo and hi
	log    bool
}

func (s scale) at(v float64) float64 {
	lo, hi := s.lo, s.hi
	if s.log {
		v, lo, hi = math.Log(max(v, s.lo)), math.Log(lo), math.Log(hi)
	}
	if hi == lo {
		return s.a
	}
	p := (v - lo) / (hi - lo)
	return s.a + min(max(p, 0), 1)*(s.b-s.a)
}

// ticks returns round values between lo and hi, about n of them.
func ticks(lo, hi float64, n int) []float64 {
	if !(hi > lo) || n < 1 {
		return []float64{lo}
	}
	raw := (hi - lo) / float64(n)
	mag := math.Pow(10, math.Floor(math.Log10(raw)))
	step := mag
	for _, m := range []float64{1, 2, 5, 10} {
		if step = m * mag; step >= raw {
			break
		}
	}
	var out []float64
	for i := math.Ceil(lo / step); i*step <= hi*(1+1e-12) && len(out) < 100; i++ {
		out = append(out, i*step)
	}
	return out
}

// Seconds prints a duration in seconds for people: three digits that count.
func Seconds(s float64) string {
	abs := math.Abs(s)
	switch {
	case abs == 0:
		return "0 s"
	case abs < 1e-3:
		return digits(s*1e6) + " µs"
	case abs < .9995:
		return digits(s*1e3) + " ms"
	}
	return digits(s) + " s"
}

func digits(v float64) string {
	abs, prec := math.Abs(v), 0
	switch {
	case abs < 9.995:
		prec = 2
	case abs < 99.95:
		prec = 1
	}
	s := strconv.FormatFloat(v, 'f', prec, 64)
	if prec > 0 {
		s = strings.TrimSuffix(strings.TrimRight(s, "0"), ".")
	}
	return strings.Replace(s, "-", "−", 1)
}

func tickSeconds(s float64) string {
	t := strconv.FormatFloat(math.Round(s*1e6)/1e6, 'f', -1, 64)
	if t == "-0" {
		t = "0"
	}
	return strings.Replace(t, "-", "−", 1)
}
