package components

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"time"

	"github.com/hadrill/hadrill/harness"
	"github.com/hadrill/hadrill/harness/internal/probe"
)

// The nodes of a Pair.
const (
	WitnessNode   = "witness"
	SubjectNode   = "subject"
	BystanderNode = "bystander"
)

// Pair is a System of two nodes that watch each other: what happens to one, or
// to the packets between them, is seen by the other, in words of its own (see
// the witness's routes). It is what
// faults are verified against: the injector is not asked whether the damage is
// there.
//
//	clients ── is all well? ──▶ witness ◀── packets, clocks ──▶ subject
//	                                                            (suffers)
//
// The zero value is ready to use.
type Pair struct {
	// Watched is whom the witness watches: SubjectNode if empty, or
	// BystanderNode, a third node that nothing is done to: then no damage of
	// the subject is seen, as with a fault that has no effect.
	Watched string
	// Asked is the node that clients ask: WitnessNode if empty, or SubjectNode,
	// which sees the same link from its other end.
	Asked string
	// Disk gives the subject, and the bystander, a disk of its own.
	Disk bool
}

// pairDisk is where a node has its disk.
const pairDisk = "/data"

// Name implements harness.System.
func (Pair) Name() string { return "pair" }

// Start implements harness.System.
func (p Pair) Start(ctx context.Context, env *harness.Env) (harness.Running, error) {
	if p.Watched == "" {
		p.Watched = SubjectNode
	}
	if p.Asked == "" {
		p.Asked = WitnessNode
	}
	if p.Watched != SubjectNode && p.Watched != BystanderNode {
		return nil, fmt.Errorf("pair: watched node %q: want %q or %q", p.Watched, SubjectNode, BystanderNode)
	}
	if p.Asked != WitnessNode && p.Asked != SubjectNode {
		return nil, fmt.Errorf("pair: asked node %q: want %q or %q", p.Asked, WitnessNode, SubjectNode)
	}
	watches := [][2]string{{WitnessNode, p.Watched}, {SubjectNode, WitnessNode}}
	if p.Watched == BystanderNode {
		watches = append(watches, [2]string{BystanderNode, WitnessNode})
	}
	var specs []harness.NodeSpec
	for _, w := range watches {
		env.Reserve(w[0])
	}
	for _, w := range watches {
		settings := map[string]string{
			keyWatches: env.Reserve(w[1]).String(),
			keyName:    "hadrill-" + env.Run() + "-" + w[1],
		}
		var disks []harness.Disk
		if p.Disk && w[0] != WitnessNode {
			settings[keyDisk] = pairDisk
			disks = []harness.Disk{{Path: pairDisk, Interposed: true}}
		}
		spec := Spec(env, "witness", w[0], settings)
		spec.Disks = disks
		specs = append(specs, spec)
	}
	nodes, err := env.Start(ctx, specs...)
	if err != nil {
		return nil, err
	}
	return &RunningPair{nodes: nodes, asked: p.Asked, disk: p.Disk && p.Asked == WitnessNode, from: env.Data()}, nil
}

// RunningPair is a started Pair.
type RunningPair struct {
	nodes []*harness.Node
	asked string
	disk  bool // the one who is asked watches a disk
	from  harness.Vantage
}

var (
	_ harness.System     = Pair{}
	_ harness.HTTPServer = (*RunningPair)(nil)
	_ harness.Settler    = (*RunningPair)(nil)
)

// Nodes implements harness.Running.
func (r *RunningPair) Nodes() []*harness.Node { return r.nodes }

// URL implements harness.HTTPServer.
func (r *RunningPair) URL() string { return fmt.Sprintf("http://%s", r.address(r.asked)) }

func (r *RunningPair) address(name string) netip.AddrPort {
	for _, n := range r.nodes {
		if n.Name() == name {
			return netip.AddrPortFrom(n.Addr(), DefaultPort)
		}
	}
	return netip.AddrPort{}
}

// routes are the questions that a settled pair answers with "well".
var routes = []string{"/tcp", "/datagrams", "/heard", "/clock", "/connect", "/close", "/kept", "/bulk", "/work", "/room", "/name"}

// Settle implements harness.Settler: the node that clients ask finds all well.
func (r *RunningPair) Settle(ctx context.Context) error {
	var last error
	for {
		err := r.well(ctx)
		if err == nil {
			return nil
		}
		if ctx.Err() == nil || last == nil { // what time cut short says nothing
			last = err
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return errors.Join(ctx.Err(), last)
		}
	}
}

func (r *RunningPair) well(ctx context.Context) error {
	asked := routes
	if r.disk {
		asked = append(slices.Clone(routes), "/disk")
	}
	for _, route := range asked {
		answer, err := probe.Once(ctx, r.from, r.address(r.asked), route)
		if err != nil {
			return fmt.Errorf("ask %s %s: %w", r.asked, route, err)
		}
		if answer.Status != http.StatusOK {
			return fmt.Errorf("%s %s: %s", r.asked, route, answer.Body)
		}
	}
	return nil
}
