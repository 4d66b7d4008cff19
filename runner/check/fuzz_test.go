package check_test

import (
	"context"
	"encoding/binary"
	"testing"
	"time"

	"github.com/hadrill/hadrill/runner/check"
	"github.com/hadrill/hadrill/runner/record"
)

// FuzzChecks feeds every check histories that no client could have made:
// overlapping processes, negative times, repeated values, unknown functions
// and outcomes. None may panic, hang, or list findings without counting them.
func FuzzChecks(f *testing.F) {
	f.Add([]byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16})
	f.Add(make([]byte, 64))
	seed := make([]byte, 0, 400)
	for i := range 50 {
		seed = append(seed, byte(i*7), byte(i), byte(i%3), byte(i*5), byte(i%16), byte(i%4), byte(i*11), byte(i%2))
	}
	f.Add(seed)
	f.Fuzz(func(t *testing.T, data []byte) {
		log := arbitrary(data)
		for _, name := range check.Names() {
			c, err := check.Lookup(name)
			if err != nil {
				t.Fatal(err)
			}
			r, err := check.Run(context.Background(), c, log, check.Budget{Time: 10 * time.Second, Memory: 1 << 24})
			if err != nil && len(err.Error()) > 0 && r.Check != name {
				t.Fatalf("%s: %v without its name", name, err)
			}
			if containsPanic(err) {
				t.Fatalf("%s: %v", name, err)
			}
			if len(r.Findings) > r.Total || r.Total > 0 && r.Checked == 0 && len(r.Findings) == 0 {
				t.Fatalf("%s: %d findings listed, %d counted, %d checked", name, len(r.Findings), r.Total, r.Checked)
			}
		}
		check.Durability(log)
		check.Beliefs(log)
	})
}

func containsPanic(err error) bool {
	for ; err != nil; err = nil {
		for i := 0; i+8 <= len(err.Error()); i++ {
			if err.Error()[i:i+8] == "panicked" {
				return true
			}
		}
	}
	return false
}

// arbitrary reads eight bytes an operation.
func arbitrary(data []byte) *record.Log {
	log := &newHistory().log
	nodes := []string{"a", "b", ""}
	for ; len(data) >= 8 && len(log.Ops) < 200; data = data[8:] {
		b := data[:8]
		o := record.Op{Start: record.Time(int8(b[0])) * 10, Process: uint32(b[1] % 5), Key: uint64(b[2] % 3), Value: int64(b[3] % 8),
			Expect: int64(b[6] % 8), Function: record.Function(b[4] % 18), Outcome: record.Outcome(b[5] % 5), Lane: b[7] % 4}
		o.Intended, o.End = o.Start, o.Start+record.Time(int8(b[6]))
		if b[3] == 0xff {
			o.Value = record.Absent
		}
		for i := range int(b[7] >> 4) {
			o.Values = append(o.Values, int64(b[i%8]%8))
			o.Micro = append(o.Micro, record.Micro{Function: record.Function(binary.LittleEndian.Uint16(b[i%7:]) % 18), Key: uint64(b[i%8] % 3), Value: int64(b[(i+1)%8] % 8), Values: o.Values})
		}
		log.Ops = append(log.Ops, o)
		kinds := []record.EventKind{record.EventBelief, record.EventFault, record.EventNode}
		names := []string{"primary", "replica", "unknown", "die", record.StepEffective, record.StepHealed}
		log.Events = append(log.Events, record.Event{At: o.Start, Kind: kinds[b[0]%3], Name: names[b[1]%6], Node: nodes[b[2]%3], Fault: "1"})
	}
	log.Header.Scenario.Faults = []record.FaultPlan{{ID: "1", Fault: "pause"}}
	return log
}
