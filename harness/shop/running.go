package shop

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hadrill/hadrill/harness"
	"github.com/hadrill/hadrill/harness/components"
	"github.com/hadrill/hadrill/harness/components/gateway"
	"github.com/hadrill/hadrill/harness/internal/probe"
)

const (
	askLimit    = 100 * time.Millisecond // how long a node may take to say whether it serves
	settleLimit = time.Second            // one round of questions while settling
	settlePause = 25 * time.Millisecond
)

// Running is a started Shop.
type Running struct {
	declared Shop
	env      *harness.Env
	stores   []harness.Running
	own      []*harness.Node // instances, consumers, gateways
	askers   []*probe.HTTP   // one for each of own
}

var (
	_ harness.RedundancyReporter = (*Running)(nil)
	_ harness.Settler            = (*Running)(nil)
	_ harness.Milestones         = (*Running)(nil)
	_ harness.Stopper            = (*Running)(nil)
	_ harness.HTTPServer         = (*Running)(nil)
	_ harness.JobRunner          = (*Running)(nil)
)

// open starts the shop's own nodes.
func (r *Running) open(ctx context.Context) error {
	specs, err := r.declared.specs(r.env)
	if err != nil {
		return err
	}
	if r.own, err = r.env.Start(ctx, specs...); err != nil {
		return err
	}
	for i, n := range r.own {
		port := uint16(components.DefaultPort)
		if i >= len(r.own)-r.declared.Gateways {
			port = gateway.DefaultAdminPort
		}
		r.askers = append(r.askers, probe.NewHTTP(r.env.Data(), netip.AddrPortFrom(n.Addr(), port)))
	}
	return nil
}

func address(n *harness.Node) netip.AddrPort {
	return netip.AddrPortFrom(n.Addr(), components.DefaultPort)
}

// Nodes implements harness.Running: the shop's own, then its stores'.
func (r *Running) Nodes() []*harness.Node {
	all := slices.Clone(r.own)
	for _, s := range r.stores {
		all = append(all, s.Nodes()...)
	}
	return all
}

// instances are the nodes of the order service.
func (r *Running) instances() []*harness.Node { return r.own[:r.declared.Instances] }

// doors are where customers knock: at the gateways, or at the instances.
func (r *Running) doors() (all []netip.AddrPort) {
	if r.declared.Door != "" {
		return []netip.AddrPort{netip.AddrPortFrom(r.env.Reserve(r.declared.Door), components.DefaultPort)}
	}
	nodes := r.instances()
	if r.declared.Gateways > 0 {
		nodes = r.own[len(r.own)-r.declared.Gateways:]
	}
	for _, n := range nodes {
		all = append(all, address(n))
	}
	return all
}

// URL implements harness.HTTPServer: the door, the first gateway, or the first instance.
func (r *Running) URL() string { return fmt.Sprintf("http://%s", r.doors()[0]) }

// Stop implements harness.Stopper.
func (r *Running) Stop(ctx context.Context) error {
	for _, a := range r.askers {
		a.Close()
	}
	var errs []error
	for _, s := range r.stores {
		if stopper, ok := s.(harness.Stopper); ok {
			errs = append(errs, stopper.Stop(ctx))
		}
	}
	return errors.Join(errs...)
}

// ready asks the shop's own nodes whether they can serve.
func (r *Running) ready(ctx context.Context, limit time.Duration) []error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	errs := make([]error, len(r.askers))
	var group sync.WaitGroup
	for i, a := range r.askers {
		group.Go(func() {
			answer, err := a.Get(ctx, "/ready")
			if err == nil && answer.Status != 200 {
				err = fmt.Errorf("%s is not ready: %s", r.own[i].Name(), answer.Body)
			}
			errs[i] = err
		})
	}
	group.Wait()
	return errs
}

// Redundancy implements harness.RedundancyReporter: instances that are ready.
func (r *Running) Redundancy(ctx context.Context) (have, want int, err error) {
	for i, err := range r.ready(ctx, askLimit) {
		if err == nil && i < r.declared.Instances {
			have++
		}
	}
	return have, r.declared.Instances, nil
}

// Settle implements harness.Settler: every store is steady, and every node of
// the shop's own is ready.
func (r *Running) Settle(ctx context.Context) error {
	for _, s := range r.stores {
		if err := settle(ctx, s); err != nil {
			return err
		}
	}
	for {
		err := errors.Join(r.ready(ctx, settleLimit)...)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("settle %s: %w; not steady: %w", r.declared.Name(), ctx.Err(), err)
		case <-time.After(settlePause):
		}
	}
}

// sayings are what the shop's own nodes say when something changes.
var sayings = []string{"serves on port", "drains", "has drained", "orders:", "registry:", "rotation:"}

// Milestone implements harness.Milestones: a store's reader knows its own
// nodes; the shop's own say in words what changes.
func (r *Running) Milestone(node, line string) (harness.Milestone, bool) {
	for _, s := range r.stores {
		reader, ok := s.(harness.Milestones)
		if ok && slices.ContainsFunc(s.Nodes(), func(n *harness.Node) bool { return n.Name() == node }) {
			return reader.Milestone(node, line)
		}
	}
	for _, word := range sayings {
		if strings.Contains(line, word) {
			return harness.Milestone{Keep: true, Text: line}, true
		}
	}
	return harness.Milestone{}, false
}
