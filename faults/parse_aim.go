package faults

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/hadrill/hadrill/faults/impair"
	"github.com/hadrill/hadrill/harness"
)

var (
	roleWords = []string{
		string(harness.Primary), string(harness.Replica), string(harness.Arbiter),
		string(harness.Proxy), string(harness.Unknown),
	}
	nodeWords = slices.Concat(roleWords, []string{"zone", "not", "random"})
	sideWords = slices.Concat(nodeWords, []string{"rest", "clients"})
)

const nodesExpected = "nodes: a role, a node's name, zone:NAME, not NODES or random(SEED) of NODES"

// nodes reads a selector.
func (p *parser) nodes() harness.Selector {
	at := p.here()
	w := p.peek(",+")
	switch {
	case w == "not":
		p.pos += len(w)
		return harness.Except(p.nodes())
	case strings.HasPrefix(w, "random("):
		p.pos += len(w)
		digits, ok := strings.CutSuffix(strings.TrimPrefix(w, "random("), ")")
		seed, err := strconv.ParseUint(digits, 10, 64)
		if !ok || err != nil {
			p.fail(at, "random(SEED), such as random(1)", "random(1)")
			return nil
		}
		p.expect("of")
		return harness.Random(seed, p.nodes())
	}
	parts := []harness.Selector{p.oneOf(nodeWords)}
	for p.accept(',') {
		parts = append(parts, p.oneOf(nodeWords))
	}
	if p.err != nil {
		return nil
	}
	return together(parts)
}

// oneOf reads one role, node or zone.
func (p *parser) oneOf(known []string) harness.Selector {
	at := p.here()
	w := p.word(",+")
	if zone, ok := strings.CutPrefix(w, "zone:"); ok && isName(zone) {
		return harness.InZone(zone)
	}
	if slices.Contains(roleWords, w) {
		return harness.Role(w)
	}
	if !isName(w) || slices.Contains([]string{"rest", "everybody", "nobody", "not", "of"}, w) {
		p.fail(at, nodesExpected, known...)
		return nil
	}
	return harness.Named(w)
}

// together is one selector for several; names alone are one selection by name.
func together(parts []harness.Selector) harness.Selector {
	if len(parts) == 1 {
		return parts[0]
	}
	var names []string
	for _, part := range parts {
		if !isRoleOrZone(part) {
			names = append(names, part.String())
		}
	}
	if len(names) == len(parts) {
		return harness.Named(names...)
	}
	return anyOf(parts)
}

func isRoleOrZone(s harness.Selector) bool {
	_, role := s.(harness.Role)
	return role || strings.HasPrefix(s.String(), "zone:")
}

// anyOf selects the nodes of any of several selectors, each node once.
type anyOf []harness.Selector

func (s anyOf) Select(ctx context.Context, sys harness.Running) ([]*harness.Node, error) {
	var picked []*harness.Node
	for _, part := range s {
		nodes, err := part.Select(ctx, sys)
		if err != nil {
			return nil, err
		}
		for _, n := range nodes {
			if !slices.Contains(picked, n) {
				picked = append(picked, n)
			}
		}
	}
	return picked, nil
}

func (s anyOf) String() string {
	texts := make([]string, len(s))
	for i, part := range s {
		texts[i] = part.String()
	}
	return strings.Join(texts, ",")
}

// side reads one side of a partition.
func (p *parser) side() (s Side) {
	for {
		at := p.here()
		w := p.peek(",+")
		zone, clients := strings.CutPrefix(w, "clients:")
		switch {
		case clients && (isName(zone) || zone == ""):
			p.pos += len(w)
			if zone == "data" {
				zone = ""
			}
			s.Clients = append(s.Clients, zone)
		case w == "the" || w == "rest":
			p.keywordIn("the")
			if !p.keywordIn("rest") {
				p.fail(p.pos, `"rest"`, "rest")
			}
			s.rest = true
		case s.Nodes != nil:
			p.fail(at, `"clients:ZONE" or "rest"; several nodes are joined by ","`, "clients", "rest")
		default:
			s.Nodes = p.sideNodes()
		}
		if p.err != nil || !p.accept('+') {
			return s
		}
	}
}

// keywordIn is keyword inside a side, where '+' ends a word too.
func (p *parser) keywordIn(w string) bool {
	if p.peek(",+") != w {
		return false
	}
	p.pos += len(w)
	return true
}

func (p *parser) sideNodes() harness.Selector {
	at := p.here()
	n := p.nodes()
	if p.err != nil && p.err.Offset == at { // a side can be more than nodes
		p.err = nil
		p.fail(at, nodesExpected+", clients:ZONE or rest", sideWords...)
	}
	return n
}

// otherSide reads the side after a symbol, and takes the rest where there is none.
func (p *parser) otherSide(symbol byte) Side {
	if !p.accept(symbol) {
		return Side{rest: true}
	}
	return p.side()
}

var protocols = []string{string(impair.TCP), string(impair.UDP), string(impair.ICMP)}

// link reads a link: into which nodes, from where, which packets.
func (p *parser) link() (l Link) {
	at := p.here()
	var from Side
	everybody := p.keyword("everybody")
	if !everybody {
		from = p.side()
	}
	switch {
	case p.accept('>'):
		if from.rest {
			p.fail(at, `nodes, clients:ZONE or "everybody"`)
		}
		l.From = from
		l.To = p.nodes()
	case everybody:
		p.fail(p.pos, `">" and nodes`)
	case from.rest || from.Nodes == nil || len(from.Clients) > 0:
		p.fail(p.pos, `">" and the nodes that the packets arrive at`)
	default:
		l.To = from.Nodes
	}
	p.narrow(&l)
	return l
}

// narrow reads a link's protocol and port, if they are next.
func (p *parser) narrow(l *Link) {
	at := p.here()
	proto, port, numbered := strings.Cut(p.peek(""), "/")
	if !slices.Contains(protocols, proto) {
		return
	}
	p.word("")
	l.Proto = impair.Proto(proto)
	if !numbered {
		return
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 || l.Proto == impair.ICMP {
		p.fail(at, "a protocol and a port, such as tcp/6379")
		return
	}
	l.Port = uint16(n)
}
