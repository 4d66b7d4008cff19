package agent

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/hadrill/hadrill/faults/impair"
	"github.com/hadrill/hadrill/faults/netem"
)

// ActionImpair makes links into a node slow, lossy, doubling, reordering or
// corrupting.
const ActionImpair = "impair"

// ImpairParams say which packets that arrive at the node suffer what.
type ImpairParams struct {
	From        []string          `json:"from,omitempty"`         // containers, all their addresses
	FromAddress []netip.Addr      `json:"from_address,omitempty"` // sources outside the run
	Anyone      bool              `json:"anyone,omitempty"`       // every source; excludes the two above
	Proto       impair.Proto      `json:"proto,omitempty"`
	Port        uint16            `json:"port,omitempty"` // of the node; needs Proto
	Impairment  impair.Impairment `json:"impairment"`
	// By forces a mechanism, "netem" or "queue"; empty takes netem where the
	// kernel has it and it can do the impairment.
	By string `json:"by,omitempty"`
}

var _ = register(Action{
	Name: ActionImpair,
	Doc:  "packets that arrive at the node from some peers are late, lost, doubled, reordered or corrupted",
	Use:  []string{"netem", "queue"},
	Lost: WithNamespace,
	Apply: func(ctx context.Context, t *Target) (Evidence, error) {
		p, links, err := impairLinks(ctx, t)
		if err != nil {
			return Evidence{}, err
		}
		life, err := t.Node.Life()
		if err != nil {
			return Evidence{}, err
		}
		i, err := life.impairing()
		if err != nil {
			return Evidence{}, err
		}
		method, err := chooseMethod(t.Host, i.path(), p)
		if err != nil {
			return Evidence{}, err
		}
		c, err := i.set(ctx, t.ID, method, links, p.Impairment)
		now, wall := monotonic(), time.Now()
		return Evidence{Before: now - int64(wall.Sub(c.Before)), After: now - int64(wall.Sub(c.After)), How: method}, err
	},
	Verify: verifyImpair,
	Undo: func(ctx context.Context, t *Target) (Evidence, error) {
		seen := Evidence{Before: monotonic(), How: "rule list"}
		life, err := t.Node.Life()
		if errors.Is(err, ErrNotRunning) {
			seen.After = monotonic()
			return seen, nil // gone with the namespace
		}
		if err != nil {
			return seen, err
		}
		_, links, err := impairLinks(ctx, t)
		if err != nil {
			return seen, err
		}
		i, err := life.impairing()
		if err != nil {
			return seen, err
		}
		err = i.unset(ctx, t.ID, links)
		seen.After = monotonic()
		return seen, err
	},
	Undone: func(_ context.Context, t *Target, undone Evidence) (Evidence, error) {
		life, err := t.Node.Life()
		if errors.Is(err, ErrNotRunning) {
			return undone, nil
		}
		if err != nil {
			return undone, err
		}
		i, err := life.impairing()
		if err != nil {
			return undone, err
		}
		i.mu.Lock()
		others := len(i.method)
		i.mu.Unlock()
		if others == 0 {
			left, err := impairResidue(i.path())
			if err == nil && len(left) > 0 {
				err = fmt.Errorf("still there: %v", left)
			}
			if err != nil {
				return undone, err
			}
		}
		undone.Detail = "the kernel lists no rule, queue or device of this fault"
		return undone, nil
	},
	Audit: func(_ context.Context, n *Node) ([]string, error) {
		life, err := n.Life()
		if err != nil || life.netns < 0 {
			return nil, err
		}
		ns, err := life.Netns()
		if err != nil {
			return nil, err
		}
		defer func() { _ = ns.Close() }()
		path := fmt.Sprintf("/proc/self/fd/%d", ns.Fd())
		left, err := impairResidue(path)
		for i := range left {
			left[i] = strings.ReplaceAll(left[i], path, "node "+n.name)
		}
		return left, err
	},
})

func impairResidue(path string) ([]string, error) {
	queues, err := impair.Residue(path)
	if err != nil {
		return nil, err
	}
	devices, err := netem.Residue(path)
	return append(queues, devices...), err
}

// impairLinks resolves the parameters to links, one for each source address.
func impairLinks(ctx context.Context, t *Target) (ImpairParams, []impair.Link, error) {
	var p ImpairParams
	if err := t.Decode(&p); err != nil {
		return p, nil, err
	}
	if p.Impairment.IsZero() {
		return p, nil, errors.New("the impairment does nothing")
	}
	sources := p.FromAddress
	for _, id := range p.From {
		peer, err := t.Host.Node(ctx, id)
		if err != nil {
			return p, nil, err
		}
		if len(peer.Addresses()) == 0 {
			return p, nil, fmt.Errorf("peer %s has no address", peer.name)
		}
		sources = append(sources, peer.Addresses()...)
	}
	if p.Anyone != (len(sources) == 0) {
		return p, nil, errors.New("name the peers, or anyone")
	}
	if p.Anyone {
		return p, []impair.Link{{Proto: p.Proto, Port: p.Port}}, nil
	}
	var links []impair.Link
	for _, s := range sources {
		l := impair.FromAddr(s)
		l.Proto, l.Port = p.Proto, p.Port
		links = append(links, l)
	}
	return p, links, nil
}

// chooseMethod is the ladder: netem where the kernel has it and it can do what
// is asked, else the packet queue.
func chooseMethod(h *Host, path string, p ImpairParams) (string, error) {
	switch p.By {
	case byNetem, byQueue:
		return p.By, nil
	case "":
	default:
		return "", fmt.Errorf("unknown mechanism %q (netem, queue)", p.By)
	}
	if netem.Supports(p.Impairment) != nil || h.lacksNetem.Load() {
		return byQueue, nil
	}
	h.probing.Lock()
	defer h.probing.Unlock()
	if h.lacksNetem.Load() {
		return byQueue, nil
	}
	err := netem.Probe(path)
	if errors.Is(err, netem.ErrMissing) {
		h.lacksNetem.Store(true)
		return byQueue, nil
	}
	return byNetem, err
}

// verifyImpair reads the links back from the kernel, then sends a datagram from
// each running peer and waits until the mechanism has counted it. Sources
// outside the run, and links of one port, are proven by their rule alone.
func verifyImpair(ctx context.Context, t *Target, applied Evidence) (Evidence, error) {
	life, err := t.Node.Life()
	if err != nil {
		return Evidence{}, err
	}
	i, err := life.impairing()
	if err != nil {
		return Evidence{}, err
	}
	p, links, err := impairLinks(ctx, t)
	if err != nil {
		return Evidence{}, err
	}
	looked := monotonic()
	before, text, err := i.seen(links)
	if err != nil {
		return Evidence{}, err
	}
	expected := 0
	if p.Proto == "" && !p.Anyone {
		for _, id := range p.From {
			peer, err := t.Host.Node(ctx, id)
			if err != nil {
				return Evidence{}, err
			}
			expected += len(probeFrom(peer, t.Node))
		}
	}
	counted, err := eventually(300*time.Millisecond, time.Millisecond, func() (bool, error) {
		now, latest, err := i.seen(links)
		if err != nil {
			return false, err
		}
		more := 0
		for l := range now {
			if now[l] > before[l] {
				more++
			}
		}
		text = latest
		return more >= min(expected, len(links)), nil
	})
	if err != nil {
		return Evidence{}, err
	}
	if !counted {
		return Evidence{}, fmt.Errorf("packets sent by peers were not seen by the mechanism (%d expected): they took another way", expected)
	}
	if applied.Before == 0 {
		applied.Before, applied.After = looked, monotonic()
	}
	applied.How = "packet counter"
	if expected == 0 {
		applied.How = "rule list"
	}
	applied.Detail = fmt.Sprintf("%s on %d links by %s", p.Impairment, len(links), text)
	return applied, nil
}
