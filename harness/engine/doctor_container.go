package engine

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/system"
	"github.com/moby/moby/client"

	"github.com/hadrill/hadrill/harness/images"
)

// agentCapabilities are what the agent's container is started with. A fully
// privileged one is never asked for: hosts that are containers or sandboxes
// themselves cannot give it.
var agentCapabilities = []string{"SYS_ADMIN", "SYS_PTRACE", "NET_ADMIN", "KILL", "DAC_OVERRIDE", "SYS_CHROOT", "SYS_TIME", "MKNOD", "CHOWN", "FOWNER"}

// AgentCapabilities lists the capabilities that the doctor tried, without the
// CAP_ prefix, as an engine takes them.
func AgentCapabilities() []string { return slices.Clone(agentCapabilities) }

// capabilities starts one container as the agent will be started. If the
// engine refuses, the capabilities are tried one by one to name the culprits.
func (e *Engine) capabilities(ctx context.Context, info system.Info) Finding {
	finding := Finding{Name: "agent container"}
	base, err := images.Choose(images.BaseComponent, os.LookupEnv)
	if err != nil {
		finding.Detail, finding.Cost = err.Error(), "not known whether faults can be injected"
		return finding
	}
	if here, err := e.has(ctx, base.Ref); err != nil || !here {
		finding.Detail, finding.Cost, finding.Remedy = "not tried: the base image is not made yet", "not known whether faults can be injected", "run `hadrill setup`"
		return finding
	}
	err = e.tryContainer(ctx, base.Ref, agentCapabilities, info)
	if err == nil {
		finding.OK, finding.Detail = true, "starts in the host's process namespace with "+strings.Join(agentCapabilities, ", ")
		return finding
	}
	var refused []string
	for _, capability := range agentCapabilities {
		if e.tryContainer(ctx, base.Ref, []string{capability}, info) != nil {
			refused = append(refused, capability)
		}
	}
	finding.Detail, finding.Cost = err.Error(), "faults cannot be injected"
	finding.Remedy = "let the engine start containers with --pid=host and " + strings.Join(agentCapabilities, ", ")
	if len(refused) > 0 && len(refused) < len(agentCapabilities) {
		finding.Detail = "refused: " + strings.Join(refused, ", ") + " (" + err.Error() + ")"
		finding.Cost = "faults that need " + strings.Join(refused, ", ")
	}
	return finding
}

// tryContainer runs a container that ends at once.
func (e *Engine) tryContainer(ctx context.Context, ref string, capabilities []string, info system.Info) (err error) {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	created, err := e.client.ContainerCreate(ctx, client.ContainerCreateOptions{
		Config: &container.Config{Image: ref, Cmd: []string{"/bin/true"}, Labels: map[string]string{"hadrill.doctor": "1"}},
		HostConfig: &container.HostConfig{
			NetworkMode: "none", PidMode: "host", CapDrop: []string{"ALL"}, CapAdd: capabilities, SecurityOpt: SecurityOptions(info),
		},
	})
	if err != nil {
		return err
	}
	defer func() {
		_, removed := e.client.ContainerRemove(context.WithoutCancel(ctx), created.ID, client.ContainerRemoveOptions{Force: true})
		if err == nil {
			err = removed
		}
	}()
	waiting := e.client.ContainerWait(ctx, created.ID, client.ContainerWaitOptions{Condition: container.WaitConditionNextExit})
	if _, err := e.client.ContainerStart(ctx, created.ID, client.ContainerStartOptions{}); err != nil {
		return err
	}
	select {
	case result := <-waiting.Result:
		if result.StatusCode != 0 {
			return fmt.Errorf("it ended with status %d", result.StatusCode)
		}
		return nil
	case err := <-waiting.Error:
		return err
	}
}

// SecurityOptions are the engine options under which the agent's mounts and
// process access work, given what the engine enforces.
func SecurityOptions(info system.Info) []string {
	var out []string
	for _, option := range info.SecurityOptions {
		switch {
		case strings.Contains(option, "apparmor"):
			out = append(out, "apparmor=unconfined")
		case strings.Contains(option, "selinux"):
			out = append(out, "label=disable")
		}
	}
	return out
}

// humanBytes prints a size for people.
func humanBytes(size uint64) string {
	const unit = 1024
	switch {
	case size >= unit*unit*unit:
		return fmt.Sprintf("%.1f GiB", float64(size)/(unit*unit*unit))
	default:
		return fmt.Sprintf("%.0f MiB", float64(size)/(unit*unit))
	}
}

func sortedKeys(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }
