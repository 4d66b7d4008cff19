package etcd

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/hadrill/hadrill/harness"
)

const (
	clientPort = 2379
	peerPort   = 2380
)

// Cluster is an etcd cluster. A zero duration means etcd's own default.
type Cluster struct {
	Members   int           // at least 1; 3 survive the loss of one
	Heartbeat time.Duration // heartbeat-interval; default 100 ms
	Election  time.Duration // election-timeout; default 1 s, at least 5 heartbeats

	// SerializableReads lets a member answer reads from what it has, without
	// asking whether it is up to date: quicker, and stale while it is cut off.
	SerializableReads bool

	// Disks gives each member a disk of its own, for faults of disks: what is not
	// synced there is lost with the power.
	Disks bool
	// Interposed lets these disks be slow, hang, fail and lie as well, at the
	// price of half their speed.
	Interposed bool
	// NoSync acknowledges without syncing (--unsafe-no-fsync).
	NoSync bool

	// Zones places member i in Zones[i mod len]. Empty: one zone.
	Zones []string
}

// Name implements harness.System.
func (Cluster) Name() string { return "etcd" }

var _ harness.System = Cluster{}

// check refuses what cannot be meant.
func (c Cluster) check() error {
	var errs []error
	refuse := func(bad bool, text string) {
		if bad {
			errs = append(errs, errors.New(text))
		}
	}
	refuse(c.Members < 1, "Members: want at least 1")
	refuse(c.Heartbeat < 0 || c.Election < 0, "durations: want none below zero")
	refuse(c.Heartbeat%time.Millisecond != 0 || c.Election%time.Millisecond != 0, "Heartbeat, Election: want whole milliseconds")
	refuse(c.Interposed && !c.Disks, "Interposed: want Disks as well")
	refuse(c.election() < 5*c.heartbeat(), "Election: want at least 5 heartbeats, etcd refuses less")
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("etcd.Cluster: %w", err)
	}
	return nil
}

func (c Cluster) heartbeat() time.Duration { return or(c.Heartbeat, 100*time.Millisecond) }
func (c Cluster) election() time.Duration  { return or(c.Election, time.Second) }

func or(d, otherwise time.Duration) time.Duration {
	if d > 0 {
		return d
	}
	return otherwise
}

func (c Cluster) zone(i int) string {
	if len(c.Zones) == 0 {
		return ""
	}
	return c.Zones[i%len(c.Zones)]
}

// member is one node before it starts.
type member struct {
	name string
	addr netip.Addr
}

func (c Cluster) plan(reserve func(name string) netip.Addr) []member {
	members := make([]member, c.Members)
	for i := range members {
		name := fmt.Sprintf("etcd-%d", i+1)
		members[i] = member{name, reserve(name)}
	}
	return members
}

func url(addr string, port uint16) string {
	return "http://" + addr + ":" + strconv.Itoa(int(port))
}

// command renders the command line of member i.
func (c Cluster) command(members []member, i int) []string {
	var all []string
	for _, m := range members {
		all = append(all, m.name+"="+url(m.addr.String(), peerPort))
	}
	own := members[i]
	command := []string{
		"etcd", "--name", own.name, "--data-dir", c.dataDir(),
		"--listen-client-urls", url("0.0.0.0", clientPort), "--advertise-client-urls", url(own.addr.String(), clientPort),
		"--listen-peer-urls", url("0.0.0.0", peerPort), "--initial-advertise-peer-urls", url(own.addr.String(), peerPort),
		"--initial-cluster", strings.Join(all, ","), "--initial-cluster-state", "new", "--initial-cluster-token", "drill",
	}
	if c.Heartbeat > 0 {
		command = append(command, "--heartbeat-interval", strconv.FormatInt(c.Heartbeat.Milliseconds(), 10))
	}
	if c.Election > 0 {
		command = append(command, "--election-timeout", strconv.FormatInt(c.Election.Milliseconds(), 10))
	}
	if c.NoSync {
		command = append(command, "--unsafe-no-fsync")
	}
	return command
}

const (
	diskPath = "/data"
	// diskMB has room for etcd's log, written ahead in pieces of 64 MB, and for
	// its database.
	diskMB = 384
)

func (c Cluster) dataDir() string {
	if c.Disks {
		return diskPath + "/etcd"
	}
	return "/tmp/etcd"
}

func (c Cluster) disks() []harness.Disk {
	if !c.Disks {
		return nil
	}
	return []harness.Disk{{Path: diskPath, SizeMB: diskMB, Interposed: c.Interposed}}
}

// Start implements harness.System.
func (c Cluster) Start(ctx context.Context, env *harness.Env) (harness.Running, error) {
	r, err := c.StartCluster(ctx, env)
	if err != nil {
		return nil, err // not an interface around nothing
	}
	return r, nil
}

// StartCluster is Start for systems that are built on an etcd cluster.
func (c Cluster) StartCluster(ctx context.Context, env *harness.Env) (*Running, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	members := c.plan(env.Reserve)
	var specs []harness.NodeSpec
	for i, m := range members {
		specs = append(specs, harness.NodeSpec{
			Name: m.name, Component: "etcd", Zone: c.zone(i),
			Command: c.command(members, i),
			Disks:   c.disks(),
			Ready: func(ctx context.Context, n *harness.Node) error {
				a := newAsker(env.Data(), n.Addr())
				defer a.close()
				s, err := a.status(ctx)
				if err == nil && s.Leader == 0 {
					err = fmt.Errorf("%s knows no leader yet", n.Name())
				}
				return err
			},
		})
	}
	nodes, err := env.Start(ctx, specs...)
	if err != nil {
		return nil, err
	}
	return newRunning(c, env, nodes), nil
}
