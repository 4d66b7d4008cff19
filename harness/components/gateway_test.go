package components_test

import (
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hadrill/hadrill/harness"
	"github.com/hadrill/hadrill/harness/components"
)

func TestAGatewayRefusesWhatItCannotDo(t *testing.T) {
	const routes = `HADRILL_ROUTES=[{"name":"all","instances":[{"id":"a","addr":"127.0.0.1:1"}]}]`
	for want, environ := range map[string][]string{
		`gateway: HADRILL_ROUTES="": want a value`:                                                     {},
		`gateway: HADRILL_ROUTES="[{\"nam\":\"a\"}]": want a JSON list of routes: unknown field "nam"`: {`HADRILL_ROUTES=[{"nam":"a"}]`},
		`gateway: HADRILL_ROUTES: route all: service: want HADRILL_REGISTRY to be set`:                 {`HADRILL_ROUTES=[{"name":"all","service":"s"}]`},
		`gateway: HADRILL_REGISTRY="etcd": want IP:port,IP:port`:                                       {routes, "HADRILL_REGISTRY=etcd"},
		`gateway: HADRILL_TRACE="all": want a share from 0 to 1`:                                       {routes, "HADRILL_TRACE=all"},
		`gateway: HADRILL_TRACE: want a share from 0 to 1`:                                             {routes, "HADRILL_TRACE=2"},
		`gateway: HADRILL_ADMIN_PORT="x": want a port from 1 to 65535`:                                 {routes, "HADRILL_ADMIN_PORT=x"},
		`gateway: HADRILL_LATENCY: this component has no such setting`:                                 {routes, "HADRILL_LATENCY=1s"},
	} {
		self, err := os.Executable()
		require.NoError(t, err)
		command := exec.Command(self)
		command.Env = append(environ, "HADRILL_COMPONENT=gateway", "HADRILL_NODE=gw")
		output, err := command.CombinedOutput()
		var exit *exec.ExitError
		require.ErrorAs(t, err, &exit)
		assert.Equal(t, 64, exit.ExitCode())
		assert.Equal(t, want+"\n", string(output), "one line that names the key")
	}
}

func TestTheUsersOwnImageStandsInForTheGateway(t *testing.T) {
	own := components.GatewaySpec(nil, "gateway", map[string]string{"HADRILL_ROUTES": "[]"})
	assert.Equal(t, harness.SelfComponent, own.Component)
	t.Setenv("HADRILL_IMAGE_GATEWAY", "registry.example/gateway:1")
	theirs := components.GatewaySpec(nil, "gateway", map[string]string{"HADRILL_ROUTES": "[]"})
	assert.Equal(t, "gateway", theirs.Component)
	assert.Equal(t, []string{"/gateway"}, theirs.Command)
	assert.Equal(t, own.Env, theirs.Env, "the contract is the environment")
}
