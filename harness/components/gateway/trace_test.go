package gateway

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hadrill/hadrill/harness/components/registry"
)

// sink is a writer that may be read while it is written.
type sink struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *sink) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func TestATraceHasASpanForEachAttemptAndGoesOnInTheInstance(t *testing.T) {
	good := newBackend(t, "good")
	parents := make(chan string, 1)
	good.does(func(_ http.ResponseWriter, r *http.Request) { parents <- r.Header.Get("Traceparent") })
	out := &sink{}
	s := startConfig(t, Config{Node: "gw", Trace: 1, TraceTo: out, Routes: []Route{{Name: "all", Balance: RoundRobin, Instances: []registry.Instance{good.instance(), dead(t, "dead")}}}})
	const trace = "0af7651916cd43dd8448eb211c80319c"
	for range 2 { // in turn, so that one of them meets the dead instance first
		status, _, _ := s.get(t, "Traceparent", "00-"+trace+"-b7ad6b7169203331-01")
		require.Equal(t, 200, status)
		assert.Contains(t, <-parents, trace)
	}
	require.NoError(t, s.tracer.provider.ForceFlush(t.Context()))
	out.mu.Lock()
	defer out.mu.Unlock()
	names := map[string]int{}
	for decoder := json.NewDecoder(strings.NewReader(out.b.String())); ; {
		var span struct {
			Name        string
			SpanContext struct{ TraceID string }
		}
		if err := decoder.Decode(&span); err != nil {
			require.ErrorIs(t, err, io.EOF)
			break
		}
		names[span.Name]++
		assert.Equal(t, trace, span.SpanContext.TraceID)
	}
	assert.Equal(t, map[string]int{"route all": 2, "attempt good": 2, "attempt dead": 1}, names)
}
