package components_test

import (
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/client"
	"github.com/stretchr/testify/require"

	"github.com/hadrill/hadrill/harness"
	"github.com/hadrill/hadrill/harness/components"
	"github.com/hadrill/hadrill/harness/internal/probe"
	"github.com/hadrill/hadrill/harness/internal/testenv"
)

func TestABadSettingIsRefusedAtStartByName(t *testing.T) {
	for name, c := range map[string]struct {
		environ []string
		want    string
	}{
		"unknown component": {[]string{"HADRILL_COMPONENT=ecco"}, "ecco: HADRILL_COMPONENT: no such component; known are "},
		"bad duration":      {[]string{"HADRILL_COMPONENT=backend", "HADRILL_NODE=b", "HADRILL_LATENCY=20"}, `backend: HADRILL_LATENCY="20": want a duration such as "20ms"`},
		"bad port":          {[]string{"HADRILL_COMPONENT=echo", "HADRILL_NODE=b", "HADRILL_PORT=70000"}, `echo: HADRILL_PORT="70000": want a port from 1 to 65535`},
		"missing node":      {[]string{"HADRILL_COMPONENT=echo"}, `echo: HADRILL_NODE="": want a value`},
		"no number":         {[]string{"HADRILL_COMPONENT=service", "HADRILL_NODE=b", "HADRILL_WORKERS=some"}, `service: HADRILL_WORKERS="some": want a whole number of at least 0`},
		"no address":        {[]string{"HADRILL_COMPONENT=service", "HADRILL_NODE=b", "HADRILL_DEPENDENCY=db"}, `service: HADRILL_DEPENDENCY="db": want IP:port`},
		"half of a pair":    {[]string{"HADRILL_COMPONENT=echo", "HADRILL_NODE=b", "HADRILL_TLS_CERT=a.pem"}, `echo: HADRILL_TLS_CERT="a.pem": want both HADRILL_TLS_CERT and HADRILL_TLS_KEY, or none`},
		"clients of no TLS": {[]string{"HADRILL_COMPONENT=echo", "HADRILL_NODE=b", "HADRILL_TLS_CLIENTS=r.pem"}, `echo: HADRILL_TLS_CLIENTS="r.pem": want HADRILL_TLS_CERT as well`},
		"misspelt":          {[]string{"HADRILL_COMPONENT=echo", "HADRILL_NODE=b", "HADRILL_LATENCY=1ms"}, "echo: HADRILL_LATENCY: this component has no such setting"},
	} {
		t.Run(name, func(t *testing.T) {
			self, err := os.Executable()
			require.NoError(t, err)
			command := exec.Command(self)
			command.Env = c.environ
			output, err := command.CombinedOutput()
			var exit *exec.ExitError
			require.ErrorAs(t, err, &exit)
			require.Equal(t, 64, exit.ExitCode())
			line, rest, _ := strings.Cut(string(output), "\n")
			require.Empty(t, rest, "one line")
			require.Truef(t, strings.HasPrefix(line, c.want), "%q begins with %q", line, c.want)
		})
	}
}

func TestTheEchoServerAnswersUnderItsOwnName(t *testing.T) {
	ctx, env := testenv.New(t, harness.Options{ClientZones: []string{"east"}})
	began := time.Now()
	running, err := components.Echo{}.Start(ctx, env)
	require.NoError(t, err)
	t.Logf("started in %s", time.Since(began).Round(time.Millisecond))
	url := running.(harness.HTTPServer).URL()
	addr, err := netip.ParseAddrPort(strings.TrimPrefix(url, "http://"))
	require.NoError(t, err)
	from, err := env.Client("east")
	require.NoError(t, err)
	echo := probe.NewHTTP(from, addr)
	defer echo.Close()
	for range 3 {
		answer, err := echo.Get(ctx, "/")
		require.NoError(t, err)
		require.Equal(t, 200, answer.Status)
		require.Equal(t, "ok echo", answer.Body)
		require.Equal(t, "echo", answer.Header.Get(components.NodeHeader))
	}
	answer, err := echo.Get(ctx, "/count")
	require.NoError(t, err)
	require.Equal(t, "3", answer.Body)
}

func TestABackendDrainsAndKeepsItsEffectsOverARestart(t *testing.T) {
	ctx, eng := testenv.Engine(t)
	env := testenv.NewOn(ctx, t, eng, harness.Options{})
	nodes, err := env.Start(ctx, components.Spec(env, "backend", "backend", map[string]string{"HADRILL_LATENCY": "300ms", "HADRILL_DRAIN": "200ms"}))
	require.NoError(t, err)
	n := nodes[0]
	addr := netip.AddrPortFrom(n.Addr(), components.DefaultPort)

	slow := make(chan error, 1)
	go func() {
		conn, err := env.Data().DialContext(ctx, "tcp", addr.String())
		if err == nil {
			defer conn.Close()
			_, err = conn.Write([]byte("POST /effect?id=7 HTTP/1.1\r\nHost: b\r\nContent-Length: 0\r\n\r\n"))
		}
		if err == nil {
			head := make([]byte, 12)
			_ = conn.SetReadDeadline(time.Now().Add(3 * time.Second))
			if _, err = conn.Read(head); err == nil && string(head) != "HTTP/1.1 200" {
				t.Errorf("answered %q", head)
			}
		}
		slow <- err
	}()
	require.Eventually(t, func() bool {
		answer, err := probe.Once(ctx, env.Data(), addr, "/effects")
		return err == nil && answer.Body == `"7"`
	}, 5*time.Second, 5*time.Millisecond, "the effect is there before the answer")
	_, err = eng.Client().ContainerKill(ctx, n.ContainerID(), client.ContainerKillOptions{Signal: "TERM"})
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		answer, err := probe.Once(ctx, env.Data(), addr, "/ready")
		return err == nil && answer.Status == 503
	}, 5*time.Second, 5*time.Millisecond, "while it drains it is not ready")
	require.NoError(t, <-slow, "the request under way is answered")

	require.Eventually(t, func() bool {
		inspected, err := eng.Client().ContainerInspect(ctx, n.ContainerID(), client.ContainerInspectOptions{})
		return err == nil && !inspected.Container.State.Running && inspected.Container.State.ExitCode == 0
	}, 5*time.Second, 10*time.Millisecond)
	_, err = eng.Client().ContainerStart(ctx, n.ContainerID(), client.ContainerStartOptions{})
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		answer, err := probe.Once(ctx, env.Data(), addr, "/effects")
		return err == nil && answer.Body == `"7"`
	}, 5*time.Second, 10*time.Millisecond)
}
