package engine

import (
	"bufio"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/google/nftables/xt"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// kernel says what the kernel offers to the network faults.
func kernel(ctx context.Context) []Finding {
	release := kernelRelease()
	findings := []Finding{{Name: "kernel", OK: release != "", Detail: release}}
	probes, allowed := probeNamespace(ctx)
	config := readKernelConfig(release)
	for _, feature := range []struct {
		name, option, module, cost, remedy string
		probe                              func(namespaceProbes) error
	}{
		{
			name: "netem", option: "CONFIG_NET_SCH_NETEM", module: "sch_netem",
			cost:   "delay, jitter, reordering and corruption use the packet queue instead, in user space",
			remedy: "load sch_netem (package linux-modules-extra on cloud kernels)",
			probe:  func(p namespaceProbes) error { return p.netem },
		},
		{
			name: "nf_tables", option: "CONFIG_NF_TABLES", module: "nf_tables",
			cost:   "no partitions and no packet loss",
			remedy: "load nf_tables",
			probe:  func(p namespaceProbes) error { return p.tables },
		},
		{
			name: "packet queue", option: "CONFIG_NETFILTER_XT_TARGET_NFQUEUE", module: "xt_NFQUEUE",
			cost:   "without netem no delay, jitter, reordering or corruption",
			remedy: "load xt_NFQUEUE and nfnetlink_queue",
			probe:  func(p namespaceProbes) error { return p.queue },
		},
	} {
		finding := Finding{Name: feature.name}
		if allowed == nil {
			err := feature.probe(probes)
			finding.OK, finding.Detail = err == nil, "works (tried in a namespace of its own)"
			if err != nil {
				finding.Detail = "tried in a namespace of its own: " + err.Error()
			}
		} else {
			finding.OK, finding.Detail = config.offers(feature.option, feature.module)
			finding.Detail += "; not tried: " + allowed.Error()
		}
		if !finding.OK {
			finding.Cost, finding.Remedy = feature.cost, feature.remedy
		}
		findings = append(findings, finding)
	}
	return findings
}

// namespaceProbes holds what happened when each feature was used.
type namespaceProbes struct{ netem, tables, queue error }

// probeNamespace tries the features in a network namespace that is thrown
// away. The error says that this user may not make one.
func probeNamespace(ctx context.Context) (namespaceProbes, error) {
	type answer struct {
		probes namespaceProbes
		err    error
	}
	answers := make(chan answer, 1)
	go func() {
		// Never unlocked: the thread ends with the goroutine, and the
		// namespace with the thread.
		runtime.LockOSThread()
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			answers <- answer{err: fmt.Errorf("unshare the network namespace: %w", err)}
			return
		}
		answers <- answer{probes: namespaceProbes{netem: tryNetem(), tables: tryTables(nil), queue: tryTables(queueRule())}}
	}()
	select {
	case got := <-answers:
		return got.probes, got.err
	case <-ctx.Done():
		return namespaceProbes{}, ctx.Err()
	}
}

func tryNetem() error {
	link, err := netlink.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("find lo: %w", err)
	}
	err = netlink.QdiscAdd(netlink.NewNetem(
		netlink.QdiscAttrs{LinkIndex: link.Attrs().Index, Handle: netlink.MakeHandle(1, 0), Parent: netlink.HANDLE_ROOT},
		netlink.NetemQdiscAttrs{Latency: 1000},
	))
	if errors.Is(err, unix.ENOENT) {
		return errors.New("this kernel has no netem")
	}
	return err
}

func queueRule() []expr.Any {
	// struct xt_NFQ_info_v3: queue number, queues, flags, reserved.
	info := xt.Unknown(make([]byte, 8))
	info[2] = 1
	return []expr.Any{&expr.Target{Name: "NFQUEUE", Rev: 3, Info: &info}}
}

// tryTables adds a table with a chain and, if given, one rule.
func tryTables(rule []expr.Any) error {
	connection, err := nftables.New()
	if err != nil {
		return err
	}
	table := connection.AddTable(&nftables.Table{Name: "hadrill-doctor", Family: nftables.TableFamilyIPv4})
	chain := connection.AddChain(&nftables.Chain{
		Name: "probe", Table: table, Type: nftables.ChainTypeFilter,
		Hooknum: nftables.ChainHookPrerouting, Priority: nftables.ChainPriorityRaw,
	})
	if rule != nil {
		connection.AddRule(&nftables.Rule{Table: table, Chain: chain, Exprs: rule})
	}
	return connection.Flush()
}

// kernelConfig is what the kernel was built with, and its folder of modules.
type kernelConfig struct {
	options map[string]string // absent if the kernel does not tell
	modules string
}

// readKernelConfig reads /proc/config.gz or the file that distributions put
// beside the kernel.
func readKernelConfig(release string) kernelConfig {
	config := kernelConfig{modules: filepath.Join("/lib/modules", release)}
	if file, err := os.Open("/proc/config.gz"); err == nil {
		defer file.Close()
		if plain, err := gzip.NewReader(file); err == nil {
			config.options = parseKernelConfig(plain)
		}
		return config
	}
	if file, err := os.Open("/boot/config-" + release); err == nil {
		defer file.Close()
		config.options = parseKernelConfig(file)
	}
	return config
}

func parseKernelConfig(r io.Reader) map[string]string {
	options := map[string]string{}
	scanner := bufio.NewScanner(r)
	for scanner.Scan() {
		if key, value, found := strings.Cut(scanner.Text(), "="); found && strings.HasPrefix(key, "CONFIG_") {
			options[key] = value
		}
	}
	return options
}

// offers judges a feature by configuration and module files alone.
func (c kernelConfig) offers(option, module string) (bool, string) {
	if c.options != nil && c.options[option] == "y" {
		return true, "built into the kernel"
	}
	if text, err := os.ReadFile(filepath.Join(c.modules, "modules.dep")); err == nil && strings.Contains(string(text), "/"+module+".ko") {
		return true, "there as a module"
	}
	if c.options != nil {
		return false, option + " is not set, or its module is not installed"
	}
	return false, "the kernel does not tell its configuration"
}

func kernelRelease() string {
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return ""
	}
	return unix.ByteSliceToString(name.Release[:])
}

// readNumber reads a one-number file under /proc; -1 if it cannot.
func readNumber(path string) int {
	text, err := os.ReadFile(path)
	if err != nil {
		return -1
	}
	number, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return -1
	}
	return number
}
