// Package record is the data of a run: what was declared, what was done, what
// was observed. It is plain data with a versioned encoding and no behaviour:
// the runner writes it, measure and check read it, reports draw it, and
// nothing here knows what a container is.
//
//	runner ──writes──▶ run.log ──reads──▶ measure, check ──▶ reports
//	                   Header               figures            page, JSON
//	                   Op, Op, Op ...       violations
//	                   Event, Event ...
//
// One clock: every Time in a record is read from the host's CLOCK_MONOTONIC
// and stored as nanoseconds since the run began. Wall time is stored once, in
// the header.
package record

import "time"

// SchemaVersion is the version of the log, of run.json and of the meaning of
// every figure in them. It changes whenever any of these does.
const SchemaVersion = 1

// Time is an instant of a run: nanoseconds of CLOCK_MONOTONIC since the run
// began. Zero is the beginning of the run; Never marks what did not happen.
type Time int64

// Never is the Time of what did not happen.
const Never Time = -1 << 63

// Sub returns the duration t-u.
func (t Time) Sub(u Time) time.Duration { return time.Duration(t - u) }

// Add returns t+d.
func (t Time) Add(d time.Duration) Time { return t + Time(d) }

// Seconds returns t in seconds since the run began.
func (t Time) Seconds() float64 { return float64(t) / 1e9 }

// Outcome says what is known about an operation's effect.
type Outcome uint8

// The outcomes. Info is never counted as lost and never as acknowledged.
const (
	OutcomeUnset Outcome = iota // not yet invoked; never legal in a finished record
	Ok                          // known to have taken effect
	Fail                        // known not to have taken effect
	Info                        // unknown: timeout, or a reset after the request left
	Degraded                    // answered with a correct degraded answer, which the scenario allows
)

func (o Outcome) String() string {
	return [...]string{"unset", "ok", "fail", "info", "degraded"}[min(int(o), 4)]
}

// Function is what an operation asked for.
type Function uint8

// The functions of the workloads. A checker states which ones it reads.
const (
	FunctionUnset Function = iota
	Request                // plain HTTP request or ping: no state
	Read                   // register read; Value is what was read, Absent when there was none
	Write                  // register write of Value
	CompareAndSet          // register: Expect -> Value
	Add                    // set: add element Value to set Key
	ReadSet                // set: read all of set Key; Values are the elements
	Enqueue                // queue Key: Value
	Dequeue                // queue Key: Value is what came out
	Transfer               // bank: Value from account Key to account Expect
	Effect                 // a job's effect: Key is the job, Value the fencing token
	Acquire                // lock Key; Value is the fencing token
	Release                // lock Key
	Append                 // list Key: append Value
	ReadList               // list Key: Values is the list
	Transaction            // several micro-operations; see Micro
)

func (f Function) String() string {
	names := [...]string{"unset", "request", "read", "write", "cas", "add", "read-set", "enqueue", "dequeue", "transfer", "effect", "acquire", "release", "append", "read-list", "txn"}
	return names[min(int(f), len(names)-1)]
}

// Absent is the Value of a read that found nothing.
const Absent int64 = -1 << 63

// Op is one operation of a lane, as its client saw it. Latency is
// End - Intended: intended start times come from the schedule, so a late
// generator shows as latency and not as silence.
type Op struct {
	Intended Time
	Start    Time
	End      Time
	Value    int64
	Expect   int64
	Key      uint64
	Process  uint32 // virtual user; a process has at most one operation under way
	Error    uint16 // index into the log's error classes; 0 is none
	Lane     uint8  // index into Header.Lanes
	Function Function
	Outcome  Outcome
	Values   []int64 // set and list reads only
	Micro    []Micro // transactions only
}

// Micro is one step of a transaction.
type Micro struct {
	Function Function // Read, Write, Append, ReadList
	Key      uint64
	Value    int64
	Values   []int64
}

// Lane is one stream of load: one protocol, one kind of connection, one
// place it comes from.
type Lane struct {
	Name       string  `json:"name"`
	Protocol   string  `json:"protocol"`             // "http", "redis", ...
	Connection string  `json:"connection"`           // "pooled" or "fresh"
	Zone       string  `json:"zone,omitempty"`       // client zone the load comes from
	Rate       float64 `json:"rate"`                 // intended operations a second
	Control    bool    `json:"control,omitempty"`    // the untouched echo server: noise floor, never judged
	Evidence   bool    `json:"evidence,omitempty"`   // read-back and other operations outside the open-loop schedule
	Definitive bool    `json:"definitive,omitempty"` // the read made after healing and quiescing
	CutOff     bool    `json:"cut_off,omitempty"`    // from the side that the scenario cuts off: its acknowledged writes count for durability, its outage is declared and never judged
	Aside      bool    `json:"aside,omitempty"`      // counts something beside the service's answers, such as a cache's hits: judged by the objectives that name it, and part of nothing else
	Intruder   bool    `json:"intruder,omitempty"`   // requests that nobody may answer well: a good answer is a finding, a refusal is what is due
}

// Kind groups objectives for the score's weights.
type Kind string

// The kinds of objective; MEASURES.md gives their weights.
const (
	KindDurability   Kind = "durability"
	KindConsistency  Kind = "consistency"
	KindRTO          Kind = "rto"
	KindAvailability Kind = "availability"
	KindLatency      Kind = "latency" // brown-out
	KindRedundancy   Kind = "redundancy"
)

// Objective is one promise, as data.
type Objective struct {
	Name   string  `json:"name"` // a figure's name: "rto", "availability.requests", "rpo.ops", "latency.p99", "lost", "single-owner"
	Kind   Kind    `json:"kind"`
	Unit   string  `json:"unit"`             // "s", "ratio", "ops"
	Higher bool    `json:"higher,omitempty"` // higher is better
	Target float64 `json:"target"`
	Limit  float64 `json:"limit"`
}

// SLO says when an operation is good: it is ok and End-Intended <= Latency.
// A time slice is good when its good ratio is at least Success.
type SLO struct {
	Latency time.Duration `json:"latency_ns"`
	Success float64       `json:"success"`
	Slice   time.Duration `json:"slice_ns"`  // availability.time(D); default 100 ms
	Stable  time.Duration `json:"stable_ns"` // length of the first stable window, t5; default 5 s
}

// Scenario is the declaration of a run, as data: enough to judge it again
// without the code that declared it.
type Scenario struct {
	Name       string        `json:"name"`
	Row        string        `json:"row"`
	Doc        string        `json:"doc"`
	Profile    string        `json:"profile"`
	TwinOf     string        `json:"twin_of,omitempty"`
	Expect     []string      `json:"expect,omitempty"` // objectives a known-bad twin must fail on
	System     string        `json:"system"`
	Config     string        `json:"config"` // canonical text of the system's and load's parameters; hashed for comparison
	Faults     []FaultPlan   `json:"faults,omitempty"`
	Duration   time.Duration `json:"duration_ns"`
	SLO        SLO           `json:"slo"`
	Objectives []Objective   `json:"objectives"`
	Resolution time.Duration `json:"resolution_ns"` // no claim is made below it; the control lane's worst gap must stay under it
	Critical   float64       `json:"criticality"`
	// KnownOutage is the exact length of the outages of a calibration; zero elsewhere.
	KnownOutages []time.Duration `json:"known_outages_ns,omitempty"`
	Surge        *Surge          `json:"surge,omitempty"` // of a load that is more than the system can do
}

// Surge is the part of a load in which more is offered than the system can
// do. Its times count from the beginning of the load.
type Surge struct {
	From     time.Duration `json:"from_ns"`
	To       time.Duration `json:"to_ns"`
	Capacity float64       `json:"capacity"` // good operations a second that the system can do
}

// FaultPlan is one step of a fault schedule, as declared.
type FaultPlan struct {
	ID     string        `json:"id"` // "1", "2", ...: refers to events of KindFault
	Fault  string        `json:"fault"`
	Aim    string        `json:"aim"`
	Params string        `json:"params,omitempty"`
	Cue    string        `json:"cue,omitempty"` // what At counts from, where it is not the beginning of the load: "after 1", "on owner"
	At     time.Duration `json:"at_ns"`
	For    time.Duration `json:"for_ns,omitempty"`
}

// Header is the first record of a log.
type Header struct {
	Schema    int               `json:"schema"`
	Run       string            `json:"run"`
	WallStart time.Time         `json:"wall_start"` // wall time of Time 0
	Scenario  Scenario          `json:"scenario"`
	Lanes     []Lane            `json:"lanes"`
	Seed      uint64            `json:"seed"`
	Command   string            `json:"command"`            // how to run it again
	Images    map[string]string `json:"images,omitempty"`   // component -> reference@digest
	Versions  map[string]string `json:"versions,omitempty"` // hadrill, kernel, engine, component packages
	Repeat    int               `json:"repeat,omitempty"`   // which repetition, from 1
}

// EventKind says what an event is about. Closed.
type EventKind string

// The kinds of event.
const (
	EventPhase      EventKind = "phase"      // Name: the phase that begins (see Phases)
	EventFault      EventKind = "fault"      // Name: a FaultStep; Fault: plan id; Node; Bracket; How
	EventBelief     EventKind = "belief"     // Node believes: Name is its own role, Text whom it believes primary
	EventRedundancy EventKind = "redundancy" // Number of Of members in service
	EventDeclared   EventKind = "declared"   // a component declares a failure: candidate for t2
	EventOwner      EventKind = "owner"      // a component declares a new owner: evidence for t3
	EventLog        EventKind = "log"        // a line of a node's log worth keeping; Text
	EventNode       EventKind = "node"       // the engine saw Node start, die, oom: Name
	EventSample     EventKind = "sample"     // an instrument's reading: Name, Number
	EventNote       EventKind = "note"       // the runner's own remark
	EventError      EventKind = "error"      // the toolkit failed at something: Name is the place, Text the error
)

// NoteInterrupted is the Name of the EventNote of a run that was cut short from
// outside, in good order: its Text says by what.
const NoteInterrupted = "interrupted"

// FaultStep is the Name of an EventFault.
type FaultStep = string

// The life of an injection. Unproven and HealUnproven make time-based
// objectives inconclusive.
const (
	StepInjecting    FaultStep = "injecting"
	StepEffective    FaultStep = "effective"
	StepUnproven     FaultStep = "unproven"
	StepHealing      FaultStep = "healing"
	StepHealed       FaultStep = "healed"
	StepHealUnproven FaultStep = "heal-unproven"
	StepFailed       FaultStep = "failed"
	StepGap          FaultStep = "gap" // the target restarted under fault; Bracket is the time without it
)

// The phases of a run, in order.
const (
	PhaseStart    = "start"
	PhaseSettle   = "settle"
	PhaseBaseline = "baseline"
	PhaseFault    = "fault"
	PhaseRecovery = "recovery"
	PhaseHeal     = "heal"
	PhaseQuiesce  = "quiesce"
	PhaseReadBack = "read-back"
	PhaseCheck    = "check"
	PhaseStop     = "stop"
)

// Bracket bounds an instant: last seen before it, first seen after it.
type Bracket struct {
	Before Time `json:"before"`
	After  Time `json:"after"`
}

// Event is one thing that happened beside the operations.
type Event struct {
	At      Time      `json:"at"`
	Kind    EventKind `json:"kind"`
	Name    string    `json:"name,omitempty"`
	Node    string    `json:"node,omitempty"`
	Fault   string    `json:"fault,omitempty"`
	Text    string    `json:"text,omitempty"`
	How     string    `json:"how,omitempty"`
	Number  float64   `json:"number,omitempty"`
	Of      float64   `json:"of,omitempty"`
	Bracket *Bracket  `json:"bracket,omitempty"`
}

// Log is a whole run, read back.
type Log struct {
	Header    Header
	Ops       []Op     // in order of Intended
	Events    []Event  // in order of At
	Errors    []string // error classes; Op.Error indexes it, 0 is ""
	Truncated bool     // the log ended without its trailer: the run was cut short
}
