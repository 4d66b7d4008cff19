package secure

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/hadrill/hadrill/harness"
	"github.com/hadrill/hadrill/harness/authority"
	"github.com/hadrill/hadrill/harness/components"
	proxy "github.com/hadrill/hadrill/harness/components/gateway"
	"github.com/hadrill/hadrill/harness/components/registry"
	"github.com/hadrill/hadrill/harness/internal/probe"
)

// Doors of a Mutual: straight to the first backend, past the gateway.
const (
	Bare     = "bare"     // shows no certificate
	Stranger = "stranger" // shows one of an authority of its own
)

const (
	clientFile = "/etc/hadrill/client.pem" // certificate and key of the gateway
	rootFile   = "/etc/hadrill/root.pem"   // the run's authority

	// keptFor is how long a connection is used: short, so that every
	// certificate is really shown.
	keptFor = time.Second
)

// Mutual is a gateway and two backends that speak mutual TLS with each other,
// with certificates that are renewed under load on both sides.
//
//	                      renewer: new files every so often
//	                 ┌───────────┴────┬──────────────┐
//	                 ▼                ▼              ▼
//	clients ──▶ gateway ══ TLS ══▶ backend-1     backend-2
//	              │  "gateway" ─▶     ▲  ◀─ "backend-1", ...
//	intruders ────┴──── no certificate, a stranger's ──┘ refused in the handshake
//
// A connection is kept for a second: certificates are looked at in handshakes
// only, so a connection's age is how long one that has ended is good for.
type Mutual struct {
	Lifetime time.Duration // of a certificate; default 24 h. X.509 knows whole seconds only.
	Ahead    time.Duration // how long before its end one is renewed; 0: never

	// NoVerify has backends show a certificate and ask for none.
	NoVerify bool
}

var _ harness.System = Mutual{}

// Name implements harness.System.
func (Mutual) Name() string { return "mutual-tls" }

func (m Mutual) filled() Mutual {
	if m.Lifetime == 0 {
		m.Lifetime = 24 * time.Hour
	}
	return m
}

func (m Mutual) check() error {
	var errs []error
	if m.Lifetime < 2*time.Second {
		errs = append(errs, errors.New("field Lifetime: want at least 2 s, for certificates know whole seconds only"))
	}
	if m.Ahead < 0 || m.Ahead >= m.Lifetime {
		errs = append(errs, errors.New("field Ahead: want 0 or more, and less than Lifetime"))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("secure.Mutual: %w", err)
	}
	return nil
}

// holder is a node that has a certificate.
type holder struct {
	name string
	addr netip.Addr
	file string
}

// leaf is what its certificate says. The gateway's is a client's.
func (h holder) leaf(until time.Time) authority.Leaf {
	return authority.Leaf{Name: h.name, Addrs: []netip.Addr{h.addr}, Client: h.file == clientFile, Until: until}
}

// Start implements harness.System.
func (m Mutual) Start(ctx context.Context, env *harness.Env) (harness.Running, error) {
	m = m.filled()
	if err := m.check(); err != nil {
		return nil, err
	}
	trusted, err := authority.New("hadrill " + env.Run())
	if err != nil {
		return nil, err
	}
	holders := []holder{{Gateway, env.Reserve(Gateway), clientFile}}
	for _, name := range []string{"backend-1", "backend-2"} {
		holders = append(holders, holder{name, env.Reserve(name), pairFile})
	}
	r := &RunningMutual{declared: m, env: env, holders: holders, trusted: trusted}
	if r.shown, err = showing(trusted, "harness"); err != nil {
		return nil, err
	}
	specs, err := m.specs(env, r)
	if err != nil {
		return nil, err
	}
	if r.nodes, err = env.Start(ctx, specs...); err != nil {
		return nil, err
	}
	for _, n := range r.nodes[1:] {
		r.askers = append(r.askers, probe.NewHTTP(r.inside(), netip.AddrPortFrom(n.Addr(), components.DefaultPort)))
	}
	return r, nil
}

func (m Mutual) specs(env *harness.Env, r *RunningMutual) ([]harness.NodeSpec, error) {
	route := proxy.Route{Name: "all", Path: "/", Balance: proxy.RoundRobin, Health: &proxy.Health{}, Outlier: &proxy.Outlier{}}
	for _, h := range r.holders[1:] {
		route.Instances = append(route.Instances, registry.Instance{ID: h.name, Addr: netip.AddrPortFrom(h.addr, components.DefaultPort).String()})
	}
	text, err := proxy.FormatRoutes([]proxy.Route{route})
	if err != nil {
		return nil, fmt.Errorf("secure.Mutual: %w", err)
	}
	root := harness.File{Path: rootFile, Content: r.trusted.RootPEM()}
	specs := []harness.NodeSpec{components.GatewaySpec(env, Gateway, map[string]string{
		"HADRILL_ROUTES":        text,
		"HADRILL_UPSTREAM_CERT": clientFile, "HADRILL_UPSTREAM_KEY": clientFile, "HADRILL_UPSTREAM_ROOTS": rootFile,
	})}
	settings := map[string]string{"HADRILL_TLS_CERT": pairFile, "HADRILL_TLS_KEY": pairFile, "HADRILL_CONNECTION_AGE": keptFor.String()}
	if !m.NoVerify {
		settings["HADRILL_TLS_CLIENTS"] = rootFile
	}
	for _, h := range r.holders[1:] {
		spec := components.Spec(env, "backend", h.name, settings)
		spec.Ready = func(ctx context.Context, n *harness.Node) error {
			answer, err := probe.Once(ctx, r.inside(), netip.AddrPortFrom(n.Addr(), components.DefaultPort), "/ready")
			if err == nil && answer.Status != 200 {
				err = fmt.Errorf("%s is not ready: %d %s", n.Name(), answer.Status, answer.Body)
			}
			return err
		}
		specs = append(specs, spec)
	}
	for i, h := range r.holders {
		// The first ones last until Settle renews them, at the beginning of the load.
		pair, err := r.trusted.Issue(h.leaf(time.Time{}))
		if err != nil {
			return nil, err
		}
		specs[i].Files = append(specs[i].Files, root, harness.File{Path: h.file, Mode: 0o600, Content: together(pair)})
	}
	return specs, nil
}

// showing is a client's certificate of an authority.
func showing(a *authority.Authority, name string) (tls.Certificate, error) {
	pair, err := a.Issue(authority.Leaf{Name: name, Client: true})
	if err != nil {
		return tls.Certificate{}, err
	}
	shown, err := tls.X509KeyPair(pair.Cert, pair.Key)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("certificate of %s: %w", name, err)
	}
	return shown, nil
}

// inside is a vantage whose connections are those of a client with a
// certificate of the run's authority.
func (r *RunningMutual) inside() harness.Vantage {
	return secured{r.env.Data(), &tls.Config{RootCAs: r.trusted.Pool(), Certificates: []tls.Certificate{r.shown}, MinVersion: tls.VersionTLS12}}
}

// secured is a vantage that makes a handshake on every connection.
type secured struct {
	harness.Vantage
	config *tls.Config
}

// DialContext implements harness.Vantage.
func (s secured) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	raw, err := s.Vantage.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	config := s.config.Clone()
	if config.ServerName, _, err = net.SplitHostPort(address); err != nil {
		return nil, errors.Join(err, raw.Close())
	}
	conn := tls.Client(raw, config)
	if err := conn.HandshakeContext(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("handshake with %s: %w", address, err), raw.Close())
	}
	return conn, nil
}
