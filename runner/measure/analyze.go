package measure

import (
	"slices"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/hadrill/hadrill/runner/record"
)

// analysis is one run under analysis: the log, what was derived from it so
// far, and the result that grows.
type analysis struct {
	log        *record.Log
	evidence   record.Evidence
	result     *record.Result
	slo        record.SLO
	resolution time.Duration
	end        record.Time // last instant of the log

	ops           []record.Op // in order of Intended
	judged        []bool      // by lane
	run, baseline span
	all           *series   // every judged lane
	lanes         []*series // by lane; nil where there is no operation
	latencies     latencies // every judged lane
	byLane        []latencies
	acknowledged  *hdrhistogram.Histogram // of acknowledged writes of the judged lanes
	lag           lag                     // of the judged lanes
	controlLag    lag                     // of the control lanes
	noise         time.Duration           // what timings may be off by
	invalid       string                  // why the whole run is void; "" when it is not

	band      band
	incidents []record.Incident
	proofs    []*proof
	disorder  int // incidents whose marks are out of order
}

// Analyze derives everything that can be said of one run from its log and
// from what the checks found in it. It is deterministic, does not change its
// arguments and is safe for concurrent use. The result's Findings and Ledger
// share memory with the evidence.
func Analyze(log *record.Log, evidence record.Evidence) *record.Result {
	h := log.Header
	a := &analysis{
		log: log, evidence: evidence, slo: withDefaults(h.Scenario.SLO),
		resolution: h.Scenario.Resolution, end: logEnd(log),
		result: &record.Result{
			Schema: record.SchemaVersion, Run: h.Run, WallStart: h.WallStart, Repeat: h.Repeat,
			Scenario: h.Scenario, Ledger: evidence.Ledger, Findings: evidence.Findings, Checks: evidence.Checks,
			Seed: h.Seed, Command: h.Command, Images: h.Images, Versions: h.Versions, Truncated: log.Truncated,
			Judgements: []record.Judgement{}, Figures: []record.Figure{}, Lanes: []record.LaneStat{},
		},
	}
	if a.resolution <= 0 {
		a.resolution = defaultResolution
	}
	a.result.Phases = phases(log, a.end)
	a.run, a.baseline = loadWindow(log, a.result.Phases)
	a.read()
	a.band = a.baselineBand()
	a.proofs = readProofs(log)
	a.incidents = incidents(a.proofs, a.run)
	a.mark()
	a.result.Incidents = a.incidents
	a.spread()
	a.calibrate()
	a.figures()
	a.judge()
	a.grade()
	return a.result
}

// counts tells whether an operation is judged by its lane.
func (a *analysis) counts(op *record.Op) bool {
	return int(op.Lane) < len(a.judged) && a.judged[op.Lane]
}

// read sorts the operations of the window into columns and tallies the lanes.
func (a *analysis) read() {
	a.ops = a.log.Ops
	if !slices.IsSortedFunc(a.ops, byIntended) {
		a.ops = slices.Clone(a.ops)
		slices.SortStableFunc(a.ops, byIntended)
	}
	lanes := a.log.Header.Lanes
	sizes := make([]int, len(lanes))
	total := 0
	for i := range a.ops {
		if op := &a.ops[i]; a.run.has(op.Intended) && int(op.Lane) < len(lanes) {
			sizes[op.Lane]++
		}
	}
	a.judged = make([]bool, len(lanes))
	a.lanes = make([]*series, len(lanes))
	a.result.Lanes = make([]record.LaneStat, len(lanes))
	for i, l := range lanes {
		a.judged[i] = judgedLane(l)
		a.lanes[i] = newSeries(sizes[i])
		a.result.Lanes[i].Lane = l
		if a.judged[i] {
			total += sizes[i]
		}
	}
	a.all = newSeries(total)
	a.acknowledged = hdrhistogram.New(shortest, longest, digits)
	perLane := make([][]int, len(lanes))
	classes := make([]int, len(a.log.Errors))
	for i := range a.ops {
		op := &a.ops[i]
		if !a.run.has(op.Intended) || int(op.Lane) >= len(lanes) || outside(lanes[op.Lane]) {
			continue
		}
		if op.Error > 0 && int(op.Error) < len(classes) {
			classes[op.Error]++
			if perLane[op.Lane] == nil {
				perLane[op.Lane] = make([]int, len(classes))
			}
			perLane[op.Lane][op.Error]++
		}
		tally(&a.result.Lanes[op.Lane], op, a.slo.Latency)
		if lanes[op.Lane].Control {
			a.lanes[op.Lane].add(op, 0) // an answer is an answer: no SLO binds the echo server
			a.controlLag.add(op, a.resolution)
			continue
		}
		a.lanes[op.Lane].add(op, a.slo.Latency)
		if a.judged[op.Lane] {
			a.all.add(op, a.slo.Latency)
			a.lag.add(op, a.resolution)
			if acknowledges(op) {
				_ = a.acknowledged.RecordValue(min(max(0, int64(op.End-op.Intended)), longest)) // in range by construction
			}
		}
	}
	a.all.finish()
	var control []*series
	for i, s := range a.lanes {
		s.finish()
		if lanes[i].Control {
			control = append(control, s)
		}
		for class, n := range perLane[i] {
			if n > 0 {
				if a.result.Lanes[i].Errors == nil {
					a.result.Lanes[i].Errors = map[string]int{}
				}
				a.result.Lanes[i].Errors[a.log.Errors[class]] += n
			}
		}
	}
	a.instrument(control, classes)
}

func byIntended(x, y record.Op) int {
	switch {
	case x.Intended < y.Intended:
		return -1
	case x.Intended > y.Intended:
		return 1
	}
	return 0
}

func tally(l *record.LaneStat, op *record.Op, slo time.Duration) {
	l.Intended++
	if isGood(op, slo) {
		l.Good++
	}
	switch op.Outcome {
	case record.Ok:
		l.Ok++
	case record.Degraded:
		l.Degraded++
	case record.Fail:
		l.Fail++
	default: // what nobody finished is unknown, as Info is
		l.Info++
	}
	l.Max = max(l.Max, op.End.Sub(op.Intended).Seconds())
	l.MaxLag = max(l.MaxLag, op.Start.Sub(op.Intended).Seconds())
}

// spread fills the latency histograms, which need the incidents' spans.
func (a *analysis) spread() {
	a.latencies = newLatencies()
	a.byLane = make([]latencies, len(a.lanes))
	disturbed := a.disturbed()
	for i, s := range a.lanes {
		if s.len() == 0 {
			continue
		}
		l := newLatencies()
		l.fill(s, a.run, disturbed)
		a.byLane[i] = l
		if a.judged[i] {
			for p := range l {
				a.latencies[p].Merge(l[p])
			}
		}
		stat := &a.result.Lanes[i]
		stat.P50, _, _ = l.quantile(whole, 50)
		stat.P99, _, _ = l.quantile(whole, 99)
		stat.P999, _, _ = l.quantile(whole, 99.9)
	}
}
