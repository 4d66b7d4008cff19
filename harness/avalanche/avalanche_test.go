package avalanche

import (
	"context"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestADeclarationIsCheckedFieldByField(t *testing.T) {
	sound := Cached{Items: 4, Query: 200 * time.Millisecond, Fresh: time.Minute}
	require.NoError(t, sound.check())
	for field, spoil := range map[string]func(*Cached){
		"Items": func(c *Cached) { c.Items = 0 },
		"Query": func(c *Cached) { c.Query = 0 },
		"Fresh": func(c *Cached) { c.Fresh = 0 },
	} {
		bad := sound
		spoil(&bad)
		assert.ErrorContains(t, bad.check(), field)
	}
}

// loopback dials as the host does.
type loopback struct{ net.Dialer }

func (*loopback) Name() string { return "" }

func TestTheCacheIsThereWhenItSaysSo(t *testing.T) {
	for answer, want := range map[string]string{"+PONG\r\n": "", "-LOADING\r\n": "-LOADING", "": "EOF"} {
		listener, err := net.Listen("tcp4", "127.0.0.1:0")
		require.NoError(t, err)
		served := make(chan struct{})
		go func() {
			defer close(served)
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			defer conn.Close()
			var question [6]byte
			if _, err := conn.Read(question[:]); err == nil {
				_, _ = conn.Write([]byte(answer))
			}
		}()
		err = ping(context.Background(), &loopback{}, netip.MustParseAddrPort(listener.Addr().String()))
		if want == "" {
			assert.NoError(t, err)
		} else {
			assert.ErrorContains(t, err, want)
		}
		<-served
		require.NoError(t, listener.Close())
	}
}
