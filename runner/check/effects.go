package check

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/hadrill/hadrill/runner/record"
)

// The names of the checks of what jobs do.
const (
	ExactlyOnce = "exactly-once"
	Fencing     = "fencing"
)

func init() {
	register(ExactlyOnce, "every acknowledged job took effect exactly once", exactlyOnce)
	register(Fencing, "no effect was accepted from an owner after one from its successor, and no token was given out twice", fencing)
}

// exactlyOnce counts the effects of each job. A job is due when its Enqueue
// was acknowledged (Value is the job); an Effect's Key is its job. If the
// definitive lane holds Effects (the rows of the effects' table, read back),
// they are the truth; otherwise the acknowledged effects are.
func exactlyOnce(ctx context.Context, log *record.Log, _ Budget) (Report, error) {
	r := Report{Check: ExactlyOnce, Guarantee: "every acknowledged job took effect exactly once"}
	type job struct {
		due, attempted bool
		effects        []uint32
		asked          uint32
		possible       int // effects of unknown outcome
	}
	jobs := map[uint64]*job{}
	of := func(k uint64) *job {
		if jobs[k] == nil {
			jobs[k] = &job{}
		}
		return jobs[k]
	}
	truth := readBackEffects(log)
	enqueued := false
	p := poll{ctx: ctx}
	for i := range log.Ops {
		if err := p.stopped(); err != nil {
			return r, err
		}
		o := &log.Ops[i]
		if !judged(&log.Header, o) {
			continue
		}
		switch {
		case o.Function == record.Enqueue:
			enqueued = true
			j := of(uint64(o.Value))
			j.attempted, j.asked = true, uint32(i)
			j.due = j.due || o.Outcome == record.Ok
		case o.Function == record.Effect && truth != definitive(&log.Header, o):
		case o.Function == record.Effect && o.Outcome == record.Ok:
			j := of(o.Key)
			j.effects = append(j.effects, uint32(i))
		case o.Function == record.Effect && o.Outcome == record.Info:
			of(o.Key).possible++
		}
	}
	for _, k := range sortedKeys(jobs) {
		j := jobs[k]
		if j.due || len(j.effects) > 0 {
			r.Checked++
		}
		ops := make([]record.Op, 0, len(j.effects)+1)
		if j.attempted {
			ops = append(ops, log.Ops[j.asked])
		}
		for _, i := range j.effects {
			ops = append(ops, log.Ops[i])
		}
		f := record.Finding{Witness: ops}
		f.From, f.To = span(ops)
		switch {
		case len(j.effects) > 1:
			f.Name, f.Text = "double effect", fmt.Sprintf("job %d took effect %d times", k, len(j.effects))
		case j.due && len(j.effects)+j.possible == 0:
			f.Name, f.Text = "missing effect", fmt.Sprintf("job %d was acknowledged and never took effect", k)
		case enqueued && !j.attempted:
			f.Name, f.Text = "phantom effect", fmt.Sprintf("job %d took effect and was never asked for", k)
		default:
			continue
		}
		r.add(f)
	}
	if !enqueued {
		r.Guarantee = "no job took effect more than once (the log does not say which jobs were due)"
	}
	return r, nil
}

// readBackEffects reports whether the log holds the effects as read back.
func readBackEffects(log *record.Log) bool {
	for i := range log.Ops {
		if log.Ops[i].Function == record.Effect && definitive(&log.Header, &log.Ops[i]) {
			return true
		}
	}
	return false
}

func sortedKeys[V any](m map[uint64]V) []uint64 {
	keys := make([]uint64, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// fencing checks the tokens (Kleppmann, "How to do distributed locking", 2016;
// Burrows, "The Chubby lock service", OSDI 2006: sequencers). Of two effects
// accepted one after the other, the later must not carry the smaller token;
// and of two acquisitions of a lock, the later must carry the greater one.
// Effects read back in the definitive lane stand in the order in which they
// were made; then that order counts, and the other effects do not.
func fencing(ctx context.Context, log *record.Log, _ Budget) (Report, error) {
	r := Report{Check: Fencing, Guarantee: "tokens of accepted effects, and of each lock's holds, never went back"}
	var effects []*record.Op
	holds := map[uint64][]*record.Op{}
	truth := readBackEffects(log)
	var greatest *record.Op
	p := poll{ctx: ctx}
	for i := range log.Ops {
		if err := p.stopped(); err != nil {
			return r, err
		}
		o := &log.Ops[i]
		if o.Outcome != record.Ok || !judged(&log.Header, o) {
			continue
		}
		switch o.Function {
		case record.Effect:
			if truth {
				if !definitive(&log.Header, o) {
					continue
				}
				r.Checked++
				if greatest != nil && o.Value < greatest.Value {
					r.stale(greatest, o)
				} else {
					greatest = o
				}
				continue
			}
			effects = append(effects, o)
		case record.Acquire:
			holds[o.Key] = append(holds[o.Key], o)
		}
	}
	r.Checked += len(effects)
	tokensRise(effects, false, r.stale)
	for _, k := range sortedKeys(holds) {
		r.Checked += len(holds[k])
		tokensRise(holds[k], true, func(before, after *record.Op) {
			r.addPair("token reused", fmt.Sprintf("lock %d was given out with token %d after token %d", k, after.Value, before.Value), before, after)
		})
	}
	return r, nil
}

func (r *Report) stale(before, after *record.Op) {
	r.addPair("stale token", fmt.Sprintf("an effect with token %d was accepted after one with token %d", after.Value, before.Value), before, after)
}

func (r *Report) addPair(name, text string, ops ...*record.Op) {
	f := record.Finding{Name: name, Text: text}
	for _, o := range ops {
		f.Witness = append(f.Witness, *o)
	}
	f.From, f.To = span(f.Witness)
	r.add(f)
}

// tokensRise calls broken for every operation that began after one with a
// greater token had ended (strictly: a greater or the same token).
func tokensRise(ops []*record.Op, strictly bool, broken func(before, after *record.Op)) {
	ends := slices.Clone(ops)
	slices.SortStableFunc(ops, func(a, b *record.Op) int { return cmp.Compare(a.Start, b.Start) })
	slices.SortStableFunc(ends, func(a, b *record.Op) int { return cmp.Compare(a.End, b.End) })
	e := 0
	var greatest *record.Op // of those that have ended
	for _, o := range ops {
		for ; e < len(ends) && ends[e].End < o.Start; e++ {
			if greatest == nil || ends[e].Value > greatest.Value {
				greatest = ends[e]
			}
		}
		if greatest != nil && (o.Value < greatest.Value || strictly && o.Value == greatest.Value) {
			broken(greatest, o)
		}
	}
}
