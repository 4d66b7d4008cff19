package check_test

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/hadrill/hadrill/runner/check"
	"github.com/hadrill/hadrill/runner/record"
)

// simulateIntruders is a gate that works: visitors are let in, intruders are
// refused, and now and then an answer of either is lost on the way.
func simulateIntruders(seed uint64) *record.Log {
	s := newSimulation(seed)
	s.log.Header.Lanes = []record.Lane{{Name: "visitors", Rate: 100}, {Name: "forged", Rate: 100, Intruder: true}}
	s.log.Errors = []string{"", "http 401", "timeout"}
	for i := range 200 {
		o := record.Op{Intended: record.Time(i) * 1e6, Start: record.Time(i) * 1e6, End: record.Time(i)*1e6 + 5e5,
			Lane: uint8(i % 2), Process: uint32(i % 2), Function: record.Request, Outcome: record.Ok}
		if o.Lane == 1 {
			o.Outcome, o.Error = record.Fail, 1
		}
		if s.IntN(10) == 0 {
			o.Outcome, o.Error = record.Info, 2
		}
		s.log.Ops = append(s.log.Ops, o)
	}
	return s.done()
}

func isIntruder(o *record.Op) bool { return o.Lane == 1 }

var intruderDefects = []defect{
	{"one forged token is let in", check.NoIntruder, "intruder let in", func(r *rand.Rand, log *record.Log) bool {
		o := one(r, log, isIntruder)
		o.Outcome, o.Error = record.Ok, 0
		return true
	}},
	{"one forged token gets the fallback's answer", check.NoIntruder, "intruder let in", func(r *rand.Rand, log *record.Log) bool {
		o := one(r, log, isIntruder)
		o.Outcome, o.Error = record.Degraded, 0
		return true
	}},
}

// Intruders that never reached the gate prove nothing about it.
func TestAGateThatNobodyReachedIsNotProven(t *testing.T) {
	log := simulateIntruders(1)
	for i := range log.Ops {
		if o := &log.Ops[i]; isIntruder(o) {
			o.Outcome, o.Error = record.Info, 2
		}
	}
	r := judge(t, check.NoIntruder, log)
	assert.Zero(t, r.Total)
	assert.Zero(t, r.Checked, "vacuous, not a pass")
}

// Where certificates are asked for, a refusal ends the handshake.
func TestARefusedHandshakeIsAGatesWord(t *testing.T) {
	log := simulateIntruders(1)
	log.Errors[1] = "handshake refused: tls: handshake failure"
	r := judge(t, check.NoIntruder, log)
	assert.Zero(t, r.Total)
	assert.NotZero(t, r.Checked)
}
