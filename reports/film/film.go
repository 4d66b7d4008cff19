// Package film boils a run down to what can be drawn: a few hundred time bins
// a lane, the spans of who believed what, the fault's band with its proof, and
// the marks t0..t7 on one shared axis. A film of a million operations is a few
// tens of kilobytes, so a folder of sixty runs still fits one page.
//
//	ops      ||||||||||||||||||||||||||||||||      one million
//	           ▼ one pass, in order of Intended
//	bins     [ good late failed unknown | min p50 p99 max ]  x 400
//
// Down-sampling may blur what is usual and never what is wrong: every bad
// operation is counted in its bin and a bin with a single one is drawn; the
// smallest and the largest latency of each bin are kept beside its quantiles.
package film

import (
	"time"

	"github.com/hadrill/hadrill/runner/record"
)

// Schema is the version of the encoding of a Film.
const Schema = 1

// None is the latency of a bin in which nothing was answered.
const None int32 = -1

// Film is one run on one time axis. It is plain data; once made it may be
// read by several goroutines.
type Film struct {
	Schema   int         `json:"schema"`
	Run      string      `json:"run"`
	Scenario string      `json:"scenario"`
	Repeat   int         `json:"repeat,omitempty"`
	Zero     record.Time `json:"zero"`    // the axis' zero: t0 of the first incident, else From
	HasT0    bool        `json:"has_t0"`  // whether Zero is a t0
	From     record.Time `json:"from"`    // start of the first bin
	Step     int64       `json:"step_ns"` // length of a bin
	Bins     int         `json:"bins"`
	SLO      record.SLO  `json:"slo"`

	Lanes      []Lane       `json:"lanes"`
	Latency    Latency      `json:"latency"` // of all judged lanes together
	Control    Latency      `json:"control"` // of the control lane
	Bands      []Band       `json:"bands,omitempty"`
	Nodes      []Node       `json:"nodes,omitempty"`
	Overlaps   []Span       `json:"overlaps,omitempty"` // two or more nodes believe themselves primary
	Redundancy []Level      `json:"redundancy,omitempty"`
	Pins       []Pin        `json:"pins,omitempty"`
	Events     []Event      `json:"events,omitempty"`
	Dropped    int          `json:"events_dropped,omitempty"` // events beyond the bound, not drawn
	Incidents  []Incident   `json:"incidents,omitempty"`
	Phases     []PhaseStart `json:"phases,omitempty"`
	Spectra    []Spectrum   `json:"spectra,omitempty"`

	Lost      []record.Time `json:"lost,omitempty"` // when the first lost writes were acknowledged
	LostTotal int           `json:"lost_total,omitempty"`
}

// To returns the end of the last bin.
func (f *Film) To() record.Time { return f.From + record.Time(f.Step*int64(f.Bins)) }

// Seconds returns t in seconds since the axis' zero.
func (f *Film) Seconds(t record.Time) float64 { return (t - f.Zero).Seconds() }

// StepSeconds returns the length of a bin in seconds.
func (f *Film) StepSeconds() float64 { return time.Duration(f.Step).Seconds() }

// Lane counts what became of one lane's operations, by bin of intended start.
type Lane struct {
	Name    string  `json:"name"`
	Control bool    `json:"control,omitempty"`
	Rate    float64 `json:"rate"`
	Good    []int32 `json:"good"`    // ok or degraded, in time
	Late    []int32 `json:"late"`    // ok or degraded, past the SLO's latency
	Failed  []int32 `json:"failed"`  // known not to have taken effect
	Unknown []int32 `json:"unknown"` // timeout, reset after the request left
}

// Bad returns the number of bad operations in bin i.
func (l *Lane) Bad(i int) int32 { return l.Late[i] + l.Failed[i] + l.Unknown[i] }

// Total returns the number of intended operations in bin i.
func (l *Lane) Total(i int) int32 { return l.Good[i] + l.Bad(i) }

// Latency is End-Intended by bin of intended start, in microseconds; None
// where nothing was answered. Refused operations have no latency (a refusal
// is quick and would flatter); unknown ones count with the time they were
// waited for.
type Latency struct {
	Min []int32 `json:"min"`
	P50 []int32 `json:"p50"`
	P99 []int32 `json:"p99"`
	Max []int32 `json:"max"`
}

// Band is one injected fault on the axis.
type Band struct {
	ID     string         `json:"id"`
	Name   string         `json:"name"`
	Node   string         `json:"node,omitempty"`
	Begin  record.Bracket `json:"begin"` // last seen not effective, first seen effective
	End    record.Bracket `json:"end"`   // of the healing; Never when it was not healed
	Proven bool           `json:"proven"`
	Healed bool           `json:"healed"`
	How    string         `json:"how,omitempty"`
}

// Node is what one node believed about its own role.
type Node struct {
	Name  string `json:"name"`
	Spans []Span `json:"spans"`
}

// Span is a stretch of time with one meaning.
type Span struct {
	From record.Time `json:"from"`
	To   record.Time `json:"to"`
	Role string      `json:"role"`           // "primary", "replica", ...; "down" while the node was dead
	Text string      `json:"text,omitempty"` // whom the node believes primary
}

// Level is a redundancy reading.
type Level struct {
	At     record.Time `json:"at"`
	Number float64     `json:"number"`
	Of     float64     `json:"of"`
}

// Pin is a mark of MEASURES.md at its instant.
type Pin struct {
	At       record.Time `json:"at"`
	Label    string      `json:"label"` // "t0" .. "t7"
	Text     string      `json:"text"`
	Failback bool        `json:"failback,omitempty"`
}

// Event is a moment worth a tick; Index is its place in the log's events.
type Event struct {
	At    record.Time      `json:"at"`
	Kind  record.EventKind `json:"kind"`
	Text  string           `json:"text"`
	Index int              `json:"index"`
}

// PhaseStart is the beginning of a phase.
type PhaseStart struct {
	Name string      `json:"name"`
	At   record.Time `json:"at"`
}

// Incident carries the parts of one recovery, in seconds; negative where a
// part could not be seen.
type Incident struct {
	Name      string  `json:"name"`
	Detect    float64 `json:"detect"`
	Failover  float64 `json:"failover"`
	Reconnect float64 `json:"reconnect"`
	Settle    float64 `json:"settle"`
	RTO       float64 `json:"rto"`
	Censored  bool    `json:"censored,omitempty"`
}

// Valid tells whether every series has one value a bin, as in a film that
// Make made. A film read from a file must be asked before it is drawn.
func (f *Film) Valid() bool {
	n := f.Bins
	if n < 0 || n > 1<<16 || (n > 0 && f.Step <= 0) {
		return false
	}
	if n == 0 {
		return len(f.Lanes) == 0
	}
	for _, l := range []Latency{f.Latency, f.Control} {
		if len(l.Min) != n || len(l.P50) != n || len(l.P99) != n || len(l.Max) != n {
			return false
		}
	}
	for _, l := range f.Lanes {
		if len(l.Good) != n || len(l.Late) != n || len(l.Failed) != n || len(l.Unknown) != n {
			return false
		}
	}
	for _, s := range f.Spectra {
		if len(s.Micros) != len(Percentiles) {
			return false
		}
	}
	return true
}
