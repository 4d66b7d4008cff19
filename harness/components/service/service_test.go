package service

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestCapacityIsWorkersByWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := New(Settings{Workers: 4, Work: 100 * time.Millisecond})
		require.NoError(t, err)
		defer s.Close()
		began := time.Now()
		var group sync.WaitGroup
		for range 40 {
			group.Go(func() { assert.NoError(t, s.Serve(false)) })
		}
		synctest.Wait()
		serving, queued := s.Busy()
		assert.Equal(t, 4, serving)
		assert.Equal(t, 36, queued)
		group.Wait()
		assert.Equal(t, time.Second, time.Since(began))
	})
}

func TestADependentRequestFailsWithItsDependency(t *testing.T) {
	var status atomic.Int32
	status.Store(http.StatusOK)
	stuck := make(chan struct{})
	dependency := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if status.Load() == 0 {
			select {
			case <-stuck:
			case <-r.Context().Done():
			}
			return
		}
		w.WriteHeader(int(status.Load()))
	}))
	defer dependency.Close()
	defer close(stuck)
	s, err := New(Settings{Workers: 1, Dependency: netip.MustParseAddrPort(dependency.Listener.Addr().(*net.TCPAddr).String()), Timeout: 200 * time.Millisecond})
	require.NoError(t, err)
	defer s.Close()
	assert.NoError(t, s.Serve(true))
	status.Store(http.StatusServiceUnavailable)
	assert.ErrorContains(t, s.Serve(true), "503")
	assert.NoError(t, s.Serve(false), "what does not need the dependency is served")
	status.Store(0)
	assert.ErrorIs(t, s.Serve(true), context.DeadlineExceeded)
}

func TestBadSettingsAreRefused(t *testing.T) {
	for name, s := range map[string]Settings{
		"workers":  {},
		"work":     {Workers: 1, Work: -1},
		"time-out": {Workers: 1, Dependency: netip.MustParseAddrPort("127.0.0.1:1")},
	} {
		_, err := New(s)
		assert.ErrorContains(t, err, name)
	}
	s, err := New(Settings{Workers: 1})
	require.NoError(t, err)
	assert.ErrorContains(t, s.Serve(true), "no dependency")
}
