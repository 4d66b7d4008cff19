package kafka

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/goleak"
)

// loopback is a vantage that reaches one listener, whatever it is asked for.
type loopback struct{ address string }

func (loopback) Name() string { return "" }

func (l loopback) DialContext(ctx context.Context, _, _ string) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, "tcp", l.address)
}

// serve answers each question of each connection in turn with what answer
// makes of it; nil closes the connection.
func serve(t *testing.T, answer func(connection int, number []byte) []byte) *asker {
	t.Helper()
	before := goleak.IgnoreCurrent()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for connection := 0; ; connection++ {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			for {
				var size [4]byte
				if _, err := io.ReadFull(conn, size[:]); err != nil {
					break
				}
				question := make([]byte, binary.BigEndian.Uint32(size[:]))
				if _, err := io.ReadFull(conn, question); err != nil {
					break
				}
				body := answer(connection, question[4:8])
				if body == nil {
					break
				}
				_, _ = conn.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...))
			}
			_ = conn.Close()
		}
	}()
	a := newAsker(loopback{listener.Addr().String()}, netip.MustParseAddr("10.213.0.11"), clientPort)
	t.Cleanup(func() {
		a.close()
		require.NoError(t, listener.Close())
		<-ended
		goleak.VerifyNone(t, before)
	})
	return a
}

// described is an answer to DescribeCluster that names the active controller.
func described(number []byte, controller int32) []byte {
	answer := kmsg.NewPtrDescribeClusterResponse()
	answer.SetVersion(1)
	answer.ControllerID = controller
	return answer.AppendTo(append(append([]byte{}, number...), 0)) // 0: no tags
}

func TestANodeIsAskedOverOneConnection(t *testing.T) {
	a := serve(t, func(connection int, number []byte) []byte { return described(number, int32(connection+1)) })
	for range 3 {
		id, err := askController(t.Context(), a)
		require.NoError(t, err)
		require.Equal(t, int32(1), id, "the first connection is kept")
	}
}

func TestWhatIsNoAnswerCostsTheConnection(t *testing.T) {
	for name, nonsense := range map[string]func(number []byte) []byte{
		"the end of the connection":    func([]byte) []byte { return nil },
		"another question's answer":    func(number []byte) []byte { return described([]byte{9, 9, 9, 9}, 7) },
		"an answer that is cut short":  func(number []byte) []byte { return described(number, 7)[:12] },
		"tags where there can be none": func(number []byte) []byte { return append(append([]byte{}, number...), 5, 5, 5) },
	} {
		t.Run(name, func(t *testing.T) {
			a := serve(t, func(connection int, number []byte) []byte {
				if connection == 0 {
					return nonsense(number)
				}
				return described(number, 2)
			})
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			_, err := askController(ctx, a)
			require.Error(t, err)
			id, err := askController(ctx, a)
			require.NoError(t, err, "the next question has a new connection")
			require.Equal(t, int32(2), id)
		})
	}
}

func TestAQuestionEndsWithItsTimeAlsoBehindAnother(t *testing.T) {
	release := make(chan struct{})
	a := serve(t, func(_ int, number []byte) []byte {
		<-release
		return nil
	})
	defer close(release)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	first := make(chan error, 1)
	long, end := context.WithTimeout(t.Context(), 5*time.Second)
	defer end()
	go func() { _, err := askController(long, a); first <- err }()
	require.Eventually(t, func() bool { return len(a.turn) == 1 }, 5*time.Second, time.Millisecond)
	_, err := askController(ctx, a)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	select {
	case err := <-first:
		require.Fail(t, "the one before it is not ended by that", "%v", err)
	default:
	}
	release <- struct{}{}
	require.Error(t, <-first)
}
