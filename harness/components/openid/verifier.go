package openid

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
)

// Config is what a Verifier demands. The zero value of a switch is the safe one.
type Config struct {
	Issuer   string // base URL of the provider, as tokens name it
	Audience string // whom tokens must be for

	// FetchPerRequest asks for the keys with each request, and keeps none.
	FetchPerRequest bool
	// FailOpen lets everybody in while the provider cannot be asked.
	FailOpen bool
}

// Check says what is wrong, by the key of the component's setting.
func (c Config) Check() error {
	var errs []error
	if !strings.HasPrefix(c.Issuer, "http://") && !strings.HasPrefix(c.Issuer, "https://") {
		errs = append(errs, errors.New("HADRILL_OPENID_ISSUER: want the provider's base URL, which begins with http:// or https://"))
	}
	if c.Audience == "" {
		errs = append(errs, errors.New("HADRILL_OPENID_AUDIENCE: want whom tokens must be for"))
	}
	return errors.Join(errs...)
}

// Verifier lets requests in that show a valid token (RFC 6750: "Authorization:
// Bearer ..."). Everybody else gets 401, and nothing behind it sees them. Safe
// for concurrent use.
type Verifier struct {
	config Config
	client *http.Client
	keys   *keySet
	began  time.Time
}

// NewVerifier makes a verifier; say is told in one line what changes. It
// verifies nothing until Run has heard the provider once.
func NewVerifier(c Config, say func(line string)) *Verifier {
	v := &Verifier{config: c, began: time.Now(), client: &http.Client{
		Timeout: refreshLimit,
		Transport: &http.Transport{
			Proxy: nil, DialContext: (&net.Dialer{Timeout: refreshLimit}).DialContext,
			MaxIdleConnsPerHost: 16, DisableKeepAlives: c.FetchPerRequest,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	v.keys = newKeySet(c.Issuer+KeysPath, v.client, say)
	return v
}

// Run keeps the keys fresh until ctx ends.
func (v *Verifier) Run(ctx context.Context) {
	defer v.client.CloseIdleConnections()
	if v.config.FetchPerRequest {
		<-ctx.Done()
		return
	}
	v.keys.watch(ctx)
}

// Ready says whether tokens can be verified at all.
func (v *Verifier) Ready() error {
	if !v.config.FetchPerRequest && !v.keys.known() {
		return fmt.Errorf("the OpenID provider %s was not heard yet", v.config.Issuer)
	}
	return nil
}

// now is the time that tokens are judged by: a wall clock that is set, forward
// or back, is not followed.
func (v *Verifier) now() time.Time { return v.began.Add(time.Since(v.began)) }

// Verify tells what is wrong with a token; nil: nothing.
func (v *Verifier) Verify(ctx context.Context, token string) error {
	var keys oidc.KeySet = v.keys
	if v.config.FetchPerRequest {
		fresh, err := fetchKeys(ctx, v.client, v.config.Issuer+KeysPath)
		if err != nil {
			return err
		}
		static := newKeySet("", v.client, func(string) {})
		static.keys, static.asked = fresh, time.Now()
		keys = static
	}
	_, err := oidc.NewVerifier(v.config.Issuer, keys, &oidc.Config{
		ClientID: v.config.Audience, SupportedSigningAlgs: []string{string(jose.ES256)}, Now: v.now,
	}).Verify(ctx, token)
	return err
}

// Wrap is the middleware.
func (v *Verifier) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		err := errors.New("no bearer token")
		if strings.EqualFold(scheme, "Bearer") && token != "" {
			err = v.Verify(r.Context(), token)
		}
		if err != nil && v.config.FailOpen && v.unreachable(r.Context()) {
			err = nil
		}
		if err != nil {
			// Why is for the operator's log, not for who knocks.
			w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
			http.Error(w, "a valid token is needed", http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// unreachable tells whether the provider cannot be asked right now.
func (v *Verifier) unreachable(ctx context.Context) bool {
	_, err := fetchKeys(ctx, v.client, v.config.Issuer+KeysPath)
	return errors.Is(err, errUnreachable)
}
