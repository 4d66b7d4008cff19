package reports

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/hadrill/hadrill/reports/draw"
	"github.com/hadrill/hadrill/runner/record"
)

// Value prints a number of a unit for people: "1.63 s", "99.95 %", "1 204".
// Units are those of record.Objective; an unknown one is printed as it is.
func Value(v float64, unit string) string {
	switch unit {
	case "s":
		return draw.Seconds(v)
	case "ratio":
		return percent(v)
	case "ops", "":
		if v == math.Trunc(v) && math.Abs(v) < 1e15 {
			return grouped(int64(v))
		}
		return strconv.FormatFloat(v, 'g', 4, 64)
	}
	return strconv.FormatFloat(v, 'g', 4, 64) + " " + unit
}

// percent keeps as many nines as there are: 0.9995 must not become 100 %.
func percent(v float64) string {
	p := v * 100
	prec := 1
	for off := math.Abs(100 - p); off > 0 && off < 1 && prec < 6; off *= 10 {
		prec++
	}
	s := strconv.FormatFloat(p, 'f', prec, 64)
	if p < 100 && strings.HasPrefix(s, "100") { // never round up to perfection
		s = strconv.FormatFloat(math.Floor(p*1e4)/1e4, 'f', 4, 64)
	}
	return strings.TrimSuffix(strings.TrimRight(s, "0"), ".") + " %"
}

func grouped(n int64) string {
	s := strconv.FormatInt(n, 10)
	sign := ""
	if n < 0 {
		sign, s = "−", s[1:]
	}
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "\u202f" + s[i:]
	}
	return sign + s
}

// Measured prints a judgement's value; a censored one as "> X" (or "< X"
// where higher is better), a missing one as "not measured".
func Measured(j record.Judgement) string {
	if j.Value == nil {
		return "not measured"
	}
	s := Value(*j.Value, j.Objective.Unit)
	if !j.Censored {
		return s
	}
	if j.Objective.Higher {
		return "< " + s
	}
	return "> " + s
}

// Target prints an objective's target with its direction: "≤ 3 s".
func Target(o record.Objective) string { return bound(o, o.Target) }

// Limit prints an objective's limit with its direction.
func Limit(o record.Objective) string { return bound(o, o.Limit) }

func bound(o record.Objective, v float64) string {
	if o.Higher {
		return "≥ " + Value(v, o.Unit)
	}
	if v == 0 {
		return Value(v, o.Unit)
	}
	return "≤ " + Value(v, o.Unit)
}

// symbol is a verdict's sign: told by shape, not by colour alone.
func symbol(v record.Verdict) string {
	switch v {
	case record.Pass:
		return "✓"
	case record.Failed:
		return "✗"
	case record.Inconclusive:
		return "?"
	case record.Vacuous:
		return "○"
	case record.HarnessError:
		return "!"
	}
	return "–"
}

// outcome is what a run means to its reader: a twin that was caught is good
// news although its verdict is fail.
func outcome(r *record.Result) (sign, word, class string) {
	if isTwin(r) {
		switch {
		case r.Caught != nil && r.Caught.Caught:
			return "✓", "caught", "pass"
		case r.Verdict == record.Pass || r.Verdict == record.Failed:
			return "✗", "missed", "fail"
		}
	}
	return symbol(r.Verdict), r.Verdict.String(), verdictClass(r.Verdict)
}

func verdictClass(v record.Verdict) string {
	switch v {
	case record.Pass:
		return "pass"
	case record.Failed:
		return "fail"
	case record.HarnessError, record.VerdictUnset:
		return "error"
	}
	return "doubt"
}

// fine says whether a run is as it should be: passed, or a caught twin.
func fine(r *record.Result) bool {
	if isTwin(r) {
		return r.Caught != nil && r.Caught.Caught
	}
	return r.Verdict == record.Pass
}

func isTwin(r *record.Result) bool { return r.Caught != nil || r.Scenario.TwinOf != "" }

func judgement(r *record.Result, name string) *record.Judgement {
	for i := range r.Judgements {
		if r.Judgements[i].Objective.Name == name {
			return &r.Judgements[i]
		}
	}
	return nil
}

// worstIncident returns the incident with the longest rto, censored ones
// first; failbacks count.
func worstIncident(r *record.Result) *record.Incident {
	var worst *record.Incident
	for i := range r.Incidents {
		in := &r.Incidents[i]
		if in.RTO == nil {
			continue
		}
		if worst == nil || (in.Censored && !worst.Censored) || (in.Censored == worst.Censored && *in.RTO > *worst.RTO) {
			worst = in
		}
	}
	return worst
}

// decomposition prints an incident's parts: "detect 501 ms + failover ...".
func decomposition(in *record.Incident) string {
	var parts []string
	for _, p := range []struct {
		name string
		v    *float64
	}{{"detect", in.Detect}, {"failover", in.Failover}, {"reconnect", in.Reconnect}, {"settle", in.Settle}} {
		if p.v != nil {
			parts = append(parts, p.name+" "+draw.Seconds(*p.v))
		}
	}
	return strings.Join(parts, " + ")
}

func rtoText(in *record.Incident) string {
	if in == nil || in.RTO == nil {
		return "–"
	}
	if in.Censored {
		return "> " + draw.Seconds(*in.RTO)
	}
	return draw.Seconds(*in.RTO)
}

func plural(n int, one, many string) string {
	if n == 1 {
		return fmt.Sprintf("%d %s", n, one)
	}
	return fmt.Sprintf("%s %s", grouped(int64(n)), many)
}
