package components

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	discovery "github.com/hadrill/hadrill/harness/components/registry"
)

// entry is a service's place in the registry.
type entry struct {
	registry discovery.Config // no Endpoints: it has none
	service  string
	addr     string // "IP:port"; "": as the registry sees this node
}

// readEntry reads it:
//
//	HADRILL_REGISTRY         etcd members, "IP:port,IP:port"; none: it does not register
//	HADRILL_REGISTRY_PREFIX  default "services"
//	HADRILL_LEASE            life of a registration that is not renewed, whole seconds, default 2s
//	HADRILL_SERVICE          name of the service, default "backend"
//	HADRILL_ADVERTISE        "IP:port" that others reach it at; default: its own, as the registry sees it
func readEntry(s *Settings) entry {
	e := entry{registry: readRegistry(s), service: s.Text("HADRILL_SERVICE", "backend"), addr: given(s.Text("HADRILL_ADVERTISE", "own"), "own")}
	e.registry.Lease = s.Duration(keyLease, discovery.DefaultLease)
	if lease := e.registry.Lease; lease < time.Second || lease%time.Second != 0 {
		s.fail(keyLease, lease.String(), "whole seconds")
	}
	return e
}

// serve serves, registered while it does. At the end the entry is taken out
// first, while requests that are still sent here go on being answered; ended at
// once, it is left to its lease, as that of a process that was killed.
func (e entry) serve(ctx context.Context, srv *server) error {
	if len(e.registry.Endpoints) == 0 {
		return srv.serve(ctx)
	}
	e.registry.Say = func(line string) { fmt.Printf("%s: %s\n", srv.node, line) }
	if e.addr == "" {
		var err error
		if e.addr, err = discovery.LocalAddr(e.registry.Endpoints, srv.port); err != nil {
			return err
		}
	}
	ctx, ended := context.WithCancel(ctx)
	defer ended()
	enlisted := make(chan error, 1)
	go func() { enlisted <- e.enlist(ctx, srv) }()
	err := srv.serve(ctx)
	ended() // also when it could not serve at all
	if srv.end == endAtOnce {
		return err
	}
	return errors.Join(err, <-enlisted)
}

// enlist registers as soon as the port is open, and deregisters when ctx ends.
func (e entry) enlist(ctx context.Context, srv *server) error {
	for {
		conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "tcp4", fmt.Sprintf("127.0.0.1:%d", srv.port))
		if err == nil {
			_ = conn.Close() // it was only to see
			break
		}
		if ctx.Err() != nil {
			return nil
		}
		time.Sleep(time.Millisecond)
	}
	// Ending at once must not deregister, so ctx does not end the registration.
	registration, err := discovery.Register(context.WithoutCancel(ctx), e.registry, e.service, discovery.Instance{ID: srv.node, Addr: e.addr})
	if err != nil {
		return err
	}
	<-ctx.Done()
	if srv.end == endAtOnce {
		return nil
	}
	if err := registration.Deregister(); err != nil {
		fmt.Printf("%s: %v; the lease will end\n", srv.node, err)
	}
	return nil
}
