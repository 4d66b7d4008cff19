package engine

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// packages is what a bare Debian or Ubuntu lacks: the engine and its firewall
// tool, what makes the base image and checks its packages, and file systems
// for the disk faults.
var packages = []string{"docker.io", "iptables", "mmdebstrap", "debian-archive-keyring", "e2fsprogs"}

// startLimit bounds the wait for a daemon that was just started. A first start
// creates its store and firewall chains.
const startLimit = 60 * time.Second

// A host is what Setup needs of the machine, so that tests can give it another.
type host struct {
	euid      int
	socket    string   // where a daemon that we start will listen
	sockets   []string // where to look for a running one
	release   string   // the text of os-release(5)
	systemd   bool     // the machine runs systemd
	logFolder string   // for the log of a daemon that we start; "" for the cache folder

	lookPath func(string) (string, error)
	exists   func(string) bool
	// run runs a command to its end and reports its lines.
	run func(ctx context.Context, report reporter, stage string, environment []string, name string, args ...string) error
	// daemon starts dockerd so that it outlives us; ended tells whether it
	// has ended already.
	daemon func(log *os.File) (ended func() bool, err error)
}

func thisHost() host {
	release, err := os.ReadFile("/etc/os-release")
	if err != nil {
		release = nil // an unknown distribution: nothing will be installed
	}
	return host{
		euid:      os.Geteuid(),
		socket:    defaultSocket,
		sockets:   socketCandidates(os.Getenv),
		release:   string(release),
		systemd:   exists("/run/systemd/system"),
		logFolder: "/var/log",
		lookPath:  lookPath,
		exists:    exists,
		run:       run,
		daemon:    startDaemon,
	}
}

// lookPath finds a command, also in the folders for administrators, which are
// not in every root's PATH.
func lookPath(name string) (string, error) {
	found, err := exec.LookPath(name)
	if err == nil {
		return found, nil
	}
	for _, folder := range []string{"/usr/sbin", "/sbin", "/usr/local/sbin"} {
		if path, err := exec.LookPath(filepath.Join(folder, name)); err == nil {
			return path, nil
		}
	}
	return "", err
}

// mayInstall says whether packages can be installed here, and if not why not.
func (h host) mayInstall() error {
	remedy := "install a container engine that speaks Docker's API (docker.io, docker-ce, moby-engine), start it, and let this user reach " + h.socket
	if !isDebian(h.release) {
		return &Problem{What: ErrNoEngine.Error(), Why: "hadrill installs one on Debian and Ubuntu only", Remedy: remedy, Cause: ErrNoEngine}
	}
	if h.euid != 0 {
		return &Problem{What: ErrNoEngine.Error(), Why: "installing one needs root", Remedy: "run `hadrill setup` as root, or apt-get install " + strings.Join(packages, " "), Cause: ErrNoEngine}
	}
	if _, err := h.lookPath("apt-get"); err != nil {
		return &Problem{What: ErrNoEngine.Error(), Why: "apt-get is not here to install one", Remedy: remedy, Cause: ErrNoEngine}
	}
	return nil
}

// isDebian reads os-release(5): Debian, Ubuntu, or a system that says it is like them.
func isDebian(release string) bool {
	scanner := bufio.NewScanner(strings.NewReader(release))
	for scanner.Scan() {
		key, value, _ := strings.Cut(scanner.Text(), "=")
		if key != "ID" && key != "ID_LIKE" {
			continue
		}
		for _, word := range strings.Fields(strings.Trim(value, `"'`)) {
			if word == "debian" || word == "ubuntu" {
				return true
			}
		}
	}
	return false
}

// install installs the packages without questions and without recommendations.
func (h host) install(ctx context.Context, report reporter) error {
	environment := []string{"DEBIAN_FRONTEND=noninteractive", "LC_ALL=C"}
	if err := h.run(ctx, report, "install", environment, "apt-get", "update", "-q"); err != nil {
		// A stale list of one repository must not stop what the others have.
		report.line("install", "going on with the package lists at hand: "+err.Error())
	}
	arguments := append([]string{"install", "-y", "-q", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=120"}, packages...)
	if err := h.run(ctx, report, "install", environment, "apt-get", arguments...); err != nil {
		return &Problem{
			What:   "install " + strings.Join(packages, " "),
			Why:    err.Error(),
			Remedy: "repair apt (apt-get update; apt-get -f install) and run `hadrill setup` again",
			Cause:  errors.Join(ErrNoEngine, err),
		}
	}
	return nil
}

// start starts the daemon, through systemd where that runs, else in a session
// of its own, and waits until it answers.
func (h host) start(ctx context.Context, report reporter) error {
	ended := func() bool { return false } // systemd tells by itself
	hint := "systemctl status docker"
	if h.systemd {
		report.line("start", "systemctl start docker")
		if err := h.run(ctx, report, "start", nil, "systemctl", "start", "docker"); err != nil {
			return &Problem{What: "systemctl start docker", Why: err.Error(), Remedy: "look at `journalctl -u docker`", Cause: errors.Join(ErrNoEngine, err)}
		}
	} else {
		log, err := h.daemonLog()
		if err != nil {
			return err
		}
		defer log.Close()
		hint = log.Name()
		report.line("start", "dockerd, logging to "+log.Name())
		if ended, err = h.daemon(log); err != nil {
			return &Problem{What: "start dockerd", Why: err.Error(), Remedy: "start the engine by hand", Cause: errors.Join(ErrNoEngine, err)}
		}
	}
	return h.awaitAnswer(ctx, ended, hint)
}

func (h host) awaitAnswer(ctx context.Context, ended func() bool, hint string) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	why := ""
	for why == "" {
		if ping(ctx, h.socket) == nil {
			return nil
		}
		if ended() {
			why = "it ended at once: " + lastLine(hint)
			break
		}
		select {
		case <-ctx.Done():
			why = fmt.Sprintf("it does not answer on %s: %v", h.socket, ctx.Err())
		case <-time.After(100 * time.Millisecond):
		}
	}
	return &Problem{What: "the container engine was started", Why: why, Remedy: "look at " + hint, Cause: ErrNoEngine}
}

// daemonLog opens the log of a daemon that we start.
func (h host) daemonLog() (*os.File, error) {
	folder := h.logFolder
	open := func(folder string) (*os.File, error) {
		return os.OpenFile(filepath.Join(folder, "hadrill-dockerd.log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o640)
	}
	if folder != "" {
		if file, err := open(folder); err == nil {
			return file, nil
		}
	}
	folder, err := cacheDir()
	if err != nil {
		return nil, err
	}
	file, err := open(folder)
	if err != nil {
		return nil, fmt.Errorf("open the engine's log: %w", err)
	}
	return file, nil
}

// lastLine is the end of a log, for an error message.
func lastLine(path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	last := "it said nothing"
	for line := range lines(string(text)) {
		last = line
	}
	return last
}

// startDaemon runs dockerd in a session of its own: it must outlive this
// command, whatever signal ends it.
func startDaemon(log *os.File) (ended func() bool, err error) {
	path, err := lookPath("dockerd")
	if err != nil {
		return nil, err
	}
	return startDetached(log, path)
}

// startDetached starts a command that nothing of ours waits for: no goroutine
// stays behind, and the state is polled only while somebody wants to know.
func startDetached(log *os.File, path string, args ...string) (ended func() bool, err error) {
	command := exec.Command(path, args...)
	command.Stdout, command.Stderr = log, log
	command.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := command.Start(); err != nil {
		return nil, err
	}
	process, gone := command.Process.Pid, false
	return func() bool {
		if !gone {
			reaped, err := syscall.Wait4(process, nil, syscall.WNOHANG, nil)
			gone = reaped == process || errors.Is(err, syscall.ECHILD)
		}
		return gone
	}, nil
}

// run runs a command to its end; on failure the error holds the telling line.
func run(ctx context.Context, report reporter, stage string, environment []string, name string, args ...string) error {
	command := exec.CommandContext(ctx, name, args...)
	command.Env = append(os.Environ(), environment...)
	command.Cancel = func() error { return command.Process.Signal(syscall.SIGTERM) }
	command.WaitDelay = 15 * time.Second
	talk := &lineWriter{report: report, stage: stage}
	command.Stdout, command.Stderr = talk, talk
	if err := command.Run(); err != nil {
		return fmt.Errorf("%s %s: %s: %w", name, strings.Join(args[:min(1, len(args))], " "), talk.last(), err)
	}
	return nil
}
