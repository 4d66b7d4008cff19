package engine

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"strings"

	"github.com/moby/moby/api/types/system"
	"github.com/moby/moby/client"
	"golang.org/x/sys/unix"

	"github.com/hadrill/hadrill/harness/images"
)

// A Finding is one line of the doctor's report.
type Finding struct {
	Name   string // what was looked at: "engine", "netem", ...
	OK     bool   // false if something hadrill can do is not possible
	Detail string // what was found
	Cost   string // what is not possible, or less exact, without it; empty if OK
	Remedy string // what would help; empty if OK or if nothing would
}

// Doctor looks at this machine and says what hadrill can do on it. It changes
// nothing that lasts: its probes run in a network namespace that ends with
// them and, if the base image is there, in one container that does nothing.
// No registry is contacted. Doctor always answers; what could not be found out
// is a finding that is not OK.
func Doctor(ctx context.Context) []Finding {
	findings := []Finding{machine(), limits()}
	findings = append(findings, kernel(ctx)...)
	engine, err := Connect(ctx)
	if err != nil {
		finding := Finding{Name: "engine", Detail: err.Error(), Cost: "no drill can run", Remedy: "run `hadrill setup` as root"}
		if problem, ok := err.(*Problem); ok {
			finding.Detail, finding.Remedy = problem.What+": "+problem.Why, problem.Remedy
		}
		return append(findings, finding)
	}
	defer engine.Close()
	return append(findings, engine.examine(ctx)...)
}

// examine is the part of the doctor that needs the engine.
func (e *Engine) examine(ctx context.Context) []Finding {
	version, err := e.client.ServerVersion(ctx, client.ServerVersionOptions{})
	if err != nil {
		return []Finding{{Name: "engine", Detail: err.Error(), Cost: "no drill can run", Remedy: "look at the engine's log"}}
	}
	findings := []Finding{{Name: "engine", OK: true, Detail: fmt.Sprintf("%s, API %s, on %s", version.Version, version.APIVersion, e.socket)}}
	info, err := e.client.Info(ctx, client.InfoOptions{})
	if err != nil {
		return append(findings, Finding{Name: "engine info", Detail: err.Error(), Cost: "its limits are not known", Remedy: "look at the engine's log"})
	}
	findings = append(findings, cgroups(info.Info), security(info.Info), disk(info.Info.DockerRootDir))
	findings = append(findings, e.imageFindings(ctx)...)
	return append(findings, e.capabilities(ctx, info.Info))
}

func cgroups(info system.Info) Finding {
	version := info.CgroupVersion
	if version == "" {
		version = "1"
	}
	finding := Finding{Name: "cgroups", OK: true, Detail: "version " + version + ", driver " + info.CgroupDriver}
	if version == "1" {
		finding.Detail += "; a kill of a paused container waits for the thaw, and a memory limit cannot go below what is used"
	}
	return finding
}

func security(info system.Info) Finding {
	finding := Finding{Name: "mandatory access control", OK: true, Detail: "none"}
	for _, option := range info.SecurityOptions {
		switch {
		case strings.Contains(option, "apparmor"):
			finding.Detail = "AppArmor: the agent runs with apparmor=unconfined, which its mounts and process access need"
		case strings.Contains(option, "selinux"):
			finding.Detail = "SELinux: the agent runs with label=disable, which its mounts and process access need"
		case strings.Contains(option, "rootless"):
			return Finding{Name: "mandatory access control", Detail: "rootless engine", Cost: "faults on processes, clocks and disks (the agent has no rights on the host)", Remedy: "use the system's engine"}
		}
	}
	return finding
}

const wantedDisk = 3 << 30 // all images, with room for volumes and logs

func disk(folder string) Finding {
	finding := Finding{Name: "disk"}
	for _, path := range []string{folder, "/"} {
		var stat unix.Statfs_t
		if unix.Statfs(path, &stat) != nil {
			continue // the engine's folder may be closed to us; the root tells enough
		}
		free := stat.Bavail * uint64(stat.Bsize)
		finding.Detail = fmt.Sprintf("%s free on %s", humanBytes(free), path)
		if finding.OK = free >= wantedDisk; !finding.OK {
			finding.Cost, finding.Remedy = "images or drills may run out of space", "free some: docker system prune"
		}
		return finding
	}
	finding.Detail, finding.Cost = "free space not known", "a full disk is noticed late"
	return finding
}

// imageFindings tells of each image whether it is here and what is in it.
func (e *Engine) imageFindings(ctx context.Context) []Finding {
	names := []string{images.BaseComponent}
	for _, component := range images.Components() {
		names = append(names, component.Name)
	}
	var findings []Finding
	for _, name := range names {
		finding := Finding{Name: "image " + name}
		choice, err := images.Choose(name, os.LookupEnv)
		var info ImageInfo
		var found bool
		if err == nil {
			info, found, err = e.inspect(ctx, choice)
		}
		switch {
		case err != nil:
			finding.Detail, finding.Cost, finding.Remedy = err.Error(), "its drills cannot run", "correct the setting"
		case !found:
			finding.Detail, finding.Cost, finding.Remedy = choice.Ref+" is not made yet", "the first drill that needs it waits for it", "run `hadrill setup`"
		default:
			finding.OK, finding.Detail = true, describe(info)
		}
		findings = append(findings, finding)
	}
	return findings
}

func describe(info ImageInfo) string {
	detail := info.Ref + " (" + string(info.Origin)
	for _, name := range sortedKeys(info.Versions) {
		detail += ", " + name + " " + info.Versions[name]
	}
	if info.From != "" {
		detail += ", from " + info.From
	}
	detail += ")"
	if info.Drift != "" {
		detail += "; drift: " + info.Drift
	}
	return detail
}

const (
	wantedProcessors = 2
	wantedMemory     = 2 << 30
)

func machine() Finding {
	finding := Finding{Name: "machine", OK: true}
	var info unix.Sysinfo_t
	var memory uint64
	if err := unix.Sysinfo(&info); err == nil {
		memory = uint64(info.Totalram) * uint64(info.Unit)
	}
	finding.Detail = fmt.Sprintf("%d processors, %s memory", runtime.NumCPU(), humanBytes(memory))
	if runtime.NumCPU() < wantedProcessors || memory < wantedMemory {
		finding.OK = false
		finding.Cost = "the load generator and the systems disturb each other; time-based results may be inconclusive"
		finding.Remedy = fmt.Sprintf("give it %d processors and %s", wantedProcessors, humanBytes(wantedMemory))
	}
	return finding
}

const (
	wantedFiles   = 4096
	wantedInotify = 128
)

func limits() Finding {
	finding := Finding{Name: "limits", OK: true}
	var files unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &files); err != nil {
		return Finding{Name: "limits", Detail: "open files: " + err.Error(), Cost: "the load generator may run out of sockets"}
	}
	instances := readNumber("/proc/sys/fs/inotify/max_user_instances")
	finding.Detail = fmt.Sprintf("%d open files, %d inotify instances", files.Max, instances)
	if files.Max < wantedFiles {
		finding.OK, finding.Cost, finding.Remedy = false, "the load generator may run out of sockets", fmt.Sprintf("ulimit -n %d", wantedFiles)
	} else if instances < wantedInotify {
		finding.OK, finding.Cost = false, "containers may fail to start in numbers"
		finding.Remedy = fmt.Sprintf("sysctl fs.inotify.max_user_instances=%d", wantedInotify)
	}
	return finding
}
