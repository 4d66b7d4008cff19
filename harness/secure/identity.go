package secure

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/hadrill/hadrill/harness"
	"github.com/hadrill/hadrill/harness/components"
	proxy "github.com/hadrill/hadrill/harness/components/gateway"
	"github.com/hadrill/hadrill/harness/components/openid"
	"github.com/hadrill/hadrill/harness/components/registry"
)

// The kinds of token that Identity gives out.
const (
	Valid         = "valid"          // as a good client has it, renewed in time
	Expired       = "expired"        // once valid
	WrongAudience = "wrong-audience" // valid for somebody else
	Forged        = "forged"         // signed by a key of the forger's own, under the name of the provider's
	None          = "none"
)

// Nodes of an Identity.
const (
	Provider = "provider"
	tokenFor = "shop"

	tokenLife  = time.Minute
	tokenRenew = 500 * time.Millisecond
	tokenLimit = time.Second
)

// Identity is a gateway that lets in only who shows a valid token of an OpenID
// provider.
//
//	           ┌── /token ──▶ provider ◀── /keys ──┐
//	clients ───┤                                    │ cached
//	           └── Bearer ... ─────────────▶ gateway ──▶ backend-1, backend-2
//	intruders ──── none, expired, forged, for somebody else ──▶ 401, always
//
// Clients renew their tokens while the provider answers and keep the last one
// while it does not, as well-made clients do. The zero value is the safe one.
type Identity struct {
	// Rotate is how long the provider's key signs; 0: for ever.
	Rotate time.Duration

	FetchPerRequest bool // the gateway asks for the keys with each request
	FailOpen        bool // the gateway lets all in while the provider is down
}

var _ harness.System = Identity{}

// Name implements harness.System.
func (Identity) Name() string { return "openid-gateway" }

// Start implements harness.System.
func (i Identity) Start(ctx context.Context, env *harness.Env) (harness.Running, error) {
	if i.Rotate < 0 {
		return nil, fmt.Errorf("secure.Identity: field Rotate: want none below zero")
	}
	env.Reserve(Gateway)
	issuer := "http://" + netip.AddrPortFrom(env.Reserve(Provider), components.DefaultPort).String()
	route := proxy.Route{Name: "all", Path: "/", Balance: proxy.RoundRobin}
	backends := []string{"backend-1", "backend-2"}
	for _, name := range backends {
		route.Instances = append(route.Instances, registry.Instance{ID: name, Addr: netip.AddrPortFrom(env.Reserve(name), components.DefaultPort).String()})
	}
	text, err := proxy.FormatRoutes([]proxy.Route{route})
	if err != nil {
		return nil, fmt.Errorf("secure.Identity: %w", err)
	}
	gate := map[string]string{"HADRILL_ROUTES": text, "HADRILL_OPENID_ISSUER": issuer, "HADRILL_OPENID_AUDIENCE": tokenFor}
	if i.FetchPerRequest {
		gate["HADRILL_OPENID_KEYS"] = "per-request"
	}
	if i.FailOpen {
		gate["HADRILL_OPENID_OUTAGE"] = "open"
	}
	provider := map[string]string{"HADRILL_ISSUER": issuer}
	if i.Rotate > 0 {
		provider["HADRILL_ROTATE"] = i.Rotate.String()
	}
	specs := []harness.NodeSpec{components.GatewaySpec(env, Gateway, gate), components.Spec(env, "openid", Provider, provider)}
	for _, name := range backends {
		specs = append(specs, components.Spec(env, "backend", name, nil))
	}
	nodes, err := env.Start(ctx, specs...)
	if err != nil {
		return nil, err
	}
	r := &RunningIdentity{env: env, nodes: nodes, issuer: issuer, shown: map[string]string{}}
	r.client = &http.Client{Timeout: tokenLimit, Transport: &http.Transport{DialContext: env.Data().DialContext}}
	return r, nil
}

// RunningIdentity is a started Identity.
type RunningIdentity struct {
	env    *harness.Env
	nodes  []*harness.Node
	issuer string
	client *http.Client

	mu      sync.Mutex
	shown   map[string]string // value of the Authorization header, by kind
	stop    context.CancelFunc
	stopped chan struct{}
}

var (
	_ harness.Authorizer = (*RunningIdentity)(nil)
	_ harness.Settler    = (*RunningIdentity)(nil)
	_ harness.Quiescer   = (*RunningIdentity)(nil)
	_ harness.Milestones = (*RunningIdentity)(nil)
	_ harness.Stopper    = (*RunningIdentity)(nil)
)

// Nodes implements harness.Running.
func (r *RunningIdentity) Nodes() []*harness.Node { return r.nodes }

// URL implements harness.HTTPServer.
func (r *RunningIdentity) URL() string {
	return "http://" + netip.AddrPortFrom(r.nodes[0].Addr(), proxy.DefaultPort).String()
}

// Authorization implements harness.Authorizer.
func (r *RunningIdentity) Authorization(kind string) (func() string, error) {
	switch kind {
	case None:
		return func() string { return "" }, nil
	case Valid, Expired, WrongAudience, Forged:
		return func() string {
			r.mu.Lock()
			defer r.mu.Unlock()
			return r.shown[kind]
		}, nil
	}
	return nil, fmt.Errorf("token %q: want %s", kind, strings.Join([]string{Valid, Expired, WrongAudience, Forged, None}, ", "))
}

// Settle implements harness.Settler: a client with a token is let in, one
// without is not, and from now on tokens are renewed.
func (r *RunningIdentity) Settle(ctx context.Context) error {
	for {
		err := r.steady(ctx)
		if err == nil {
			break
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("settle %s: %w; not steady: %w", Identity{}.Name(), ctx.Err(), err)
		case <-time.After(askPause):
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stop != nil {
		return nil
	}
	renewing, stop := context.WithCancel(context.WithoutCancel(ctx))
	r.stop, r.stopped = stop, make(chan struct{})
	go func() {
		defer close(r.stopped)
		for {
			select {
			case <-renewing.Done():
				return
			case <-time.After(tokenRenew):
				_ = r.renew(renewing) // who cannot renew keeps what it has
			}
		}
	}()
	return nil
}

func (r *RunningIdentity) steady(ctx context.Context) error {
	if err := r.renew(ctx); err != nil {
		return err
	}
	for kind, want := range map[string]int{Valid: http.StatusOK, None: http.StatusUnauthorized, Expired: http.StatusUnauthorized, Forged: http.StatusUnauthorized, WrongAudience: http.StatusUnauthorized} {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.URL()+"/", nil)
		if err != nil {
			return err
		}
		value, err := r.Authorization(kind)
		if err != nil {
			return err
		}
		if shown := value(); shown != "" {
			req.Header.Set("Authorization", shown)
		}
		res, err := r.client.Do(req)
		if err != nil {
			return err
		}
		_ = res.Body.Close()
		if res.StatusCode != want {
			return fmt.Errorf("with token %s the gateway answered %d, want %d", kind, res.StatusCode, want)
		}
	}
	return nil
}

// Quiesce implements harness.Quiescer: requests leave no state.
func (r *RunningIdentity) Quiesce(context.Context) error { return nil }

// renew asks for a token of each kind.
func (r *RunningIdentity) renew(ctx context.Context) error {
	fresh := map[string]string{}
	for kind, c := range map[string]openid.Claims{
		Valid:         {Audience: tokenFor, Life: tokenLife},
		Expired:       {Audience: tokenFor, Life: -tokenLife},
		WrongAudience: {Audience: "somebody-else", Life: tokenLife},
	} {
		token, err := r.ask(ctx, c)
		if err != nil {
			return fmt.Errorf("get a token (%s): %w", kind, err)
		}
		fresh[kind] = token
	}
	forged, err := openid.Forge(r.issuer, fresh[Valid], openid.Claims{Subject: "load", Audience: tokenFor, Life: tokenLife})
	if err != nil {
		return err
	}
	fresh[Forged] = forged
	r.mu.Lock()
	defer r.mu.Unlock()
	for kind, token := range fresh {
		r.shown[kind] = "Bearer " + token
	}
	return nil
}

func (r *RunningIdentity) ask(ctx context.Context, c openid.Claims) (string, error) {
	form := url.Values{"audience": {c.Audience}, "life": {c.Life.String()}, "subject": {"load"}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.issuer+openid.TokenPath, strings.NewReader(form.Encode()))
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := r.client.Do(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s answered %d", openid.TokenPath, res.StatusCode)
	}
	var issued openid.Issued
	if err := json.NewDecoder(res.Body).Decode(&issued); err != nil {
		return "", fmt.Errorf("read a token: %w", err)
	}
	return issued.AccessToken, nil
}

// Stop implements harness.Stopper.
func (r *RunningIdentity) Stop(ctx context.Context) error {
	r.mu.Lock()
	stop, stopped := r.stop, r.stopped
	r.mu.Unlock()
	if stop != nil {
		stop()
		select {
		case <-stopped:
		case <-ctx.Done():
			return fmt.Errorf("stop renewing tokens: %w", ctx.Err())
		}
	}
	r.client.CloseIdleConnections()
	return nil
}

// Milestone implements harness.Milestones: the gateway says that it has to do
// with the keys it has.
func (r *RunningIdentity) Milestone(node, line string) (harness.Milestone, bool) {
	if node == Gateway && strings.Contains(line, "keeps ") && strings.Contains(line, " keys: ") {
		return harness.Milestone{Declared: true, Keep: true, Text: line}, true
	}
	if node == Gateway && strings.Contains(line, "the provider answers again") {
		return harness.Milestone{Keep: true, Text: line}, true
	}
	return harness.Milestone{}, false
}
