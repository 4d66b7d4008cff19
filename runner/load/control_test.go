package load

import (
	"bufio"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestControlLaneAsksOverKeptConnections(t *testing.T) {
	running, connections := serve(t, fine)
	l := Control{URL: running.url}
	log, stats := drive(t, l, nil, time.Second)
	requireHistory(t, log)
	assert.Equal(t, Stats{Intended: 1000, Ok: 1000}, stats)
	assert.LessOrEqual(t, connections.Load(), int64(4))
	require.Len(t, log.Header.Lanes, 1)
	assert.True(t, log.Header.Lanes[0].Control)
	assert.Equal(t, "pooled", log.Header.Lanes[0].Connection)
}

func TestControlLaneSeesFailuresAndRecovers(t *testing.T) {
	n := 0
	running, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch n++; n {
		case 3:
			w.WriteHeader(http.StatusServiceUnavailable)
		case 5:
			w.Header().Set("Connection", "close")
		case 7:
			panic(http.ErrAbortHandler)
		}
	})
	log, _ := drive(t, Control{URL: running.url, Rate: 100, Clients: 1}, nil, 100*time.Millisecond)
	assert.Equal(t, map[string]int{"http 503": 1, "connection closed by the peer": 1}, errorsOf(log, log.Ops))
}

func TestControlNeedsAnAddress(t *testing.T) {
	for _, url := range []string{"", "http://echo/", "https://127.0.0.1/", "::"} {
		b := newBench(t)
		_, err := Control{URL: url}.Open(t.Context(), b.target(nil))
		assert.ErrorContains(t, err, "control lane")
		b.log()
	}
}

func FuzzReadAnswer(f *testing.F) {
	f.Add("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
	f.Add("HTTP/1.1 200 OK\r\nConnection: close\r\ncontent-length:0\r\n\r\n")
	f.Add("HTTP/1.1 -1\r\n")
	f.Fuzz(func(t *testing.T, s string) {
		status, _, err := readAnswer(bufio.NewReader(strings.NewReader(s)))
		if err == nil {
			res, err := http.ReadResponse(bufio.NewReader(strings.NewReader(s)), nil)
			if err == nil {
				defer res.Body.Close()
				require.Equal(t, res.StatusCode, status)
			}
		}
	})
}
