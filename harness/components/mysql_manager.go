package components

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/hadrill/hadrill/harness/mysql/manager"
)

var _ = register("mysql-manager", runMySQLManager)

// runMySQLManager fails a MySQL replication group over; see package manager.
// Settings:
//
//	HADRILL_SERVERS      "name=IP:port,..."; the first is the first source
//	HADRILL_ACKS         replicas that must acknowledge a commit; 0: asynchronous
//	HADRILL_WAIT_POINT   AFTER_SYNC or AFTER_COMMIT
//	HADRILL_ACK_TIMEOUT  how long a commit waits for them; 0s: for ever
//	HADRILL_DOWN_AFTER   silence after which a source may be dead
//	HADRILL_POLL         between two rounds of probes
//	HADRILL_HEARTBEAT    of a source to an idle replica
//	HADRILL_STATE        file that decisions are kept in, over a restart
//
// Routes beside those of every component:
//
//	GET /primary  the last decision as JSON; 503 before the first
func runMySQLManager(ctx context.Context, s *Settings) error {
	srv := newServer(s)
	acks, ackErr := strconv.Atoi(s.Text("HADRILL_ACKS", "1"))
	servers, listErr := parseServers(s.Text("HADRILL_SERVERS", ""))
	settings := manager.Settings{
		Servers: servers, Acks: acks,
		WaitPoint:  s.Text("HADRILL_WAIT_POINT", "AFTER_SYNC"),
		AckTimeout: s.Duration("HADRILL_ACK_TIMEOUT", 0),
		DownAfter:  s.Duration("HADRILL_DOWN_AFTER", time.Second),
		Poll:       s.Duration("HADRILL_POLL", 100*time.Millisecond),
		Heartbeat:  s.Duration("HADRILL_HEARTBEAT", 250*time.Millisecond),
		StateFile:  s.Text("HADRILL_STATE", "/tmp/decision.json"),
		Say:        func(line string) { fmt.Println(line) },
	}
	if err := s.Check(); err != nil {
		return err
	}
	if err := errors.Join(ackErr, listErr); err != nil {
		return err
	}
	m, err := manager.New(settings)
	if err != nil {
		return err
	}
	srv.handle("GET /primary", func(w http.ResponseWriter, _ *http.Request) {
		d, decided := m.Decision()
		if !decided {
			srv.answer(w, http.StatusServiceUnavailable, "no decision yet")
			return
		}
		text, err := json.Marshal(d)
		if err != nil {
			srv.answer(w, http.StatusInternalServerError, err.Error())
			return
		}
		srv.answer(w, http.StatusOK, string(text))
	})
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	managed := make(chan error, 1)
	go func() {
		err := m.Run(ctx)
		stop(err) // a manager that cannot go on does not answer either
		managed <- err
	}()
	err = srv.serve(ctx)
	stop(nil)
	return errors.Join(err, <-managed)
}

// parseServers reads "name=IP:port,name=IP:port".
func parseServers(text string) ([]manager.Server, error) {
	var servers []manager.Server
	for _, word := range strings.Split(text, ",") {
		name, address, _ := strings.Cut(word, "=")
		addr, err := netip.ParseAddrPort(address)
		if err != nil || name == "" {
			return nil, fmt.Errorf("HADRILL_SERVERS: %q: want name=IP:port", word)
		}
		servers = append(servers, manager.Server{Name: name, Addr: addr})
	}
	return servers, nil
}
