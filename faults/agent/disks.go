package agent

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/moby/moby/client"

	"github.com/hadrill/hadrill/faults/disk"
	"github.com/hadrill/hadrill/harness"
)

// disks are the run's volumes to do damage to. They lie in one labelled volume
// of the engine, whose folder is reached through the mount namespace of this
// process's parent: the container shim, which shares the engine's.
type disks struct {
	host *Host

	mu      sync.Mutex
	site    *disk.Site
	volumes map[string]*disk.Volume // by name
	inForce map[hold]string         // damage that holds it
}

// hold is one thing that one damage at a time may have of a disk.
type hold struct {
	volume string
	of     aspect
}

// aspect is what a damage does to a disk. Only a behaviour and a power cut go
// together: a disk can lie and then lose its power.
type aspect string

const (
	behaviour aspect = "behaviour"
	content   aspect = "content"
	power     aspect = "power"
)

func newDisks(h *Host) *disks {
	return &disks{host: h, volumes: map[string]*disk.Volume{}, inForce: map[hold]string{}}
}

// disksOf is the name of a run's volume of disks.
func disksOf(run string) string { return "hadrill-" + run + "-disks" }

func (d *disks) name() string { return disksOf(d.host.run) }

// open makes the engine's volume at the first disk. The lock must be held.
func (d *disks) open(ctx context.Context) (disk.Site, error) {
	if d.site != nil {
		return *d.site, nil
	}
	owner := ""
	if self, err := d.host.engine.ContainerInspect(ctx, os.Getenv(envName), client.ContainerInspectOptions{}); err == nil && self.Container.Config != nil {
		owner = self.Container.Config.Labels[harness.LabelOwner]
	}
	made, err := d.host.engine.VolumeCreate(ctx, client.VolumeCreateOptions{
		// The agent's part: who removes the run's nodes must leave it to the agent,
		// since file systems are mounted in it.
		Name: d.name(), Labels: map[string]string{harness.LabelRun: d.host.run, harness.LabelOwner: owner, harness.LabelRole: rolePart},
	})
	if err != nil {
		return disk.Site{}, fmt.Errorf("make volume %s: %w", d.name(), err)
	}
	d.site = siteAt(made.Volume.Mountpoint)
	return *d.site, nil
}

func siteAt(folder string) *disk.Site {
	return &disk.Site{Enter: disk.MountNamespaceOf(os.Getppid()), Dir: folder}
}

// make creates a disk and returns the folder that a container binds.
func (d *disks) make(ctx context.Context, spec disk.Spec) (string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if v, ok := d.volumes[spec.Name]; ok {
		if v.Spec() != spec {
			return "", fmt.Errorf("disk %s exists and is another one", spec.Name)
		}
		return v.Path(), nil
	}
	site, err := d.open(ctx)
	if err != nil {
		return "", err
	}
	v, err := disk.Make(ctx, site, spec)
	if err != nil {
		return "", err
	}
	d.volumes[spec.Name] = v
	return v.Path(), nil
}

// of lists the disks that a node has, at one path or at all.
func (d *disks) of(ctx context.Context, n *Node, path string) ([]*disk.Volume, error) {
	c, err := n.refresh(ctx)
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	var found []*disk.Volume
	for _, name := range slices.Sorted(maps.Keys(d.volumes)) {
		v := d.volumes[name]
		for _, m := range c.Mounts {
			if m.Source == v.Path() && (path == "" || m.Destination == path) {
				found = append(found, v)
			}
		}
	}
	if len(found) == 0 {
		at := ""
		if path != "" {
			at = " at " + path
		}
		return nil, fmt.Errorf("node %s has no disk of ours%s: declare one with the node", n.name, at)
	}
	return found, nil
}

// claim keeps two damages that do not go together from one disk; claiming again
// is fine.
func (d *disks) claim(volumes []*disk.Volume, of aspect, damage string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, v := range volumes {
		for _, other := range []aspect{behaviour, content, power} {
			together := of != other && of != content && other != content
			if by, ok := d.inForce[hold{v.Spec().Name, other}]; ok && by != damage && !together {
				return fmt.Errorf("disk %s is under another fault already", v.Spec().Name)
			}
		}
	}
	for _, v := range volumes {
		d.inForce[hold{v.Spec().Name, of}] = damage
	}
	return nil
}

// held returns the disks that a damage holds.
func (d *disks) held(damage string) []*disk.Volume {
	d.mu.Lock()
	defer d.mu.Unlock()
	var found []*disk.Volume
	for h, by := range d.inForce {
		if v := d.volumes[h.volume]; by == damage && v != nil {
			found = append(found, v)
		}
	}
	return found
}

func (d *disks) release(damage string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	maps.DeleteFunc(d.inForce, func(_ hold, by string) bool { return by == damage })
}

// heldOf lists what damages hold of a disk, for an audit.
func (d *disks) heldOf(volume string) []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	var found []string
	for h, by := range d.inForce {
		if h.volume == volume {
			found = append(found, fmt.Sprintf("%s (%s)", by, h.of))
		}
	}
	slices.Sort(found)
	return found
}

// takeOver removes what a dead agent of the run has left: its interposed disks
// answer nobody any more.
func (d *disks) takeOver(ctx context.Context) error {
	found, err := d.host.engine.VolumeInspect(ctx, d.name(), client.VolumeInspectOptions{})
	if isGone(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look for disks of run %s: %w", d.host.run, err)
	}
	if err := disk.Sweep(*siteAt(found.Volume.Mountpoint)); err != nil {
		return fmt.Errorf("remove disks of run %s: %w", d.host.run, err)
	}
	return nil
}

// close removes all disks. Containers that still use one lose it.
func (d *disks) close(ctx context.Context) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.site == nil {
		return nil
	}
	var wait sync.WaitGroup
	removed := make(chan error, len(d.volumes))
	for _, v := range d.volumes {
		wait.Go(func() { removed <- v.Remove() })
	}
	wait.Wait()
	close(removed)
	clear(d.volumes)
	var err error
	for failed := range removed {
		err = errors.Join(err, failed)
	}
	if err = errors.Join(err, disk.Sweep(*d.site)); err != nil {
		return err
	}
	_, err = d.host.engine.VolumeRemove(ctx, d.name(), client.VolumeRemoveOptions{Force: true})
	if err != nil && !gone(err) {
		return fmt.Errorf("remove volume %s: %w", d.name(), err)
	}
	d.site = nil
	return nil
}

func diskNames(volumes []*disk.Volume) string {
	names := make([]string, len(volumes))
	for i, v := range volumes {
		names[i] = v.Spec().Name
	}
	return strings.Join(names, ", ")
}

// MakeDisk makes a disk of the run, before the container that binds it: the
// folder to bind is returned, as the engine sees it. It ends with the run. The
// same disk twice is one disk.
func (c *Client) MakeDisk(ctx context.Context, spec disk.Spec) (string, error) {
	got, err := c.call(ctx, request{Op: opDisk, Disk: &spec})
	return got.Path, err
}

// DiskOf makes a node's disk; it is a [harness.DiskMaker].
func (c *Client) DiskOf(ctx context.Context, name string, d harness.Disk) (string, error) {
	return c.MakeDisk(ctx, disk.Spec{Name: name, SizeMB: d.SizeMB, Interpose: d.Interposed})
}
