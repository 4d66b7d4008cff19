package agent

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/hadrill/hadrill/faults/clock"
	"github.com/hadrill/hadrill/faults/disk"
	"github.com/hadrill/hadrill/faults/impair"
)

// rounds is how often each figure is taken.
const rounds = 40

// figures reports a series of times in milliseconds.
func figures(b *testing.B, prefix string, values []float64) {
	slices.Sort(values)
	b.ReportMetric(values[len(values)/2], prefix+"median-ms")
	b.ReportMetric(values[len(values)*99/100], prefix+"p99-ms")
	b.ReportMetric(values[len(values)-1], prefix+"max-ms")
}

// series takes a figure again and again; once returns, in milliseconds, what
// the kernel needed from the agent's order to the effect (below zero: not
// told), and what the caller saw from its call to the effect.
func series(b *testing.B, name string, once func(i int) (inAgent, through float64)) {
	b.Run(name, func(b *testing.B) {
		for range b.N {
			var in, through []float64
			for i := range rounds {
				a, t := once(i)
				if a >= 0 {
					in = append(in, a)
				}
				through = append(through, t)
			}
			if len(in) > 0 {
				figures(b, "agent-", in)
			}
			figures(b, "", through)
			b.ReportMetric(rounds, "n")
			b.ReportMetric(0, "ns/op")
		}
	})
}

// BenchmarkAgent measures what the agent promises: how long after its order,
// and after the client's call, the kernel shows the effect.
//
//	go test ./faults/agent -run '^$' -bench Agent -benchtime 1x
func BenchmarkAgent(b *testing.B) {
	r := benchRoom(b)
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	id := func(n int) string { return r.nodes[n-1].id }
	inject := func(commands ...Command) (h *Handle, in, through float64) {
		began := monotonic()
		h, err := r.agent.Inject(ctx, commands...)
		require.NoError(b, err)
		proof, err := h.Effective(ctx)
		require.NoError(b, err)
		var last int64
		for _, p := range proof {
			last = max(last, p.After)
			in = max(in, float64(p.After-p.Before)/1e6)
		}
		return h, in, float64(last-began) / 1e6
	}
	heal := func(h *Handle) {
		require.NoError(b, h.Heal(ctx))
		_, err := h.Healed(ctx)
		require.NoError(b, err)
	}
	measured := func(name string, again func(), commands func(i int) []Command) {
		series(b, name, func(i int) (float64, float64) {
			h, in, through := inject(commands(i)...)
			heal(h)
			if again != nil {
				again()
			}
			return in, through
		})
	}
	of := func(c ...Command) func(int) []Command { return func(int) []Command { return c } }
	runs := func(n int) func() {
		return func() {
			require.Eventually(b, func() bool { _, err := r.nodes[n-1].ask("ping", time.Second); return err == nil }, 10*time.Second, 5*time.Millisecond)
		}
	}
	series(b, "round-trip", func(int) (float64, float64) {
		began := monotonic()
		require.NoError(b, r.agent.Ping(ctx))
		return -1, float64(monotonic()-began) / 1e6
	})
	measured("pause", nil, of(Command{Action: ActionPause, Container: id(1)}))
	measured("partition-1-from-1", nil, of(
		Command{Action: ActionCut, Container: id(1), Params: CutParams{From: []string{id(2)}}},
		Command{Action: ActionCut, Container: id(2), Params: CutParams{From: []string{id(1)}}}))
	cut := []Command{{Action: ActionCut, Container: id(1), Params: CutParams{From: []string{id(2), id(3), id(4), id(5), id(6)}}}}
	for n := 2; n <= 6; n++ {
		cut = append(cut, Command{Action: ActionCut, Container: id(n), Params: CutParams{From: []string{id(1)}}})
	}
	measured("partition-1-from-5", nil, of(cut...))
	late := func(d time.Duration) Command {
		return Command{Action: ActionImpair, Container: id(1), Params: ImpairParams{From: []string{id(2)}, Impairment: impair.Impairment{Delay: d}}}
	}
	// The kernel destroys what was healed in the background, and takes no new
	// rule of this kind meanwhile.
	rest := func() { time.Sleep(100 * time.Millisecond) }
	measured("delay-set", rest, of(late(5*time.Millisecond)))
	kept, _, _ := inject(late(time.Millisecond))
	measured("delay-changed", nil, func(i int) []Command { return []Command{late(time.Duration(2+i) * time.Millisecond)} })
	heal(kept)
	measured("clock-jump", nil, of(Command{Action: ActionClock, Container: id(1), Params: clock.Skew{Jump: -time.Hour}}))
	measured("slow-cpu", nil, of(Command{Action: ActionCPU, Container: id(1), Params: CPUParams{Cores: 0.5}}))
	measured("disk-slow", nil, of(Command{Action: ActionDisk, Container: id(6), Params: DiskParams{Behaviour: disk.Behaviour{Latency: time.Millisecond}}}))
	measured("disk-full", nil, of(Command{Action: ActionDiskFull, Container: id(6), Params: DiskFullParams{}}))
	measured("kill", runs(1), of(Command{Action: ActionKill, Container: id(1)}))
	measured("power-cut", runs(6), of(Command{Action: ActionPowerCut, Container: id(6)}))
}

// benchRoom is a room of six nodes, the last one with a disk.
func benchRoom(b *testing.B) *room {
	r := newRoom(b, 0)
	ctx := within(b, time.Minute)
	path, err := r.agent.MakeDisk(ctx, disk.Spec{Name: "n6-data", SizeMB: 64, Interpose: true})
	require.NoError(b, err)
	require.NoError(b, r.start(ctx, 6, func(i int, _ *container.Config, h *container.HostConfig) {
		if i == 5 {
			h.Mounts = append(h.Mounts, mount.Mount{Type: mount.TypeBind, Source: path, Target: diskPath})
		}
	}))
	for _, n := range r.nodes {
		require.Eventually(b, func() bool { _, err := n.ask("ping", time.Second); return err == nil }, 10*time.Second, 5*time.Millisecond)
	}
	require.NoError(b, r.agent.Watch(ctx))
	return r
}

// BenchmarkEngineCommands measures the engine's own commands for the same
// effects, as a shell script would use them: from the command's start to the
// effect.
//
//	go test ./faults/agent -run '^$' -bench EngineCommands -benchtime 1x
func BenchmarkEngineCommands(b *testing.B) {
	command, err := exec.LookPath("docker")
	if err != nil {
		b.Skipf("not measured: no docker command here: %v", err)
	}
	r := newRoom(b, 2)
	ctx := within(b, 5*time.Minute)
	docker := func(args ...string) {
		out, err := exec.CommandContext(ctx, command, args...).CombinedOutput()
		require.NoErrorf(b, err, "docker %s: %s", strings.Join(args, " "), out)
	}
	// effect runs a command and looks for its effect all the while.
	effect := func(seen func() bool, args ...string) float64 {
		began := monotonic()
		done := make(chan error, 1)
		go func() { done <- exec.CommandContext(ctx, command, args...).Run() }()
		limit := time.Now().Add(10 * time.Second)
		for !seen() {
			require.True(b, time.Now().Before(limit), "docker %s has no effect", strings.Join(args, " "))
			time.Sleep(200 * time.Microsecond)
		}
		took := float64(monotonic()-began) / 1e6
		require.NoErrorf(b, <-done, "docker %s", strings.Join(args, " "))
		return took
	}
	subject := r.nodes[0]
	awake := func() {
		require.Eventually(b, func() bool { _, err := subject.ask("ping", time.Second); return err == nil }, 10*time.Second, 5*time.Millisecond)
	}
	pid := func() int {
		state := r.state(b, subject)
		return state.Pid
	}
	series(b, "docker-pause", func(int) (float64, float64) {
		groups, err := cgroupsOf(pid())
		require.NoError(b, err)
		ms := effect(func() bool {
			for _, f := range []freezer{{filepath.Join("/sys/fs/cgroup/freezer", groups["freezer"]), false}, {filepath.Join("/sys/fs/cgroup", groups[""]), true}} {
				if frozen, err := f.is(true); err == nil && frozen {
					return true
				}
			}
			return false
		}, "pause", subject.id)
		docker("unpause", subject.id)
		return -1, ms
	})
	series(b, "docker-kill", func(int) (float64, float64) {
		fd, err := unix.PidfdOpen(pid(), 0)
		require.NoError(b, err)
		defer func() { _ = unix.Close(fd) }()
		ms := effect(func() bool {
			n, _ := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0)
			return n > 0
		}, "kill", subject.id)
		docker("start", subject.id)
		awake()
		return -1, ms
	})
	series(b, "docker-network-disconnect", func(int) (float64, float64) {
		devices := fmt.Sprintf("/proc/%d/net/dev", pid())
		ms := effect(func() bool {
			text, err := os.ReadFile(devices)
			return err == nil && !strings.Contains(string(text), "eth")
		}, "network", "disconnect", r.net, subject.id)
		docker("network", "connect", "--ip", subject.addr.String(), r.net, subject.id)
		awake()
		return -1, ms
	})
}
