package components

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/netip"
	"os"
	"strings"

	"github.com/hadrill/hadrill/harness"
	"github.com/hadrill/hadrill/harness/engine"
	"github.com/hadrill/hadrill/harness/internal/probe"
)

// Spec declares a node that runs a component; settings are its HADRILL_*
// variables. The node is ready when it says so itself.
//
// With HADRILL_IMAGE_<COMPONENT> set it runs that image's executable
// /<component> instead ("/gateway"), started with the same environment: ports,
// routes and settings as the component documents them are the contract.
func Spec(env *harness.Env, component, name string, settings map[string]string) harness.NodeSpec {
	variables := map[string]string{KeyComponent: component, KeyNode: name}
	maps.Copy(variables, settings)
	image, executable := harness.SelfComponent, engine.SelfPath
	if os.Getenv("HADRILL_IMAGE_"+strings.ToUpper(strings.ReplaceAll(component, "-", "_"))) != "" {
		image, executable = component, "/"+component
	}
	return harness.NodeSpec{
		Name:      name,
		Component: image,
		Command:   []string{executable},
		Env:       variables,
		Ready: func(ctx context.Context, n *harness.Node) error {
			return ready(ctx, env.Data(), n.Addr())
		},
	}
}

func ready(ctx context.Context, from harness.Vantage, addr netip.Addr) error {
	answer, err := probe.Once(ctx, from, netip.AddrPortFrom(addr, DefaultPort), "/ready")
	if err != nil {
		return err
	}
	if answer.Status != http.StatusOK {
		return fmt.Errorf("%s is not ready: %d %s", addr, answer.Status, answer.Body)
	}
	return nil
}
