package components

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"
)

var _ = register("arbiter", runArbiter)

const (
	keyTerm = "HADRILL_TERM"
	// ArbiterPort is where an arbiter hears requests, as datagrams.
	ArbiterPort = 8076
	maxRequest  = 256
)

// runArbiter gives one lease to one of several nodes: the third vote that a
// pair needs to tell a dead peer from a cut wire. Settings:
//
//	HADRILL_TERM  how long a lease lasts since it was last asked for
//
// Requests and answers are datagrams of words, so that no connection can hang:
//
//	"take NODE TEXT"  answered "granted TEXT" or "refused TEXT"; who has the
//	                  lease and takes it again has it for another term
//	"drop NODE TEXT"  answered "dropped TEXT": NODE does not have it any more
//
// TEXT is the sender's own. A node must count its term from the moment at which
// it sent the request: then it gives up before the arbiter gives the lease to
// another.
//
//	node     take ─────────────────────────── term ──▶│ over: the address goes
//	arbiter      └─▶ granted ───────────────────── term ──▶│ free for another
func runArbiter(ctx context.Context, s *Settings) error {
	srv := newServer(s)
	a := &arbiter{term: s.Duration(keyTerm, 600*time.Millisecond), now: time.Now}
	if err := s.Check(); err != nil {
		return err
	}
	socket, err := net.ListenUDP("udp4", &net.UDPAddr{Port: ArbiterPort})
	if err != nil {
		return fmt.Errorf("listen for requests on port %d: %w", ArbiterPort, err)
	}
	ended := make(chan error, 1)
	go func() { ended <- a.answer(socket) }()
	err = srv.serve(ctx)
	return errors.Join(err, socket.Close(), <-ended)
}

// arbiter is the lease. It is used by one goroutine.
type arbiter struct {
	term   time.Duration
	now    func() time.Time
	holder string
	until  time.Time
}

// answer serves requests until the socket is closed.
func (a *arbiter) answer(socket *net.UDPConn) error {
	buffer := make([]byte, maxRequest)
	for {
		n, from, err := socket.ReadFromUDPAddrPort(buffer)
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			continue // a peer that is gone (ICMP); the next request is another's
		}
		if said := a.decide(string(buffer[:n])); said != "" {
			_, _ = socket.WriteToUDPAddrPort([]byte(said), from) // who hears nothing asks again
		}
	}
}

// decide carries out one request and returns the answer, "" for nonsense.
func (a *arbiter) decide(request string) string {
	words := strings.Fields(request)
	if len(words) != 3 {
		return ""
	}
	verb, node, text := words[0], words[1], words[2]
	now := a.now()
	switch {
	case verb == "take" && (a.holder == node || a.holder == "" || now.After(a.until)):
		if a.holder != node {
			fmt.Printf("the lease goes to %s\n", node)
		}
		a.holder, a.until = node, now.Add(a.term)
		return "granted " + text
	case verb == "take":
		return "refused " + text
	case verb == "drop":
		if a.holder == node {
			fmt.Printf("%s gives the lease back\n", node)
			a.holder = ""
		}
		return "dropped " + text
	}
	return ""
}
