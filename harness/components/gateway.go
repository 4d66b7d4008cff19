package components

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"strconv"

	"github.com/hadrill/hadrill/harness"
	"github.com/hadrill/hadrill/harness/components/gateway"
	discovery "github.com/hadrill/hadrill/harness/components/registry"
	"github.com/hadrill/hadrill/harness/internal/probe"
)

var _ = register("gateway", runGateway)

const (
	keyRegistry       = "HADRILL_REGISTRY"
	keyRegistryPrefix = "HADRILL_REGISTRY_PREFIX"
)

// runGateway is a reverse proxy; see package gateway, which also says what an
// image that replaces it must do. Settings:
//
//	HADRILL_ROUTES           JSON list of gateway.Route
//	HADRILL_PORT             of requests, default 8080
//	HADRILL_ADMIN_PORT       of /live /ready /metrics /pool, default 8081
//	HADRILL_REGISTRY         etcd members, "IP:port,IP:port"; none: routes list their instances
//	HADRILL_REGISTRY_PREFIX  default "services"
//	HADRILL_CACHE            file of the last known instances; "off": none
//	HADRILL_DRAIN            from "not ready" to no new connections
//	HADRILL_TLS_CERT, _KEY   PEM files, shown to clients
//	HADRILL_UPSTREAM_CERT, _KEY, _ROOTS
//	                         PEM files of mutual TLS with instances: what it shows
//	                         them, and whose it trusts
//	HADRILL_OPENID_ISSUER    provider's base URL; none: no token is asked for
//	HADRILL_OPENID_AUDIENCE  whom tokens must be for
//	HADRILL_OPENID_KEYS      "cached" (default) or "per-request"
//	HADRILL_OPENID_OUTAGE    who is let in while the provider is down: those with
//	                         a valid token ("closed", default) or all ("open")
//	HADRILL_TRACE            share of requests whose spans are printed, default 0
func runGateway(ctx context.Context, s *Settings) error {
	c := gateway.Config{
		Node: s.Text(KeyNode, ""), Port: s.Port(keyPort, gateway.DefaultPort), AdminPort: s.Port("HADRILL_ADMIN_PORT", gateway.DefaultAdminPort),
		Cache: s.Text("HADRILL_CACHE", "/tmp/instances.json"), Drain: s.Duration(keyDrain, 0),
		TLS:      gateway.TLS{Cert: optional(s, keyTLSCert), Key: optional(s, keyTLSKey)},
		Upstream: gateway.Upstream{Cert: optional(s, "HADRILL_UPSTREAM_CERT"), Key: optional(s, "HADRILL_UPSTREAM_KEY"), Roots: optional(s, "HADRILL_UPSTREAM_ROOTS")},
	}
	c.Cache = given(c.Cache, "off")
	c.Registry = readRegistry(s)
	guard := readOpenID(s)
	share := s.Text("HADRILL_TRACE", "0")
	var err error
	if c.Trace, err = strconv.ParseFloat(share, 64); err != nil {
		s.fail("HADRILL_TRACE", share, "a share from 0 to 1")
	}
	c.TraceTo = os.Stdout
	text := s.Text("HADRILL_ROUTES", "")
	worker := s.Text(gateway.KeyWorker, "none")
	if c.Routes, err = gateway.ParseRoutes(text); err != nil && text != "" {
		s.fail("HADRILL_ROUTES", text, err.Error())
	}
	if err := s.Check(); err != nil {
		return err
	}
	if err := c.Check(); err != nil {
		s.err = err // wrong settings, all the same
		return err
	}
	say := func(line string) { fmt.Printf("%s: %s\n", c.Node, line) }
	if worker != "none" {
		say = func(line string) { fmt.Printf("%s: worker %s: %s\n", c.Node, worker, line) }
		seams := gateway.Seams{Say: say}
		if guard != nil {
			defer openID(ctx, *guard, &seams)()
		}
		return gateway.Work(ctx, c, seams)
	}
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this executable: %w", err)
	}
	return gateway.Supervise(ctx, c, []string{self}, say)
}

// optional reads a text that may be missing.
func optional(s *Settings, key string) string { return given(s.Text(key, "none"), "none") }

// given is text, or nothing when it is the word for nothing.
func given(text, nothing string) string {
	if text == nothing {
		return ""
	}
	return text
}

// readRegistry reads where a component's registry is; none without HADRILL_REGISTRY.
func readRegistry(s *Settings) discovery.Config {
	c := discovery.Config{Prefix: s.Text(keyRegistryPrefix, discovery.DefaultPrefix)}
	text := s.Text(keyRegistry, "none")
	if text == "none" {
		return c
	}
	var err error
	if c.Endpoints, err = discovery.ParseEndpoints(text); err != nil {
		s.fail(keyRegistry, text, "IP:port,IP:port")
	}
	return c
}

// GatewaySpec declares a node that runs the gateway, ready when it says so
// itself on its admin port; settings are its HADRILL_* variables.
func GatewaySpec(env *harness.Env, name string, settings map[string]string) harness.NodeSpec {
	spec := Spec(env, "gateway", name, settings)
	spec.Ready = func(ctx context.Context, n *harness.Node) error {
		answer, err := probe.Once(ctx, env.Data(), netip.AddrPortFrom(n.Addr(), gateway.DefaultAdminPort), "/ready")
		if err == nil && answer.Status != http.StatusOK {
			err = fmt.Errorf("%s is not ready: %d %s", n.Name(), answer.Status, answer.Body)
		}
		return err
	}
	return spec
}
