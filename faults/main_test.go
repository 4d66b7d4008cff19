package faults

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/hadrill/hadrill/faults/agent"
	"github.com/hadrill/hadrill/harness"
	"github.com/hadrill/hadrill/harness/engine"
)

const nodeRole = "HADRILL_TEST_NODE"

func TestMain(m *testing.M) {
	if os.Getenv(nodeRole) != "" {
		serveNode()
		return
	}
	goleak.VerifyTestMain(m)
}

// serveNode is a test node: it answers, and says whom it can reach.
func serveNode() {
	listener, err := net.Listen("tcp", ":7000")
	if err != nil {
		os.Exit(1)
	}
	for {
		conn, err := listener.Accept()
		if err != nil {
			os.Exit(1)
		}
		go func() {
			defer conn.Close()
			host, _, _ := net.SplitHostPort(conn.RemoteAddr().String())
			clients.Store(conn, host)
			defer clients.Delete(conn)
			for lines := bufio.NewScanner(conn); lines.Scan(); {
				if _, err := fmt.Fprintln(conn, nodeAnswer(lines.Text())); err != nil {
					return
				}
			}
		}()
	}
}

// clients are the connections that others have open, by their address.
var clients sync.Map

// held are connections that a node keeps open to others, by address.
var held sync.Map

// nodeAnswer is what a test node can be asked:
//
//	ping             pong
//	time             its CLOCK_REALTIME, in nanoseconds
//	dial ADDR        ok, refused, timeout
//	hold ADDR        opens a connection and keeps it
//	use ADDR         sends on the kept connection and waits for the answer
//	open ADDR        how many connections an address has open to it
//	release ADDR     closes the kept connection
//	lookup NAME      ok, or the kind of error
//	work             rounds of arithmetic in 200 ms
//	take MB          takes memory
//	send ADDR MB     how many bytes a second got through
func nodeAnswer(line string) string {
	words := append(strings.Fields(line), "", "", "")
	switch words[0] {
	case "time":
		return fmt.Sprint(time.Now().UnixNano())
	case "dial":
		conn, err := net.DialTimeout("tcp", words[1], 150*time.Millisecond)
		if err != nil {
			return kindOf(err)
		}
		conn.Close()
		return "ok"
	case "hold":
		conn, err := net.DialTimeout("tcp", words[1], time.Second)
		if err != nil {
			return kindOf(err)
		}
		held.Store(words[1], conn)
		return "ok"
	case "use":
		kept, ok := held.Load(words[1])
		if !ok {
			return "none"
		}
		conn := kept.(net.Conn)
		_ = conn.SetDeadline(time.Now().Add(300 * time.Millisecond))
		if _, err := fmt.Fprintln(conn, "ping"); err != nil {
			return kindOf(err)
		}
		answer, err := bufio.NewReader(conn).ReadString('\n')
		if err != nil {
			return kindOf(err)
		}
		return strings.TrimSpace(answer)
	case "release":
		if kept, ok := held.LoadAndDelete(words[1]); ok {
			kept.(net.Conn).Close()
		}
		return "ok"
	case "lookup":
		ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
		defer cancel()
		_, err := (&net.Resolver{PreferGo: true}).LookupHost(ctx, words[1])
		return kindOf(err)
	case "work":
		rounds := 0
		for end := time.Now().Add(200 * time.Millisecond); time.Now().Before(end); rounds++ {
			for x := range 1000 {
				_ = x * x
			}
		}
		return fmt.Sprint(rounds)
	case "take":
		megabytes, _ := strconv.Atoi(words[1])
		taken = append(taken, bytes.Repeat([]byte{1}, megabytes<<20))
		return "ok"
	case "open":
		n := 0
		clients.Range(func(_, from any) bool {
			if from == words[1] {
				n++
			}
			return true
		})
		return fmt.Sprint(n)
	case "send":
		megabytes, _ := strconv.ParseFloat(words[2], 64)
		return sendBulk(words[1], int(megabytes*(1<<20)))
	}
	return "pong"
}

var taken [][]byte

// sendBulk sends lines that the other end answers one by one with little; the
// last answer tells that all has arrived.
func sendBulk(addr string, size int) string {
	conn, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return kindOf(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(8 * time.Second))
	began := time.Now()
	lines := size / 1024
	line := append(bytes.Repeat([]byte("x"), 1023), '\n')
	go func() {
		for range lines {
			if _, err := conn.Write(line); err != nil {
				return
			}
		}
	}()
	answers := bufio.NewScanner(conn)
	for range lines {
		if !answers.Scan() {
			return "broken"
		}
	}
	return fmt.Sprint(int(float64(size) / time.Since(began).Seconds()))
}

func kindOf(err error) string {
	var timeout net.Error
	var dns *net.DNSError
	switch {
	case err == nil:
		return "ok"
	case errors.As(err, &dns) && dns.IsNotFound:
		return "no such name"
	case errors.As(err, &timeout) && timeout.Timeout():
		return "timeout"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "refused"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, syscall.ECONNABORTED):
		return "reset"
	}
	return err.Error()
}

// cluster is a Running of plain nodes, the first of which calls itself primary.
type cluster struct{ nodes []*harness.Node }

func (c *cluster) Nodes() []*harness.Node { return c.nodes }

func (c *cluster) Beliefs(context.Context) []harness.Belief {
	beliefs := make([]harness.Belief, len(c.nodes))
	for i, n := range c.nodes {
		beliefs[i] = harness.Belief{Node: n.Name(), Self: harness.Replica}
	}
	beliefs[0].Self = harness.Primary
	return beliefs
}

// stage is a field to do damage on.
type stage struct {
	*Field
	env   *harness.Env
	nodes []*harness.Node
}

func newStage(t *testing.T, nodes int) *stage {
	if testing.Short() {
		t.Skip("starts containers")
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	eng, err := engine.Connect(ctx)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, eng.Close()) })
	run := fmt.Sprintf("faults%08x", rand.Uint32())
	hand, err := agent.Start(ctx, eng, agent.Options{Run: run})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, hand.Close(context.Background())) })
	env, err := harness.NewEnv(ctx, eng, harness.Options{Run: run, Dir: filepath.Join(t.TempDir(), "run"), Clock: harness.NewClock(), ClientZones: []string{"a"}})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, env.Close(context.Background())) })
	specs := make([]harness.NodeSpec, nodes)
	for i := range specs {
		specs[i] = harness.NodeSpec{
			Name: fmt.Sprintf("n%d", i+1), Component: "self", Zone: fmt.Sprintf("z%d", i%2+1), Command: []string{engine.SelfPath},
			Env:   map[string]string{nodeRole: "1"},
			Ready: func(ctx context.Context, n *harness.Node) error { return ping(env.Data(), n) },
		}
	}
	started, err := env.Start(ctx, specs...)
	require.NoError(t, err)
	return &stage{env: env, nodes: started, Field: &Field{System: &cluster{started}, Agent: hand,
		Source: func(zone string) (string, error) { return env.GatewayOf(zone).String(), nil }}}
}

func ping(from harness.Vantage, n *harness.Node) error {
	answer, err := ask(from, n, "ping")
	if err == nil && answer != "pong" {
		err = errors.New(answer)
	}
	return err
}

func ask(from harness.Vantage, n *harness.Node, line string) (string, error) {
	limit := 400 * time.Millisecond
	if line != "ping" {
		limit = 10 * time.Second
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	conn, err := from.DialContext(ctx, "tcp", net.JoinHostPort(n.Addr().String(), "7000"))
	if err != nil {
		return "", err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(limit))
	if _, err := fmt.Fprintln(conn, line); err != nil {
		return "", err
	}
	answer, err := bufio.NewReader(conn).ReadString('\n')
	return strings.TrimSpace(answer), err
}

// sees asks node i, whether it can reach node j.
func (s *stage) sees(t *testing.T, i, j int) bool {
	answer, err := ask(s.env.Data(), s.nodes[i], "dial "+net.JoinHostPort(s.nodes[j].Addr().String(), "7000"))
	require.NoError(t, err)
	return answer == "ok"
}

func (s *stage) client(t *testing.T) harness.Vantage {
	v, err := s.env.Client("a")
	require.NoError(t, err)
	return v
}

// at is where a node listens.
func (s *stage) at(i int) string { return net.JoinHostPort(s.nodes[i].Addr().String(), "7000") }

// tells asks a node something, over the data network.
func (s *stage) tells(t *testing.T, i int, line string) string {
	answer, err := ask(s.env.Data(), s.nodes[i], line)
	require.NoError(t, err)
	return answer
}

// do injects and proves.
func (s *stage) do(t *testing.T, f Fault) Injection {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	i, err := f.Inject(ctx, s.Field)
	require.NoError(t, err)
	proof, err := i.Effective(ctx)
	require.NoError(t, err)
	require.NotEmpty(t, proof.How)
	require.LessOrEqual(t, proof.Before, proof.After)
	t.Logf("%s %s: %.2f ms, %s (%s)", f.Spec().Fault, f.Spec().Aim, float64(proof.After-proof.Before)/1e6, proof.How, proof.Detail)
	return i
}

// undo heals twice, proves, and sees that nothing is left.
func (s *stage) undo(t *testing.T, i Injection) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	require.NoError(t, i.Heal(ctx))
	require.NoError(t, i.Heal(ctx))
	_, err := i.Healed(ctx)
	require.NoError(t, err)
	left, err := s.Agent.Audit(ctx)
	require.NoError(t, err)
	require.Empty(t, left)
	for _, n := range s.nodes {
		require.Eventually(t, func() bool { return ping(s.env.Data(), n) == nil }, 5*time.Second, 10*time.Millisecond)
	}
}
