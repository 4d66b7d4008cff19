package load

import (
	"context"
	"fmt"
	"time"

	"github.com/hadrill/hadrill/harness"
	"github.com/hadrill/hadrill/runner/record"
)

// probePatience is how long a probe waits for the connection. It is short so
// that an outage leaves no queue behind: the first probe that is due after the
// server's return is sent at once, not after all that became due meanwhile.
const probePatience = 5 * time.Millisecond

// Probe asks the system's own HTTP server over one kept connection and never
// has two requests under way. It disturbs least and times an outage best; the
// calibration measures with it. Needs harness.HTTPServer of the system.
type Probe struct {
	Rate    float64       // requests a second; default 1000
	Timeout time.Duration // deadline of a request; default 5 s
	Zone    string        // client zone; "" is the data network
}

var _ Load = Probe{}

func (p Probe) work() work {
	rate, timeout := p.Rate, p.Timeout
	if rate <= 0 {
		rate = 1000
	}
	if timeout <= 0 {
		timeout = 5 * time.Second
	}
	return work{
		name: "probe", protocol: "http", patience: probePatience,
		streams: []stream{{plan: func(_ slot, _ uint64, op *record.Op) { op.Function = record.Request }}},
		connect: func(r harness.Running) (dial, error) {
			server, ok := r.(harness.HTTPServer)
			if !ok {
				return nil, fmt.Errorf("the system %T serves no HTTP (harness.HTTPServer)", r)
			}
			address, request, err := getRequest(server.URL())
			if err != nil {
				return nil, err
			}
			return func(_ context.Context, from harness.Vantage) (Client, error) {
				return &prober{from: from, address: address, request: request}, nil
			}, nil
		},
	}.common(rate, nil, 1, timeout, p.Zone, nil)
}

// Describe implements Load.
func (p Probe) Describe() string { return p.work().Describe() }

// Lanes implements Load.
func (p Probe) Lanes() []record.Lane { return p.work().Lanes() }

// Open implements Load.
func (p Probe) Open(ctx context.Context, t Target) (Session, error) { return p.work().Open(ctx, t) }
