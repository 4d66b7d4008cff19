package record

import "time"

// Result is run.json: everything derived from a log, and nothing else, so that
// analysing the same log again gives the same Result byte for byte.
type Result struct {
	Schema     int               `json:"schema"`
	Run        string            `json:"run"`
	WallStart  time.Time         `json:"wall_start"`
	Repeat     int               `json:"repeat,omitempty"`
	Scenario   Scenario          `json:"scenario"`
	Verdict    Verdict           `json:"verdict"`
	Reason     string            `json:"reason"`           // one sentence: why this verdict
	Caught     *Caught           `json:"caught,omitempty"` // twins only
	Judgements []Judgement       `json:"judgements"`
	Figures    []Figure          `json:"figures"`
	Incidents  []Incident        `json:"incidents,omitempty"` // one a fault step
	Ledger     *Ledger           `json:"ledger,omitempty"`
	Findings   []Finding         `json:"findings,omitempty"`
	Checks     []Checked         `json:"checks,omitempty"`
	Lanes      []LaneStat        `json:"lanes"`
	Instrument Instrument        `json:"instrument"`
	Score      *float64          `json:"score,omitempty"` // 0..100; nil when ungraded
	Caps       []Cap             `json:"caps,omitempty"`
	Phases     []Phase           `json:"phases"`
	Seed       uint64            `json:"seed"`
	Command    string            `json:"command"`
	Images     map[string]string `json:"images,omitempty"`
	Versions   map[string]string `json:"versions,omitempty"`
	Truncated  bool              `json:"truncated,omitempty"`
}

// Evidence is what the checks found in a history, ready to be judged.
type Evidence struct {
	Ledger   *Ledger // nil when the load wrote nothing to balance
	Checks   []Checked
	Findings []Finding
	Owners   *Ownership // nil unless the scenario promises a single owner
}

// Ownership is how long a place that only one node may have was held by two at
// once, and by none, as far as the nodes' beliefs tell. Seconds.
type Ownership struct {
	Overlap float64 // the longest time with two owners that could act
	Gap     float64 // the longest time without any, once there had been one
	Claims  int     // how many times a node came to believe that it is the owner
}

// Caught says whether a known-bad twin was caught, and for which reason.
type Caught struct {
	Caught   bool     `json:"caught"`
	Expected []string `json:"expected"`
	Failed   []string `json:"failed"` // objectives that failed
}

// Judgement is an objective with its measured value.
type Judgement struct {
	Objective Objective `json:"objective"`
	Value     *float64  `json:"value"`              // nil: nothing was measured
	Censored  bool      `json:"censored,omitempty"` // the true value is beyond Value: printed as "> Value"
	Samples   int       `json:"samples"`
	Verdict   Verdict   `json:"verdict"`
	Reason    string    `json:"reason"`
	Quality   float64   `json:"q"` // sub-score 0..1
}

// Figure is one measured number that is not necessarily an objective.
type Figure struct {
	Name    string  `json:"name"`
	Unit    string  `json:"unit"`
	Value   float64 `json:"value"`
	Lane    string  `json:"lane,omitempty"`
	Samples int     `json:"samples,omitempty"`
}

// Marks are the instants of a failover, as MEASURES.md defines them; Never
// where it did not happen or could not be seen.
type Marks struct {
	T0 Time `json:"t0"` // fault effective
	T1 Time `json:"t1"` // first bad intended operation
	T2 Time `json:"t2"` // a component declares the failure
	T3 Time `json:"t3"` // the new owner accepts a write, the new route its first request
	T4 Time `json:"t4"` // first good operation after t1
	T5 Time `json:"t5"` // start of the first stable window without relapse
	T6 Time `json:"t6"` // p99 and throughput back in the baseline band
	T7 Time `json:"t7"` // redundancy restored
}

// Incident is one fault step, its proof, and what followed until the next.
type Incident struct {
	Fault     FaultPlan `json:"fault"`
	Nodes     []string  `json:"nodes"`
	Bracket   Bracket   `json:"bracket"` // of t0
	How       string    `json:"how"`     // how the effect was observed
	Proven    bool      `json:"proven"`
	Healed    bool      `json:"healed"` // proven healed
	HealedAt  Time      `json:"healed_at"`
	Failback  bool      `json:"failback,omitempty"` // the incident is the heal of Fault, not its injection
	Marks     Marks     `json:"marks"`
	Detect    *float64  `json:"detect_s"`
	Failover  *float64  `json:"failover_s"`
	Reconnect *float64  `json:"reconnect_s"`
	Settle    *float64  `json:"settle_s"` // t5-t4
	RTO       *float64  `json:"rto_s"`    // 0 when no operation was bad
	Censored  bool      `json:"censored,omitempty"`
	Steady    *float64  `json:"steady_s"`
	Exposed   *float64  `json:"exposed_s"`
	// ExposedCensored: redundancy was not restored before the log ended, and
	// Exposed is how long that was at least.
	ExposedCensored bool     `json:"exposed_censored,omitempty"`
	Outage          *float64 `json:"outage_s"` // longest span without a good operation
}

// Ledger balances acknowledged writes against the definitive read.
type Ledger struct {
	Acknowledged int     `json:"acknowledged"`
	Unknown      int     `json:"unknown"` // info
	Refused      int     `json:"refused"` // fail
	Present      int     `json:"present"` // acknowledged and present
	Lost         int     `json:"lost"`
	Recovered    int     `json:"recovered"`   // info and present
	Resurrected  int     `json:"resurrected"` // fail and present
	Duplicates   int     `json:"duplicates"`
	Phantoms     int     `json:"phantoms"`
	RPOSeconds   float64 `json:"rpo_s"`
	SplitBrain   float64 `json:"split_brain_s"`
	InWindow     int     `json:"in_window"`  // acknowledged in the window of interest
	FirstLost    []Op    `json:"first_lost"` // at most 20, earliest first
	Definitive   bool    `json:"definitive"` // a definitive read was made and complete
	// Over is the same balance over time; nil when nothing was written.
	Over *LedgerSeries `json:"over,omitempty"`
}

// LedgerSeries counts writes in equal slices of time by the instant at which
// their outcome was known. The slices are as many in each field.
type LedgerSeries struct {
	From       Time    `json:"from"`       // start of the first slice
	Step       int64   `json:"step_ns"`    // length of a slice
	Kept       []int32 `json:"kept"`       // acknowledged, and nothing says that they are lost
	Lost       []int32 `json:"lost"`       // acknowledged and absent
	Unknown    []int32 `json:"unknown"`    // info
	Duplicates []int32 `json:"duplicates"` // further copies of what was written then
}

// Finding is a violation with its minimal witness.
type Finding struct {
	Check   string   `json:"check"`
	Name    string   `json:"name"` // "lost write", "two owners", "G-single", ...
	Text    string   `json:"text"`
	From    Time     `json:"from"`
	To      Time     `json:"to"`
	Witness []Op     `json:"witness,omitempty"`
	Nodes   []string `json:"nodes,omitempty"`
	Picture string   `json:"picture,omitempty"` // text drawing of the witness
}

// Checked says what one check really checked. A check that found nothing says
// so of Guarantee and of no more than that.
type Checked struct {
	Check     string `json:"check"`
	Guarantee string `json:"guarantee"`          // what holds when Total is 0
	Narrowed  string `json:"narrowed,omitempty"` // why it is less than the check's name promises
	Checked   int    `json:"checked"`            // operations, transactions or beliefs judged; 0 is vacuous
	Total     int    `json:"total"`              // violations in all; Findings lists the first
	Error     string `json:"error,omitempty"`    // why there is no answer: inconclusive
}

// LaneStat is what one lane saw.
type LaneStat struct {
	Lane     Lane           `json:"lane"`
	Intended int            `json:"intended"`
	Good     int            `json:"good"`
	Ok       int            `json:"ok"`
	Fail     int            `json:"fail"`
	Info     int            `json:"info"`
	Degraded int            `json:"degraded"`
	P50      float64        `json:"p50_s"`
	P99      float64        `json:"p99_s"`
	P999     float64        `json:"p999_s"`
	Max      float64        `json:"max_s"`
	MaxLag   float64        `json:"max_lag_s"` // largest schedule lag, Start-Intended
	Errors   map[string]int `json:"errors,omitempty"`
}

// Instrument is the quality of the measurement itself.
type Instrument struct {
	WorstGap    float64  `json:"worst_gap_s"` // control lane: the noise floor
	Resolution  float64  `json:"resolution_s"`
	Quiet       bool     `json:"quiet"` // worst gap below the resolution
	MaxLag      float64  `json:"max_lag_s"`
	Saturated   bool     `json:"saturated"`
	Reason      string   `json:"reason,omitempty"`
	CPUSteal    float64  `json:"cpu_steal"`
	Calibration *float64 `json:"calibration_error_s,omitempty"` // worst error of a calibration run
}

// Cap lowers a letter, with its evidence.
type Cap struct {
	Letter string `json:"letter"`
	Reason string `json:"reason"`
}

// Phase is a phase with its span.
type Phase struct {
	Name string `json:"name"`
	From Time   `json:"from"`
	To   Time   `json:"to"`
}
