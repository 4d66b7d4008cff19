package registry

import (
	"context"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestEndpointsAreAddresses(t *testing.T) {
	all, err := ParseEndpoints("10.0.0.1:2379,10.0.0.2:2379")
	require.NoError(t, err)
	assert.Equal(t, []string{"10.0.0.1:2379", "10.0.0.2:2379"}, all)
	for _, wrong := range []string{"", "etcd:2379", "10.0.0.1", "10.0.0.1:2379,"} {
		_, err := ParseEndpoints(wrong)
		assert.ErrorContains(t, err, "want IP:port,IP:port", wrong)
	}
}

func TestWhatCannotBeRegisteredIsRefused(t *testing.T) {
	good := Config{Endpoints: []string{"127.0.0.1:1"}}
	for want, c := range map[string]struct {
		config   Config
		instance Instance
	}{
		"endpoints: want at least one":            {Config{}, Instance{"a", "127.0.0.1:1"}},
		"lease 1.5s: want whole seconds":          {Config{Endpoints: good.Endpoints, Lease: 1500 * time.Millisecond}, Instance{"a", "127.0.0.1:1"}},
		`instance id "a/b": want a name`:          {good, Instance{"a/b", "127.0.0.1:1"}},
		`instance a: address "x": want IP:port`:   {good, Instance{"a", "x"}},
		`instance id "": want a name without '/'`: {good, Instance{"", "127.0.0.1:1"}},
	} {
		_, err := Register(t.Context(), c.config, "orders", c.instance)
		assert.ErrorContains(t, err, want)
	}
	assert.ErrorContains(t, Watch(t.Context(), Config{}, "orders", nil), "endpoints")
}

func TestDamagedEntriesAreErrors(t *testing.T) {
	for _, text := range []string{"", "{", `{"id":"a"}`, `{"id":"a/b","addr":"1.2.3.4:5"}`, `{"addr":"1.2.3.4:5"}`} {
		_, err := decode([]byte(text))
		assert.Error(t, err, text)
	}
	i, err := decode([]byte(`{"id":"a","addr":"1.2.3.4:5"}`))
	require.NoError(t, err)
	assert.Equal(t, Instance{"a", "1.2.3.4:5"}, i)
}

func TestTheOwnAddressIsTheOneTowardsTheRegistry(t *testing.T) {
	addr, err := LocalAddr([]string{"127.0.0.1:2379"}, 8080)
	require.NoError(t, err)
	assert.Equal(t, "127.0.0.1:8080", addr)
	_, err = LocalAddr(nil, 8080)
	assert.Error(t, err)
}

// With nobody there, both go on trying, say so once, and end when told to.
func TestWithoutARegistryNothingFailsAndNothingLasts(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, l.Close())
	var said atomic.Int64
	c := Config{Endpoints: []string{l.Addr().String()}, Say: func(string) { said.Add(1) }}
	r, err := Register(t.Context(), c, "orders", Instance{"a", "127.0.0.1:1"})
	require.NoError(t, err, "whether it can be reached is no question of the configuration")
	ctx, cancel := context.WithCancel(t.Context())
	watched := make(chan error, 1)
	go func() { watched <- Watch(ctx, c, "orders", func([]Instance) { t.Error("nobody said so") }) }()
	require.Eventually(t, func() bool { return said.Load() == 2 }, 20*time.Second, 5*time.Millisecond)
	time.Sleep(300 * time.Millisecond)
	assert.Equal(t, int64(2), said.Load(), "once each")
	cancel()
	require.NoError(t, <-watched)
	require.NoError(t, r.Deregister(), "it never was registered")
}
