package agent

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/hadrill/hadrill/faults/clock"
)

// ice is the freezer of one life of a node, shared by everybody who freezes it:
// the node is frozen as long as anybody holds it. A pause that begins while a
// clock is being patched is not undone by the patch's end, and two pauses end
// with the later one.
type ice struct {
	freezer

	mu      sync.Mutex
	holders map[string]bool
}

// iceOf returns the life's ice.
func (l *Life) iceOf() (*ice, error) {
	made, err := l.attach("ice", func() (attachment, error) {
		f, err := freezerOf(l)
		return &ice{freezer: f, holders: map[string]bool{}}, err
	})
	if err != nil {
		return nil, err
	}
	return made.(*ice), nil
}

// iceOfNode returns the ice of the node's present life.
func iceOfNode(n *Node) (*ice, error) {
	l, err := n.Life()
	if err != nil {
		return nil, err
	}
	return l.iceOf()
}

// hold orders the freeze for somebody; it does not wait for it. With an error
// nothing has changed.
func (i *ice) hold(who string) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if err := i.set(true); err != nil {
		if len(i.holders) == 0 {
			err = errors.Join(err, i.set(false))
		}
		return err
	}
	i.holders[who] = true
	return nil
}

// release ends somebody's hold and orders the thaw if nobody else has one. A
// hold that is not there, such as one of an agent that died, is fine.
func (i *ice) release(who string) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	delete(i.holders, who)
	if len(i.holders) > 0 {
		return nil
	}
	return i.set(false)
}

// melt ends every hold: the node is going to die.
func (i *ice) melt() error {
	i.mu.Lock()
	defer i.mu.Unlock()
	clear(i.holders)
	return i.set(false)
}

// held tells whether anybody holds it.
func (i *ice) held() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return len(i.holders) > 0
}

// frozen waits until every process is frozen, like await. A version 1 freezer
// can stay "FREEZING" for ever when a process was made or moved while it froze;
// asking again, and thawing for a moment in between, gets it going (as container
// runtimes do).
func (i *ice) frozen(ctx context.Context) (last, first int64, err error) {
	for attempt := 1; ; attempt++ {
		trying, cancel := context.WithTimeout(ctx, insistStep)
		last, first, err = i.await(trying, true)
		cancel()
		if err == nil || ctx.Err() != nil {
			return last, first, err
		}
		if err := i.again(attempt%2 == 0); err != nil {
			return 0, 0, err
		}
	}
}

const insistStep = 100 * time.Millisecond

// again orders the freeze once more, if anybody still holds it.
func (i *ice) again(thaw bool) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if len(i.holders) == 0 {
		return errors.New("nobody freezes the node any more")
	}
	if thaw {
		if err := i.set(false); err != nil {
			return err
		}
	}
	return i.set(true)
}

// thawed waits until the node runs, or until it is known that somebody else
// keeps it frozen, and says which.
func (i *ice) thawed(ctx context.Context) (first int64, detail string, err error) {
	if i.held() {
		return monotonic(), "still frozen, by another fault", nil
	}
	_, first, err = i.await(ctx, false)
	if err != nil && i.held() { // frozen anew meanwhile
		return monotonic(), "still frozen, by another fault", nil
	}
	return first, "THAWED", err
}

func (i *ice) close() {}

// clocks is the life's processes for package clock, frozen by way of the ice.
type clocks struct {
	clock.Cgroup
	ice *ice
}

var _ clock.Group = clocks{}

const (
	patching   = "the patch of a clock"
	patchLimit = 5 * time.Second // freezing takes less than a millisecond, unless a process is stuck in the kernel
)

// Freeze implements clock.Group.
func (c clocks) Freeze(ctx context.Context) (func() error, error) {
	if err := c.ice.hold(patching); err != nil {
		return nil, fmt.Errorf("freeze for the patch of a clock: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, patchLimit)
	defer cancel()
	thaw := func() error { return c.ice.release(patching) }
	if _, _, err := c.ice.frozen(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("freeze for the patch of a clock: %w", err), thaw())
	}
	return thaw, nil
}
