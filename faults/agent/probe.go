package agent

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"

	"github.com/hadrill/hadrill/harness/engine"
)

// Machine is what this machine's kernel and engine offer to faults.
type Machine struct {
	Kernel     string      `json:"kernel"`
	Mechanisms []Mechanism `json:"mechanisms"`
}

// Mechanism is one thing that faults are made with.
type Mechanism struct {
	Name string `json:"name"`
	OK   bool   `json:"ok"`
	Why  string `json:"why"` // how it was found, or why it is not there
}

// Has tells whether a mechanism is there, and why not.
func (m *Machine) Has(name string) (bool, string) {
	for _, found := range m.Mechanisms {
		if found.Name == name {
			return found.OK, found.Why
		}
	}
	return false, "unknown mechanism"
}

// Probe starts an agent for a moment and asks it what this machine has. Network
// mechanisms are tried in a fresh network namespace, so nothing is changed.
func Probe(ctx context.Context, eng *engine.Engine) (*Machine, error) {
	c, err := Start(ctx, eng, Options{Run: fmt.Sprintf("probe-%d-%d", os.Getpid(), monotonic())})
	if err != nil {
		return nil, fmt.Errorf("probe: %w", err)
	}
	machine, err := c.Probe(ctx)
	return machine, errors.Join(err, c.Close(ctx))
}

// trials are the mechanisms in the order of the catalogue.
var trials = []struct {
	name string
	try  func(*Host) (string, error)
}{
	{"pidfd", tryPidfd},
	{"freezer", tryFreezer},
	{"nftables", inFreshNetwork(tryNftables)},
	{"queue", inFreshNetwork(tryQueue)},
	{"netem", inFreshNetwork(tryQdisc("netem"))},
	{"tbf", inFreshNetwork(tryQdisc("tbf"))},
	{"ifb", inFreshNetwork(tryIfb)},
	{"socket-destroy", inFreshNetwork(trySocketDestroy)},
	{"cpu-quota", tryController("cpu", "cpu.cfs_quota_us", "cpu.max")},
	{"memory", tryController("memory", "memory.limit_in_bytes", "memory.max")},
	{"blkio", tryController("blkio", "blkio.throttle.read_bps_device", "io.max")},
	{"loop", tryListed("/proc/devices", "loop")},
	{"fuse", tryListed("/proc/filesystems", "fuse")},
	{"ext4", tryListed("/proc/filesystems", "ext4")},
	{"process-memory", tryProcessMemory},
}

// probe tries every mechanism.
func probe(h *Host) Machine {
	var name unix.Utsname
	_ = unix.Uname(&name)
	m := Machine{Kernel: unix.ByteSliceToString(name.Release[:])}
	for _, t := range trials {
		how, err := t.try(h)
		if err != nil {
			how = err.Error()
		}
		m.Mechanisms = append(m.Mechanisms, Mechanism{Name: t.name, OK: err == nil, Why: how})
	}
	return m
}

func tryPidfd(*Host) (string, error) {
	fd, err := unix.PidfdOpen(os.Getpid(), 0)
	if err != nil {
		return "", fmt.Errorf("pidfd_open: %w (Linux 5.3 has it)", err)
	}
	defer unix.Close(fd)
	return "pidfd_open works", unix.PidfdSendSignal(fd, 0, nil, 0)
}

func tryFreezer(h *Host) (string, error) {
	if h.Unified() {
		return "cgroup v2: cgroup.freeze", nil
	}
	if _, err := os.Stat(filepath.Join(h.cgroup, "freezer")); err != nil {
		return "", errors.New("the cgroup v1 freezer is not mounted")
	}
	return "cgroup v1: freezer.state", nil
}

func tryController(name, v1, v2 string) func(*Host) (string, error) {
	return func(h *Host) (string, error) {
		if h.Unified() {
			text, err := os.ReadFile(filepath.Join(h.cgroup, "cgroup.controllers"))
			if err != nil {
				return "", err
			}
			if name == "blkio" {
				name = "io"
			}
			if !slices.Contains(strings.Fields(string(text)), name) {
				return "", fmt.Errorf("cgroup v2 has no %s controller", name)
			}
			return "cgroup v2: " + v2, nil
		}
		if found, _ := filepath.Glob(filepath.Join(h.cgroup, name, "docker*", v1)); len(found) > 0 {
			return "cgroup v1: " + v1, nil
		}
		if _, err := os.Stat(filepath.Join(h.cgroup, name)); err != nil {
			return "", fmt.Errorf("the cgroup v1 %s controller is not mounted", name)
		}
		return "cgroup v1: " + v1, nil
	}
}

func tryListed(file, word string) func(*Host) (string, error) {
	return func(*Host) (string, error) {
		f, err := os.Open(file)
		if err != nil {
			return "", err
		}
		defer f.Close()
		for lines := bufio.NewScanner(f); lines.Scan(); {
			if slices.Contains(strings.Fields(lines.Text()), word) {
				return file + " lists it", nil
			}
		}
		return "", fmt.Errorf("%s does not list %s", file, word)
	}
}

func tryProcessMemory(*Host) (string, error) {
	// PID 1 may be closed even to root; our parent is a process of the host too.
	f, err := os.OpenFile(fmt.Sprintf("/proc/%d/mem", os.Getppid()), os.O_RDWR, 0)
	if err != nil {
		return "", fmt.Errorf("open a process's memory: %w", err)
	}
	return "/proc/PID/mem opens for writing", f.Close()
}

// inFreshNetwork runs a trial on a thread in a new network namespace that ends
// with it.
func inFreshNetwork(try func() (string, error)) func(*Host) (string, error) {
	return func(*Host) (string, error) {
		type result struct {
			how string
			err error
		}
		done := make(chan result, 1)
		go func() {
			runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
			if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
				done <- result{err: fmt.Errorf("make a network namespace: %w", err)}
				return
			}
			how, err := try()
			done <- result{how, err}
		}()
		r := <-done
		return r.how, r.err
	}
}

func tryNftables() (string, error) {
	r, err := openOwnRuleset()
	if err != nil {
		return "", err
	}
	defer r.close()
	if err := r.sendTable(&nftables.Table{Family: nftables.TableFamilyINet, Name: "probe"}, tableFlagOwner); err != nil {
		return "", fmt.Errorf("add a table with the owner flag: %w", err)
	}
	return "table with owner flag", nil
}

// openOwnRuleset opens a ruleset in the thread's own namespace.
func openOwnRuleset() (*ruleset, error) {
	fd, err := unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	return openRuleset(fd)
}

func tryQueue() (string, error) {
	r, err := openOwnRuleset()
	if err != nil {
		return "", err
	}
	defer r.close()
	table := r.conn.AddTable(&nftables.Table{Family: nftables.TableFamilyINet, Name: "probe"})
	rules := &Rules{Conn: r.conn, Table: table}
	chain := rules.Chain("in", nftables.ChainHookPrerouting, priorityCut, nftables.ChainTypeFilter)
	rules.Add(chain, "", []expr.Any{&expr.Queue{Num: 1, Flag: expr.QueueFlagBypass}})
	if err := r.conn.Flush(); err == nil {
		return "nftables queue expression", nil
	}
	table = r.conn.AddTable(&nftables.Table{Family: nftables.TableFamilyINet, Name: "probe"})
	rules = &Rules{Conn: r.conn, Table: table}
	chain = rules.Chain("in", nftables.ChainHookPrerouting, priorityCut, nftables.ChainTypeFilter)
	rules.Add(chain, "", []expr.Any{queueTarget(1)})
	if err := r.conn.Flush(); err != nil {
		return "", fmt.Errorf("neither the queue expression nor the NFQUEUE target: %w", err)
	}
	return "NFQUEUE target", nil
}

func tryQdisc(kind string) func() (string, error) {
	return func() (string, error) {
		lo, err := netlink.LinkByName("lo")
		if err != nil {
			return "", err
		}
		attrs := netlink.QdiscAttrs{LinkIndex: lo.Attrs().Index, Parent: netlink.HANDLE_ROOT, Handle: netlink.MakeHandle(1, 0)}
		var q netlink.Qdisc
		switch kind {
		case "netem":
			q = netlink.NewNetem(attrs, netlink.NetemQdiscAttrs{Latency: 1000})
		default:
			q = &netlink.Tbf{QdiscAttrs: attrs, Rate: 1 << 20, Buffer: 1 << 16, Limit: 1 << 16}
		}
		if err := netlink.QdiscAdd(q); err != nil {
			return "", fmt.Errorf("add a %s qdisc: %w", kind, err)
		}
		return "a " + kind + " qdisc can be added", nil
	}
}

func tryIfb() (string, error) {
	if err := netlink.LinkAdd(&netlink.Ifb{LinkAttrs: netlink.LinkAttrs{Name: "probe"}}); err != nil {
		return "", fmt.Errorf("add an intermediate device (ifb): %w", err)
	}
	return "an ifb device can be added", nil
}

func trySocketDestroy() (string, error) {
	lo, err := netlink.LinkByName("lo")
	if err == nil {
		err = netlink.LinkSetUp(lo)
	}
	if err != nil {
		return "", err
	}
	return destroyOwnSocket()
}
