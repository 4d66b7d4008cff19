package check

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/hadrill/hadrill/runner/record"
)

// Timeline draws operations as text, one a line, in order of start:
//
//	process 3  write 7=2 ok   ├───┤             1.200000..1.200400 s
//	process 5  read 7=1 ok            ├─────┤   1.201000..1.201900 s
//
// The axis is ordinal: every distinct start and end has its own column, in
// order. So what overlaps on paper overlapped in the run, what does not did
// not, and idle time costs no width. An operation that never returned for
// sure (info) has an open end.
func Timeline(ops []record.Op) string {
	if len(ops) == 0 {
		return ""
	}
	ops = slices.Clone(ops)
	slices.SortStableFunc(ops, func(a, b record.Op) int {
		if a.Start != b.Start {
			return cmp.Compare(a.Start, b.Start)
		}
		return cmp.Compare(a.End, b.End)
	})
	var times []record.Time
	for i := range ops {
		times = append(times, ops[i].Start, ops[i].End)
	}
	slices.Sort(times)
	times = slices.Compact(times)
	step := max(1, min(4, 60/len(times)))
	column := func(t record.Time) int {
		i, _ := slices.BinarySearch(times, t)
		return min(i*step, 160) // a witness is small; a long one is cut, not wrapped
	}
	heads, width := make([]string, len(ops)), 0
	for i := range ops {
		heads[i] = fmt.Sprintf("process %d  %s", ops[i].Process, Describe(&ops[i]))
		width = max(width, len(heads[i]))
	}
	last := column(times[len(times)-1]) + 1
	var b strings.Builder
	for i := range ops {
		from, to := column(ops[i].Start), column(max(ops[i].Start, ops[i].End))
		bar := strings.Repeat(" ", from)
		switch {
		case ops[i].Outcome == record.Info:
			to = last + 1
			bar += "├" + strings.Repeat("┄", max(0, to-from-1)) + ">"
		case from == to:
			bar += "│"
		default:
			bar += "├" + strings.Repeat("─", to-from-1) + "┤"
		}
		fmt.Fprintf(&b, "%-*s  %-*s  %.6f..%.6f s\n", width, heads[i], last+2, bar, ops[i].Start.Seconds(), ops[i].End.Seconds())
	}
	return b.String()
}

// Describe says an operation in a few words, such as "write 7=2 ok".
func Describe(o *record.Op) string {
	switch o.Function {
	case record.Read, record.Dequeue:
		if o.Outcome != record.Ok {
			return fmt.Sprintf("%s %d %s", o.Function, o.Key, o.Outcome)
		}
		return fmt.Sprintf("%s %d=%s %s", o.Function, o.Key, value(o.Value), o.Outcome)
	case record.CompareAndSet:
		return fmt.Sprintf("cas %d: %s->%s %s", o.Key, value(o.Expect), value(o.Value), o.Outcome)
	case record.ReadSet, record.ReadList:
		return fmt.Sprintf("%s %d=%s %s", o.Function, o.Key, list(o.Values), o.Outcome)
	case record.Transfer:
		return fmt.Sprintf("transfer %d from %d to %d %s", o.Value, o.Key, o.Expect, o.Outcome)
	case record.Transaction:
		return fmt.Sprintf("txn {%s} %s", steps(o.Micro), o.Outcome)
	case record.Request:
		return fmt.Sprintf("request %s", o.Outcome)
	case record.Effect, record.Acquire:
		return fmt.Sprintf("%s %d token %s %s", o.Function, o.Key, value(o.Value), o.Outcome)
	case record.Release:
		return fmt.Sprintf("release %d %s", o.Key, o.Outcome)
	}
	return fmt.Sprintf("%s %d=%s %s", o.Function, o.Key, value(o.Value), o.Outcome)
}

func steps(micro []record.Micro) string {
	parts := make([]string, 0, len(micro))
	for i := range micro {
		m := &micro[i]
		switch m.Function {
		case record.ReadList:
			parts = append(parts, fmt.Sprintf("read %d=%s", m.Key, list(m.Values)))
		default:
			parts = append(parts, fmt.Sprintf("%s %d=%s", m.Function, m.Key, value(m.Value)))
		}
	}
	return strings.Join(parts, ", ")
}

func value(v int64) string {
	if v == record.Absent {
		return "nothing"
	}
	return fmt.Sprint(v)
}

// list writes the last few elements of a list: the end is where lists differ.
func list(vs []int64) string {
	const most = 6
	if len(vs) > most {
		tail := fmt.Sprint(vs[len(vs)-most:])
		return fmt.Sprintf("[%d more, %s", len(vs)-most, tail[1:])
	}
	return fmt.Sprint(vs)
}
