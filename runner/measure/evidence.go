package measure

import (
	"fmt"
	"time"

	"github.com/hadrill/hadrill/runner/record"
)

// ofLedger measures what the ledger of writes says.
func (a *analysis) ofLedger(name string) (quantity, bool) {
	l := a.evidence.Ledger
	if l == nil {
		l = &record.Ledger{}
	}
	q := quantity{class: durability, samples: l.Acknowledged}
	switch name {
	case "lost", "rpo.ops":
		q.value, q.unit = float64(l.Lost), "ops"
	case "rpo.seconds":
		q.value, q.unit = l.RPOSeconds, "s"
	case "split_brain":
		q.value, q.unit = l.SplitBrain, "s"
	case "duplicates":
		q.value, q.unit = float64(l.Duplicates), "ops"
	case "phantoms":
		q.value, q.unit = float64(l.Phantoms), "ops"
	default:
		return quantity{}, false
	}
	switch {
	case a.evidence.Ledger == nil:
		q.missing = "no ledger was drawn up: the load wrote nothing that could be balanced"
	case l.Acknowledged == 0:
		q.missing = "no write was acknowledged"
	case !a.acknowledgedInWindow():
		q.missing = "no write was acknowledged in the window of interest, from 1 s before the fault to the recovery"
	default:
		q.ok = true
	}
	if q.ok && !l.Definitive {
		q.doubt = "no complete definitive read was made after healing"
	}
	return q, true
}

// acknowledgedInWindow tells whether any write was acknowledged from one
// second before a fault until its recovery, and at least until one second
// after it. A run without faults is of interest throughout.
func (a *analysis) acknowledgedInWindow() bool {
	interest := a.disturbed()
	for i := range interest {
		interest[i].to = max(interest[i].to, interest[i].from.Add(time.Second))
		interest[i].from = interest[i].from.Add(-time.Second)
	}
	if len(a.proofs) == 0 {
		interest = []span{a.run}
	}
	for i := range a.ops {
		op := &a.ops[i]
		if op.Outcome != record.Ok || !mutates(op.Function) || !a.run.has(op.Intended) || int(op.Lane) >= len(a.log.Header.Lanes) {
			continue
		}
		if l := a.log.Header.Lanes[op.Lane]; l.Control || outside(l) {
			continue
		}
		for _, w := range interest {
			if w.has(op.End) {
				return true
			}
		}
	}
	return false
}

// checked measures how much a named check found. A check that nobody ran, or
// that gave no answer, leaves doubt whatever it found before it gave up.
func (a *analysis) checked(name string) quantity {
	q := quantity{unit: "findings", class: consistency}
	for i := range a.evidence.Findings {
		if a.evidence.Findings[i].Check == name {
			q.value++
		}
	}
	for i := range a.evidence.Checks {
		c := &a.evidence.Checks[i]
		if c.Check != name {
			continue
		}
		q.samples = c.Checked
		if c.Total > 0 { // Findings lists only the first of them
			q.value = float64(c.Total)
		}
		q.ok = c.Checked > 0 || q.value > 0
		q.missing = fmt.Sprintf("check %s found nothing to judge", name)
		switch {
		case c.Error != "":
			q.ok = true
			q.doubt = fmt.Sprintf("check %s gave no answer: %s", name, c.Error)
		case c.Narrowed != "":
			q.doubt = fmt.Sprintf("check %s could only show that %s: %s", name, c.Guarantee, c.Narrowed)
		}
		return q
	}
	q.ok = true
	q.doubt = fmt.Sprintf("nobody ran check %s", name)
	return q
}
