package agent

import (
	"encoding/json"

	"github.com/hadrill/hadrill/faults/disk"
)

// protocolVersion changes whenever a frame's meaning does. Client and agent
// are the same executable, so a difference is a stale container, and refused.
const protocolVersion = 1

// A frame is one line of JSON on the control stream.
//
//	client ─▶ agent   {"id":7,"op":"inject","damages":[...]}
//	agent  ─▶ client  {"id":7,"damages":[...]} | {"id":7,"error":"..."}
//	agent  ─▶ client  {"event":{...}}

// operation is what a request asks for. Closed.
type operation string

const (
	opHello   operation = "hello"   // first: version and clock
	opWatch   operation = "watch"   // learn nodes now, so that the first fault finds them open
	opInject  operation = "inject"  // do damages, all or none; answers when they are ordered
	opProof   operation = "proof"   // wait for the damages' evidence
	opStill   operation = "still"   // look again whether the damages are in force
	opHeal    operation = "heal"    // undo damages; answers when that is ordered
	opHealed  operation = "healed"  // wait for evidence that they are gone
	opAudit   operation = "audit"   // list what is left on the run's nodes
	opProbe   operation = "probe"   // say what this machine's kernel has
	opDisk    operation = "disk"    // make a disk for a container to come
	opGoodbye operation = "goodbye" // heal all, then leave
)

// request is a frame to the agent.
type request struct {
	ID      uint64       `json:"id"`
	Op      operation    `json:"op"`
	Version int          `json:"version,omitempty"`
	Damages []damageSpec `json:"damages,omitempty"` // inject
	Disk    *disk.Spec   `json:"disk,omitempty"`    // disk
	IDs     []string     `json:"ids,omitempty"`     // proof, still, heal, healed: of damages; watch: of containers
}

// damageSpec is one damage asked for.
type damageSpec struct {
	Action string          `json:"action"`
	Node   string          `json:"node"` // container id
	Params json.RawMessage `json:"params,omitempty"`
}

// response is a frame from the agent: an answer, or an event.
type response struct {
	ID      uint64        `json:"id,omitempty"`
	Error   string        `json:"error,omitempty"`
	Refused bool          `json:"refused,omitempty"` // the error is a refusal: foreign container
	Version int           `json:"version,omitempty"`
	Damages []damageState `json:"damages,omitempty"`
	Residue []string      `json:"residue,omitempty"`
	Machine *Machine      `json:"machine,omitempty"`
	Path    string        `json:"path,omitempty"` // of a disk, as the engine sees it
	Event   *Event        `json:"event,omitempty"`
}

// damageState is one damage as answered.
type damageState struct {
	ID       string   `json:"id"`
	Node     string   `json:"node"`
	Evidence Evidence `json:"evidence"`
}

// EventKind says what the agent reports by itself. Closed.
type EventKind string

// The kinds of event.
const (
	EventDied      EventKind = "died"      // a node's process ended
	EventStarted   EventKind = "started"   // a node has a new process
	EventGap       EventKind = "gap"       // a node restarted under a fault: Before..After it had none
	EventLost      EventKind = "lost"      // a damage was found gone before it was healed
	EventProblem   EventKind = "problem"   // the agent failed at something nobody asked for
	EventConnected EventKind = "connected" // the agent serves
)

// Event is something the agent reports by itself. Times are nanoseconds of the
// run's clock.
type Event struct {
	At     int64     `json:"at"`
	Kind   EventKind `json:"kind"`
	Node   string    `json:"node,omitempty"`
	Damage string    `json:"damage,omitempty"` // id of the damage concerned
	Before int64     `json:"before,omitempty"`
	After  int64     `json:"after,omitempty"`
	Text   string    `json:"text,omitempty"`
}
