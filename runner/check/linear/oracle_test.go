package linear

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/anishathalye/porcupine"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hadrill/hadrill/runner/record"
)

// The exact tests of this package are compared with an independent search
// (Porcupine, with a nondeterministic model for unknown outcomes) over many
// small random histories, right ones and wrong ones.

const absent = record.Absent

// model is a sequential object for Porcupine; its state is a string.
type model func(state string, o *record.Op) []string

func encode(vs ...int64) string { return fmt.Sprint(vs) }

func decode(s string) []int64 {
	var vs []int64
	for _, f := range splitFields(s[1 : len(s)-1]) {
		var v int64
		_, _ = fmt.Sscan(f, &v)
		vs = append(vs, v)
	}
	return vs
}

func splitFields(s string) []string {
	var out []string
	for len(s) > 0 {
		i := slices.Index([]byte(s), ' ')
		if i < 0 {
			return append(out, s)
		}
		out, s = append(out, s[:i]), s[i+1:]
	}
	return out
}

func registerModel(state string, o *record.Op) []string {
	v := decode(state)[0]
	switch {
	case o.Function == record.Read:
		if o.Value == v {
			return []string{state}
		}
		return nil
	case o.Function == record.CompareAndSet && o.Expect != v:
		return nil
	}
	return []string{encode(o.Value)}
}

func setModel(state string, o *record.Op) []string {
	vs := decode(state)
	if o.Function == record.ReadSet {
		got := slices.Clone(o.Values)
		slices.Sort(got)
		if slices.Equal(got, vs) {
			return []string{state}
		}
		return nil
	}
	vs = append(vs, o.Value)
	slices.Sort(vs)
	return []string{encode(vs...)}
}

func queueModel(state string, o *record.Op) []string {
	vs := decode(state)
	switch {
	case o.Function == record.Enqueue:
		return []string{encode(append(vs, o.Value)...)}
	case o.Outcome == record.Info && o.Value == absent:
		if len(vs) == 0 {
			return nil
		}
		return []string{encode(vs[1:]...)}
	case o.Value == absent:
		if len(vs) == 0 {
			return []string{state}
		}
		return nil
	case len(vs) > 0 && vs[0] == o.Value:
		return []string{encode(vs[1:]...)}
	}
	return nil
}

func lockModel(state string, o *record.Op) []string {
	holder := decode(state)[0]
	switch {
	case o.Function == record.Acquire && holder == 0:
		return []string{encode(int64(o.Process))}
	case o.Function == record.Release && holder == int64(o.Process):
		return []string{encode(0)}
	}
	return nil
}

func byPorcupine(m model, initial string, ops []*record.Op) bool {
	nd := porcupine.NondeterministicModel{
		Init: func() []any { return []any{initial} },
		Step: func(state, input, _ any) []any {
			o := input.(*record.Op)
			var out []any
			for _, s := range m(state.(string), o) {
				out = append(out, s)
			}
			if o.Outcome == record.Info {
				out = append(out, state)
			}
			return out
		},
		Equal: func(a, b any) bool { return a == b },
	}
	var history []porcupine.Operation
	for _, o := range ops {
		switch {
		case o.Outcome == record.Fail, o.Outcome == record.Info && (o.Function == record.Read || o.Function == record.ReadSet):
			continue
		}
		history = append(history, porcupine.Operation{ClientId: int(o.Process), Input: o, Call: int64(o.Start), Return: int64(end(o))})
	}
	return porcupine.CheckOperations(nd.ToModel(), history)
}

// scatter gives operations, listed in the order in which they take effect,
// random intervals around that instant; one process never overlaps itself.
func scatter(r *rand.Rand, ops []record.Op) []*record.Op {
	last := map[uint32]record.Time{}
	out := make([]*record.Op, len(ops))
	for i := range ops {
		at := record.Time(10 * (i + 1))
		o := &ops[i]
		o.Start = max(at-record.Time(r.IntN(40)), last[o.Process]+1)
		o.Start = min(o.Start, at)
		o.End = at + record.Time(r.IntN(9))
		if next := slices.IndexFunc(ops[i+1:], func(x record.Op) bool { return x.Process == o.Process }); next != 0 {
			room := 60
			if next > 0 {
				room = 10 * next
			}
			o.End = at + record.Time(r.IntN(room))
		}
		last[o.Process] = o.End
		out[i] = o
	}
	return out
}

// unknowns makes some outcomes unknown.
func unknowns(r *rand.Rand, ops []*record.Op) {
	for _, o := range ops {
		if r.IntN(5) == 0 {
			o.Outcome = record.Info
		}
	}
}

type object struct {
	name     string
	model    model
	initial  string
	check    func(context.Context, []*record.Op) (*Violation, error)
	generate func(*rand.Rand) []record.Op
	spoil    func(*rand.Rand, []*record.Op)
}

func swapTimes(r *rand.Rand, ops []*record.Op) {
	a, b := ops[r.IntN(len(ops))], ops[r.IntN(len(ops))]
	a.Start, a.End, b.Start, b.End = b.Start, b.End, a.Start, a.End
}

func swapValues(f record.Function) func(*rand.Rand, []*record.Op) {
	return func(r *rand.Rand, ops []*record.Op) {
		var of []*record.Op
		for _, o := range ops {
			if o.Function == f {
				of = append(of, o)
			}
		}
		if len(of) > 1 {
			a, b := of[r.IntN(len(of))], of[r.IntN(len(of))]
			a.Value, b.Value, a.Values, b.Values = b.Value, a.Value, b.Values, a.Values
		}
	}
}

var objects = []object{
	{"register", registerModel, encode(absent), Register, registers(1 << 40), swapValues(record.Read)},
	{"register with repeated values", registerModel, encode(absent), Register, registers(3), swapValues(record.Read)},
	{"set", setModel, encode(), Set, func(r *rand.Rand) []record.Op {
		var ops []record.Op
		var in []int64
		for i := range 3 + r.IntN(7) {
			o := record.Op{Process: uint32(r.IntN(4)), Function: record.Add, Value: int64(i + 1), Outcome: record.Ok}
			if r.IntN(2) == 0 {
				o.Function, o.Values = record.ReadSet, slices.Clone(in)
			} else {
				in = append(in, o.Value)
			}
			ops = append(ops, o)
		}
		return ops
	}, swapValues(record.ReadSet)},
	{"queue", queueModel, encode(), Queue, func(r *rand.Rand) []record.Op {
		var ops []record.Op
		var in []int64
		for i := range 3 + r.IntN(8) {
			o := record.Op{Process: uint32(r.IntN(4)), Function: record.Enqueue, Value: int64(i + 1), Outcome: record.Ok}
			if r.IntN(2) == 0 {
				o.Function, o.Value = record.Dequeue, absent
				if len(in) > 0 {
					o.Value, in = in[0], in[1:]
				}
			} else {
				in = append(in, o.Value)
			}
			ops = append(ops, o)
		}
		return ops
	}, swapValues(record.Dequeue)},
	{"lock", lockModel, encode(0), Lock, func(r *rand.Rand) []record.Op {
		var ops []record.Op
		for range 2 + r.IntN(4) {
			p := uint32(1 + r.IntN(3))
			ops = append(ops, record.Op{Process: p, Function: record.Acquire, Outcome: record.Ok},
				record.Op{Process: p, Function: record.Release, Outcome: record.Ok})
		}
		return ops
	}, swapTimes},
}

func registers(values int64) func(*rand.Rand) []record.Op {
	return func(r *rand.Rand) []record.Op {
		var ops []record.Op
		v := absent
		for i := range 3 + r.IntN(8) {
			o := record.Op{Process: uint32(r.IntN(4)), Outcome: record.Ok}
			next := 1 + int64(i)%values
			switch r.IntN(3) {
			case 0:
				o.Function, o.Value = record.Read, v
			case 1:
				o.Function, o.Value = record.Write, next
				v = next
			default:
				o.Function, o.Expect, o.Value = record.CompareAndSet, v, next
				v = next
			}
			ops = append(ops, o)
		}
		return ops
	}
}

func TestAgreesWithAnIndependentSearch(t *testing.T) {
	rounds := 20000
	if testing.Short() {
		rounds = 2000
	}
	for _, obj := range objects {
		t.Run(obj.name, func(t *testing.T) {
			t.Parallel()
			right, wrong := 0, 0
			for seed := range rounds {
				r := rand.New(rand.NewPCG(uint64(seed), 7))
				ops := scatter(r, obj.generate(r))
				switch seed % 4 {
				case 1:
					obj.spoil(r, ops)
				case 2:
					swapTimes(r, ops)
				case 3:
					obj.spoil(r, ops)
					if obj.name != "lock" { // a hold whose end is unknown is a lease here, not a lock for ever
						unknowns(r, ops)
					}
				}
				if obj.name == "lock" && selfOverlap(ops) {
					continue
				}
				if obj.name == "queue" {
					for _, o := range ops {
						if o.Function == record.Dequeue && o.Outcome == record.Info {
							o.Value = absent
						}
					}
				}
				v, err := obj.check(context.Background(), ops)
				require.NoError(t, err)
				want := byPorcupine(obj.model, obj.initial, ops)
				if want {
					right++
				} else {
					wrong++
				}
				if (v == nil) != want {
					if v == nil && obj.name == "queue" && emptyBesideUnknown(ops) {
						continue // the one documented case of doubt
					}
					t.Fatalf("seed %d: search says linearizable=%v, exact test says %+v\n%s", seed, want, v, dump(ops))
				}
				if v != nil {
					assert.NotEmpty(t, v.Witness)
					sub := make([]*record.Op, len(v.Witness))
					for i := range v.Witness {
						sub[i] = &v.Witness[i]
					}
					again, err := obj.check(context.Background(), sub)
					require.NoError(t, err)
					if again == nil && v.Name != "release of a lock not held" {
						t.Fatalf("seed %d: the witness alone proves nothing: %+v\n%s", seed, v, dump(ops))
					}
				}
			}
			t.Logf("%d linearizable, %d not", right, wrong)
			assert.Greater(t, min(right, wrong), rounds/20, "both kinds must be exercised")
		})
	}
}

func emptyBesideUnknown(ops []*record.Op) bool {
	unknown, empty := false, false
	for _, o := range ops {
		if o.Function == record.Dequeue && o.Value == absent {
			unknown = unknown || o.Outcome == record.Info
			empty = empty || o.Outcome == record.Ok
		}
	}
	return unknown && empty
}

func selfOverlap(ops []*record.Op) bool {
	s := slices.Clone(ops)
	slices.SortFunc(s, func(a, b *record.Op) int {
		return cmp.Or(cmp.Compare(a.Process, b.Process), cmp.Compare(a.Start, b.Start))
	})
	for i := 1; i < len(s); i++ {
		if s[i].Process == s[i-1].Process && s[i].Start <= s[i-1].End {
			return true
		}
	}
	return false
}

func dump(ops []*record.Op) string {
	s := ""
	for _, o := range ops {
		s += fmt.Sprintf("p%d %s %s value %d expect %d values %v [%d, %d]\n", o.Process, o.Function, o.Outcome, o.Value, o.Expect, o.Values, o.Start, o.End)
	}
	return s
}
