package faults

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/hadrill/hadrill/faults/agent"
	"github.com/hadrill/hadrill/harness"
)

// resolve asks a selector for its nodes, now.
func resolve(ctx context.Context, f *Field, fault string, aim harness.Selector) ([]*harness.Node, error) {
	if aim == nil {
		return nil, fmt.Errorf("%s: no aim given", fault)
	}
	nodes, err := aim.Select(ctx, f.System)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", fault, err)
	}
	if len(nodes) == 0 {
		return nil, fmt.Errorf("%s: %s matches no node", fault, aim)
	}
	return nodes, nil
}

// text is a selector's text, also of none.
func text(aim harness.Selector) string {
	if aim == nil {
		return "nobody"
	}
	return aim.String()
}

// injection is damage that one call of the agent has done.
type injection struct {
	nodes  []*harness.Node
	handle *agent.Handle
}

// strike does the same action to every node.
func strike(ctx context.Context, f *Field, nodes []*harness.Node, action string, params any) (Injection, error) {
	commands := make([]agent.Command, len(nodes))
	for i, n := range nodes {
		commands[i] = agent.Command{Action: action, Container: n.ContainerID(), Params: params}
	}
	return inject(ctx, f, nodes, commands)
}

func inject(ctx context.Context, f *Field, nodes []*harness.Node, commands []agent.Command) (Injection, error) {
	handle, err := f.Agent.Inject(ctx, commands...)
	if err != nil {
		return nil, err
	}
	return &injection{nodes: nodes, handle: handle}, nil
}

func (i *injection) Nodes() []*harness.Node { return i.nodes }

func (i *injection) Effective(ctx context.Context) (Proof, error) {
	proofs, err := i.handle.Effective(ctx)
	return merge(proofs), err
}

func (i *injection) Heal(ctx context.Context) error { return i.handle.Heal(ctx) }

func (i *injection) Healed(ctx context.Context) (Proof, error) {
	proofs, err := i.handle.Healed(ctx)
	return merge(proofs), err
}

// Still looks again whether the damage is in force; see [Lasting].
func (i *injection) Still(ctx context.Context) (Proof, error) {
	proofs, err := i.handle.Still(ctx)
	return merge(proofs), err
}

// Lasting is an Injection whose damage can be looked at again: a fault that
// has silently gone proves nothing about the time after.
type Lasting interface {
	// Still returns an error when the damage is not in force any more.
	Still(ctx context.Context) (Proof, error)
}

// momentary is an injection that is over once it has been seen: a restart, a
// signal. There is nothing to look at again, and a later fault of the same node
// is no gap in it.
type momentary struct{ Injection }

// once makes an injection momentary.
func once(i Injection, err error) (Injection, error) {
	if err != nil {
		return nil, err
	}
	return momentary{i}, nil
}

// merge makes one proof of several nodes': the whole is not in force before
// the first order and is in force after the last sight.
func merge(proofs []agent.Proof) Proof {
	if len(proofs) == 0 {
		return Proof{}
	}
	whole := Proof{Before: proofs[0].Before, After: proofs[0].After}
	var how, detail []string
	for _, p := range proofs {
		whole.Before, whole.After = min(whole.Before, p.Before), max(whole.After, p.After)
		if !slices.Contains(how, p.How) {
			how = append(how, p.How)
		}
		if p.Detail != "" {
			detail = append(detail, p.Node+": "+p.Detail)
		}
	}
	whole.How, whole.Detail = strings.Join(how, ", "), strings.Join(detail, "; ")
	return whole
}
