package protect

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestWhereThereIsNoAnswerThereIsAMarkedOne(t *testing.T) {
	for name, c := range map[string]struct {
		method string
		status int
		want   int
		marked string
		body   string
	}{
		"an answer passes":                  {"GET", 200, 200, "", "theirs"},
		"a redirect passes":                 {"GET", 302, 302, "", "theirs"},
		"a refusal passes":                  {"GET", 404, 404, "", "theirs"},
		"an error is replaced":              {"GET", 500, 203, "500", "ours"},
		"a bad gateway is replaced":         {"GET", 502, 203, "502", "ours"},
		"an unavailable one is replaced":    {"GET", 503, 203, "503", "ours"},
		"a time-out is replaced":            {"GET", 504, 203, "504", "ours"},
		"a question for the head":           {"HEAD", 503, 203, "503", ""},
		"a write that failed is not hidden": {"POST", 503, 503, "", "theirs"},
	} {
		t.Run(name, func(t *testing.T) {
			g := guarded(t, Config{Fallback: &FallbackConfig{Status: 203, Type: "application/json", Body: "ours"}}, nil)
			h := g.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("X-Theirs", "yes")
				w.WriteHeader(c.status)
				_, _ = io.WriteString(w, "theirs")
				_ = http.NewResponseController(w).Flush()
			}))
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest(c.method, "/", nil))
			assert.Equal(t, c.want, w.Code)
			assert.Equal(t, c.marked, w.Header().Get(DegradedHeader))
			assert.Equal(t, c.body, w.Body.String())
			if c.marked == "" {
				assert.Equal(t, "yes", w.Header().Get("X-Theirs"))
				assert.Zero(t, g.Stats().Degraded)
				return
			}
			assert.Empty(t, w.Header().Get("X-Theirs"), "nothing of the failed answer is left")
			assert.Equal(t, "application/json", w.Header().Get("Content-Type"))
			assert.EqualValues(t, 1, g.Stats().Degraded)
		})
	}
}

func TestAnOverloadedRouteAnswersFromItsFallback(t *testing.T) {
	g := guarded(t, Config{Limit: &LimitConfig{Initial: 1, Max: 1}, Fallback: &FallbackConfig{Body: "ours"}}, nil)
	inside, leave := make(chan struct{}), make(chan struct{})
	h := g.Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { close(inside); <-leave }))
	done := make(chan struct{})
	go func() {
		defer close(done)
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
	}()
	<-inside
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	close(leave)
	<-done
	assert.Equal(t, http.StatusOK, w.Code)
	assert.Equal(t, "503", w.Header().Get(DegradedHeader))
}

func TestABadConfigurationNamesItsKey(t *testing.T) {
	for key, text := range map[string]string{
		"breaker.ratio":      `{"breaker":{"ratio":1.5}}`,
		"breaker.window":     `{"breaker":{"window":"-1s"}}`,
		"limit.min":          `{"limit":{"min":9,"max":3}}`,
		"limit.initial":      `{"limit":{"min":5,"initial":3}}`,
		"limit.queue":        `{"limit":{"queue":-1}}`,
		"retry_budget.burst": `{"retry_budget":{"burst":0.5}}`,
		"fallback.status":    `{"fallback":{"status":500,"body":""}}`,
	} {
		t.Run(key, func(t *testing.T) {
			var c Config
			require.NoError(t, json.Unmarshal([]byte(text), &c))
			_, err := New("orders", c, nil)
			require.ErrorContains(t, err, "route orders")
			assert.ErrorContains(t, err, key)
		})
	}
	var c Config
	assert.ErrorContains(t, json.Unmarshal([]byte(`{"breaker":{"open":"soon"}}`), &c), "soon")
}

func TestAnEventIsReadBackFromItsLogLine(t *testing.T) {
	e := Event{Route: "orders", Instance: "service-1", From: "closed", To: "open"}
	got, ok := ParseEvent("2026/01/01 gateway: " + e.String())
	assert.True(t, ok)
	assert.Equal(t, e, got)
	_, ok = ParseEvent("gateway serves on port 8080")
	assert.False(t, ok)
}

func TestAnUnprotectedRouteIsLeftAlone(t *testing.T) {
	g := guarded(t, Config{}, nil)
	a, err := g.Attempt("one")
	require.NoError(t, err)
	a.Done(500, nil)
	assert.True(t, g.Admits("one"))
	var h http.Handler = http.NotFoundHandler()
	w := httptest.NewRecorder()
	g.Wrap(h).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	assert.Equal(t, http.StatusNotFound, w.Code)
}
