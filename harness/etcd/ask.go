package etcd

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/hadrill/hadrill/harness"
)

// asker asks one member for its own status, over one kept connection, through
// the JSON gateway that every member serves (https://etcd.io/docs/v3.5/dev-guide/api_grpc_gateway/).
// The answer is the member's own view; it asks nobody else for it.
type asker struct {
	url       string
	transport *http.Transport
}

func newAsker(from harness.Vantage, addr netip.Addr) *asker {
	return &asker{
		url: url(addr.String(), clientPort) + "/v3/maintenance/status",
		transport: &http.Transport{
			DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
				return from.DialContext(ctx, network, address)
			},
			MaxIdleConns: 1, MaxConnsPerHost: 2, IdleConnTimeout: time.Minute, DisableCompression: true,
		},
	}
}

// view is what a member says of itself. The gateway writes 64-bit numbers as
// text.
type view struct {
	Header struct {
		Member uint64 `json:"member_id,string"`
	} `json:"header"`
	Leader  uint64 `json:"leader,string"`
	Term    int64  `json:"raftTerm,string"`
	Index   uint64 `json:"raftIndex,string"`
	Applied uint64 `json:"raftAppliedIndex,string"`
}

const maxStatus = 1 << 16

func (a *asker) status(ctx context.Context) (s view, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, a.url, strings.NewReader("{}"))
	if err != nil {
		return s, fmt.Errorf("ask %s: %w", a.url, err)
	}
	answer, err := a.transport.RoundTrip(request)
	if err != nil {
		return s, fmt.Errorf("ask %s: %w", a.url, err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxStatus))
	if err != nil {
		return s, fmt.Errorf("ask %s: %w", a.url, err)
	}
	if answer.StatusCode != http.StatusOK {
		return s, fmt.Errorf("ask %s: answered %s: %s", a.url, answer.Status, strings.TrimSpace(string(body)))
	}
	if err := json.Unmarshal(body, &s); err != nil {
		return s, fmt.Errorf("ask %s: %w", a.url, err)
	}
	return s, nil
}

func (a *asker) close() { a.transport.CloseIdleConnections() }
