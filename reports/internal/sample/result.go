package sample

import (
	"fmt"

	"github.com/hadrill/hadrill/runner/record"
)

func ptr(v float64) *float64 { return &v }

// result states what a correct analysis would say of the shape.
func result(log *record.Log, s Shape) *record.Result {
	h := log.Header
	res := &record.Result{Schema: h.Schema, Run: h.Run, WallStart: h.WallStart, Repeat: h.Repeat, Scenario: h.Scenario,
		Seed: h.Seed, Command: h.Command, Images: h.Images, Versions: h.Versions,
		Phases: []record.Phase{{Name: record.PhaseStart, From: 0, To: Second}, {Name: record.PhaseSettle, From: Second, To: at(0)},
			{Name: record.PhaseBaseline, From: at(0), To: at(s.At)}, {Name: record.PhaseFault, From: at(s.At), To: at(s.At + 1)},
			{Name: record.PhaseRecovery, From: at(s.At + 1), To: at(s.Seconds)}, {Name: record.PhaseQuiesce, From: at(s.Seconds), To: at(s.Seconds + 1)}},
		Instrument: record.Instrument{WorstGap: .012, Resolution: .05, Quiet: true, MaxLag: .003, CPUSteal: .01, Calibration: ptr(.008)}}
	good, total := 0, 0
	for li, lane := range h.Lanes {
		st := record.LaneStat{Lane: lane, P50: .0008, P99: .0021, P999: .031, Max: 1, MaxLag: .003}
		for i := range log.Ops {
			if op := &log.Ops[i]; int(op.Lane) == li {
				st.Intended++
				switch op.Outcome {
				case record.Ok:
					st.Ok++
				case record.Fail:
					st.Fail++
				default:
					st.Info++
				}
				if op.Outcome == record.Ok && op.End.Sub(op.Intended) <= h.Scenario.SLO.Latency {
					st.Good++
				}
			}
		}
		if st.Fail > 0 {
			st.Errors = map[string]int{"connection refused": st.Fail}
		}
		if !lane.Control {
			good, total = good+st.Good, total+st.Intended
		}
		res.Lanes = append(res.Lanes, st)
	}
	incidents(res, s)
	res.Ledger = &record.Ledger{Acknowledged: good, Present: good - s.Lost, Lost: s.Lost, Unknown: 12, InWindow: good / 2, Definitive: true}
	for i := 0; i < min(s.Lost, 20); i++ {
		op := log.Ops[len(log.Ops)/3+i]
		op.Outcome = record.Ok
		res.Ledger.FirstLost = append(res.Ledger.FirstLost, op)
	}
	if s.Lost > 0 {
		res.Ledger.RPOSeconds, res.Ledger.SplitBrain = .8, 2.4
		res.Findings = []record.Finding{{Check: "no-lost-writes", Name: "lost write", Text: fmt.Sprintf("%d acknowledged writes are absent from the definitive read", s.Lost),
			From: at(s.At), To: at(s.At + 1), Nodes: []string{"r1"}, Witness: res.Ledger.FirstLost[:1], Picture: "p7  |--add 4711 ok--|\nend                     |--read-set: 4711 absent--|"}}
	}
	judge(res, s, float64(good)/max(1, float64(total)))
	return res
}

func incidents(res *record.Result, s Shape) {
	if s.Fault == "" {
		return
	}
	t0, end := at(s.At), at(s.At+s.Outage)
	in := record.Incident{Fault: res.Scenario.Faults[0], Nodes: []string{"r1"}, Bracket: record.Bracket{Before: t0 - 1e6, After: t0 + 2e6},
		How: "pidfd poll", Proven: !s.Unproven, HealedAt: record.Never,
		Marks: record.Marks{T0: t0 - 1e6, T1: t0, T2: t0 + Second/2, T3: end - Second/10, T4: end, T5: end + Second/2, T6: end + Second, T7: record.Never}}
	rto := s.Outage + .501
	in.Detect, in.Failover, in.Reconnect, in.Settle, in.RTO = ptr(.501), ptr(s.Outage-.6), ptr(.1), ptr(.5), ptr(rto)
	in.Outage, in.Steady = ptr(s.Outage), ptr(s.Outage+1)
	if s.Unrecovered {
		n := record.Never
		in.Marks = record.Marks{T0: t0 - 1e6, T1: t0, T2: n, T3: n, T4: n, T5: n, T6: n, T7: n}
		in.Detect, in.Failover, in.Reconnect, in.Settle, in.Steady = nil, nil, nil, nil, nil
		in.RTO, in.Censored = ptr(s.Seconds-s.At), true
	}
	res.Incidents = []record.Incident{in}
}

func judge(res *record.Result, s Shape, avail float64) {
	add := func(i int, v *float64, censored bool, verdict record.Verdict, why string) {
		n := 0
		if v != nil {
			n = 1
		}
		res.Judgements = append(res.Judgements, record.Judgement{Objective: res.Scenario.Objectives[i], Value: v, Censored: censored,
			Samples: n, Verdict: verdict, Reason: why, Quality: .95})
	}
	if s.Seconds == 0 {
		for i := range res.Scenario.Objectives {
			add(i, nil, false, record.Vacuous, "no operation was made")
		}
		res.Verdict, res.Reason, res.Ledger, res.Incidents = record.Vacuous, "no operation was made", nil, nil
		return
	}
	pick := func(ok bool) record.Verdict {
		switch {
		case s.Unproven:
			return record.Inconclusive
		case ok:
			return record.Pass
		}
		return record.Failed
	}
	rto, censored := 0.0, s.Unrecovered
	if len(res.Incidents) > 0 {
		rto = *res.Incidents[0].RTO
	}
	add(0, &avail, false, pick(avail >= .8), "measured")
	add(1, &rto, censored, pick(rto <= 6 && !censored), "measured")
	add(2, ptr(float64(s.Lost)), false, pick(s.Lost == 0), "measured")
	for _, j := range res.Judgements {
		res.Verdict = record.Worst(res.Verdict, j.Verdict)
	}
	res.Reason = map[record.Verdict]string{record.Pass: "every promise was kept", record.Failed: "a promise was broken",
		record.Inconclusive: "the fault was not proven to be effective"}[res.Verdict]
	if s.TwinOf != "" {
		res.Caught = &record.Caught{Caught: s.Lost > 0, Expected: []string{"lost"}, Failed: []string{"lost"}}
		if s.Lost == 0 {
			res.Caught.Failed = nil
		}
		return
	}
	switch res.Verdict {
	case record.Pass:
		res.Score = ptr(97.4 - float64(s.Repeat%3)*1.7)
	case record.Failed:
		res.Score = ptr(31)
		res.Caps = append(res.Caps, record.Cap{Letter: "D", Reason: "past its limit: rto > 8 s"})
	default:
		res.Caps = append(res.Caps, record.Cap{Letter: "U", Reason: "inconclusive: " + res.Reason})
	}
}

// The shapes that the tests use most.
var (
	Null     = Shape{Name: "nginx-upstream/null", Row: "entry/nginx-upstream", Rate: 500, Seconds: 10, Seed: 1}
	Failover = Shape{Name: "redis-sentinel/primary-kill", Row: "cache/redis-sentinel", Rate: 500, Seconds: 20, Fault: "kill", At: 5, Outage: 1.6, Seed: 2}
	Twin     = Shape{Name: "redis-sentinel/primary-partition-unguarded", Row: "cache/redis-sentinel", TwinOf: "redis-sentinel/primary-kill",
		Rate: 500, Seconds: 20, Fault: "partition", At: 5, Outage: 2.2, Lost: 137, Seed: 3}
	MissedTwin = Shape{Name: "rabbitmq/auto-ack", Row: "mq/rabbitmq", TwinOf: "rabbitmq/leader-kill", Rate: 200, Seconds: 10, Fault: "kill", At: 3, Outage: 1, Seed: 4}
	Doubtful   = Shape{Name: "entry-vip/pause", Row: "entry/vip", Rate: 200, Seconds: 12, Fault: "pause", At: 4, Outage: 1, Hang: true, Unproven: true, Seed: 5}
	Dead       = Shape{Name: "etcd/quorum-loss", Row: "gateway/discovery", Rate: 200, Seconds: 12, Fault: "kill", At: 4, Hang: true, Unrecovered: true, Seed: 6}
	Empty      = Shape{Name: "empty/nothing", Row: "monitor/host", Seed: 7}
)

// All lists them.
func All() []Shape { return []Shape{Null, Failover, Twin, MissedTwin, Doubtful, Dead, Empty} }
