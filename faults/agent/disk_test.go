package agent

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/client"
	"github.com/stretchr/testify/require"

	"github.com/hadrill/hadrill/faults/disk"
)

const diskPath = "/data"

// diskAnswer is what a test node does with its disk.
func diskAnswer(words []string) string {
	if words[0] == "read" && len(words) == 2 {
		b, _ := os.ReadFile(words[1])
		return "is " + string(b)
	}
	if len(words) != 4 {
		return "usage"
	}
	f, err := os.OpenFile(words[1], os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return "error " + err.Error()
	}
	text := words[3]
	if text == "megabyte" {
		text = strings.Repeat("x", 1<<20)
	}
	_, err = f.WriteString(text)
	if err == nil && words[2] == "sync" {
		if err = f.Sync(); err == nil {
			var dir *os.File
			if dir, err = os.Open(diskPath); err == nil {
				err = errors.Join(dir.Sync(), dir.Close())
			}
		}
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return "error " + strings.ReplaceAll(err.Error(), "\n", " ")
	}
	return "ok"
}

// diskRoom is a room whose one node has a disk.
func diskRoom(t *testing.T, interpose bool) (*room, testNode) {
	r := newRoom(t, 0)
	ctx := within(t, 30*time.Second)
	spec := disk.Spec{Name: "n1-data", SizeMB: 64, Interpose: interpose}
	path, err := r.agent.MakeDisk(ctx, spec)
	require.NoError(t, err)
	again, err := r.agent.MakeDisk(ctx, spec)
	require.NoError(t, err)
	require.Equal(t, path, again, "the same disk twice is one disk")
	r.nodes = []testNode{{name: "n1", addr: r.prefix.Addr().Next().Next()}}
	require.NoError(t, r.startNode(ctx, 0, func(_ int, _ *container.Config, h *container.HostConfig) {
		h.Mounts = append(h.Mounts, mount.Mount{Type: mount.TypeBind, Source: path, Target: diskPath})
	}))
	n := r.nodes[0]
	awaitAnswer(t, n)
	return r, n
}

func awaitAnswer(t *testing.T, n testNode) {
	require.Eventually(t, func() bool { _, err := n.ask("ping", time.Second); return err == nil }, 10*time.Second, 5*time.Millisecond)
}

func say(t *testing.T, n testNode, line string) string {
	answer, err := n.ask(line, 5*time.Second)
	require.NoError(t, err, line)
	return answer
}

// strikeDisk injects and proves.
func strikeDisk(t *testing.T, r *room, n testNode, action string, params any) *Handle {
	ctx := within(t, 20*time.Second)
	h, err := r.agent.Inject(ctx, Command{Action: action, Container: n.id, Params: params})
	require.NoError(t, err)
	proofs, err := h.Effective(ctx)
	require.NoError(t, err)
	t.Logf("%s: %.2f ms, %s (%s)", action, float64(proofs[0].After-proofs[0].Before)/1e6, proofs[0].How, proofs[0].Detail)
	return h
}

// cureDisk heals and looks for what is left but for what begins like one of these.
func cureDisk(t *testing.T, r *room, h *Handle, but ...string) {
	ctx := within(t, 20*time.Second)
	require.NoError(t, h.Heal(ctx))
	require.NoError(t, h.Heal(ctx), "healing twice is fine")
	_, err := h.Healed(ctx)
	require.NoError(t, err)
	left, err := r.agent.Audit(ctx)
	require.NoError(t, err)
	left = slices.DeleteFunc(left, func(line string) bool {
		return len(but) > 0 && (strings.HasPrefix(line, but[0]) || strings.Contains(line, "is in force"))
	})
	require.Empty(t, left)
}

func TestPowerCutForgetsWhatTheNodeHadNotSynced(t *testing.T) {
	for _, interpose := range []bool{false, true} {
		t.Run(fmt.Sprintf("interposed %v", interpose), func(t *testing.T) {
			r, n := diskRoom(t, interpose)
			require.Equal(t, "ok", say(t, n, "write /data/synced sync kept"))
			require.Equal(t, "ok", say(t, n, "write /data/unsynced no lost"))
			require.Equal(t, "is lost", say(t, n, "read /data/unsynced"))
			h := strikeDisk(t, r, n, ActionPowerCut, nil)
			_, err := n.ask("ping", 200*time.Millisecond)
			require.Error(t, err)
			cureDisk(t, r, h)
			awaitAnswer(t, n)
			require.Equal(t, "is kept", say(t, n, "read /data/synced"))
			require.Equal(t, "is", say(t, n, "read /data/unsynced"))
			require.Equal(t, "ok", say(t, n, "write /data/again sync works"))
		})
	}
}

func TestLyingDiskLosesWhatItAcknowledged(t *testing.T) {
	r, n := diskRoom(t, true)
	h := strikeDisk(t, r, n, ActionDisk, DiskParams{Behaviour: disk.Behaviour{LyingSync: true}})
	require.Equal(t, "ok", say(t, n, "write /data/file sync acknowledged"))
	cutPower := func() {
		cureDisk(t, r, strikeDisk(t, r, n, ActionPowerCut, nil), "disk n1-data of node n1 is under fault")
		awaitAnswer(t, n)
	}
	_, err := r.agent.Inject(within(t, 5*time.Second), Command{Action: ActionDisk, Container: n.id, Params: DiskParams{Behaviour: disk.Behaviour{Hang: true}}})
	require.ErrorContains(t, err, "another fault", "one behaviour at a time")
	cutPower()
	require.Equal(t, "is", say(t, n, "read /data/file"))
	require.Equal(t, "ok", say(t, n, "write /data/file sync again"))
	cutPower()
	require.Equal(t, "is", say(t, n, "read /data/file"), "it goes on lying when the power is back")
	cureDisk(t, r, h)
	require.Equal(t, "ok", say(t, n, "write /data/file sync honest"))
	cureDisk(t, r, strikeDisk(t, r, n, ActionPowerCut, nil))
	awaitAnswer(t, n)
	require.Equal(t, "is honest", say(t, n, "read /data/file"))
}

func TestNodeFeelsItsDiskFail(t *testing.T) {
	r, n := diskRoom(t, true)
	h := strikeDisk(t, r, n, ActionDisk, DiskParams{Path: diskPath, Behaviour: disk.Behaviour{Error: "EIO", On: []disk.Op{disk.Sync}}})
	require.Contains(t, say(t, n, "write /data/file sync x"), "input/output error")
	cureDisk(t, r, h)
	require.Equal(t, "ok", say(t, n, "write /data/file sync x"))

	h = strikeDisk(t, r, n, ActionDisk, DiskParams{Behaviour: disk.Behaviour{Latency: 100 * time.Millisecond, On: []disk.Op{disk.Sync}}})
	start := time.Now()
	require.Equal(t, "ok", say(t, n, "write /data/file sync x"))
	require.GreaterOrEqual(t, time.Since(start), 200*time.Millisecond, "file and folder")
	cureDisk(t, r, h)

	h = strikeDisk(t, r, n, ActionDiskFull, DiskFullParams{})
	require.Contains(t, say(t, n, "write /data/big sync megabyte"), "no space left")
	cureDisk(t, r, h)
	require.Equal(t, "ok", say(t, n, "write /data/big sync megabyte"))

	h = strikeDisk(t, r, n, ActionDisk, DiskParams{Behaviour: disk.Behaviour{Hang: true}})
	_, err := n.ask("write /data/hangs sync x", 300*time.Millisecond)
	require.Error(t, err)
	_, err = n.ask("ping", time.Second)
	require.NoError(t, err, "the node itself goes on")
	cureDisk(t, r, h)
	require.Equal(t, "ok", say(t, n, "write /data/hangs sync x"))

	_, err = r.agent.Inject(within(t, 5*time.Second), Command{Action: ActionDiskFull, Container: n.id, Params: DiskFullParams{Path: "/elsewhere"}})
	require.ErrorContains(t, err, "no disk of ours")
}

func TestPlainDiskHangsAsAWhole(t *testing.T) {
	r, n := diskRoom(t, false)
	h := strikeDisk(t, r, n, ActionDisk, DiskParams{Behaviour: disk.Behaviour{Hang: true}})
	_, err := n.ask("write /data/hangs sync x", 300*time.Millisecond)
	require.Error(t, err)
	cureDisk(t, r, h)
	require.Equal(t, "ok", say(t, n, "write /data/hangs sync x"))
	_, err = r.agent.Inject(within(t, 5*time.Second), Command{Action: ActionDisk, Container: n.id, Params: DiskParams{Behaviour: disk.Behaviour{LyingSync: true}}})
	require.ErrorContains(t, err, "not interposed")
}

func TestKilledAgentsDisksAreRemovedByItsSuccessor(t *testing.T) {
	r, n := diskRoom(t, true)
	strikeDisk(t, r, n, ActionDisk, DiskParams{Behaviour: disk.Behaviour{Hang: true}})
	ctx := within(t, 60*time.Second)
	require.NoError(t, Recover(ctx, r.engine, r.run))
	require.Empty(t, r.left(ctx))
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	require.NoError(t, err)
	require.NotContains(t, string(mounts), r.run, "nothing stays mounted")
}

func TestDisksAreRemovedAlsoWhenTheAgentAndItsRecordAreGone(t *testing.T) {
	r, _ := diskRoom(t, true)
	ctx := within(t, 60*time.Second)
	_, err := r.engine.Client().ContainerRemove(ctx, agentName(r.run, false), client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
	require.NoError(t, err)
	require.NoError(t, Recover(ctx, r.engine, r.run))
	require.Empty(t, r.left(ctx))
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	require.NoError(t, err)
	require.NotContains(t, string(mounts), r.run, "nothing stays mounted")
}
