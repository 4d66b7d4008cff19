package components

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

var _ = register("witness", runWitness)

const (
	keyWatches = "HADRILL_WATCHES"
	keyName    = "HADRILL_PEER_NAME"

	// patience bounds every question over TCP: longer than any delay worth
	// injecting in a drill of seconds, short enough that what was asked under a
	// fault does not linger behind it.
	patience = 800 * time.Millisecond
	// clockTolerance is how far two clocks of one machine may seem apart, the
	// way of question and answer not counted.
	clockTolerance = 20 * time.Millisecond
)

// runWitness is one end of a [Pair]: it watches its peer from a container of
// its own, and says to whoever asks whether all is well between them. Both
// ends run it. Settings:
//
//	HADRILL_WATCHES    address of the peer
//	HADRILL_PEER_NAME  name by which the engine's resolver knows it
//	HADRILL_DISK       where the node has a disk of its own, if it has one
//
// Routes beside those of every component; a thing that is not well is answered
// with 502 and what was seen instead:
//
//	GET /tcp        the peer answers over a kept connection
//	GET /datagrams  two datagrams come back from the peer: each once, in order,
//	                every byte as it was sent
//	GET /heard      something was heard from the peer in the last 200 ms; the
//	                peer is not asked, so one direction alone decides
//	GET /clock      the peer's wall clock shows what the own one does
//	GET /connect    the peer accepts a new connection
//	GET /close      the peer hears of a connection's end
//	GET /kept       one of 50 kept connections still carries a byte and back
//	GET /bulk       64 KiB arrive from the peer
//	GET /work       the peer does a piece of work
//	GET /room       the peer's memory limit leaves it 64 MiB
//	GET /disk       the peer's disk takes a block and syncs it
//	GET /name       the peer's name resolves; the peer is not asked
//	GET /time       the own wall clock, in nanoseconds since 1970
func runWitness(ctx context.Context, s *Settings) error {
	srv := newServer(s)
	watched := s.Text(keyWatches, "")
	peer, err := netip.ParseAddr(watched)
	if err != nil && s.err == nil {
		s.fail(keyWatches, watched, "an IP address")
	}
	name := s.Text(keyName, "")
	disk, _ := s.take(keyDisk)
	if err := s.Check(); err != nil {
		return err
	}
	d, err := listenDatagrams(uint16(srv.port), peer)
	if err != nil {
		return err
	}
	defer d.close()
	c, err := listenConnections(uint16(srv.port), peer)
	if err != nil {
		return err
	}
	defer c.close()
	w := &witness{
		name:   name,
		base:   "http://" + netip.AddrPortFrom(peer, uint16(srv.port)).String(),
		client: &http.Client{Timeout: patience, Transport: &http.Transport{Proxy: nil, MaxIdleConnsPerHost: 128}},
	}
	defer w.client.CloseIdleConnections()
	means(srv, disk)
	srv.mux.HandleFunc("GET /time", func(out http.ResponseWriter, _ *http.Request) {
		srv.answer(out, http.StatusOK, strconv.FormatInt(time.Now().UnixNano(), 10))
	})
	for route, well := range map[string]func(context.Context) error{
		"GET /tcp": w.tcp, "GET /clock": w.clock, "GET /datagrams": d.intact, "GET /heard": d.heard,
		"GET /connect": c.begin, "GET /close": c.end, "GET /kept": c.last,
		"GET /bulk": w.bulk, "GET /work": w.work, "GET /room": w.room, "GET /disk": w.disk, "GET /name": w.resolves,
	} {
		srv.handle(route, func(out http.ResponseWriter, r *http.Request) {
			if err := well(r.Context()); err != nil {
				srv.answer(out, http.StatusBadGateway, err.Error())
				return
			}
			srv.answer(out, http.StatusOK, "well "+srv.node)
		})
	}
	return srv.serve(ctx)
}

// witness asks the peer over TCP.
type witness struct {
	name   string
	base   string
	client *http.Client
}

// get asks the peer once and returns the text of its answer.
func (w *witness) get(ctx context.Context, route string) (string, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, w.base+route, nil)
	if err != nil {
		return "", err
	}
	answer, err := w.client.Do(r)
	if err != nil {
		return "", fmt.Errorf("ask the peer: %w", err)
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(answer.Body, 2*bulkSize))
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("status %d", answer.StatusCode)
	}
	if err != nil {
		return "", fmt.Errorf("the peer's answer: %w", err)
	}
	return strings.TrimSpace(string(text)), nil
}

func (w *witness) tcp(ctx context.Context) error {
	_, err := w.get(ctx, "/time")
	return err
}

func (w *witness) bulk(ctx context.Context) error {
	text, err := w.get(ctx, "/bytes")
	if err == nil && len(text) != bulkSize {
		err = fmt.Errorf("%d bytes came, not %d", len(text), bulkSize)
	}
	return err
}

func (w *witness) work(ctx context.Context) error {
	_, err := w.get(ctx, "/digest")
	return err
}

func (w *witness) room(ctx context.Context) error {
	_, err := w.get(ctx, "/free")
	return err
}

func (w *witness) disk(ctx context.Context) error {
	_, err := w.get(ctx, "/block")
	return err
}

// resolves looks the peer's name up, with no cache in between.
func (w *witness) resolves(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	// Which of its addresses is the engine's choice: a node has one a network.
	if _, err := (&net.Resolver{PreferGo: true}).LookupNetIP(ctx, "ip4", w.name); err != nil {
		return fmt.Errorf("look the peer up: %w", err)
	}
	return nil
}

// clock compares the peer's wall clock with the own one. The peer read its
// clock after the question and before the answer, which bounds what a right
// clock can have shown.
func (w *witness) clock(ctx context.Context) error {
	asked := time.Now()
	text, err := w.get(ctx, "/time")
	answered := time.Now()
	if err != nil {
		return err
	}
	nanos, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return fmt.Errorf("the peer's time: %w", err)
	}
	shown := time.Unix(0, nanos)
	switch {
	case shown.Before(asked.Round(0).Add(-clockTolerance)):
		return fmt.Errorf("the peer's clock is %v behind", asked.Round(0).Sub(shown))
	case shown.After(answered.Round(0).Add(clockTolerance)):
		return fmt.Errorf("the peer's clock is %v ahead", shown.Sub(answered.Round(0)))
	}
	return nil
}
