package agent

import (
	"context"
	"encoding/json"
	"fmt"
	"sort"
)

// Action is one kind of damage to one node. See the package documentation for
// the rules its functions keep.
type Action struct {
	Name string
	Doc  string   // one line: what the node and its peers experience
	Use  []string // names of the mechanisms it uses, as in Probe
	Lost Lifetime

	// Apply orders the damage and returns what it saw; Before must be set.
	Apply func(ctx context.Context, t *Target) (Evidence, error)
	// Verify waits for proof that the damage is in force. applied is what Apply
	// returned, or zero when damage is looked at again later. nil: what Apply
	// returned is the proof.
	Verify func(ctx context.Context, t *Target, applied Evidence) (Evidence, error)
	// Undo orders the end of the damage.
	Undo func(ctx context.Context, t *Target) (Evidence, error)
	// Undone waits for proof that the damage is gone. nil: Undo's is the proof.
	Undone func(ctx context.Context, t *Target, undone Evidence) (Evidence, error)
	// Audit lists what this action, in any run of any agent, left on a running
	// node, without changing anything. nil: nothing can be left.
	Audit func(ctx context.Context, n *Node) ([]string, error)
	// Idle says that undoing is pointless when the run is being removed, such
	// as starting a killed node again.
	Idle bool
}

// Lifetime says what takes an action's damage away without us.
type Lifetime int

// The lifetimes.
const (
	// Stays: the damage outlives the node's process (a killed node stays dead).
	Stays Lifetime = iota
	// WithProcess: the damage goes with the node's first process; it is applied
	// again when a restarted node's service has been started.
	WithProcess
	// WithNamespace: the damage goes with the node's network namespace; it is
	// applied again in the new one, before the restarted service begins.
	WithNamespace
	// ByRestart: a restarted node means the damage is over, and it must not be
	// done again: the agent only reports it.
	ByRestart
)

// Evidence is what was seen of a damage or of its end.
type Evidence struct {
	Before int64  `json:"before"` // CLOCK_MONOTONIC ns: last seen without the effect
	After  int64  `json:"after"`  // CLOCK_MONOTONIC ns: first seen with it
	How    string `json:"how"`    // "pidfd", "freezer state", "rule counter", ...
	Detail string `json:"detail,omitempty"`
}

// Target is one damage under way, as an action sees it. The server calls the
// functions of one damage one after the other; those of different damages to
// one node may run at the same time.
type Target struct {
	ID     string          // of the damage; unique per action, node and parameters
	Node   *Node           // the node to damage
	Params json.RawMessage // as the client gave them
	Saved  json.RawMessage // as Save was given them; empty if it never was
	State  any             // the action's own, lost with the agent
	Host   *Host           // the machine: clock, engine, other nodes

	save func(json.RawMessage) error
}

// Decode reads the parameters into v.
func (t *Target) Decode(v any) error {
	if len(t.Params) == 0 {
		return nil
	}
	if err := json.Unmarshal(t.Params, v); err != nil {
		return fmt.Errorf("read parameters %s: %w", t.Params, err)
	}
	return nil
}

// Save writes what Undo will need into the undo record, before the act.
func (t *Target) Save(v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode what undoing needs: %w", err)
	}
	if t.save != nil {
		if err := t.save(data); err != nil {
			return fmt.Errorf("write undo record: %w", err)
		}
	}
	t.Saved = data
	return nil
}

// Restore reads what Save was given into v. It tells whether there was anything.
func (t *Target) Restore(v any) (bool, error) {
	if len(t.Saved) == 0 {
		return false, nil
	}
	if err := json.Unmarshal(t.Saved, v); err != nil {
		return false, fmt.Errorf("read undo record %s: %w", t.Saved, err)
	}
	return true, nil
}

var actions = map[string]*Action{}

// register makes an action known. It is called from package-level variables.
func register(a Action) *Action {
	if a.Name == "" || a.Apply == nil || a.Undo == nil {
		panic("agent: an action needs a name, Apply and Undo")
	}
	if _, twice := actions[a.Name]; twice {
		panic("agent: action " + a.Name + " is registered twice")
	}
	actions[a.Name] = &a
	return &a
}

// Actions lists every action, by name.
func Actions() []Action {
	all := make([]Action, 0, len(actions))
	for _, a := range actions {
		all = append(all, *a)
	}
	sort.Slice(all, func(i, j int) bool { return all[i].Name < all[j].Name })
	return all
}
