package agent

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/nftables"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/client"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/hadrill/hadrill/faults/clock"
	"github.com/hadrill/hadrill/faults/disk"
	"github.com/hadrill/hadrill/faults/impair"
	"github.com/hadrill/hadrill/harness/engine"
)

// envAllDamage makes the victim do one damage of each kind and keep it.
const envAllDamage = "HADRILL_TEST_ALL_DAMAGE"

// allDamage starts five nodes and does to them what has to be undone in
// different ways: n1 is frozen, n2 is cut off, n3 hears late, the clock of n4
// has jumped, the disk of n5 hangs.
func (r *room) allDamage(ctx context.Context) error {
	path, err := r.agent.MakeDisk(ctx, disk.Spec{Name: "n5-data", SizeMB: 32, Interpose: true})
	if err != nil {
		return err
	}
	err = r.start(ctx, 5, func(i int, _ *container.Config, h *container.HostConfig) {
		if i == 4 {
			h.Mounts = append(h.Mounts, mount.Mount{Type: mount.TypeBind, Source: path, Target: diskPath})
		}
	})
	if err != nil {
		return err
	}
	id := func(n int) string { return r.nodes[n-1].id }
	h, err := r.agent.Inject(ctx,
		Command{Action: ActionPause, Container: id(1)},
		Command{Action: ActionCut, Container: id(2), Params: CutParams{From: []string{id(3)}}},
		Command{Action: ActionImpair, Container: id(3), Params: ImpairParams{From: []string{id(2)}, Impairment: impair.Impairment{Delay: 50 * time.Millisecond}, By: "queue"}},
		Command{Action: ActionClock, Container: id(4), Params: clock.Skew{Jump: -time.Hour}},
		Command{Action: ActionDisk, Container: id(5), Params: DiskParams{Behaviour: disk.Behaviour{Hang: true}}})
	if err != nil {
		return err
	}
	_, err = h.Effective(ctx)
	return err
}

// witness watches what a run has damaged, from outside and with the kernel's
// word alone. Pinned namespaces show that a rule went by itself and not with
// its node.
type witness struct {
	t      *testing.T
	run    string
	netns  []int // of the nodes with rules
	ice    []string
	clocks []int // processes
}

func witnessOf(t *testing.T, eng *engine.Engine, run string) *witness {
	w := &witness{t: t, run: run}
	pid := func(node string) int {
		found, err := eng.Client().ContainerInspect(t.Context(), "hadrill-"+run+"-"+node, client.ContainerInspectOptions{})
		require.NoError(t, err)
		return found.Container.State.Pid
	}
	for _, node := range []string{"n2", "n3"} {
		fd, err := unix.Open(fmt.Sprintf("/proc/%d/ns/net", pid(node)), unix.O_RDONLY|unix.O_CLOEXEC, 0)
		require.NoError(t, err)
		t.Cleanup(func() { _ = unix.Close(fd) })
		w.netns = append(w.netns, fd)
	}
	groups, err := cgroupsOf(pid("n1"))
	require.NoError(t, err)
	w.ice = []string{filepath.Join("/sys/fs/cgroup/freezer", groups["freezer"], "freezer.state"), filepath.Join("/sys/fs/cgroup", groups[""], "cgroup.events")}
	w.clocks = []int{pid("n4")}
	require.NotEmpty(t, w.network(), "rules are in force")
	require.Len(t, w.rest(), 3, "a frozen node, a moved clock and a mounted disk are seen")
	return w
}

// network lists the rules that are left.
func (w *witness) network() (left []string) {
	for _, fd := range w.netns {
		conn, err := nftables.New(nftables.WithNetNSFd(fd))
		require.NoError(w.t, err)
		chains, err := conn.ListChains()
		require.NoError(w.t, err)
		for _, chain := range chains {
			if !strings.HasPrefix(chain.Table.Name, "hadrill") {
				continue
			}
			rules, err := conn.GetRules(chain.Table, chain)
			if errors.Is(err, unix.ENOENT) {
				continue // deleted since it was listed
			}
			require.NoError(w.t, err)
			for range rules {
				left = append(left, "rule in "+chain.Table.Name)
			}
		}
	}
	return left
}

// rest lists what is left that no kernel undoes by itself.
func (w *witness) rest() (left []string) {
	for _, file := range w.ice {
		text, err := os.ReadFile(file)
		if err == nil && (strings.Contains(string(text), "FROZEN") || strings.Contains(string(text), "frozen 1")) {
			left = append(left, "frozen node")
		}
	}
	for _, pid := range w.clocks {
		if moved, err := clock.Patched(pid); err == nil && moved {
			left = append(left, "moved clock")
		}
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	require.NoError(w.t, err)
	if strings.Contains(string(mounts), w.run) {
		left = append(left, "mounted disk")
	}
	return left
}

// until returns how long after a moment a list has become empty.
func until(since time.Time, limit time.Duration, list func() []string) (time.Duration, []string) {
	for {
		left := list()
		if took := time.Since(since); len(left) == 0 || took > limit {
			return took, left
		}
		time.Sleep(500 * time.Microsecond)
	}
}

// TestDamageEndsWithItsRunner kills a runner that has damaged five nodes in as
// many ways, and measures when the damage and the nodes are gone. The bounds are
// wide, for busy machines; the figures are printed. HADRILL_SIGKILL_MOMENTS sets
// how often (default 2).
func TestDamageEndsWithItsRunner(t *testing.T) {
	if testing.Short() {
		t.Skip("starts containers")
	}
	times := 2
	if text := os.Getenv(envMoments); text != "" {
		_, err := fmt.Sscan(text, &times)
		require.NoError(t, err)
	}
	eng, err := engine.Connect(t.Context())
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, eng.Close()) })
	_, err = eng.Self(t.Context())
	require.NoError(t, err)
	figures := map[string][]time.Duration{}
	for range times {
		run := newRun()
		victim := exec.Command("/proc/self/exe")
		victim.Env = append(os.Environ(), envTestRole+"="+roleVictim, envVictimRun+"="+run, envAllDamage+"=1")
		out, err := victim.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, victim.Start())
		progress := bufio.NewScanner(out)
		said := ""
		for said != "injected" && progress.Scan() {
			said = progress.Text()
		}
		require.Equal(t, "injected", said, "the runner has done its damage")
		w := witnessOf(t, eng, run)
		time.Sleep(rand.N(300 * time.Millisecond))
		require.NoError(t, victim.Process.Kill())
		killed := time.Now()
		network, left := until(killed, cleanLimit, w.network)
		assert.Empty(t, left, "rules %v after the kill", network)
		rest, left := until(killed, cleanLimit, w.rest)
		assert.Empty(t, left, "damage %v after the kill", rest)
		everything, left := until(killed, 2*cleanLimit, func() []string { return leftOf(context.Background(), eng.Client(), run) })
		if !assert.Empty(t, left, "containers %v after the kill", everything) {
			assertCleanLater(t, eng, run)
		}
		_ = victim.Wait() // "signal: killed" is what was asked for
		figures["rules gone"] = append(figures["rules gone"], network)
		figures["frozen node, moved clock, hanging disk gone"] = append(figures["frozen node, moved clock, hanging disk gone"], rest)
		figures["containers, networks, volumes gone"] = append(figures["containers, networks, volumes gone"], everything)
	}
	for what, all := range figures {
		slices.Sort(all)
		t.Logf("SIGKILL of the runner: %s: n=%d median %v p99 %v max %v", what, len(all), all[len(all)/2], all[len(all)*99/100], all[len(all)-1])
	}
}

// An agent that is killed takes what the kernel owns for it along, at once. The
// rest is found by its run's label and healed by whoever recovers the run.
func TestKernelOwnedDamageEndsWithTheAgent(t *testing.T) {
	r := newRoom(t, 0)
	require.NoError(t, r.allDamage(within(t, time.Minute)))
	w := witnessOf(t, r.engine, r.run)
	found, err := r.engine.Client().ContainerInspect(t.Context(), agentName(r.run, false), client.ContainerInspectOptions{})
	require.NoError(t, err)
	require.NoError(t, unix.Kill(found.Container.State.Pid, unix.SIGKILL))
	killed := time.Now()
	network, left := until(killed, cleanLimit, w.network)
	require.Empty(t, left)
	require.Contains(t, w.rest(), "frozen node", "nobody has healed it yet")
	answer, err := r.nodes[4].ask("write /data/file sync x", 5*time.Second)
	require.NoError(t, err, "a disk without its server hangs nobody")
	require.Contains(t, answer, "error")

	began := time.Now()
	require.NoError(t, Recover(within(t, time.Minute), r.engine, r.run))
	t.Logf("SIGKILL of the agent: rules gone after %v, the rest recovered in %v", network, time.Since(began))
	require.Empty(t, w.rest())
	require.Empty(t, r.left(t.Context()))
	require.ErrorIs(t, r.agent.Ping(within(t, time.Second)), ErrGone)
}

// damageForVictim is the victim's part.
func damageForVictim(ctx context.Context, r *room) error {
	if err := r.allDamage(ctx); err != nil {
		return err
	}
	fmt.Println("injected")
	time.Sleep(time.Minute)
	return errors.New("nobody killed this runner")
}
