package check

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/hadrill/hadrill/runner/record"
)

// NoIntruder is the check of requests that must be refused.
const NoIntruder = "no-intruder"

func init() {
	register(NoIntruder, "no request without a valid token was answered, in any fault", noIntruder)
}

// noIntruder holds the lanes of intruders to the one thing that matters: no
// operation of theirs succeeded, whole or degraded. Refusals, errors and
// silence are all fine; only what was answered well is a finding. Requests
// that never left the generator proved nothing and are not counted.
func noIntruder(ctx context.Context, log *record.Log, _ Budget) (Report, error) {
	r := Report{Check: NoIntruder, Guarantee: "no request of an intruder was answered"}
	p := poll{ctx: ctx}
	for i := range log.Ops {
		if err := p.stopped(); err != nil {
			return r, err
		}
		o := &log.Ops[i]
		if int(o.Lane) >= len(log.Header.Lanes) || !log.Header.Lanes[o.Lane].Intruder {
			continue
		}
		switch {
		case o.Outcome == record.Ok || o.Outcome == record.Degraded:
			r.Checked++
			lane := log.Header.Lanes[o.Lane].Name
			r.add(record.Finding{Name: "intruder let in", From: o.Start, To: o.End, Witness: []record.Op{*o}, Picture: Timeline([]record.Op{*o}),
				Text: fmt.Sprintf("a request of lane %s was answered at %.6f s%s", lane, o.End.Seconds(), relative(o.End, T0(log)))})
		case reached(log, o):
			r.Checked++
		}
	}
	return r, nil
}

// refusals are how the classes of errors begin that only a server's own word
// gives: an answer with a status, and the end of a handshake.
var refusals = []string{"http ", "handshake refused"}

// reached tells whether the server had a say: it answered with a refusal.
// What timed out or was never sent is no evidence of either.
func reached(log *record.Log, o *record.Op) bool {
	if int(o.Error) >= len(log.Errors) {
		return false
	}
	return slices.ContainsFunc(refusals, func(start string) bool { return strings.HasPrefix(log.Errors[o.Error], start) })
}
