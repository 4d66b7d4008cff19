package orders

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"
)

func TestTheStatusSaysWhetherAnythingWasDone(t *testing.T) {
	for want, err := range map[int]error{
		http.StatusBadRequest:          bad("id: want a number"),
		http.StatusNotFound:            fmt.Errorf("read: %w", sql.ErrNoRows),
		http.StatusServiceUnavailable:  refused{errors.New("begin: connection refused")},
		http.StatusGatewayTimeout:      fmt.Errorf("commit: %w", context.DeadlineExceeded),
		http.StatusInternalServerError: errors.New("commit: broken pipe"),
	} {
		require.Equal(t, want, statusOf(err))
	}
}

func TestAnErrorThatAWorkingPrimaryGivesIsNoReasonToLookForAnother(t *testing.T) {
	require.True(t, healthy(refused{&mysql.MySQLError{Number: duplicateEntry}}))
	require.True(t, healthy(sql.ErrNoRows))
	require.False(t, healthy(refused{&mysql.MySQLError{Number: 1290}}), "read-only")
	require.False(t, healthy(errors.New("broken pipe")))
}

func TestAConfigurationThatCannotBeMeantIsRefused(t *testing.T) {
	some := []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:1")}
	for name, c := range map[string]Config{
		"no database":        {},
		"slots":              {MySQL: some, Slots: -1},
		"nothing to warm up": {MySQL: some, WarmUp: true},
	} {
		_, err := New(c)
		require.Error(t, err, name)
		_, err = NewConsumer(c)
		require.Error(t, err, name)
	}
}

// away is a service whose database is not there.
func away(t *testing.T) *Service {
	s, err := New(Config{MySQL: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:1")}})
	require.NoError(t, err, "a database that is away is no wrong configuration")
	ctx, cancel := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() { ran <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-ran)
	})
	return s
}

func TestWithoutItsDatabaseAnInstanceIsNotReadyAndRefuses(t *testing.T) {
	s := away(t)
	require.Error(t, s.Ready(context.Background()))
	for target, want := range map[string]int{
		"POST /orders?job=7": http.StatusServiceUnavailable,
		"POST /orders":       http.StatusBadRequest,
		"GET /items?id=1":    http.StatusServiceUnavailable,
		"GET /items?id=x":    http.StatusBadRequest,
		"GET /work":          http.StatusOK,
		"GET /metrics":       http.StatusOK,
	} {
		var method, path string
		_, err := fmt.Sscan(target, &method, &path)
		require.NoError(t, err)
		mux := http.NewServeMux()
		for pattern, h := range s.Handlers() {
			mux.Handle(pattern, h)
		}
		w := httptest.NewRecorder()
		r := httptest.NewRequest(method, path, nil)
		r.Header.Set(DeadlineHeader, "2000")
		mux.ServeHTTP(w, r)
		require.Equal(t, want, w.Code, "%s: %s", target, w.Body)
	}
}

func TestWithoutAnOutboxWhatIsNotPublishedIsLost(t *testing.T) {
	s, err := New(Config{MySQL: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:1")}, NoOutbox: true})
	require.NoError(t, err)
	defer func() { require.NoError(t, errors.Join(s.cache.close(), s.database.close())) }()
	s.tell(Order{ID: 1, Job: 2})
	require.Equal(t, 1, s.untold())
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	_, err = s.haste(ctx)
	require.ErrorContains(t, err, "1 messages are lost")
	require.Zero(t, s.untold())
}
