package agent

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/client"

	"github.com/hadrill/hadrill/harness"
	"github.com/hadrill/hadrill/harness/engine"
)

// Options say whose agent it is.
type Options struct {
	Run    string            // the run's id; required
	Labels map[string]string // beside the run's own, on container and volume
	Base   int64             // CLOCK_MONOTONIC in ns at the run's time zero
}

const (
	startLimit = 60 * time.Second
	closeLimit = 30 * time.Second
	socketPath = "/run/engine.sock" // the engine's socket inside the agent
)

// capabilities are all that the agent holds; everything else is dropped.
// Being privileged is neither needed nor, on many machines, possible.
var capabilities = []string{
	"SYS_ADMIN",    // enter namespaces, mount
	"SYS_PTRACE",   // open another process's namespaces and memory
	"NET_ADMIN",    // nftables, qdiscs, packet queues
	"NET_RAW",      // duplicates of packets, bound probes
	"KILL",         // signals to processes of other users
	"DAC_OVERRIDE", // cgroup files and the engine's socket, whoever owns them
	"SYS_CHROOT",   // enter mount namespaces
	"MKNOD",        // loop devices of disk faults
	"CHOWN",        // owners of files on interposed disks, as their users want them
	"FOWNER",       // and their modes and times
}

// Start starts the agent of a run, and before it the sitter: the first two
// things that a run starts. It returns when the agent answers.
func Start(ctx context.Context, eng *engine.Engine, o Options) (*Client, error) {
	if o.Run == "" {
		return nil, errors.New("start agent: no run id given")
	}
	image, err := eng.Self(ctx)
	if err != nil {
		return nil, fmt.Errorf("start agent: %w", err)
	}
	sitter, err := startSitter(eng, o.Run, image.Ref)
	if err != nil {
		return nil, fmt.Errorf("start agent: %w", err)
	}
	c, err := start(ctx, eng, o, image.Ref, "")
	if err != nil {
		// The sitter's way of ending is the clean-up that is needed here.
		return nil, errors.Join(fmt.Errorf("start agent: %w", err), sitter.cleanUp())
	}
	c.sitter = sitter
	return c, nil
}

// start runs the agent's container on a new undo record, or on a given one.
func start(ctx context.Context, eng *engine.Engine, o Options, image, record string) (_ *Client, err error) {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	c := &Client{
		engine: eng, run: o.Run, base: o.Base, name: agentName(o.Run, record != ""), waiting: map[uint64]chan response{},
		events: make(chan Event, eventBacklog), done: make(chan struct{}), stderr: &tail{},
	}
	labels, err := labelsOf(o)
	if err != nil {
		return nil, err
	}
	created, err := eng.Client().ContainerCreate(ctx, client.ContainerCreateOptions{
		Name:       c.name,
		Config:     agentConfig(o.Run, c.name, image, labels),
		HostConfig: agentHostConfig(eng.Socket(), record, labels, appArmor(ctx, eng)),
	})
	if err != nil {
		return nil, fmt.Errorf("create container %s: %w", c.name, err)
	}
	c.container = created.ID
	defer func() {
		if err != nil {
			err = errors.Join(err, c.remove())
		}
	}()
	attached, err := eng.Client().ContainerAttach(ctx, c.container, client.ContainerAttachOptions{Stream: true, Stdin: true, Stdout: true, Stderr: true})
	if err != nil {
		return nil, fmt.Errorf("attach to container %s: %w", c.name, err)
	}
	c.conn = attached.Conn
	go c.read(attached.Reader)
	defer func() {
		if err != nil {
			attached.Close()
			<-c.done
		}
	}()
	if _, err := eng.Client().ContainerStart(ctx, c.container, client.ContainerStartOptions{}); err != nil {
		return nil, fmt.Errorf("start container %s: %w", c.name, err)
	}
	if _, err := c.call(ctx, request{Op: opHello, Version: protocolVersion}); err != nil {
		return nil, err
	}
	return c, nil
}

func labelsOf(o Options) (map[string]string, error) {
	owner, err := harness.Owner()
	if err != nil {
		return nil, err
	}
	labels := maps.Clone(o.Labels)
	if labels == nil {
		labels = map[string]string{}
	}
	labels[harness.LabelRun], labels[harness.LabelOwner], labels[harness.LabelRole] = o.Run, owner, rolePart
	return labels, nil
}

func agentName(run string, again bool) string {
	if again {
		return "hadrill-" + run + "-healer"
	}
	return "hadrill-" + run + "-agent"
}

func agentConfig(run, name, image string, labels map[string]string) *container.Config {
	return &container.Config{
		Image:  image,
		Labels: labels,
		Env: []string{
			envRole + "=" + roleServe, envRun + "=" + run, envName + "=" + name, envSocket + "=" + socketPath,
		},
		Entrypoint:   []string{engine.SelfPath},
		OpenStdin:    true, // the control stream ...
		StdinOnce:    true, // ... whose end is the end
		AttachStdin:  true,
		AttachStdout: true,
		AttachStderr: true,
		User:         "0:0",
	}
}

// agentHostConfig gives the agent its hands. The container is not removed by
// the engine when it ends, because that would take the undo record along;
// whoever ends it in order removes both.
func agentHostConfig(socket, record string, labels map[string]string, unconfined bool) *container.HostConfig {
	recordMount := mount.Mount{Type: mount.TypeVolume, Source: record, Target: recordDir}
	if record == "" {
		recordMount.VolumeOptions = &mount.VolumeOptions{Labels: labels, NoCopy: true}
	}
	config := &container.HostConfig{
		CapDrop:      []string{"ALL"},
		CapAdd:       capabilities,
		PidMode:      "host",
		NetworkMode:  "none",
		CgroupnsMode: container.CgroupnsModeHost, // else cgroup paths of others read as ../../
		LogConfig:    container.LogConfig{Type: "none"},
		Mounts: []mount.Mount{
			recordMount,
			{Type: mount.TypeBind, Source: "/sys/fs/cgroup", Target: cgroupRoot},
			{Type: mount.TypeBind, Source: socket, Target: socketPath},
		},
	}
	// For disks to do damage to: FUSE, loop-control, loop devices.
	config.DeviceCgroupRules = []string{"c 10:229 rwm", "c 10:237 rwm", "b 7:* rwm"}
	if unconfined {
		config.SecurityOpt = []string{"apparmor=unconfined"} // its profile forbids mount and ptrace
	}
	return config
}

// appArmor tells whether the engine confines containers with AppArmor.
func appArmor(ctx context.Context, eng *engine.Engine) bool {
	info, err := eng.Client().Info(ctx, client.InfoOptions{})
	if err != nil {
		return false
	}
	for _, option := range info.Info.SecurityOptions {
		if option == "name=apparmor" {
			return true
		}
	}
	return false
}

// Close ends the agent in order: everything is healed, then the agent, its
// container, its undo record and the sitter go. Closing twice is fine, and so
// is closing after the whole run was removed, agent included.
func (c *Client) Close(ctx context.Context) error {
	c.closing.Lock()
	defer c.closing.Unlock()
	if c.closed {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, closeLimit)
	defer cancel()
	_, err := c.call(ctx, request{Op: opGoodbye})
	_ = c.conn.Close()
	<-c.done
	c.closed = true
	if err == nil {
		err = c.remove()
	} else if left, failed := c.remains(ctx); failed != nil || len(left) > 0 {
		// What it could not heal is in its record. Without the word that ends
		// its watch the sitter heals from there and removes what is left.
		return errors.Join(fmt.Errorf("close agent: %w; left: %v", err, left), failed, c.sitter.cleanUp())
	} else {
		err = nil
	}
	return errors.Join(err, c.sitter.dismiss())
}

// remains lists what is left of the run in the engine.
func (c *Client) remains(ctx context.Context) ([]string, error) {
	left, err := harness.Residue(ctx, c.engine, c.run)
	if err != nil {
		return nil, fmt.Errorf("look for what is left of run %s: %w", c.run, err)
	}
	return left, nil
}

// remove takes the agent's container and record away.
func (c *Client) remove() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeLimit)
	defer cancel()
	_, err := c.engine.Client().ContainerRemove(ctx, c.container, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
	if err != nil && !gone(err) {
		return fmt.Errorf("remove the agent's container: %w", err)
	}
	return nil
}
