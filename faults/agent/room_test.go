package agent

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"
	"github.com/stretchr/testify/require"

	"github.com/hadrill/hadrill/harness"
	"github.com/hadrill/hadrill/harness/engine"
)

// room is a run of its own: a network and some nodes, all with its label, and
// an agent. It is made with the engine's client alone, so that these tests
// judge the agent and not the harness.
type room struct {
	engine *engine.Engine
	run    string
	image  string
	net    string
	prefix netip.Prefix
	agent  *Client
	nodes  []testNode
}

type testNode struct {
	id, name string
	addr     netip.Addr
}

func newRun() string { return fmt.Sprintf("test%08x", rand.Uint32()) }

func openRoom(ctx context.Context, run string) (*room, error) {
	eng, err := engine.Connect(ctx)
	if err != nil {
		return nil, err
	}
	image, err := eng.Self(ctx)
	if err != nil {
		return nil, errors.Join(err, eng.Close())
	}
	return &room{engine: eng, run: run, image: image.Ref}, nil
}

// newRoom starts an agent and nodes "n1", "n2", ..., all ready.
func newRoom(t testing.TB, nodes int, change ...func(i int, c *container.Config, h *container.HostConfig)) *room {
	if testing.Short() {
		t.Skip("starts containers")
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	r, err := openRoom(ctx, newRun())
	require.NoError(t, err)
	t.Cleanup(func() { r.close(t) })
	r.agent, err = Start(ctx, r.engine, Options{Run: r.run})
	require.NoError(t, err)
	require.NoError(t, r.start(ctx, nodes, change...))
	for _, n := range r.nodes {
		require.Eventually(t, func() bool { _, err := n.ask("ping", time.Second); return err == nil }, 10*time.Second, 5*time.Millisecond)
	}
	require.NoError(t, r.agent.Watch(ctx))
	return r
}

// start creates the network and starts nodes on it in parallel.
func (r *room) start(ctx context.Context, nodes int, change ...func(i int, c *container.Config, h *container.HostConfig)) error {
	var err error
	for try := 0; try < 20 && r.net == ""; try++ {
		r.prefix = netip.MustParsePrefix(fmt.Sprintf("10.214.%d.0/24", rand.IntN(250)))
		var made client.NetworkCreateResult
		made, err = r.engine.Client().NetworkCreate(ctx, "hadrill-"+r.run, client.NetworkCreateOptions{
			Driver: "bridge", Internal: true, Labels: r.labels(""),
			IPAM: &network.IPAM{Config: []network.IPAMConfig{{Subnet: r.prefix}}},
		})
		if err == nil {
			r.net = made.ID
			break
		}
	}
	if err != nil {
		return err
	}
	r.nodes = make([]testNode, nodes)
	errs := make([]error, nodes)
	var wait sync.WaitGroup
	addr := r.prefix.Addr().Next() // the host's own
	for i := range nodes {
		addr = addr.Next()
		r.nodes[i] = testNode{name: fmt.Sprintf("n%d", i+1), addr: addr}
		wait.Go(func() { errs[i] = r.startNode(ctx, i, change...) })
	}
	wait.Wait()
	return errors.Join(errs...)
}

func (r *room) startNode(ctx context.Context, i int, change ...func(i int, c *container.Config, h *container.HostConfig)) error {
	n := &r.nodes[i]
	config := &container.Config{
		Image: r.image, Labels: r.labels(n.name), Entrypoint: []string{engine.SelfPath}, Env: []string{envTestRole + "=" + roleNode},
	}
	host := &container.HostConfig{NetworkMode: container.NetworkMode(r.net)}
	for _, f := range change {
		f(i, config, host)
	}
	created, err := r.engine.Client().ContainerCreate(ctx, client.ContainerCreateOptions{
		Name: "hadrill-" + r.run + "-" + n.name, Config: config, HostConfig: host,
		NetworkingConfig: &network.NetworkingConfig{EndpointsConfig: map[string]*network.EndpointSettings{
			r.net: {IPAMConfig: &network.EndpointIPAMConfig{IPv4Address: n.addr}},
		}},
	})
	if err != nil {
		return err
	}
	n.id = created.ID
	_, err = r.engine.Client().ContainerStart(ctx, n.id, client.ContainerStartOptions{})
	return err
}

func (r *room) labels(node string) map[string]string {
	owner, _ := harness.Owner()
	return map[string]string{harness.LabelRun: r.run, harness.LabelNode: node, harness.LabelOwner: owner}
}

// close ends the agent and removes the room; it also checks that nothing stays.
func (r *room) close(t testing.TB) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if r.agent != nil {
		if err := r.agent.Close(ctx); err != nil && !errors.Is(err, ErrGone) {
			t.Errorf("close agent: %v", err)
		}
	}
	clean := &reaper{engine: r.engine.Client(), run: r.run}
	for range 50 {
		if found, err := clean.pass(ctx); found == 0 && err == nil {
			break
		}
	}
	require.Empty(t, r.left(ctx))
	require.NoError(t, r.engine.Close())
}

// left lists what carries the run's label.
func (r *room) left(ctx context.Context) []string { return leftOf(ctx, r.engine.Client(), r.run) }

func leftOf(ctx context.Context, engine *client.Client, run string) []string {
	filter := make(client.Filters).Add("label", harness.LabelRun+"="+run)
	var left []string
	containers, err := engine.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: filter})
	for _, c := range containers.Items {
		left = append(left, "container "+strings.Join(c.Names, ",")+" "+string(c.State))
	}
	networks, err2 := engine.NetworkList(ctx, client.NetworkListOptions{Filters: filter})
	for _, n := range networks.Items {
		left = append(left, "network "+n.Name)
	}
	volumes, err3 := engine.VolumeList(ctx, client.VolumeListOptions{Filters: filter})
	for _, v := range volumes.Items {
		left = append(left, "volume "+v.Name)
	}
	if err := errors.Join(err, err2, err3); err != nil {
		left = append(left, err.Error())
	}
	return left
}

// ask sends a node one line, from the host.
func (n testNode) ask(line string, timeout time.Duration) (string, error) {
	conn, err := net.DialTimeout("tcp", n.endpoint(), timeout)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(timeout))
	if _, err := fmt.Fprintln(conn, line); err != nil {
		return "", err
	}
	answer, err := bufio.NewReader(conn).ReadString('\n')
	return strings.TrimSpace(answer), err
}

func (n testNode) endpoint() string { return net.JoinHostPort(n.addr.String(), nodePort) }

// sees tells whether a node can open a connection to another, by its own word.
func (n testNode) sees(other testNode) bool {
	answer, err := n.ask("dial "+other.endpoint()+" 150", 2*time.Second)
	return err == nil && answer == "ok"
}

func (r *room) state(t testing.TB, n testNode) *container.State {
	found, err := r.engine.Client().ContainerInspect(context.Background(), n.id, client.ContainerInspectOptions{})
	require.NoError(t, err)
	return found.Container.State
}

func within(t testing.TB, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}

func addrs(a ...netip.Addr) []netip.Addr { return a }

func stubborn(which int) func(int, *container.Config, *container.HostConfig) {
	return func(i int, c *container.Config, _ *container.HostConfig) {
		if i == which {
			c.Env = append(c.Env, "HADRILL_TEST_STUBBORN=1")
		}
	}
}

func ignoreGone(err error) error {
	if errors.Is(err, ErrGone) {
		return nil
	}
	return err
}
