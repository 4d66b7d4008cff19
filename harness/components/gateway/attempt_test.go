package gateway

import (
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hadrill/hadrill/harness/components/gateway/protect"
)

// The first choice of round robin among two is the second: what fails stands
// there, so that every test sees the failing attempt.

func TestWhatMayBeMadeAgainIsAndWhatMayNotIsNot(t *testing.T) {
	unavailable := func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) }
	shed := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set(protect.ShedHeader, "normal")
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	broken := func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) }
	hang := func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	}
	for name, c := range map[string]struct {
		method   string
		header   []string
		handler  http.HandlerFunc
		status   int
		attempts string
	}{
		"a GET that is turned away":                {"GET", nil, unavailable, 200, "2"},
		"a GET without an answer":                  {"GET", nil, breakOff, 200, "2"},
		"a GET that hangs":                         {"GET", nil, hang, 200, "2"},
		"a PUT without an answer":                  {"PUT", nil, breakOff, 200, "2"},
		"a GET that the service fails":             {"GET", nil, broken, 500, "1"},
		"a POST that is turned away":               {"POST", nil, unavailable, 503, "1"},
		"a POST without an answer":                 {"POST", nil, breakOff, 502, ""},
		"a POST that hangs":                        {"POST", nil, hang, 504, ""},
		"a POST that was surely not done":          {"POST", nil, shed, 200, "2"},
		"a POST that can be recognised":            {"POST", []string{"Idempotency-Key", "7"}, breakOff, 200, "2"},
		"a POST with a key that was turned away":   {"POST", []string{"Idempotency-Key", "7"}, unavailable, 200, "2"},
		"a POST with a key that the service fails": {"POST", []string{"Idempotency-Key", "7"}, broken, 500, "1"},
	} {
		t.Run(name, func(t *testing.T) {
			bad, good := newBackend(t, "bad"), newBackend(t, "good")
			bad.does(c.handler)
			echo := make(chan string, 2)
			good.does(func(w http.ResponseWriter, r *http.Request) {
				text, _ := io.ReadAll(r.Body)
				echo <- string(text)
			})
			s := start(t, Route{Balance: RoundRobin, Timeout: Duration(5 * time.Second), Attempt: Duration(300 * time.Millisecond)}, good.instance(), bad.instance())
			// "bad" sorts first; its turn is the second, so one request goes before.
			status, _, _ := s.request(t, http.MethodGet, "/", nil)
			require.Equal(t, 200, status)
			<-echo
			body := ""
			if c.method != http.MethodGet {
				body = "content"
			}
			status, _, header := s.request(t, c.method, "/", strings.NewReader(body), c.header...)
			assert.Equal(t, c.status, status)
			assert.Equal(t, c.attempts, header.Get(AttemptsHeader))
			assert.Equal(t, int64(1), bad.served.Load(), "never twice at the same")
			if c.attempts == "2" {
				assert.Equal(t, body, <-echo, "the whole body again")
			}
		})
	}
}

func TestAPostIsMadeAgainWhereNobodyListened(t *testing.T) {
	good := newBackend(t, "good")
	s := start(t, Route{Balance: RoundRobin}, good.instance(), dead(t, "dead"))
	for range 4 {
		status, _, _ := s.request(t, http.MethodPost, "/", strings.NewReader("x"))
		assert.Equal(t, 200, status)
	}
	assert.Equal(t, int64(4), good.served.Load())
}

func TestAClientLearnsWhetherAnythingWasDone(t *testing.T) {
	s := start(t, Route{}, dead(t, "dead"))
	status, text, header := s.request(t, http.MethodPost, "/", nil)
	assert.Equal(t, 503, status, "nothing was sent")
	assert.Equal(t, "connection refused\n", text)
	assert.Equal(t, "gw", header.Get(NodeHeader))
}

func TestALongBodyPassesButNotTwice(t *testing.T) {
	bad, good := newBackend(t, "bad"), newBackend(t, "good")
	bad.does(breakOff)
	count := func(w http.ResponseWriter, r *http.Request) {
		n, _ := io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, strconv.FormatInt(n, 10))
	}
	good.does(count)
	s := start(t, Route{Balance: RoundRobin, Timeout: Duration(5 * time.Second)}, good.instance(), bad.instance())
	long := strings.Repeat("x", keepable+1)
	status, text, _ := s.request(t, http.MethodPut, "/", strings.NewReader(long))
	assert.Equal(t, 200, status)
	assert.Equal(t, strconv.Itoa(keepable+1), text)
	status, _, _ = s.request(t, http.MethodPut, "/", strings.NewReader(long))
	assert.Equal(t, 502, status)
}

func TestTheBudgetEndsRetries(t *testing.T) {
	bad, worse := newBackend(t, "bad"), newBackend(t, "worse")
	turnAway := func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) }
	bad.does(turnAway)
	worse.does(turnAway)
	s := start(t, Route{Config: protect.Config{Budget: &protect.BudgetConfig{Ratio: 0.1, Burst: 5}}}, bad.instance(), worse.instance())
	for range 20 {
		status, _, _ := s.get(t)
		require.Equal(t, 503, status)
	}
	assert.LessOrEqual(t, bad.served.Load()+worse.served.Load(), int64(20+5+2))
}

func TestADeadlineIsPassedOnAndKept(t *testing.T) {
	b := newBackend(t, "b")
	got := make(chan string, 1)
	b.does(func(_ http.ResponseWriter, r *http.Request) { got <- r.Header.Get(DeadlineHeader) })
	s := start(t, Route{Timeout: Duration(time.Minute)}, b.instance())
	for sent, most := range map[string]int{"": 60000, "2500": 2500, "90000": 60000, "99999999999": 60000} {
		var header []string
		if sent != "" {
			header = []string{DeadlineHeader, sent}
		}
		_, _, _ = s.get(t, header...)
		left, err := strconv.Atoi(<-got)
		require.NoError(t, err)
		assert.LessOrEqual(t, left, most)
		assert.Greater(t, left, most-2400)
	}
	for _, wrong := range []string{"soon", "-1", "1.5"} {
		status, _, _ := s.get(t, DeadlineHeader, wrong)
		assert.Equal(t, 400, status, wrong)
	}
	b.does(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	began := time.Now()
	status, _, _ := s.get(t, DeadlineHeader, "50")
	assert.Equal(t, 504, status)
	assert.Less(t, time.Since(began), 10*time.Second)
	assert.Empty(t, func() (out []string) {
		for _, m := range s.Pools()[0].Members {
			if m.Failed > 0 {
				out = append(out, m.ID)
			}
		}
		return out
	}(), "who is given no time has not failed")
}

func TestAnAnswerThatBreaksOffCountsAgainstItsInstance(t *testing.T) {
	b := newBackend(t, "b")
	b.does(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		_, _ = io.WriteString(w, "half")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	})
	s := start(t, Route{}, b.instance())
	answer, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Get(s.url)
	if err == nil {
		_, err = io.ReadAll(answer.Body)
		require.NoError(t, answer.Body.Close())
	}
	require.Error(t, err, "the client sees it, too")
	require.Eventually(t, func() bool {
		m := s.Pools()[0].Members[0]
		return m.Failed == 1 && m.UnderWay == 0
	}, 5*time.Second, time.Millisecond)
}
