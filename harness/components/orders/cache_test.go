package orders

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// shelf is as much of Redis as a cache needs: GET and SET, without lifetimes.
type shelf struct {
	listener net.Listener
	work     sync.WaitGroup
	mu       sync.Mutex
	values   map[string]string
	conns    []net.Conn
}

func newShelf(t *testing.T) *shelf {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	require.NoError(t, err)
	s := &shelf{listener: listener, values: map[string]string{}}
	s.work.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			s.mu.Lock()
			s.conns = append(s.conns, conn)
			s.mu.Unlock()
			s.work.Go(func() { s.serve(conn) })
		}
	})
	t.Cleanup(s.close)
	return s
}

func (s *shelf) close() {
	_ = s.listener.Close()
	s.mu.Lock()
	for _, c := range s.conns {
		_ = c.Close()
	}
	s.mu.Unlock()
	s.work.Wait()
}

// serve answers commands, each an array of bulk strings (RESP 2).
func (s *shelf) serve(conn net.Conn) {
	lines := bufio.NewReader(conn)
	line := func() string { text, _ := lines.ReadString('\n'); return strings.TrimSpace(text) }
	for {
		n, err := strconv.Atoi(strings.TrimPrefix(line(), "*"))
		if err != nil {
			return
		}
		words := make([]string, n)
		for i := range words {
			line()
			words[i] = line()
		}
		s.mu.Lock()
		answer := "+OK\r\n"
		switch strings.ToUpper(words[0]) {
		case "HELLO":
			answer = "-ERR unknown command\r\n" // an old server: the client goes on without
		case "SET":
			s.values[words[1]] = words[2]
		case "GET":
			value, ok := s.values[words[1]]
			if answer = "$-1\r\n"; ok {
				answer = fmt.Sprintf("$%d\r\n%s\r\n", len(value), value)
			}
		}
		s.mu.Unlock()
		if _, err := conn.Write([]byte(answer)); err != nil {
			return
		}
	}
}

func (s *shelf) at() netip.AddrPort { return netip.MustParseAddrPort(s.listener.Addr().String()) }

// cacheOf is a cache before a loader that counts, and answers once let go.
func cacheOf(t *testing.T, at netip.AddrPort, c Config, let <-chan struct{}) (k *cache, loads *atomic.Int64, results func(string) int) {
	loads = new(atomic.Int64)
	var mu sync.Mutex
	counts := map[string]int{}
	k = newCache(at, c.filled(), func(ctx context.Context, item uint64, _ string) (int64, error) {
		loads.Add(1)
		select {
		case <-let:
			return int64(item) * 100, nil
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}, func(result string) { mu.Lock(); defer mu.Unlock(); counts[result]++ })
	t.Cleanup(func() { require.NoError(t, k.close()) })
	return k, loads, func(result string) int { mu.Lock(); defer mu.Unlock(); return counts[result] }
}

func open() <-chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}

func TestOfManyWhoMissAtOnceOneAsksTheDatabase(t *testing.T) {
	for name, c := range map[string]struct {
		config Config
		most   int64
	}{
		"guarded":   {Config{}, 1},
		"unguarded": {Config{NoGuards: true}, 20},
	} {
		t.Run(name, func(t *testing.T) {
			let := make(chan struct{})
			k, loads, results := cacheOf(t, newShelf(t).at(), c.config, let)
			var group sync.WaitGroup
			for range 20 {
				group.Go(func() {
					price, err := k.price(context.Background(), 7, "")
					require.NoError(t, err)
					require.Equal(t, int64(700), price)
				})
			}
			require.Eventually(t, func() bool { return results("miss") >= 20 && loads.Load() >= 1 }, 10*time.Second, time.Millisecond)
			time.Sleep(20 * time.Millisecond) // those who have missed come to the loader
			close(let)
			group.Wait()
			require.Equal(t, c.most, loads.Load())
		})
	}
}

func TestAStaleValueIsServedWhileOneRefreshesIt(t *testing.T) {
	s := newShelf(t)
	k, loads, results := cacheOf(t, s.at(), Config{Fresh: time.Millisecond}, open())
	past := time.Now().Add(-time.Second).UnixMilli()
	s.mu.Lock()
	s.values["item:7"] = fmt.Sprintf("5 %d", past)
	s.mu.Unlock()
	require.Eventually(t, func() bool {
		price, err := k.price(context.Background(), 7, "")
		return err == nil && price == 700
	}, 10*time.Second, time.Millisecond, "the old price first, the new one soon")
	require.Positive(t, loads.Load())
	require.Positive(t, results("stale"))
}

func TestACacheThatFailsCostsTimeAndNoAnswer(t *testing.T) {
	gone := newShelf(t)
	gone.close()
	k, loads, results := cacheOf(t, gone.at(), Config{}, open())
	for range 10 {
		price, err := k.price(context.Background(), 3, "")
		require.NoError(t, err)
		require.Equal(t, int64(300), price)
	}
	require.Equal(t, int64(10), loads.Load())
	require.Less(t, results("failed"), 10, "it is left alone after a failure")
}

func TestWhoNamesWhatItHasSeenIsServedFromTheDatabase(t *testing.T) {
	s := newShelf(t)
	k, loads, _ := cacheOf(t, s.at(), Config{}, open())
	for range 3 {
		_, err := k.price(context.Background(), 1, "some:1-5")
		require.NoError(t, err)
	}
	require.Equal(t, int64(3), loads.Load())
}

func TestAReaderWhoseTimeIsUpIsToldSo(t *testing.T) {
	k, _, _ := cacheOf(t, newShelf(t).at(), Config{}, make(chan struct{}))
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	_, err := k.price(ctx, 1, "")
	require.True(t, errors.Is(err, context.DeadlineExceeded), err)
}
