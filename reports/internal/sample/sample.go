// Package sample makes realistic runs for the reports' tests: a run without
// a fault, a failover with its outage, a known-bad twin that loses writes, a
// run whose fault could not be proven, one that never recovers, one without
// any data. All are made from a seed and are the same every time.
package sample

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/hadrill/hadrill/runner/record"
)

// Second is one second of a run's clock.
const Second = record.Time(time.Second)

// Shape says what happens in a made-up run.
type Shape struct {
	Name, Row, TwinOf string
	Rate              float64
	Seconds           float64
	Fault             string
	At, Outage        float64 // seconds after the load begins
	Hang              bool    // operations time out rather than being refused
	Unproven          bool
	Unrecovered       bool
	Lost              int
	Seed              uint64
	Repeat            int
}

var wall = time.Date(2026, 3, 14, 2, 0, 0, 0, time.UTC)

const settle = 2.0 // seconds before the load begins

// Run makes the log and the result of a shape.
func Run(s Shape) (*record.Log, *record.Result) {
	r := rand.New(rand.NewPCG(s.Seed, 7))
	log := &record.Log{Errors: []string{"", "connection refused", "i/o timeout"}}
	h := &log.Header
	*h = record.Header{Schema: record.SchemaVersion, Run: fmt.Sprintf("20260314T020000Z-%s-%d", slug(s.Name), s.Repeat),
		WallStart: wall.Add(time.Duration(s.Repeat) * time.Minute), Seed: s.Seed, Repeat: s.Repeat,
		Command: "hadrill run " + s.Name + fmt.Sprintf(" --seed %d", s.Seed),
		Images:  map[string]string{"redis": "hadrill.local/redis:8.0.2@sha256:0f3a"}, Versions: map[string]string{"hadrill": "0.1.0", "kernel": "6.18", "engine": "20.10.24"}}
	h.Lanes = []record.Lane{{Name: "writes", Protocol: "redis", Connection: "pooled", Rate: s.Rate},
		{Name: "fresh", Protocol: "redis", Connection: "fresh", Rate: s.Rate / 5},
		{Name: "echo", Protocol: "tcp", Connection: "pooled", Rate: 100, Control: true}}
	h.Scenario = record.Scenario{Name: s.Name, Row: s.Row, TwinOf: s.TwinOf, Profile: "quick", System: "redis sentinel, 1+2, 3 sentinels",
		Doc: "The primary dies under load; a replica takes over.", Config: "down-after=500ms min-replicas=1", Critical: 1,
		Duration: time.Duration(s.Seconds * 1e9), Resolution: 50 * time.Millisecond,
		SLO: record.SLO{Latency: 250 * time.Millisecond, Success: .99, Slice: 100 * time.Millisecond, Stable: 2 * time.Second},
		Objectives: []record.Objective{
			{Name: "availability.requests", Kind: record.KindAvailability, Unit: "ratio", Higher: true, Target: .9, Limit: .8},
			{Name: "rto", Kind: record.KindRTO, Unit: "s", Target: 3.5, Limit: 6},
			{Name: "lost", Kind: record.KindDurability, Unit: "ops", Target: 0, Limit: 0}}}
	if s.Fault != "" {
		h.Scenario.Faults = []record.FaultPlan{{ID: "1", Fault: s.Fault, Aim: "primary", At: time.Duration(s.At * 1e9)}}
	}
	if s.TwinOf != "" {
		h.Scenario.Expect = []string{"lost"}
	}
	operations(log, s, r)
	story(log, s)
	return log, result(log, s)
}

func slug(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c == '/' {
			b[i] = '-'
		}
	}
	return string(b)
}

func at(sec float64) record.Time { return record.Time((settle + sec) * 1e9) }

func operations(log *record.Log, s Shape, r *rand.Rand) {
	from, to := at(s.At), at(s.At+s.Outage)
	if s.Unrecovered {
		to = at(s.Seconds + 1)
	}
	for li, lane := range log.Header.Lanes {
		for i := 0; i < int(lane.Rate*s.Seconds); i++ {
			t := at(float64(i) / lane.Rate)
			lat := time.Duration(math.Exp(r.NormFloat64()*.35) * .8e6)
			if r.IntN(400) == 0 {
				lat += time.Duration(r.IntN(30)) * time.Millisecond
			}
			op := record.Op{Intended: t, Start: t + record.Time(r.IntN(60000)), Lane: uint8(li), Process: uint32(i % 50),
				Function: record.Add, Key: 1, Value: int64(i), Outcome: record.Ok}
			down := s.Fault != "" && !lane.Control && t >= from && t < to
			switch {
			case down && s.Hang:
				lat, op.Outcome, op.Error = time.Second, record.Info, 2
			case down && t < from.Add(20*time.Millisecond):
				lat, op.Outcome, op.Error = 20*time.Millisecond, record.Info, 2
			case down:
				lat, op.Outcome, op.Error = 300*time.Microsecond, record.Fail, 1
			case s.Fault != "" && !lane.Control && t >= to && t < to.Add(400*time.Millisecond):
				lat += time.Duration(float64(400*time.Millisecond) * (1 - float64(t-to)/4e8))
			}
			op.End = t.Add(lat)
			log.Ops = append(log.Ops, op)
		}
	}
	slices.SortStableFunc(log.Ops, func(a, b record.Op) int { return int(a.Intended - b.Intended) })
}

func story(log *record.Log, s Shape) {
	ev := func(e record.Event) { log.Events = append(log.Events, e) }
	for i, p := range []string{record.PhaseStart, record.PhaseSettle} {
		ev(record.Event{At: record.Time(i) * Second, Kind: record.EventPhase, Name: p})
	}
	ev(record.Event{At: at(0), Kind: record.EventPhase, Name: record.PhaseBaseline})
	for _, n := range []string{"r1", "r2", "r3"} {
		role := "replica"
		if n == "r1" {
			role = "primary"
		}
		ev(record.Event{At: Second, Kind: record.EventBelief, Node: n, Name: role, Text: "r1"})
	}
	if s.Fault != "" {
		t0, end := at(s.At), at(s.At+s.Outage)
		step := record.StepEffective
		if s.Unproven {
			step = record.StepUnproven
		}
		ev(record.Event{At: t0, Kind: record.EventPhase, Name: record.PhaseFault})
		ev(record.Event{At: t0 - 2e6, Kind: record.EventFault, Name: record.StepInjecting, Fault: "1", Node: "r1"})
		ev(record.Event{At: t0, Kind: record.EventFault, Name: step, Fault: "1", Node: "r1", How: "pidfd poll", Bracket: &record.Bracket{Before: t0 - 1e6, After: t0 + 2e6}})
		ev(record.Event{At: t0 + 95e6, Kind: record.EventNode, Name: "die", Node: "r1", Text: "exit 137"})
		if !s.Unrecovered {
			ev(record.Event{At: t0 + Second/2, Kind: record.EventDeclared, Node: "s1", Text: "+odown master mymaster #quorum 3/2"})
			ev(record.Event{At: end - Second/10, Kind: record.EventOwner, Node: "s1", Text: "+switch-master mymaster r1 r2"})
			ev(record.Event{At: end - Second/5, Kind: record.EventBelief, Node: "r2", Name: "primary", Text: "r2"})
			ev(record.Event{At: end + Second/5, Kind: record.EventBelief, Node: "r3", Name: "replica", Text: "r2"})
		}
		ev(record.Event{At: t0 + Second/5, Kind: record.EventRedundancy, Number: 2, Of: 3})
	}
	ev(record.Event{At: at(s.Seconds), Kind: record.EventPhase, Name: record.PhaseQuiesce})
	slices.SortStableFunc(log.Events, func(a, b record.Event) int { return int(a.At - b.At) })
}
