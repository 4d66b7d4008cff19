package faults

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
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
			for lines := bufio.NewScanner(conn); lines.Scan(); {
				other, asked := strings.CutPrefix(lines.Text(), "dial ")
				answer := "pong"
				if asked {
					there, err := net.DialTimeout("tcp", other, 150*time.Millisecond)
					answer = fmt.Sprint(err == nil)
					if err == nil {
						there.Close()
					}
				}
				if lines.Text() == "time" {
					answer = fmt.Sprint(time.Now().UnixNano())
				}
				fmt.Fprintln(conn, answer)
			}
		}()
	}
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
	ctx, cancel := context.WithTimeout(context.Background(), 400*time.Millisecond)
	defer cancel()
	conn, err := from.DialContext(ctx, "tcp", net.JoinHostPort(n.Addr().String(), "7000"))
	if err != nil {
		return "", err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(400 * time.Millisecond))
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
	return answer == "true"
}

func (s *stage) client(t *testing.T) harness.Vantage {
	v, err := s.env.Client("a")
	require.NoError(t, err)
	return v
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
