package agent

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Bounds of single steps. Nothing in the agent waits for ever.
const (
	verifyLimit = 30 * time.Second
	undoLimit   = 30 * time.Second
)

// damage is one action on one node, from its order to the proof of its end.
type damage struct {
	id     string
	action *Action
	target *Target

	mu      sync.Mutex // one of Apply, Undo, re-application at a time
	active  bool
	applied *outcome // of the latest Apply and its Verify
	undone  *outcome // of the latest Undo and its Undone
}

// outcome is evidence to come. Its other fields may be read after done is closed.
type outcome struct {
	done     chan struct{}
	cancel   context.CancelFunc
	evidence Evidence
	err      error
}

// damageID names a damage by what it is: the same damage twice has one id.
func damageID(spec damageSpec) string {
	var canonical bytes.Buffer
	if len(spec.Params) > 0 {
		// Parameters that do not parse are refused by the action; they only
		// need some id here.
		if json.Compact(&canonical, spec.Params) != nil {
			canonical.Write(spec.Params)
		}
	}
	sum := sha256.Sum256([]byte(spec.Action + "\x00" + spec.Node + "\x00" + canonical.String()))
	return hex.EncodeToString(sum[:6])
}

// begin is the undo record's line for the damage, before it is done; none when
// it is in force already. The damage's lock must be held from here to apply.
func (d *damage) begin() []entry {
	if d.active {
		return nil
	}
	return []entry{{Do: doBegin, ID: d.id, Action: d.action.Name, Node: d.target.Node.id, Params: d.target.Params}}
}

// apply does the damage, which the record already tells of. It returns what
// Apply saw; the proof is yet to be started.
func (d *damage) apply(ctx context.Context, j *journal) (Evidence, error) {
	first := !d.active
	d.active = true
	seen, err := d.action.Apply(ctx, d.target)
	if err == nil {
		d.undone = nil
		return seen, nil
	}
	err = fmt.Errorf("%s node %s: %w", d.action.Name, d.target.Node.name, err)
	if first {
		d.active = false
		err = errors.Join(err, j.write(entry{Do: doDone, ID: d.id}))
	}
	return Evidence{}, err
}

// verify starts the proof of what apply did.
func (d *damage) verify(seen Evidence) { d.applied = d.prove(d.action.Verify, seen) }

// prove runs a proof in the background, bounded.
func (d *damage) prove(verify func(context.Context, *Target, Evidence) (Evidence, error), seen Evidence) *outcome {
	ctx, cancel := context.WithTimeout(context.Background(), verifyLimit)
	o := &outcome{done: make(chan struct{}), cancel: cancel, evidence: seen}
	if verify == nil {
		cancel()
		close(o.done)
		return o
	}
	go func() {
		defer cancel()
		o.evidence, o.err = verify(ctx, d.target, seen)
		close(o.done)
	}()
	return o
}

// wait returns a proof's evidence when it is there.
func (o *outcome) wait(ctx context.Context) (Evidence, error) {
	select {
	case <-o.done:
		return o.evidence, o.err
	case <-ctx.Done():
		return Evidence{}, ctx.Err()
	}
}

// heal undoes the damage. Healing what is not in force is fine.
func (d *damage) heal(ctx context.Context, j *journal) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.active {
		return nil
	}
	if d.applied != nil {
		d.applied.cancel() // nobody needs the proof of damage that is over
	}
	seen, err := d.action.Undo(ctx, d.target)
	if err != nil {
		return fmt.Errorf("undo %s of node %s: %w", d.action.Name, d.target.Node.name, err)
	}
	d.active = false
	d.undone = d.prove(d.action.Undone, seen)
	return j.write(entry{Do: doDone, ID: d.id})
}

// still looks again whether the damage is in force.
func (d *damage) still(ctx context.Context) (Evidence, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.active {
		return Evidence{}, fmt.Errorf("%s of node %s is not in force", d.action.Name, d.target.Node.name)
	}
	if d.action.Verify == nil {
		return d.applied.evidence, nil
	}
	return d.action.Verify(ctx, d.target, Evidence{})
}

// reapply does the damage again to a node that was restarted under it. It
// returns false when the damage was not in force.
func (d *damage) reapply(ctx context.Context, j *journal) (bool, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.active {
		return false, nil
	}
	seen, err := d.apply(ctx, j)
	if err == nil {
		d.verify(seen)
	}
	return true, err
}

func (d *damage) inForce() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.active
}

// proof waits for the evidence of the damage, or of its end.
func (d *damage) proof(ctx context.Context, end bool) (Evidence, error) {
	d.mu.Lock()
	o := d.applied
	if end {
		o = d.undone
	}
	d.mu.Unlock()
	if o == nil {
		return Evidence{}, fmt.Errorf("%s of node %s: nothing to prove: it was never done or was done again since", d.action.Name, d.target.Node.name)
	}
	seen, err := o.wait(ctx)
	if err != nil {
		return seen, fmt.Errorf("prove %s of node %s: %w", d.action.Name, d.target.Node.name, err)
	}
	return seen, nil
}
