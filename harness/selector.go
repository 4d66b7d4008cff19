package harness

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// Selector picks nodes of a running system at the moment it is asked. A
// selection that matches nothing is an error, never an empty success.
type Selector interface {
	// Select returns at least one node, or an error.
	Select(ctx context.Context, sys Running) ([]*Node, error)
	// String is how the selection is written in plans and records.
	String() string
}

// A node that was late with its answer has not lost its role: a role that
// nobody plays is asked for again, a few times.
const (
	roleRounds = 5
	rolePause  = 50 * time.Millisecond
)

// Select implements Selector: the nodes that play the role now, by their own
// belief. Where two nodes believe they are primary, both are returned.
func (r Role) Select(ctx context.Context, sys Running) ([]*Node, error) {
	reporter, ok := sys.(RoleReporter)
	if !ok {
		return nil, fmt.Errorf("select %s: the system does not report roles; name the node instead", r)
	}
	for round := 1; ; round++ {
		beliefs := reporter.Beliefs(ctx)
		if picked := r.played(beliefs, sys.Nodes()); len(picked) > 0 {
			return picked, nil
		}
		if round == roleRounds || ctx.Err() != nil {
			return nil, fmt.Errorf("select %s: no node plays this role now (%d asked %d times)", r, len(beliefs), round)
		}
		select {
		case <-ctx.Done():
		case <-time.After(rolePause):
		}
	}
}

// played picks the nodes that believe they play the role.
func (r Role) played(beliefs []Belief, nodes []*Node) (picked []*Node) {
	for _, b := range beliefs {
		if b.Self != r {
			continue
		}
		for _, n := range nodes {
			if n.Name() == b.Node {
				picked = append(picked, n)
			}
		}
	}
	return picked
}

func (r Role) String() string { return string(r) }

// Named selects nodes by name.
func Named(names ...string) Selector { return named(names) }

type named []string

func (s named) Select(_ context.Context, sys Running) ([]*Node, error) {
	var picked []*Node
	for _, want := range s {
		i := slices.IndexFunc(sys.Nodes(), func(n *Node) bool { return n.Name() == want })
		if i < 0 {
			return nil, fmt.Errorf("select node %q: the system has no such node (it has %s)", want, nodeNames(sys.Nodes()))
		}
		picked = append(picked, sys.Nodes()[i])
	}
	if len(picked) == 0 {
		return nil, fmt.Errorf("select by name: no name given")
	}
	return picked, nil
}

func (s named) String() string { return strings.Join(s, ",") }

// InZone selects the nodes of a zone.
func InZone(zone string) Selector { return inZone(zone) }

type inZone string

func (s inZone) Select(_ context.Context, sys Running) ([]*Node, error) {
	var picked []*Node
	for _, n := range sys.Nodes() {
		if n.Zone() == string(s) {
			picked = append(picked, n)
		}
	}
	if len(picked) == 0 {
		return nil, fmt.Errorf("select zone %q: no node is in it", string(s))
	}
	return picked, nil
}

func (s inZone) String() string { return "zone:" + string(s) }

// Except selects every node that other does not.
func Except(other Selector) Selector { return except{other} }

type except struct{ other Selector }

func (s except) Select(ctx context.Context, sys Running) ([]*Node, error) {
	out, err := s.other.Select(ctx, sys)
	if err != nil {
		return nil, err
	}
	var picked []*Node
	for _, n := range sys.Nodes() {
		if !slices.Contains(out, n) {
			picked = append(picked, n)
		}
	}
	if len(picked) == 0 {
		return nil, fmt.Errorf("select %s: no node is left", s)
	}
	return picked, nil
}

func (s except) String() string { return "not " + s.other.String() }

// Random selects one of other's nodes, by seed: the same seed picks the same
// node of the same selection.
func Random(seed uint64, other Selector) Selector { return random{seed, other} }

type random struct {
	seed  uint64
	other Selector
}

func (s random) Select(ctx context.Context, sys Running) ([]*Node, error) {
	all, err := s.other.Select(ctx, sys)
	if err != nil {
		return nil, err
	}
	rng := rand.New(rand.NewPCG(s.seed, 0x68616472696c6c))
	return []*Node{all[rng.IntN(len(all))]}, nil
}

func (s random) String() string { return fmt.Sprintf("random(%d) of %s", s.seed, s.other) }

func nodeNames(nodes []*Node) string {
	names := make([]string, len(nodes))
	for i, n := range nodes {
		names[i] = n.Name()
	}
	return strings.Join(names, ", ")
}
