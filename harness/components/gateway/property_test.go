package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/hadrill/hadrill/harness/components/gateway/protect"
	"github.com/hadrill/hadrill/harness/components/registry"
)

// fate is what an attempt meets.
type fate string

const (
	unreachable fate = "unreachable" // nobody listens: nothing was sent
	lost        fate = "lost"        // it was processed, and the answer was lost
	unheard     fate = "unheard"     // it was sent and lost on its way
	overloaded  fate = "overloaded"  // refused by the limit: nothing was done
	failing     fate = "failing"     // processed, then answered 503
	fine        fate = "fine"
)

// network is a transport that deals out fates and counts what was processed.
type network struct {
	fates     []fate
	attempts  int
	processed int
}

func (n *network) RoundTrip(r *http.Request) (*http.Response, error) {
	f := n.fates[n.attempts%len(n.fates)]
	n.attempts++
	if f == unreachable {
		return nil, errors.New("connection refused")
	}
	httptrace.ContextClientTrace(r.Context()).GotConn(httptrace.GotConnInfo{})
	answer := &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(""))}
	switch f {
	case unheard:
		return nil, io.EOF
	case lost:
		n.processed++
		return nil, io.EOF
	case overloaded:
		answer.StatusCode = http.StatusServiceUnavailable
		answer.Header.Set(protect.ShedHeader, "normal")
	case failing:
		n.processed++
		answer.StatusCode = http.StatusServiceUnavailable
	default:
		n.processed++
	}
	return answer, nil
}

func TestWhatMayHaveBeenProcessedIsNeverMadeAgain(t *testing.T) {
	figures := newMetrics().of("all")
	rapid.Check(t, func(t *rapid.T) {
		all := []fate{unreachable, lost, unheard, overloaded, failing, fine}
		n := &network{fates: rapid.SliceOfN(rapid.SampledFrom(all), 1, 6).Draw(t, "fates")}
		r := Route{Name: "all", Attempts: rapid.IntRange(1, 5).Draw(t, "attempts")}.filled()
		guard, err := protect.New("all", r.Config, nil)
		require.NoError(t, err)
		p := newRotation(r, guard, func(string) {})
		var listed []registry.Instance
		for i := range rapid.IntRange(1, 4).Draw(t, "instances") {
			listed = append(listed, registry.Instance{ID: fmt.Sprint(i), Addr: fmt.Sprintf("127.0.0.1:%d", i+1)})
		}
		p.list(listed)
		a := &attempts{route: r, rotation: p, guard: guard, transport: n, metrics: figures}
		method := rapid.SampledFrom([]string{"GET", "POST", "PATCH", "PUT"}).Draw(t, "method")
		request, err := http.NewRequestWithContext(context.Background(), method, "http://all/", nil)
		require.NoError(t, err)
		answer, err := a.RoundTrip(request)
		nothing := errors.Is(err, errNotSent)
		if err == nil {
			nothing = answer.StatusCode == http.StatusServiceUnavailable
			_ = answer.Body.Close()
		}
		if n.attempts > r.Attempts {
			t.Fatalf("%d attempts, at most %d allowed", n.attempts, r.Attempts)
		}
		if (method == "POST" || method == "PATCH") && n.processed > 1 {
			t.Fatalf("processed %d times", n.processed)
		}
		// An instance that answers 503 and has processed it lies to everybody.
		if nothing && !safe(method) && n.processed > 0 && !slices.Contains(n.fates, failing) {
			t.Fatalf("said that nothing was done, and it was")
		}
		for _, i := range p.view.Load().all {
			if got := i.underway.Load(); got != 0 {
				t.Fatalf("%d requests are under way at %s for ever", got, i.id)
			}
		}
	})
}

func TestARotationChoosesWhomItShould(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		synctest.Test(t, func(*testing.T) {
			r := Route{Name: "all", Balance: rapid.SampledFrom([]string{RoundRobin, LeastLoaded, TwoChoices, ConsistentHash}).Draw(rt, "balance"),
				Outlier: &Outlier{Failures: 2}, SlowStart: Duration(rapid.SampledFrom([]time.Duration{0, time.Second}).Draw(rt, "slow start"))}
			if rapid.Bool().Draw(rt, "checks") {
				r.Health = &Health{}
			}
			r = r.filled()
			guard, err := protect.New("all", r.Config, nil)
			require.NoError(rt, err)
			p := newRotation(r, guard, func(string) {})
			for range rapid.IntRange(1, 30).Draw(rt, "steps") {
				some := rapid.SampledFrom(append(p.view.Load().all, nil)).Draw(rt, "instance")
				failure := rapid.SampledFrom([]string{"", "no answer in time"}).Draw(rt, "outcome")
				switch step := rapid.SampledFrom([]string{"list", "outcome", "probe", "wait"}).Draw(rt, "step"); {
				case step == "list":
					var listed []registry.Instance
					for _, i := range rapid.SliceOfNDistinct(rapid.IntRange(1, 5), 0, 5, rapid.ID).Draw(rt, "listed") {
						listed = append(listed, registry.Instance{ID: fmt.Sprint(i), Addr: fmt.Sprintf("127.0.0.1:%d", i)})
					}
					p.list(listed)
				case step == "wait":
					time.Sleep(rapid.SampledFrom([]time.Duration{time.Millisecond, time.Second, time.Minute}).Draw(rt, "time"))
				case some == nil:
				case step == "outcome":
					p.outcome(some, time.Millisecond, failure)
				case r.Health != nil:
					p.probed(some, failure)
				}
				v := p.current(time.Now())
				chosen := p.pick(rapid.Uint64().Draw(rt, "key"), nil)
				switch {
				case len(v.all) == 0 && chosen != nil, len(v.all) > 0 && !slices.Contains(v.all, chosen):
					rt.Fatalf("chose one that is not there")
				case len(v.in) > 0 && !slices.Contains(v.in, chosen):
					rt.Fatalf("chose %s, which is out, and others are in", chosen.id)
				}
			}
		})
	})
}
