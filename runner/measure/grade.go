package measure

import (
	"fmt"
	"math"
	"slices"

	"github.com/hadrill/hadrill/runner/record"
)

// Ungraded is the letter of what could not be judged: not zero, not a pass.
const Ungraded = "U"

// letters are the grades from best to worst with the least score of each.
var letters = []struct {
	letter string
	least  float64
}{{"A", 90}, {"B", 80}, {"C", 70}, {"D", 60}, {"F", 0}}

// Letter returns the grade of a score in 0..100.
func Letter(score float64) string {
	for _, l := range letters {
		if score >= l.least {
			return l.letter
		}
	}
	return "F"
}

// rank returns a letter's place, 0 for A; U has none and gives -1.
func rank(letter string) int {
	for i, l := range letters {
		if l.letter == letter {
			return i
		}
	}
	return -1
}

// worse returns the worse of two letters of A to F.
func worse(a, b string) string {
	if rank(b) > rank(a) {
		return b
	}
	return a
}

// Numbers of repetitions that a letter's honesty depends on.
const (
	FewestFirm      = 5  // below it a letter is provisional and at most B
	FewestBootstrap = 10 // below it the worst run stands for the bound
)

// LossUpperBound returns the 95 % upper bound of the probability that one run
// loses something, after n runs that lost nothing: 1 - 0.05^(1/n), the exact
// binomial bound behind the rule of three (Hanley, Lippman-Hand 1983). It is 1
// for no runs.
func LossUpperBound(n int) float64 {
	if n <= 0 {
		return 1
	}
	return 1 - math.Pow(0.05, 1/float64(n))
}

// Grade is what several repetitions of one scenario, or several scenarios of
// a row or suite, are worth together.
type Grade struct {
	Name        string         `json:"name"`
	Verdict     record.Verdict `json:"verdict"` // the worst of all
	Letter      string         `json:"letter"`
	Score       *float64       `json:"score"`       // mean; nil when ungraded
	Bound       *float64       `json:"bound"`       // lower 95 % bound, which the letter is of
	Provisional bool           `json:"provisional"` // too few repetitions for a firm letter
	Runs        int            `json:"runs"`
	Graded      int            `json:"graded"` // runs, or parts of a row, that have a score
	Criticality float64        `json:"criticality,omitempty"`
	Caps        []record.Cap   `json:"caps,omitempty"`
	// LossBound is the 95 % upper bound of the per-run probability of losing
	// an acknowledged write; set when no run lost any.
	LossBound *float64 `json:"loss_bound,omitempty"`
}

// GradeScenario grades the repetitions of one scenario. Whatever any
// repetition gives evidence for counts for all: one lost write in thirty runs
// caps the scenario. A repetition that could not be judged leaves the
// scenario ungraded, unless another one failed: a failure is evidence, and
// noise elsewhere does not take it away. Results must be of one scenario.
func GradeScenario(results []*record.Result, seed uint64) Grade {
	g := Grade{Letter: Ungraded, Runs: len(results)}
	var scores []float64
	ungraded, failed, balanced, lost := 0, false, 0, 0
	for _, r := range results {
		g.Name, g.Criticality = r.Scenario.Name, r.Scenario.Critical
		g.Verdict = record.Worst(g.Verdict, r.Verdict)
		failed = failed || r.Verdict == record.Failed
		if r.Score != nil {
			scores = append(scores, *r.Score)
		} else {
			ungraded++
		}
		if l := r.Ledger; l != nil && l.Definitive && l.Acknowledged > 0 {
			balanced++
			lost += l.Lost
		}
		g.Caps = addCaps(g.Caps, r.Caps)
	}
	g.Graded = len(scores)
	if balanced > 0 && lost == 0 {
		bound := LossUpperBound(balanced)
		g.LossBound = &bound
	}
	if len(scores) == 0 {
		return g
	}
	score, bound := mean(scores), LowerBound(scores, seed)
	g.Score, g.Bound = &score, &bound
	if g.Graded < FewestFirm {
		g.Provisional = true
		g.Caps = addCaps(g.Caps, []record.Cap{{Letter: "B", Reason: fmt.Sprintf("provisional: %d of at least %d repetitions", g.Graded, FewestFirm)}})
	}
	if ungraded > 0 && !failed {
		return g
	}
	g.Letter = capped(Letter(bound), g.Caps)
	return g
}

// capped lowers a letter to the worst cap. U caps are not letters to lower to.
func capped(letter string, caps []record.Cap) string {
	for _, c := range caps {
		letter = worse(letter, c.Letter)
	}
	return letter
}

// addCaps appends those caps that are not there yet.
func addCaps(caps, more []record.Cap) []record.Cap {
	for _, c := range more {
		if !slices.Contains(caps, c) {
			caps = append(caps, c)
		}
	}
	return caps
}

func mean(xs []float64) float64 {
	sum := 0.0
	for _, x := range xs {
		sum += x
	}
	return sum / float64(len(xs))
}
