package cycle

import (
	"fmt"

	"github.com/hadrill/hadrill/runner/record"
)

// perName is how many anomalies of one name are kept with their witness.
const perName = 10

// The anomalies that need no graph.
const (
	G1a               = "G1a"
	G1b               = "G1b"
	LostUpdate        = "lost update"
	Internal          = "internal"
	IncompatibleOrder = "incompatible order"
	DuplicateElements = "duplicate elements"
	Phantom           = "phantom"
)

// findings collects anomalies: all are counted, the first few kept.
type findings struct {
	list      []Anomaly
	counts    map[string]int
	ambiguous int // objects whose values repeat
}

func newFindings() *findings { return &findings{counts: map[string]int{}} }

func (f *findings) add(h *History, name, text string, txns ...uint32) {
	f.counts[name]++
	if f.counts[name] > perName {
		return
	}
	a := Anomaly{Name: name, Text: text}
	for _, t := range txns {
		a.Witness = append(a.Witness, h.resolve(int(h.txns[t].index)))
	}
	f.list = append(f.list, a)
}

func (o *object) String() string {
	if o.list {
		return fmt.Sprintf("list %d", o.key)
	}
	return fmt.Sprintf("register %d", o.key)
}

func (f *findings) aborted(h *History, o *object, writer, reader uint32, value int64) {
	f.add(h, G1a, fmt.Sprintf("%s: %d was read, but the transaction that wrote it was aborted", o, value), writer, reader)
}

func (f *findings) intermediate(h *History, o *object, writer, reader uint32, value int64) {
	f.add(h, G1b, fmt.Sprintf("%s: a read ends with %d, which its transaction itself went on to supersede", o, value), writer, reader)
}

func (f *findings) lostUpdate(h *History, o *object, a, b uint32) {
	f.add(h, LostUpdate, fmt.Sprintf("%s: two transactions read the same version and both wrote", o), a, b)
}

func (f *findings) internal(h *History, t uint32, m *record.Micro) {
	f.add(h, Internal, fmt.Sprintf("%s of %d contradicts what the same transaction read or wrote before", m.Function, m.Key), t)
}

func (f *findings) incompatible(h *History, o *object, t uint32) {
	f.add(h, IncompatibleOrder, fmt.Sprintf("%s: of two reads neither is the beginning of the other", o), o.longestBy, t)
}

func (f *findings) duplicate(h *History, o *object, t uint32, value int64) {
	f.add(h, DuplicateElements, fmt.Sprintf("%s: %d is there more than once", o, value), t)
}

func (f *findings) phantom(h *History, o *object, t uint32, value int64) {
	f.add(h, Phantom, fmt.Sprintf("%s: %d was read but never written", o, value), t)
}
