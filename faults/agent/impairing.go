package agent

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"sync"

	"github.com/hadrill/hadrill/faults/impair"
	"github.com/hadrill/hadrill/faults/netem"
)

// The two mechanisms that impair a link.
const (
	byNetem = "netem"
	byQueue = "queue"
)

// impairing is what is done to the links into one life's network namespace.
// Several damages may concern one link: they add up, and each is taken away
// alone.
type impairing struct {
	ns *os.File

	mu     sync.Mutex
	queue  *impair.Impairer                             // opened at the first link that needs it
	wanted map[string]map[impair.Link]impair.Impairment // by damage
	method map[impair.Link]string
}

// impairing returns the life's own, made at the first call and closed with the
// life.
func (l *Life) impairing() (*impairing, error) {
	made, err := l.attach("impairing", func() (attachment, error) {
		ns, err := l.Netns()
		if err != nil {
			return nil, err
		}
		return &impairing{ns: ns, wanted: map[string]map[impair.Link]impair.Impairment{}, method: map[impair.Link]string{}}, nil
	})
	if err != nil {
		return nil, err
	}
	return made.(*impairing), nil
}

func (i *impairing) path() string { return fmt.Sprintf("/proc/self/fd/%d", i.ns.Fd()) }

// set puts one damage's links in force; an error means that nothing changed.
func (i *impairing) set(ctx context.Context, damage, method string, links []impair.Link, im impair.Impairment) (impair.Change, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	want := map[impair.Link]impair.Impairment{}
	for _, l := range links {
		want[l] = im
	}
	before := i.wanted[damage]
	i.wanted[damage] = want
	c, err := i.bring(ctx, links, method)
	if err != nil {
		i.wanted[damage] = before
		if before == nil {
			delete(i.wanted, damage)
		}
		_, undo := i.bring(context.WithoutCancel(ctx), links, method)
		err = errors.Join(err, undo)
	}
	return c, errors.Join(err, i.tidy())
}

// unset takes one damage's links away. What another process left behind by
// netem is taken away as well.
func (i *impairing) unset(ctx context.Context, damage string, links []impair.Link) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	delete(i.wanted, damage)
	_, err := i.bring(ctx, links, byNetem)
	return errors.Join(err, i.tidy())
}

// tidy closes the packet queue when no link needs it. The lock must be held.
func (i *impairing) tidy() error {
	for _, method := range i.method {
		if method == byQueue {
			return nil
		}
	}
	if i.queue == nil {
		return nil
	}
	err := i.queue.Close()
	i.queue = nil
	return err
}

// bring makes links as all damages together want them, those of the packet
// queue at one moment. The lock must be held.
func (i *impairing) bring(ctx context.Context, links []impair.Link, method string) (c impair.Change, err error) {
	grow := func(with impair.Change) {
		if c.Before.IsZero() || with.Before.Before(c.Before) {
			c.Before = with.Before
		}
		if with.After.After(c.After) {
			c.After = with.After
		}
	}
	queued := map[impair.Link]impair.Impairment{}
	for _, l := range links {
		whole, wanted, err := i.whole(l)
		if err != nil {
			return c, err
		}
		by := method
		if now, known := i.method[l]; known {
			by = now // a link in force stays with its mechanism
		}
		var step impair.Change
		switch {
		case wanted && by == byQueue:
			queued[l] = whole
			continue
		case wanted:
			step, err = netem.Set(ctx, i.path(), l, whole)
		case by == byQueue && i.queue != nil:
			step, err = i.queue.Clear(ctx, l)
		case by == byNetem:
			step, err = netem.Clear(ctx, i.path(), l)
		default:
			continue
		}
		if err != nil {
			return c, err
		}
		grow(step)
		if i.method[l] = by; !wanted {
			delete(i.method, l)
		}
	}
	if len(queued) == 0 {
		return c, nil
	}
	if i.queue == nil {
		if i.queue, err = impair.Open(i.path(), impair.Options{}); err != nil {
			return c, err
		}
	}
	step, err := i.queue.SetAll(ctx, queued)
	if err != nil {
		return c, err
	}
	grow(step)
	for l := range queued {
		i.method[l] = byQueue
	}
	return c, nil
}

// whole is what all damages together want of a link.
func (i *impairing) whole(l impair.Link) (whole impair.Impairment, wanted bool, err error) {
	for _, damage := range slices.Sorted(maps.Keys(i.wanted)) {
		if im, ok := i.wanted[damage][l]; ok {
			wanted = true
			if whole, err = impair.Combine(whole, im); err != nil {
				return whole, wanted, err
			}
		}
	}
	return whole, wanted, nil
}

// seen returns how many packets of each link passed through the mechanism, and
// a text about its accuracy. An error says that a link is not in force, or that
// the mechanism was too slow to be trusted.
func (i *impairing) seen(links []impair.Link) (map[impair.Link]uint64, string, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	counts := map[impair.Link]uint64{}
	var queued map[impair.Link]impair.Status
	if i.queue != nil {
		all, err := i.queue.Status()
		if err != nil {
			return nil, "", err
		}
		if n := i.queue.Lapses(); n > 0 {
			return nil, "", fmt.Errorf("the packet queue was kept from its lease %d times: packets may have passed unimpaired", n)
		}
		queued = map[impair.Link]impair.Status{}
		for _, s := range all {
			queued[s.Link] = s
		}
	}
	text := ""
	for _, l := range links {
		switch i.method[l] {
		case byNetem:
			s, err := netem.Status(i.path(), l)
			if err != nil {
				return nil, "", err
			}
			counts[l] = s.Passed + s.Held + s.Dropped
			text = "netem"
		case byQueue:
			s, ok := queued[l]
			if !ok {
				return nil, "", fmt.Errorf("link %s has no packet queue", l)
			}
			if s.KernelDropped > 0 {
				return nil, "", fmt.Errorf("link %s: the kernel dropped %d packets because the queue was not served in time", l, s.KernelDropped)
			}
			counts[l] = s.Counts.Seen
			text = fmt.Sprintf("packet queue, late by %.2f ms (p50) %.2f ms (p99)", float64(s.Counts.LateMedian)/1e6, float64(s.Counts.LateP99)/1e6)
		default:
			return nil, "", fmt.Errorf("link %s is not impaired", l)
		}
	}
	return counts, text, nil
}

func (i *impairing) close() {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.queue != nil {
		// The namespace is ending or the agent is: what cannot be undone here
		// the kernel ends with our sockets.
		_ = i.queue.Close()
		i.queue = nil
	}
	_ = i.ns.Close()
}
