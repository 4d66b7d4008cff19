package openid

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// Paths of a provider. A verifier that was given the issuer asks these, which
// is what the provider's discovery document says too.
const (
	DiscoveryPath = "/.well-known/openid-configuration"
	KeysPath      = "/keys"
	TokenPath     = "/token"
)

// Provider is an OpenID provider as a handler. Safe for concurrent use.
type Provider struct {
	issuer string
	rotate time.Duration
	file   string // keeps the keys over a restart; "": nothing does

	mu    sync.Mutex
	keys  [3]signing // previous (zero at first), current, next
	next  int        // number of the next key to be made
	since time.Time  // when the current one began to sign
}

// signing is a key with its name.
type signing struct {
	id  string
	key *ecdsa.PrivateKey
}

// NewProvider makes a provider of the given issuer, its own base URL. rotate is
// how long a key signs; 0: for ever. file keeps the keys, readable to nobody
// else: a provider that comes back with others would have broken every token
// that it ever gave out. "" keeps none.
func NewProvider(issuer string, rotate time.Duration, file string) (*Provider, error) {
	p := &Provider{issuer: issuer, rotate: rotate, file: file, since: time.Now()}
	kept, err := p.restore()
	if kept || err != nil {
		return p, err
	}
	for i := 1; i < 3; i++ {
		if p.keys[i], err = p.make(); err != nil {
			return nil, err
		}
	}
	return p, p.save()
}

func (p *Provider) make() (signing, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return signing{}, fmt.Errorf("make a signing key: %w", err)
	}
	p.next++
	return signing{"key-" + strconv.Itoa(p.next), key}, nil
}

// turn rotates the keys when their time has passed, once, however long ago that
// was: a provider that was down for several periods must not drop at once the
// key of every token that is out there. p.mu is held.
func (p *Provider) turn() error {
	if p.rotate > 0 && time.Since(p.since) >= p.rotate {
		made, err := p.make()
		if err != nil {
			return err
		}
		p.keys = [3]signing{p.keys[1], p.keys[2], made}
		p.since = time.Now()
		if err := p.save(); err != nil {
			return err
		}
	}
	return nil
}

// Claims is what a token is to say.
type Claims struct {
	Subject  string
	Audience string
	Life     time.Duration // from now; below zero it has already expired
}

// Sign makes a token.
func (p *Provider) Sign(c Claims) (string, error) {
	p.mu.Lock()
	err := p.turn()
	current := p.keys[1]
	p.mu.Unlock()
	if err != nil {
		return "", err
	}
	return sign(p.issuer, current.id, current.key, c)
}

// sign makes a token of any issuer with any key.
func sign(issuer, id string, key *ecdsa.PrivateKey, c Claims) (string, error) {
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: key, KeyID: id}}, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		return "", fmt.Errorf("sign a token: %w", err)
	}
	now := time.Now()
	from := now
	if c.Life < 0 {
		from = now.Add(2 * c.Life)
	}
	token, err := jwt.Signed(signer).Claims(jwt.Claims{
		Issuer: issuer, Subject: c.Subject, Audience: jwt.Audience{c.Audience},
		IssuedAt: jwt.NewNumericDate(from), Expiry: jwt.NewNumericDate(now.Add(c.Life)),
	}).Serialize()
	if err != nil {
		return "", fmt.Errorf("sign a token: %w", err)
	}
	return token, nil
}

// Forge signs a token with a key that no provider has, under the name of the
// key that signed a genuine one: what a forger who has seen a token can do.
func Forge(issuer, genuine string, c Claims) (string, error) {
	seen, err := jwt.ParseSigned(genuine, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		return "", fmt.Errorf("look at a token: %w", err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", fmt.Errorf("make a key: %w", err)
	}
	return sign(issuer, seen.Headers[0].KeyID, key, c)
}

// Register adds the provider's routes to a server.
//
//	GET  /.well-known/openid-configuration
//	GET  /keys
//	POST /token?audience=A&life=60s&subject=S   answers {"access_token": ...}
//
// life is for drills: a real provider says it, and no client.
func (p *Provider) Register(handle func(pattern string, h http.HandlerFunc)) {
	handle("GET "+DiscoveryPath, func(w http.ResponseWriter, _ *http.Request) {
		answer(w, map[string]any{
			"issuer": p.issuer, "jwks_uri": p.issuer + KeysPath, "token_endpoint": p.issuer + TokenPath,
			"id_token_signing_alg_values_supported": []string{string(jose.ES256)},
			"response_types_supported":              []string{"token"}, "subject_types_supported": []string{"public"},
		})
	})
	handle("GET "+KeysPath, func(w http.ResponseWriter, _ *http.Request) {
		set, err := p.published()
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		answer(w, set)
	})
	handle("POST "+TokenPath, func(w http.ResponseWriter, r *http.Request) {
		c := Claims{Subject: r.FormValue("subject"), Audience: r.FormValue("audience"), Life: time.Minute}
		if text := r.FormValue("life"); text != "" {
			var err error
			if c.Life, err = time.ParseDuration(text); err != nil {
				http.Error(w, `life: want a duration such as "60s"`, http.StatusBadRequest)
				return
			}
		}
		if c.Audience == "" {
			http.Error(w, "audience: want whom the token is for", http.StatusBadRequest)
			return
		}
		token, err := p.Sign(c)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		answer(w, Issued{AccessToken: token, TokenType: "Bearer", ExpiresIn: int(c.Life.Seconds())})
	})
}

// Issued is the answer of the token endpoint (RFC 6749, 5.1).
type Issued struct {
	AccessToken string `json:"access_token"`
	TokenType   string `json:"token_type"`
	ExpiresIn   int    `json:"expires_in"`
}

func (p *Provider) published() (set jose.JSONWebKeySet, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.turn(); err != nil {
		return set, err
	}
	for _, k := range p.keys {
		if k.key != nil {
			set.Keys = append(set.Keys, jose.JSONWebKey{Key: k.key.Public(), KeyID: k.id, Algorithm: string(jose.ES256), Use: "sig"})
		}
	}
	return set, nil
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // the client may be gone; that is its business
}
