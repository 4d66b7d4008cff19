package gateway

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hadrill/hadrill/harness/components/gateway/protect"
	"github.com/hadrill/hadrill/harness/components/registry"
)

func TestRoutesAreReadStrictly(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"no list":       {`{"name":"a"}`, "a JSON list of routes"},
		"misspelt":      {`[{"nam":"a"}]`, `unknown field "nam"`},
		"misspelt deep": {`[{"name":"a","health":{"intervall":"1s"}}]`, `unknown field "intervall"`},
		"no duration":   {`[{"name":"a","timeout":"1"}]`, `duration "1"`},
		"more":          {`[] []`, "nothing behind it"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ParseRoutes(c.text)
			require.ErrorContains(t, err, c.want)
		})
	}
}

func TestWhatIsWrittenIsRead(t *testing.T) {
	routes := []Route{{
		Name: "orders", Path: "/orders", Service: "orders", Balance: ConsistentHash, HashHeader: "X-User",
		Timeout: Duration(time.Second), Attempts: 2, Health: &Health{Fall: 3}, Outlier: &Outlier{Failures: 2, MaxShare: 0.3}, SlowStart: Duration(time.Second),
		Config: protect.Config{Budget: &protect.BudgetConfig{Ratio: 0.2}},
	}, {Name: "static", Instances: []registry.Instance{{ID: "a", Addr: "10.0.0.1:8080"}}}}
	text, err := FormatRoutes(routes)
	require.NoError(t, err)
	read, err := ParseRoutes(text)
	require.NoError(t, err)
	assert.Equal(t, routes, read)
}

func TestABadConfigurationIsRefusedByItsKey(t *testing.T) {
	good := func() Config {
		return Config{Routes: []Route{{Name: "a", Instances: []registry.Instance{{ID: "x", Addr: "127.0.0.1:1"}}}}}
	}
	require.NoError(t, good().Check())
	for want, spoil := range map[string]func(*Config){
		"HADRILL_UPSTREAM_KEY, HADRILL_UPSTREAM_ROOTS: want all or none":       func(c *Config) { c.Upstream.Cert = "client.pem" },
		"HADRILL_ROUTES: want at least one route":                              func(c *Config) { c.Routes = nil },
		"HADRILL_ROUTES: route 1: name: want one that no other route has":      func(c *Config) { c.Routes[0].Name = "" },
		`HADRILL_ROUTES: route a: path "x": want one that begins with /`:       func(c *Config) { c.Routes[0].Path = "x" },
		"HADRILL_ROUTES: route a: service, instances: want one of the two":     func(c *Config) { c.Routes[0].Service = "s" },
		"HADRILL_ROUTES: route a: service: want HADRILL_REGISTRY to be set":    func(c *Config) { c.Routes[0].Instances, c.Routes[0].Service = nil, "s" },
		"HADRILL_ROUTES: route a: instances.addr: want IP:port":                func(c *Config) { c.Routes[0].Instances[0].Addr = "x" },
		"HADRILL_ROUTES: route a: balance: want round-robin":                   func(c *Config) { c.Routes[0].Balance = "random" },
		"HADRILL_ROUTES: route a: hash_header: want balance to be":             func(c *Config) { c.Routes[0].HashHeader = "X" },
		"HADRILL_ROUTES: route a: timeout: want a duration above 0":            func(c *Config) { c.Routes[0].Timeout = -1 },
		"HADRILL_ROUTES: route a: attempts: want 1 to 10":                      func(c *Config) { c.Routes[0].Attempts = 11 },
		"HADRILL_ROUTES: route a: health.path: want a path that begins":        func(c *Config) { c.Routes[0].Health = &Health{Path: "ready"} },
		"HADRILL_ROUTES: route a: outlier.max_share: want a share":             func(c *Config) { c.Routes[0].Outlier = &Outlier{MaxShare: 2} },
		"HADRILL_ROUTES: route a: breaker.ratio: want a share from 0 to 1":     func(c *Config) { c.Routes[0].Breaker = &protect.BreakerConfig{Ratio: 2} },
		"HADRILL_TLS_CERT, HADRILL_TLS_KEY: want both or none":                 func(c *Config) { c.TLS.Cert = "x" },
		"HADRILL_ROUTES: route a: name: want one that no other route has":      func(c *Config) { c.Routes = append(c.Routes, c.Routes[0]) },
		`HADRILL_ROUTES: route b: path "/": want one that begins with / and t`: func(c *Config) { c.Routes = append(c.Routes, Route{Name: "b"}) },
	} {
		c := good()
		spoil(&c)
		assert.ErrorContains(t, c.Check(), want)
	}
}

func TestTheLongestPathThatFitsWins(t *testing.T) {
	for _, c := range []struct {
		path, requested string
		want            bool
	}{
		{"/", "/", true}, {"/", "/a/b", true}, {"/a", "/a", true}, {"/a", "/a/b", true}, {"/a", "/ab", false}, {"/a/", "/a/b", true}, {"/a/", "/a", false},
	} {
		assert.Equal(t, c.want, matches(c.path, c.requested), "%s covers %s", c.path, c.requested)
	}
}
