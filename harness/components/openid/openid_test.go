package openid

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// stage is a provider that can be taken away, and a gate before a page.
type stage struct {
	t        *testing.T
	provider *Provider
	issuer   string
	asked    atomic.Int64 // for keys
	away     atomic.Bool
	gate     http.Handler
	verifier *Verifier
}

func newStage(t *testing.T, rotate time.Duration, change func(*Config)) *stage {
	t.Helper()
	s := &stage{t: t}
	mux := http.NewServeMux()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == KeysPath {
			s.asked.Add(1)
		}
		if s.away.Load() {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	var err error
	s.issuer = server.URL
	s.provider, err = NewProvider(server.URL, rotate, "")
	require.NoError(t, err)
	s.provider.Register(func(pattern string, h http.HandlerFunc) { mux.HandleFunc(pattern, h) })
	c := Config{Issuer: server.URL, Audience: "shop"}
	if change != nil {
		change(&c)
	}
	require.NoError(t, c.Check())
	s.verifier = NewVerifier(c, func(string) {})
	running, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); s.verifier.Run(running) }()
	t.Cleanup(func() { stop(); <-done })
	require.Eventually(t, func() bool { return s.verifier.Ready() == nil }, 10*time.Second, time.Millisecond)
	s.gate = s.verifier.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) }))
	return s
}

func (s *stage) token(c Claims) string {
	s.t.Helper()
	res, err := http.PostForm(s.issuer+TokenPath, url.Values{"audience": {c.Audience}, "life": {c.Life.String()}, "subject": {c.Subject}})
	require.NoError(s.t, err)
	defer res.Body.Close()
	require.Equal(s.t, http.StatusOK, res.StatusCode)
	var issued Issued
	require.NoError(s.t, json.NewDecoder(res.Body).Decode(&issued))
	return issued.AccessToken
}

// answer is what a request with this Authorization header gets.
func (s *stage) answer(authorization string) int {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	if authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
	w := httptest.NewRecorder()
	s.gate.ServeHTTP(w, r)
	return w.Code
}

// intruders are what must never be let in.
func (s *stage) intruders() map[string]string {
	good := Claims{Subject: "load", Audience: "shop", Life: time.Minute}
	genuine := s.token(good)
	forged, err := Forge(s.issuer, genuine, good)
	require.NoError(s.t, err)
	return map[string]string{
		"no token":            "",
		"another scheme":      "Basic " + genuine,
		"no token at all":     "Bearer ",
		"not a token":         "Bearer x.y.z",
		"expired":             "Bearer " + s.token(Claims{Audience: "shop", Life: -time.Minute}),
		"for somebody else":   "Bearer " + s.token(Claims{Audience: "bank", Life: time.Minute}),
		"forged":              "Bearer " + forged,
		"signature cut off":   "Bearer " + genuine[:len(genuine)-10],
		"signed by no one":    "Bearer eyJhbGciOiJub25lIn0.eyJhdWQiOiJzaG9wIn0.",
		"by another issuer":   "Bearer " + strange(s.t, s.issuer+"/other", genuine, good),
		"payload exchanged":   "Bearer " + exchange(genuine, s.token(Claims{Audience: "shop", Life: time.Hour})),
		"symmetric algorithm": "Bearer eyJhbGciOiJIUzI1NiJ9.eyJhdWQiOiJzaG9wIn0.c2lnbmF0dXJl",
	}
}

func strange(t *testing.T, issuer, genuine string, c Claims) string {
	t.Helper()
	token, err := Forge(issuer, genuine, c)
	require.NoError(t, err)
	return token
}

// exchange puts the payload of one token under the signature of another.
func exchange(a, b string) string {
	parts := func(token string) (out [3]string) {
		i := 0
		for _, r := range token {
			if r == '.' {
				i++
				continue
			}
			out[i] += string(r)
		}
		return out
	}
	x, y := parts(a), parts(b)
	return x[0] + "." + y[1] + "." + x[2]
}

func TestOnlyAValidTokenIsLetInWhetherTheProviderAnswersOrNot(t *testing.T) {
	s := newStage(t, 0, nil)
	good := "Bearer " + s.token(Claims{Subject: "load", Audience: "shop", Life: time.Minute})
	bad := s.intruders()
	for _, away := range []bool{false, true} {
		s.away.Store(away)
		assert.Equal(t, http.StatusOK, s.answer(good), "provider away: %v", away)
		for name, authorization := range bad {
			assert.Equal(t, http.StatusUnauthorized, s.answer(authorization), "%s, provider away: %v", name, away)
		}
	}
}

func TestTokensOutliveTheRotationOfTheirKey(t *testing.T) {
	const period = 400 * time.Millisecond
	s := newStage(t, period, nil)
	for range 5 {
		token := "Bearer " + s.token(Claims{Audience: "shop", Life: time.Minute})
		for began := time.Now(); time.Since(began) < period*3/4; time.Sleep(10 * time.Millisecond) {
			require.Equal(t, http.StatusOK, s.answer(token))
		}
	}
	old := "Bearer " + s.token(Claims{Audience: "shop", Life: time.Minute})
	require.Eventually(t, func() bool { return s.answer(old) == http.StatusUnauthorized }, 10*time.Second, 10*time.Millisecond,
		"a key that is no longer published is no longer trusted")
}

func TestUnknownKeysDoNotKeepTheProviderBusy(t *testing.T) {
	s := newStage(t, 0, nil)
	other, err := NewProvider(s.issuer, 0, "")
	require.NoError(t, err)
	for range 10 { // names that the provider never gave
		_, err = other.make()
		require.NoError(t, err)
	}
	other.keys[1], err = other.make()
	require.NoError(t, err)
	token, err := other.Sign(Claims{Audience: "shop", Life: time.Minute})
	require.NoError(t, err)
	before, began := s.asked.Load(), time.Now()
	for range 500 {
		require.Equal(t, http.StatusUnauthorized, s.answer("Bearer "+token))
	}
	most := 2 + int64(time.Since(began)/refreshLeast)
	assert.LessOrEqual(t, s.asked.Load()-before, most)
}

// What the twins do wrong is really wrong.
func TestKeysFetchedPerRequestDieWithTheProvider(t *testing.T) {
	s := newStage(t, 0, func(c *Config) { c.FetchPerRequest = true })
	good := "Bearer " + s.token(Claims{Audience: "shop", Life: time.Minute})
	assert.Equal(t, http.StatusOK, s.answer(good))
	s.away.Store(true)
	assert.Equal(t, http.StatusUnauthorized, s.answer(good))
}

func TestAGateThatFailsOpenLetsForgersIn(t *testing.T) {
	s := newStage(t, 0, func(c *Config) { c.FailOpen = true })
	bad := s.intruders()
	assert.Equal(t, http.StatusUnauthorized, s.answer(bad["forged"]))
	s.away.Store(true)
	assert.Equal(t, http.StatusOK, s.answer(bad["forged"]))
}

func TestAProviderThatComesBackHasTheKeysItHad(t *testing.T) {
	file := filepath.Join(t.TempDir(), "keys.json")
	before, err := NewProvider("http://x", time.Hour, file)
	require.NoError(t, err)
	token, err := before.Sign(Claims{Audience: "shop", Life: time.Minute})
	require.NoError(t, err)
	after, err := NewProvider("http://x", time.Hour, file)
	require.NoError(t, err)
	published, err := after.published()
	require.NoError(t, err)
	signed, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.ES256})
	require.NoError(t, err)
	keys := published.Key(signed.Signatures[0].Header.KeyID)
	require.Len(t, keys, 1)
	_, err = signed.Verify(keys[0])
	assert.NoError(t, err)
	assert.True(t, keys[0].IsPublic(), "what is published is not what is kept")

	require.NoError(t, os.WriteFile(file, []byte("{}"), 0o600))
	_, err = NewProvider("http://x", time.Hour, file)
	assert.ErrorContains(t, err, file, "a damaged file is not silently replaced by new keys")
}
