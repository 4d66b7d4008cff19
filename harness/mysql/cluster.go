package mysql

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/hadrill/hadrill/harness"
	"github.com/hadrill/hadrill/harness/mysql/internal/session"
)

const (
	beliefLimit = 100 * time.Millisecond // how long a node may take to say what it believes
	settleLimit = time.Second            // one round of questions while settling
	settlePause = 50 * time.Millisecond
)

// cluster is what every started system of this package has in common.
type cluster struct {
	env       *harness.Env
	nodes     []*harness.Node
	servers   []*peer
	names     map[netip.Addr]string
	isolation string
	reads     Reads
	pool      *pool // of those to read from
	// locate finds the primary as clients do. last is the one that a client
	// used before; it is what a client falls back to.
	locate func(ctx context.Context, from harness.Vantage, last netip.AddrPort) (netip.AddrPort, error)
}

// peer is one server, what it is asked again and again, and a connection for
// every other question.
type peer struct {
	node    *harness.Node
	beliefs *session.Session
	belief  *question[harness.Belief]
	health  *session.Session
}

func newCluster(env *harness.Env, nodes []*harness.Node, isolation string) (*cluster, error) {
	c := &cluster{env: env, nodes: nodes, names: map[netip.Addr]string{}, isolation: isolation, pool: &pool{back: map[int]time.Time{}}}
	for _, n := range nodes {
		c.names[n.Addr()] = n.Name()
	}
	return c, nil
}

// watch opens the sessions with a server; believes asks it what it believes.
func (c *cluster) watch(n *harness.Node, believes func(context.Context, *peer) (harness.Belief, error)) error {
	addr := netip.AddrPortFrom(n.Addr(), session.Port)
	beliefs, err := session.New(addr, session.Manager, c.env.Data().DialContext)
	if err != nil {
		return err
	}
	health, err := session.New(addr, session.Manager, c.env.Data().DialContext)
	if err != nil {
		return err
	}
	p := &peer{node: n, beliefs: beliefs, health: health}
	p.belief = newQuestion(func(ctx context.Context) (harness.Belief, error) { return believes(ctx, p) })
	c.servers = append(c.servers, p)
	return nil
}

// Nodes implements harness.Running: servers, then manager and backup where
// there are any.
func (c *cluster) Nodes() []*harness.Node { return c.nodes }

// Stop implements harness.Stopper: it drops the connections for observation.
func (c *cluster) Stop(context.Context) error {
	var errs []error
	for _, p := range c.servers {
		p.belief.stop()
		errs = append(errs, p.beliefs.Close(), p.health.Close())
	}
	return errors.Join(errs...)
}

// Beliefs implements harness.RoleReporter: every server is asked at once, and
// one that does not answer soon is not waited for.
func (c *cluster) Beliefs(ctx context.Context) []harness.Belief {
	ctx, cancel := context.WithTimeout(ctx, beliefLimit)
	defer cancel()
	beliefs, errs := ask(c.servers, func(p *peer) (harness.Belief, error) { return p.belief.answer(ctx) })
	for i, p := range c.servers {
		beliefs[i].Node = p.node.Name()
		if errs[i] != nil {
			beliefs[i] = harness.Belief{Node: p.node.Name(), Self: harness.Unknown, Err: errs[i].Error()}
		}
	}
	return beliefs
}

// ask puts a question to all servers at once; answer i is server i's.
func ask[T any](servers []*peer, question func(*peer) (T, error)) ([]T, []error) {
	answers, errs := make([]T, len(servers)), make([]error, len(servers))
	var group sync.WaitGroup
	for i, p := range servers {
		group.Go(func() { answers[i], errs[i] = question(p) })
	}
	group.Wait()
	return answers, errs
}

// nameOf turns an address into a node's name; one it does not know stays.
func (c *cluster) nameOf(text string) string {
	addr, err := netip.ParseAddr(text)
	if name, ok := c.names[addr]; err == nil && ok {
		return name
	}
	return text
}

// settle repeats a check until it finds nothing or ctx ends.
func settle(ctx context.Context, name string, steady func(context.Context) error) error {
	for {
		attempt, cancel := context.WithTimeout(ctx, settleLimit)
		err := steady(attempt)
		cancel()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("settle %s: %w; not steady: %w", name, ctx.Err(), err)
		case <-time.After(settlePause):
		}
	}
}
