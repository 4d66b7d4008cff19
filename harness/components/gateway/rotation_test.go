package gateway

import (
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hadrill/hadrill/harness/components/gateway/protect"
	"github.com/hadrill/hadrill/harness/components/registry"
)

// ring is a rotation without a gateway around it.
func ring(t *testing.T, r Route, n int) (*rotation, *[]string) {
	t.Helper()
	r.Name = "all"
	guard, err := protect.New("all", r.Config, nil)
	require.NoError(t, err)
	lines := &[]string{}
	p := newRotation(r.filled(), guard, func(line string) { *lines = append(*lines, line) })
	var listed []registry.Instance
	for i := range n {
		listed = append(listed, registry.Instance{ID: fmt.Sprintf("service-%d", i+1), Addr: fmt.Sprintf("127.0.0.1:%d", i+1)})
	}
	if n > 0 {
		p.list(listed)
	}
	return p, lines
}

func (p *rotation) ids() (in []string) {
	for _, i := range p.current(time.Now()).in {
		in = append(in, i.id)
	}
	return in
}

func fail(p *rotation, id string, times int) {
	for range times {
		p.outcome(p.all[id], time.Millisecond, "connection refused")
	}
}

func TestFailuresInARowEjectForATimeThatDoubles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, lines := ring(t, Route{Outlier: &Outlier{Failures: 3, Eject: Duration(time.Second), MaxShare: 1}}, 2)
		fail(p, "service-1", 2)
		p.outcome(p.all["service-1"], time.Millisecond, "")
		fail(p, "service-1", 2)
		assert.Len(t, p.ids(), 2, "three in a row, not three")
		fail(p, "service-1", 1)
		assert.Equal(t, []string{"service-2"}, p.ids())
		time.Sleep(999 * time.Millisecond)
		assert.Equal(t, []string{"service-2"}, p.ids())
		time.Sleep(time.Millisecond)
		assert.Len(t, p.ids(), 2, "it is tried again")
		for _, length := range []time.Duration{2, 4, 8, 8} {
			fail(p, "service-1", 1)
			assert.Len(t, p.ids(), 1, "one failure is enough after an ejection")
			time.Sleep(length*time.Second - time.Millisecond)
			assert.Len(t, p.ids(), 1)
			time.Sleep(time.Millisecond)
			assert.Len(t, p.ids(), 2)
		}
		assert.Contains(t, *lines, "rotation: service-1 leaves all: outlier: 3 failures in a row, the last: connection refused")
	})
}

func TestMostOfAPoolIsNeverEjected(t *testing.T) {
	p, _ := ring(t, Route{Outlier: &Outlier{Failures: 1, MaxShare: 0.5}}, 5)
	for i := range 5 {
		fail(p, fmt.Sprintf("service-%d", i+1), 3)
	}
	assert.Len(t, p.ids(), 3, "at most half")
}

func TestAnEmptyListIsNotBelieved(t *testing.T) {
	p, lines := ring(t, Route{}, 3)
	p.list(nil)
	assert.Len(t, p.ids(), 3)
	assert.Contains(t, *lines, "rotation: all: the registry names nobody any more: keeps the last known instances")
	p.list([]registry.Instance{{ID: "service-9", Addr: "127.0.0.1:9"}})
	assert.Equal(t, []string{"service-9"}, p.ids())
}

func TestAJoiningInstanceGrowsIntoItsShare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _ := ring(t, Route{Balance: RoundRobin, SlowStart: Duration(10 * time.Second)}, 1)
		time.Sleep(time.Minute)
		p.list([]registry.Instance{{ID: "service-1", Addr: "127.0.0.1:1"}, {ID: "service-2", Addr: "127.0.0.1:2"}})
		share := func() (n int) {
			for range 1000 {
				if p.pick(0, nil).id == "service-2" {
					n++
				}
			}
			return n
		}
		assert.InDelta(t, 50, share(), 40)
		time.Sleep(5 * time.Second)
		assert.InDelta(t, 250, share(), 80)
		time.Sleep(5 * time.Second)
		assert.Equal(t, 500, share())
	})
}

func TestOnlyWhoPassesACheckIsSentRequests(t *testing.T) {
	well, ill := newBackend(t, "well"), newBackend(t, "ill")
	ill.healthy.Store(false)
	s := start(t, Route{Balance: RoundRobin, Health: &Health{Interval: Duration(20 * time.Millisecond), Timeout: Duration(2 * time.Second)}}, well.instance(), ill.instance())
	require.Eventually(t, func() bool { return len(s.in()) == 1 }, 10*time.Second, time.Millisecond)
	for range 10 {
		_, text, _ := s.get(t)
		require.Equal(t, "well", text)
	}
	ill.healthy.Store(true)
	require.Eventually(t, func() bool { return len(s.in()) == 2 }, 10*time.Second, time.Millisecond)
	well.healthy.Store(false)
	require.Eventually(t, func() bool { in := s.in(); return len(in) == 1 && in[0] == "ill" }, 10*time.Second, time.Millisecond)
	// With nobody well everybody is tried: who looks may be the one who is blind.
	ill.healthy.Store(false)
	require.Eventually(t, func() bool { return len(s.in()) == 0 }, 10*time.Second, time.Millisecond)
	status, _, _ := s.get(t)
	assert.Equal(t, 200, status)
	assert.Contains(t, strings.Join(s.said(), "\n"), "rotation: well leaves all: health: /ready answered 503")
}

func TestAFrozenInstanceIsLeftAlone(t *testing.T) {
	frozen, well := newBackend(t, "frozen"), newBackend(t, "well")
	s := start(t, Route{
		Balance: RoundRobin, Timeout: Duration(10 * time.Second), Attempt: Duration(200 * time.Millisecond),
		Outlier: &Outlier{Failures: 2, Eject: Duration(time.Minute)},
	}, frozen.instance(), well.instance())
	frozen.does(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	for range 8 {
		status, text, _ := s.get(t)
		require.Equal(t, 200, status)
		require.Equal(t, "well", text)
	}
	assert.Equal(t, int64(2), frozen.served.Load())
	assert.Equal(t, []string{"well"}, s.in())
}

func TestTheLastKnownInstancesSurviveARestart(t *testing.T) {
	b := newBackend(t, "b")
	file := filepath.Join(t.TempDir(), "instances.json")
	first := &cache{path: file, lists: map[string][]registry.Instance{}}
	require.NoError(t, first.store("orders", []registry.Instance{b.instance()}))
	require.NoError(t, first.store("orders", nil), "nobody is not worth remembering")
	away := dead(t, "etcd")
	s := startConfig(t, Config{
		Node: "gw", Cache: file, Registry: registry.Config{Endpoints: []string{away.Addr}},
		Routes: []Route{{Name: "orders", Service: "orders"}},
	})
	status, text, _ := s.get(t)
	assert.Equal(t, 200, status)
	assert.Equal(t, "b", text)
}

func TestWithoutARegistryAGatewaySaysSoAndIsNotReady(t *testing.T) {
	away := dead(t, "etcd")
	lines := make(chan string, 100)
	g, err := New(Config{Registry: registry.Config{Endpoints: []string{away.Addr}}, Routes: []Route{{Name: "orders", Service: "orders"}}}, Seams{Say: func(line string) { lines <- line }})
	require.NoError(t, err)
	ended := make(chan error, 1)
	ctx, cancel := contextWithCancel(t)
	go func() { ended <- g.Run(ctx) }()
	select {
	case line := <-lines:
		assert.Contains(t, line, "orders: registry: not reachable, goes on trying")
	case <-time.After(20 * time.Second):
		t.Fatal("it says nothing")
	}
	require.ErrorContains(t, g.Ready(), "route orders does not know its instances yet")
	cancel()
	require.NoError(t, <-ended)
}
