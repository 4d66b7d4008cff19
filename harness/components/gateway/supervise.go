package gateway

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"syscall"
	"time"
)

const (
	upgradeLimit = 10 * time.Second       // for a successor to become ready
	respawnPause = 200 * time.Millisecond // before a worker that died is replaced
	stopLimit    = 2*drainLimit + 5*time.Second
)

// Supervise is the gateway's first process. It owns the sockets and does
// nothing with them; a worker serves, and another one takes its place without a
// connection being refused:
//
//	SIGUSR2 ─▶ supervisor ── starts ──▶ worker 2 (the executable as it is now)
//	              │                        │ inherits the sockets, learns the
//	              │◀── "ready" ────────────┘ instances, says so
//	              └── SIGUSR1 ─▶ worker 1: accepts no more, ends its connections
//	                             after their next answer, exits
//
// Both accept for a moment, from one queue that never closes. A successor that
// does not become ready in 10 s, because the new executable or what it reads is
// bad, is removed and the old worker goes on.
//
// Why two processes and not one that replaces itself: the first process of a
// container is its life, and connections cannot follow through exec(2).
//
// A worker that dies is replaced; the queue holds new connections meanwhile.
// SIGTERM (ctx) is passed on; Supervise returns when all workers have ended.
// executable is what workers are started from, arguments included; it gets the
// environment of this process and KeyWorker. It must call Work.
func Supervise(ctx context.Context, c Config, executable []string, say func(string)) error {
	sockets, err := listen(ctx, withPorts(c))
	if err != nil {
		return err
	}
	s := &supervisor{command: executable, say: say, ended: make(chan *process, 8), limit: stopLimit + c.Drain}
	s.sockets, err = files(sockets)
	if err = errors.Join(err, sockets.close()); err != nil {
		return err
	}
	defer func() {
		for _, f := range s.sockets {
			_ = f.Close() // the process ends
		}
	}()
	upgrade := make(chan os.Signal, 1)
	signal.Notify(upgrade, syscall.SIGUSR2)
	defer signal.Stop(upgrade)
	return s.run(ctx, upgrade)
}

// files duplicates the sockets, so that they can be inherited.
func files(l listeners) ([]*os.File, error) {
	var all []*os.File
	for _, one := range []net.Listener{l.traffic, l.admin} {
		f, err := one.(*net.TCPListener).File()
		if err != nil {
			return nil, fmt.Errorf("duplicate listener: %w", err)
		}
		all = append(all, f)
	}
	return all, nil
}

type supervisor struct {
	command []string
	sockets []*os.File
	say     func(string)
	limit   time.Duration // for a worker to end when told to
	count   int
	current *process // serves; nil while there is none
	alive   int      // processes that have not ended
	ended   chan *process
}

// process is one worker.
type process struct {
	number int
	cmd    *exec.Cmd
	ready  chan bool // true once, or closed
	life   *os.File
	err    error // of its end
}

func (s *supervisor) run(ctx context.Context, upgrade <-chan os.Signal) error {
	var err error
	if s.current, err = s.start(); err != nil {
		return err
	}
	for {
		select {
		case <-ctx.Done():
			return s.stop()
		case <-upgrade:
			s.upgrade(ctx)
		case p := <-s.ended:
			s.alive--
			if p != s.current {
				continue
			}
			s.say(fmt.Sprintf("worker %d has died: %v; starts another", p.number, p.err))
			select {
			case <-ctx.Done():
			case <-time.After(respawnPause):
			}
			if s.current, err = s.start(); err != nil {
				return errors.Join(err, s.stop())
			}
		}
	}
}

// start starts a worker.
func (s *supervisor) start() (*process, error) {
	readable, ready, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("start worker: %w", err)
	}
	death, life, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start worker: %w", err), readable.Close(), ready.Close())
	}
	s.count++
	p := &process{number: s.count, ready: make(chan bool, 1), life: life, cmd: exec.Command(s.command[0], s.command[1:]...)}
	p.cmd.Env = append(os.Environ(), KeyWorker+"="+strconv.Itoa(p.number))
	p.cmd.Stdout, p.cmd.Stderr = os.Stdout, os.Stderr
	p.cmd.ExtraFiles = append(append([]*os.File{}, s.sockets...), ready, death)
	err = p.cmd.Start()
	if closed := errors.Join(ready.Close(), death.Close()); err != nil {
		return nil, errors.Join(fmt.Errorf("start worker: %w", err), closed, readable.Close(), life.Close())
	}
	s.alive++
	go func() {
		defer readable.Close()
		if n, _ := readable.Read(make([]byte, 1)); n == 1 {
			p.ready <- true
		}
		close(p.ready)
	}()
	go func() {
		p.err = p.cmd.Wait()
		_ = life.Close() // nobody reads any more
		s.ended <- p
	}()
	return p, nil
}

// upgrade puts a new worker in the place of the current one.
func (s *supervisor) upgrade(ctx context.Context) {
	next, err := s.start()
	if err != nil {
		s.say(fmt.Sprintf("upgrade failed, goes on as before: %v", err))
		return
	}
	limit := time.NewTimer(upgradeLimit)
	defer limit.Stop()
	select {
	case ok := <-next.ready:
		if ok {
			old := s.current
			s.current = next
			s.say(fmt.Sprintf("upgrade: worker %d is ready and takes over from worker %d", next.number, old.number))
			_ = old.cmd.Process.Signal(syscall.SIGUSR1) // it may have died; its end is told all the same
			return
		}
	case <-limit.C:
	case <-ctx.Done():
	}
	_ = next.cmd.Process.Kill() // it may have died
	s.say(fmt.Sprintf("upgrade failed, goes on as before: worker %d did not become ready", next.number))
}

// stop ends all workers and returns what went wrong.
func (s *supervisor) stop() error {
	if s.current != nil {
		_ = s.current.cmd.Process.Signal(syscall.SIGTERM) // it may have died
	}
	limit := time.NewTimer(s.limit)
	defer limit.Stop()
	var errs []error
	for s.alive > 0 {
		select {
		case p := <-s.ended:
			s.alive--
			if p.err != nil && p == s.current {
				errs = append(errs, fmt.Errorf("worker %d: %w", p.number, p.err))
			}
		case <-limit.C:
			return errors.Join(append(errs, errors.New("workers did not end in time"))...)
		}
	}
	return errors.Join(errs...)
}
