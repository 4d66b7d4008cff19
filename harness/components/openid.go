package components

import (
	"context"
	"net/http"
	"strings"

	"github.com/hadrill/hadrill/harness/components/gateway"
	"github.com/hadrill/hadrill/harness/components/openid"
)

const (
	keyIssuer         = "HADRILL_ISSUER"
	keyRotate         = "HADRILL_ROTATE"
	keyKeysFile       = "HADRILL_KEYS_FILE"
	keyOpenIDIssuer   = "HADRILL_OPENID_ISSUER"
	keyOpenIDAudience = "HADRILL_OPENID_AUDIENCE"
	keyOpenIDKeys     = "HADRILL_OPENID_KEYS"
	keyOpenIDOutage   = "HADRILL_OPENID_OUTAGE"
)

var _ = register("openid", runOpenID)

// runOpenID is an OpenID provider; see package openid. Settings:
//
//	HADRILL_ISSUER  its own base URL, as tokens name it
//	HADRILL_ROTATE  how long a key signs; default: for ever
//	HADRILL_KEYS_FILE  keeps the keys over a restart
func runOpenID(ctx context.Context, s *Settings) error {
	srv := newServer(s)
	issuer := s.Text(keyIssuer, "")
	if issuer != "" && !strings.HasPrefix(issuer, "http") {
		s.fail(keyIssuer, issuer, "a base URL")
	}
	rotate, file := s.Duration(keyRotate, 0), s.Text(keyKeysFile, "/tmp/keys.json")
	if err := s.Check(); err != nil {
		return err
	}
	provider, err := openid.NewProvider(issuer, rotate, file)
	if err != nil {
		return err
	}
	provider.Register(func(pattern string, h http.HandlerFunc) { srv.handle(pattern, h) })
	return srv.serve(ctx)
}

// readOpenID reads whom a gateway lets in; nil: everybody.
func readOpenID(s *Settings) *openid.Config {
	issuer := s.Text(keyOpenIDIssuer, "none")
	c := openid.Config{
		Issuer: issuer, Audience: s.Text(keyOpenIDAudience, "hadrill"),
		FetchPerRequest: s.Choice(keyOpenIDKeys, "cached", "per-request") == "per-request",
		FailOpen:        s.Choice(keyOpenIDOutage, "closed", "open") == "open",
	}
	if issuer == "none" {
		return nil
	}
	if err := c.Check(); err != nil {
		s.fail(keyOpenIDIssuer, issuer, err.Error())
	}
	return &c
}

// openID plugs a verifier into a gateway. What it returns ends it.
func openID(ctx context.Context, c openid.Config, seams *gateway.Seams) (stop func()) {
	v := openid.NewVerifier(c, seams.Say)
	running, cancel := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan struct{})
	go func() { defer close(done); v.Run(running) }()
	seams.Authenticate, seams.Ready = v.Wrap, v.Ready
	return func() { cancel(); <-done }
}
