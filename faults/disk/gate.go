package disk

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// gate is passed by every operation on its way to the file system.
type gate struct {
	now atomic.Pointer[state]

	reads, writes, syncs, refused, lied, slowed, hung atomic.Uint64

	mu sync.Mutex // serialises changes
}

// state is a behaviour in force; ended is closed when another takes over.
type state struct {
	Behaviour
	ended chan struct{}
}

func newGate() *gate {
	g := &gate{}
	g.now.Store(&state{ended: make(chan struct{})})
	return g
}

// set changes the behaviour; operations that hang or sleep are let go and
// judged by the new one.
func (g *gate) set(b Behaviour) {
	g.mu.Lock()
	defer g.mu.Unlock()
	old := g.now.Swap(&state{Behaviour: b, ended: make(chan struct{})})
	close(old.ended)
}

// pass returns the error that an operation gets, and whether to skip it.
func (g *gate) pass(ctx context.Context, o Op) (errno syscall.Errno, skip bool) {
	switch o {
	case Read:
		g.reads.Add(1)
	case Write:
		g.writes.Add(1)
	case Sync:
		g.syncs.Add(1)
	}
	for {
		s := g.now.Load()
		again, errno := g.hold(ctx, s, o)
		if errno != 0 {
			return errno, true
		}
		if again {
			continue
		}
		if s.Error != "" && s.concerns(o) && (s.Share == 0 || rand.Float64() < s.Share) {
			g.refused.Add(1)
			return errnos[s.Error], true
		}
		if s.LyingSync && o == Sync {
			g.lied.Add(1)
			return 0, true
		}
		return 0, false
	}
}

// hold makes an operation wait as the behaviour wants. again: it changed while
// the operation hung.
func (g *gate) hold(ctx context.Context, s *state, o Op) (again bool, errno syscall.Errno) {
	if !s.concerns(o) {
		return false, 0
	}
	if s.Hang {
		g.hung.Add(1)
		select {
		case <-s.ended:
			return true, 0
		case <-ctx.Done():
			return false, unix.EINTR // its process is being killed
		}
	}
	if s.Latency == 0 {
		return false, 0
	}
	g.slowed.Add(1)
	t := time.NewTimer(s.Latency)
	defer t.Stop()
	select {
	case <-t.C:
		return false, 0
	case <-s.ended:
		return false, 0
	case <-ctx.Done():
		return false, unix.EINTR
	}
}

// Counts is what an interposed volume has seen and done so far.
type Counts struct {
	Reads, Writes, Syncs        uint64
	Refused, Lied, Slowed, Hung uint64
}

func (g *gate) counts() Counts {
	return Counts{
		Reads: g.reads.Load(), Writes: g.writes.Load(), Syncs: g.syncs.Load(),
		Refused: g.refused.Load(), Lied: g.lied.Load(), Slowed: g.slowed.Load(), Hung: g.hung.Load(),
	}
}
