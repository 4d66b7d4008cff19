package probe

import (
	"context"
	"net"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// loopback dials as the host does.
type loopback struct{ net.Dialer }

func (*loopback) Name() string { return "" }

func TestRedisIsThereWhenItSaysSo(t *testing.T) {
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
		err = Redis(context.Background(), &loopback{}, netip.MustParseAddrPort(listener.Addr().String()))
		if want == "" {
			assert.NoError(t, err)
		} else {
			assert.ErrorContains(t, err, want)
		}
		<-served
		require.NoError(t, listener.Close())
	}
}
