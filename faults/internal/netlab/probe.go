package netlab

import (
	"encoding/binary"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Arrival is one probe packet that the receiver saw.
type Arrival struct {
	Sequence uint64
	Latency  time.Duration
}

// Probe sends n packets from left to right at a rate a second and returns what
// arrived, in order of arrival, until nothing came for the grace time. It is
// the independent observer of the tests: two plain sockets.
func (p *Pair) Probe(t testing.TB, port uint16, n, rate int, grace time.Duration) []Arrival {
	t.Helper()
	in, out := p.Right.ListenUDP(t, port), p.Left.DialUDP(t, p.Right, port)
	defer func() { _, _ = in.Close(), out.Close() }()
	base := time.Now()
	got := make(chan []Arrival, 1)
	sent := make(chan struct{})
	go func() { got <- receive(in, base, n, grace, sent) }()
	send(t, out, base, n, rate)
	close(sent)
	return <-got
}

func receive(in *net.UDPConn, base time.Time, n int, grace time.Duration, sent <-chan struct{}) []Arrival {
	all := make([]Arrival, 0, 2*n)
	buf := make([]byte, 64)
	for {
		_ = in.SetReadDeadline(time.Now().Add(grace))
		size, err := in.Read(buf)
		now := time.Since(base)
		if err != nil {
			select {
			case <-sent:
				return all
			default:
				continue
			}
		}
		if size == 16 {
			all = append(all, Arrival{
				Sequence: binary.BigEndian.Uint64(buf),
				Latency:  now - time.Duration(binary.BigEndian.Uint64(buf[8:])),
			})
		}
	}
}

// send paces by sleeping a millisecond and sending what is due.
func send(t testing.TB, out *net.UDPConn, base time.Time, n, rate int) {
	buf := make([]byte, 16)
	start := time.Now()
	for i := 0; i < n; {
		due := int(time.Since(start).Seconds()*float64(rate)) + 1
		for ; i < min(due, n); i++ {
			binary.BigEndian.PutUint64(buf, uint64(i))
			binary.BigEndian.PutUint64(buf[8:], uint64(time.Since(base)))
			_, err := out.Write(buf)
			require.NoError(t, err)
		}
		if i < n {
			time.Sleep(max(50*time.Microsecond, time.Duration(float64(time.Second)/float64(rate))))
		}
	}
}

// Latencies sorts the latencies of arrivals.
func Latencies(all []Arrival) []time.Duration {
	l := make([]time.Duration, len(all))
	for i, a := range all {
		l[i] = a.Latency
	}
	slices.Sort(l)
	return l
}

// Quantile of sorted latencies.
func Quantile(sorted []time.Duration, q float64) time.Duration {
	if len(sorted) == 0 {
		return -1
	}
	return sorted[min(len(sorted)-1, int(q*float64(len(sorted))))]
}

// Throughput sends TCP data from left to right for d and returns bits a second
// as the receiver saw them.
func (p *Pair) Throughput(t testing.TB, port uint16, d time.Duration) float64 {
	t.Helper()
	l := p.Right.ListenTCP(t, port)
	type result struct {
		bytes int64
		took  time.Duration
	}
	done := make(chan result, 1)
	go func() {
		c, err := l.Accept()
		if err != nil {
			done <- result{}
			return
		}
		defer func() { _ = c.Close() }()
		buf := make([]byte, 1<<18)
		var r result
		start := time.Now()
		for {
			n, err := c.Read(buf)
			r.bytes += int64(n)
			if err != nil {
				r.took = time.Since(start)
				done <- r
				return
			}
		}
	}()
	c := p.Left.DialTCP(t, p.Right, port)
	buf := make([]byte, 1<<18)
	for end := time.Now().Add(d); time.Now().Before(end); {
		_, err := c.Write(buf)
		require.NoError(t, err)
	}
	require.NoError(t, c.Close())
	r := <-done
	_ = l.Close()
	return float64(8*r.bytes) / r.took.Seconds()
}
