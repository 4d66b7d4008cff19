package protect

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/failsafe-go/failsafe-go/adaptivelimiter"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// server is a simulated service: so many workers, so long a request, and an
// unbounded queue in front of them, in order of arrival.
type server struct {
	workers chan struct{}
	took    time.Duration
}

func newServer(workers int, took time.Duration) *server {
	return &server{make(chan struct{}, workers), took}
}

func (s *server) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	s.workers <- struct{}{}
	time.Sleep(s.took)
	<-s.workers
	w.WriteHeader(http.StatusOK)
}

// offer sends requests at a steady rate for d and counts those answered with
// 200 within patience, by priority.
func offer(h http.Handler, rate int, d, patience time.Duration, priority func(i int) Priority) (good, all [priorities]int64) {
	var goods [priorities]atomic.Int64
	var group sync.WaitGroup
	for i := range int(float64(rate) * d.Seconds()) {
		p := priority(i)
		all[p]++
		group.Go(func() {
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.Header.Set(PriorityHeader, p.String())
			w, began := httptest.NewRecorder(), time.Now()
			h.ServeHTTP(w, r)
			if w.Code == http.StatusOK && time.Since(began) <= patience {
				goods[p].Add(1)
			}
		})
		time.Sleep(time.Second / time.Duration(rate))
	}
	group.Wait()
	for p := range goods {
		good[p] = goods[p].Load()
	}
	return good, all
}

func normal(int) Priority { return Normal }

// Eight workers of 40 ms serve 200 requests a second; 600 are offered for ten
// seconds, by users who wait for 250 ms.
func TestGoodputUnderOverloadStaysAtCapacityWithALimitAndCollapsesWithout(t *testing.T) {
	capacity := int64(200 * 10)
	synctest.Test(t, func(t *testing.T) {
		g := guarded(t, Config{Limit: &LimitConfig{Initial: 16, Max: 32, Window: Duration(100 * time.Millisecond), Samples: 20, Queue: 16, Wait: Duration(80 * time.Millisecond)}}, nil)
		good, _ := offer(g.Wrap(newServer(8, 40*time.Millisecond)), 600, 10*time.Second, 250*time.Millisecond, normal)
		assert.Greater(t, good[Normal], capacity*9/10)
		assert.LessOrEqual(t, g.Stats().Limit, 32)
		assert.Zero(t, g.Stats().InFlight)
		assert.Zero(t, g.Stats().Queued)
	})
	synctest.Test(t, func(t *testing.T) {
		good, _ := offer(newServer(8, 40*time.Millisecond), 600, 10*time.Second, 250*time.Millisecond, normal)
		assert.Less(t, good[Normal], capacity/10)
	})
}

// The limit begins at 64 where 8 would do: it must come down by what it sees.
func TestTheLimitFollowsTheLatency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := guarded(t, Config{Limit: &LimitConfig{Initial: 64, Max: 100, Window: Duration(100 * time.Millisecond), Samples: 10}}, nil)
		h := g.Wrap(newServer(8, 40*time.Millisecond))
		offer(h, 100, 5*time.Second, time.Second, normal) // learns what unhurried looks like
		offer(h, 800, 30*time.Second, time.Second, normal)
		assert.Less(t, g.Stats().Limit, 32)
		assert.GreaterOrEqual(t, g.Stats().Limit, 8, "fewer would leave workers idle")
	})
}

func TestTheImportantAreTurnedAwayLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := guarded(t, Config{Limit: &LimitConfig{Initial: 8, Max: 16, Window: Duration(100 * time.Millisecond), Samples: 20, Queue: 16, Wait: Duration(100 * time.Millisecond)}}, nil)
		mix := func(i int) Priority { return []Priority{High, Low, Low, Normal, Low, Low}[i%6] }
		good, all := offer(g.Wrap(newServer(8, 40*time.Millisecond)), 600, 10*time.Second, 250*time.Millisecond, mix)
		assert.Equal(t, all[High], good[High], "100 a second are important, capacity is 200")
		assert.Greater(t, good[Normal], all[Normal]*8/10)
		assert.Less(t, good[Low], all[Low]/5)
		shed := g.Stats().Shed
		assert.Zero(t, shed["high"])
		assert.Greater(t, shed["low"], shed["normal"])
	})
}

func TestARequestThatIsTurnedAwaySaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := guarded(t, Config{Limit: &LimitConfig{Initial: 1, Max: 1}}, nil)
		h := g.Wrap(newServer(1, time.Second))
		go h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/", nil))
		synctest.Wait()
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/", nil))
		assert.Equal(t, http.StatusServiceUnavailable, w.Code)
		assert.Equal(t, "normal", w.Header().Get(ShedHeader))
		assert.Equal(t, "1", w.Header().Get("Retry-After"))
		time.Sleep(time.Second) // the first one ends
	})
}

func TestAHandlerThatPanicsGivesItsPermitBack(t *testing.T) {
	g := guarded(t, Config{Limit: &LimitConfig{Initial: 1, Max: 1}}, nil)
	h := g.Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	for range 3 {
		assert.PanicsWithValue(t, http.ErrAbortHandler, func() {
			h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
		})
	}
	assert.Zero(t, g.Stats().InFlight)
}

// The queue never holds more than declared, nobody waits longer than declared,
// nobody is passed over for a lower priority, and no permit is lost.
func TestTheQueueKeepsItsPromisesUnderAnyArrivals(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		synctest.Test(t, func(*testing.T) {
			limit, most := rapid.IntRange(1, 4).Draw(rt, "limit"), rapid.IntRange(0, 6).Draw(rt, "queue")
			wait := time.Duration(rapid.IntRange(1, 50).Draw(rt, "wait")) * time.Millisecond
			g := newGate(LimitConfig{Min: limit, Max: limit, Initial: limit, Queue: most, Wait: Duration(wait)})
			var mu sync.Mutex
			waiting := [priorities]int{}
			var held []adaptivelimiter.Permit
			var group sync.WaitGroup
			for range rapid.IntRange(1, 60).Draw(rt, "steps") {
				switch rapid.IntRange(0, 3).Draw(rt, "step") {
				case 0, 1:
					p := Priority(rapid.IntRange(0, int(priorities)-1).Draw(rt, "priority"))
					mu.Lock()
					waiting[p]++
					mu.Unlock()
					group.Go(func() {
						began := time.Now()
						permit := g.enter(context.Background(), p)
						mu.Lock()
						defer mu.Unlock()
						waiting[p]--
						assert.LessOrEqual(rt, time.Since(began), wait)
						if permit != nil {
							held = append(held, permit)
						}
					})
				case 2:
					mu.Lock()
					before := waiting
					var permit adaptivelimiter.Permit
					if len(held) > 0 {
						permit, held = held[0], held[1:]
					}
					mu.Unlock()
					if permit == nil {
						break
					}
					g.exit(permit, true)
					synctest.Wait()
					mu.Lock()
					for p := Low; p < High; p++ {
						if waiting[p] < before[p] { // served, so nobody above was left waiting
							assert.Zero(rt, waiting[p+1])
						}
					}
					mu.Unlock()
				case 3:
					time.Sleep(time.Duration(rapid.IntRange(1, 60).Draw(rt, "pause")) * time.Millisecond)
				}
				synctest.Wait()
				g.mu.Lock()
				require.LessOrEqual(rt, g.length, most)
				g.mu.Unlock()
				require.LessOrEqual(rt, g.limiter.Inflight(), limit)
			}
			time.Sleep(wait)
			group.Wait()
			for _, permit := range held {
				g.exit(permit, true)
			}
			require.Zero(rt, g.limiter.Inflight())
			require.Zero(rt, g.length)
		})
	})
}
