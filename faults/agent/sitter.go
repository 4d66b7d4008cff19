package agent

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/hadrill/hadrill/harness"
	"github.com/hadrill/hadrill/harness/engine"
)

// The sitter covers what the agent cannot: the time before the agent serves,
// and the agent's own death. It is this executable once more, a child in a
// session of its own, that does nothing but read a pipe which the runner holds
// open. The pipe's end without a goodbye is the runner's end, however it came:
// the sitter lets the agent do its work, and does what is left.
const (
	// Patience is how long what a run has left is looked after when its
	// engine is away: back within it, all is healed and removed by itself.
	Patience = 90 * time.Second

	goodbye = "goodbye\n"
	// agentTurn is how long the sitter watches a living agent clean up, and
	// how long it waits for an engine that does not answer.
	agentTurn = Patience
	// sitterLook is how often the runner looks whether the engine, without
	// which the sitter can do nothing, is still there.
	sitterLook = time.Second
)

// sitter is the runner's side: the process and the pipe.
type sitter struct {
	engine  *engine.Engine
	process *exec.Cmd
	pipe    io.WriteCloser
	stderr  *tail
}

func startSitter(eng *engine.Engine, run, image string) (*sitter, error) {
	s := &sitter{engine: eng, stderr: &tail{}}
	// /proc/self/exe is this program even after its file was replaced.
	s.process = exec.Command("/proc/self/exe")
	s.process.Args = []string{"hadrill-sitter"}
	s.process.Env = []string{
		envRole + "=" + roleSitter, envRun + "=" + run, envSocket + "=" + eng.Socket(), envImage + "=" + image,
		"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"),
	}
	s.process.Stderr = s.stderr
	s.process.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // no signal to our group or terminal reaches it
	pipe, err := s.process.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("make the sitter's pipe: %w", err)
	}
	s.pipe = pipe
	if err := s.process.Start(); err != nil {
		return nil, fmt.Errorf("start the sitter: %w", err)
	}
	return s, nil
}

// dismiss ends the sitter: there is nothing left to do.
func (s *sitter) dismiss() error {
	_, err := io.WriteString(s.pipe, goodbye)
	return errors.Join(err, s.cleanUp())
}

// cleanUp closes the pipe and waits for the sitter to end: without a goodbye
// before it, after it has removed what is left of the run. While the engine
// does not answer nothing can be removed; then the sitter is left to itself: it
// goes on trying for agentTurn, also after the death of this process.
func (s *sitter) cleanUp() error {
	_ = s.pipe.Close()
	ended := make(chan error, 1)
	go func() { ended <- s.process.Wait() }()
	look := time.NewTicker(sitterLook)
	defer look.Stop()
	for {
		select {
		case err := <-ended:
			if err != nil {
				return fmt.Errorf("sitter: %w: %s", err, s.stderr)
			}
			return nil
		case <-look.C:
			if lost := s.engine.Answers(context.Background()); lost != nil {
				return fmt.Errorf("sitter: cannot clean up now, goes on trying for %v: %w", agentTurn, lost)
			}
		}
	}
}

// sitterMain is the sitter's life.
func sitterMain() int {
	signal.Ignore(syscall.SIGINT, syscall.SIGHUP, syscall.SIGTERM, syscall.SIGPIPE)
	line, _ := bufio.NewReader(os.Stdin).ReadString('\n')
	if line == goodbye {
		return 0
	}
	ctx, cancel := context.WithTimeout(context.Background(), agentTurn+reapLimit)
	defer cancel()
	engine, err := client.New(client.WithHost("unix://" + os.Getenv(envSocket)))
	if err != nil {
		fmt.Fprintln(os.Stderr, "sitter:", err)
		return 1
	}
	defer engine.Close()
	run := os.Getenv(envRun)
	worked := watchAgent(ctx, engine, run)
	if worked && nothingLeft(ctx, engine, run) {
		return 0 // the agent has waited for silence itself
	}
	if err := cleanRun(ctx, engine, os.Getenv(envSocket), run, os.Getenv(envImage)); err != nil {
		fmt.Fprintln(os.Stderr, "sitter:", err)
		return 1
	}
	return 0
}

// watchAgent returns when no agent of the run works any more: it has gone, or
// it was never more than created, or its turn is over. It tells whether one was
// seen at work.
func watchAgent(ctx context.Context, engine *client.Client, run string) (worked bool) {
	ctx, cancel := context.WithTimeout(ctx, agentTurn)
	defer cancel()
	filter := make(client.Filters).Add("label", harness.LabelRun+"="+run, harness.LabelRole+"="+rolePart)
	for ctx.Err() == nil {
		found, err := engine.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: filter})
		busy := slices.ContainsFunc(found.Items, func(c container.Summary) bool {
			return c.State == container.StateRunning || c.State == container.StateRemoving
		})
		if err == nil && !busy {
			return worked
		}
		worked = worked || busy
		select {
		case <-time.After(reapStep):
		case <-ctx.Done():
		}
	}
	return worked
}

// nothingLeft looks once.
func nothingLeft(ctx context.Context, engine *client.Client, run string) bool {
	found, err := (&reaper{engine: engine, run: run}).pass(ctx)
	return found == 0 && err == nil
}

// cleanRun removes what is left of a run without an agent. Where the undo
// record of a dead agent is among it, a fresh agent heals from it first.
func cleanRun(ctx context.Context, engine *client.Client, socket, run, image string) error {
	if err := healFromRecord(ctx, engine, socket, run, image); err != nil {
		return err
	}
	r := &reaper{engine: engine, run: run}
	return r.untilQuiet(ctx)
}

// healFromRecord runs a fresh agent on every undo record that the run has left,
// or on none where only its disks are left. The stream is closed at once, so
// all it does is heal and remove.
func healFromRecord(ctx context.Context, engine *client.Client, socket, run, image string) error {
	filter := make(client.Filters).Add("label", harness.LabelRun+"="+run)
	dead, err := engine.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: filter.Clone().Add("label", harness.LabelRole+"="+rolePart)})
	if err != nil {
		return fmt.Errorf("list agents of run %s: %w", run, err)
	}
	healed := false
	for _, c := range dead.Items {
		if c.State == "created" {
			continue // it never served: it has damaged nothing
		}
		for _, m := range c.Mounts {
			if m.Destination != recordDir {
				continue
			}
			if image == "" {
				image = c.Image
			}
			if err := runHealer(ctx, engine, socket, run, image, m.Name); err != nil {
				return err
			}
			healed = true
		}
	}
	if healed || image == "" {
		return nil
	}
	_, err = engine.VolumeInspect(ctx, disksOf(run), client.VolumeInspectOptions{})
	if err == nil {
		return runHealer(ctx, engine, socket, run, image, "")
	}
	if gone(err) {
		return nil
	}
	return fmt.Errorf("look for disks of run %s: %w", run, err)
}

// runHealer starts a fresh agent on a record with its stream closed, and waits
// for its end. It removes itself.
func runHealer(ctx context.Context, engine *client.Client, socket, run, image, record string) error {
	labels, err := labelsOf(Options{Run: run})
	if err != nil {
		return err
	}
	name := agentName(run, true)
	config := agentConfig(run, name, image, labels)
	config.OpenStdin, config.StdinOnce, config.AttachStdin = false, false, false // reads end of file
	info, err := engine.Info(ctx, client.InfoOptions{})
	if err != nil {
		return fmt.Errorf("ask the engine what it is: %w", err)
	}
	unconfined := strings.Contains(strings.Join(info.Info.SecurityOptions, " "), "name=apparmor")
	created, err := engine.ContainerCreate(ctx, client.ContainerCreateOptions{
		Name: name, Config: config, HostConfig: agentHostConfig(socket, record, labels, unconfined),
	})
	if err != nil {
		return fmt.Errorf("create container %s: %w", name, err)
	}
	if _, err := engine.ContainerStart(ctx, created.ID, client.ContainerStartOptions{}); err != nil {
		return fmt.Errorf("start container %s: %w", name, err)
	}
	watchAgent(ctx, engine, run)
	return nil
}
