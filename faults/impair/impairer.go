package impair

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/hadrill/hadrill/faults/internal/namespace"
)

var errClosed = errors.New("impairer is closed")

// Options of an Impairer; the zero value is fine.
type Options struct {
	// Name is appended to TablePrefix; a namespace can have one Impairer of a name.
	Name string
	// Seed fixes the fates that are drawn; 0 takes a random one.
	Seed uint64
	// Queue is the first queue number tried; others that are taken are skipped.
	Queue uint16
}

// Impairer impairs links into one network namespace. It is safe for
// concurrent use. Close it: the impairment ends with it.
type Impairer struct {
	ns    *os.File
	rules *rules
	loop  *loop
	seed  uint64
	next  uint16

	mu     sync.Mutex // serialises changes
	links  []*link
	closed bool

	ended  chan struct{} // loop and lease keeper are gone
	failed error         // why the loop ended; read after ended
	quit   chan struct{}
	lapses atomic.Uint64
	renews atomic.Int64 // nanoseconds since the loop's epoch of the last renewal
}

// Open prepares a network namespace, given by a path like /proc/123/ns/net. It
// needs NET_ADMIN, NET_RAW and SYS_ADMIN, and changes no packet yet.
func Open(netns string, o Options) (*Impairer, error) {
	ns, err := os.Open(netns)
	if err != nil {
		return nil, fmt.Errorf("open network namespace %s: %w", netns, err)
	}
	i := &Impairer{ns: ns, seed: o.Seed, next: o.Queue, ended: make(chan struct{}), quit: make(chan struct{})}
	if i.seed == 0 {
		i.seed = rand.Uint64()
	}
	if i.next == 0 {
		i.next = 24400 // away from the low numbers people write in their own rules
	}
	l := &loop{epoch: time.Now()}
	l.links.Store(&map[uint16]*link{})
	err = namespace.Do(ns, func() (err error) {
		if l.socket, err = openSocket(); err != nil {
			return err
		}
		if l.copies, err = openCopies(); err != nil {
			return errors.Join(err, l.socket.close())
		}
		return nil
	})
	if err != nil {
		return nil, errors.Join(err, ns.Close())
	}
	if l.wake, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		l.copies.close()
		return nil, errors.Join(fmt.Errorf("open wake-up descriptor: %w", err), l.socket.close(), ns.Close())
	}
	name := TablePrefix
	if o.Name != "" {
		name += "_" + o.Name
	}
	if i.rules, err = openRules(ns, name); err != nil {
		l.copies.close()
		return nil, errors.Join(err, unix.Close(l.wake), l.socket.close(), ns.Close())
	}
	i.loop = l
	var both sync.WaitGroup
	both.Go(func() { i.failed = l.run() })
	both.Go(i.keepLease)
	go func() { both.Wait(); close(i.ended) }()
	return i, nil
}

// keepLease renews the rules' lease as long as the loop turns. A loop that
// stands still for a second loses its lease, and packets pass.
func (i *Impairer) keepLease() {
	t := time.NewTicker(LeaseTime / 8)
	defer t.Stop()
	i.renews.Store(i.loop.now())
	for {
		select {
		case <-i.quit:
			return
		case <-t.C:
		}
		now := i.loop.now()
		if now-i.loop.beat.Load() > int64(LeaseTime/2) {
			continue
		}
		if i.rules.renew() == nil {
			if now-i.renews.Swap(now) > int64(LeaseTime) {
				i.lapses.Add(1)
			}
		}
	}
}

// Change is what a Set or Clear did and when, by the kernel's monotonic
// clock's reading in time.Now: not before Before, and surely at After.
type Change struct {
	Before, After time.Time
}

// Set impairs a link from now on, or changes its impairment. Packets already
// held keep their due time. When it returns, the rule is in force; a change of
// an existing link costs no rule at all.
func (i *Impairer) Set(ctx context.Context, id Link, im Impairment) (Change, error) {
	return i.SetAll(ctx, map[Link]Impairment{id: im})
}

// SetAll is Set for several links, whose rules come into force at one moment.
// With an error no link that is new is impaired.
func (i *Impairer) SetAll(ctx context.Context, want map[Link]Impairment) (Change, error) {
	for id, im := range want {
		if err := errors.Join(id.Validate(), im.Validate()); err != nil {
			return Change{}, err
		}
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if err := i.alive(); err != nil {
		return Change{}, fmt.Errorf("impair links: %w", err)
	}
	c := Change{Before: time.Now()}
	var fresh []*link
	for id, im := range want {
		if k := i.find(id); k != nil {
			if err := i.change(ctx, k, &im); err != nil {
				return Change{}, errors.Join(fmt.Errorf("impair link %s with %s: %w", id, im, err), i.drop(ctx, fresh))
			}
			continue
		}
		k, err := i.prepare(ctx, id, &im, len(i.links)+len(fresh))
		if err != nil {
			return Change{}, errors.Join(fmt.Errorf("impair link %s with %s: %w", id, im, err), i.drop(ctx, fresh))
		}
		fresh = append(fresh, k)
	}
	if len(fresh) > 0 {
		before := i.links
		i.publish(append(slices.Clone(before), fresh...))
		if len(fresh) == len(want) {
			c.Before = time.Now() // nothing is impaired before the rules
		}
		if err := i.rules.set(i.links); err != nil {
			i.publish(before)
			return Change{}, errors.Join(fmt.Errorf("impair links: %w", err), i.drop(ctx, fresh))
		}
	}
	c.After = time.Now()
	return c, nil
}

func (i *Impairer) find(id Link) *link {
	if at := slices.IndexFunc(i.links, func(k *link) bool { return k.id == id }); at >= 0 {
		return i.links[at]
	}
	return nil
}

// change asks the kernel for what the new impairment needs before it is drawn.
func (i *Impairer) change(ctx context.Context, k *link, im *Impairment) error {
	if old := k.now.Load(); old.payload() != im.payload() || old.perPacket() != im.perPacket() {
		if err := i.loop.socket.request(ctx, func(seq uint32) []byte { return configMode(seq, k.queue, im) }); err != nil {
			return fmt.Errorf("configure packet queue %d: %w", k.queue, err)
		}
	}
	k.now.Store(im)
	return nil
}

// prepare makes a link with its queue, which gets no packet before its rule.
func (i *Impairer) prepare(ctx context.Context, id Link, im *Impairment, number int) (*link, error) {
	k := &link{id: id, dice: newDice(i.seed, uint64(number))}
	k.now.Store(im)
	if err := i.bind(ctx, k); err != nil {
		return nil, err
	}
	err := i.loop.socket.request(ctx, func(seq uint32) []byte { return configMode(seq, k.queue, im) })
	if err != nil {
		return nil, errors.Join(fmt.Errorf("configure packet queue %d: %w", k.queue, err), i.drop(ctx, []*link{k}))
	}
	return k, nil
}

// drop gives the queues of links without rules back.
func (i *Impairer) drop(ctx context.Context, links []*link) error {
	var err error
	for _, k := range links {
		err = errors.Join(err, i.unbind(context.WithoutCancel(ctx), k))
	}
	return err
}

// bind takes the next free queue number of the namespace.
func (i *Impairer) bind(ctx context.Context, k *link) error {
	for range 256 {
		k.queue = i.next
		i.next++
		err := i.loop.socket.request(ctx, func(seq uint32) []byte { return configCommand(seq, k.queue, cmdBind) })
		// A taken number answers EBUSY, or EPERM where another process has it.
		if err == nil || !errors.Is(err, unix.EBUSY) && !errors.Is(err, unix.EPERM) {
			if err != nil {
				err = fmt.Errorf("bind packet queue %d (needs CONFIG_NETFILTER_NETLINK_QUEUE): %w", k.queue, err)
			}
			return err
		}
	}
	return fmt.Errorf("no free packet queue below %d", i.next)
}

func (i *Impairer) unbind(ctx context.Context, k *link) error {
	return i.loop.socket.request(ctx, func(seq uint32) []byte { return configCommand(seq, k.queue, cmdUnbind) })
}

// publish makes the links known to the loop; it copies, the loop never locks.
func (i *Impairer) publish(links []*link) {
	m := make(map[uint16]*link, len(links))
	for _, k := range links {
		m[k.queue] = k
	}
	i.links = links
	i.loop.links.Store(&m)
}

// Clear heals a link: its rule goes, then what it holds is let through at
// once, then its queue goes. A link that is not impaired is fine.
func (i *Impairer) Clear(ctx context.Context, id Link) (Change, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	c := Change{Before: time.Now()}
	k := i.find(id)
	if k == nil || i.closed {
		c.After = time.Now()
		return c, nil
	}
	rest := slices.DeleteFunc(slices.Clone(i.links), func(o *link) bool { return o == k })
	if err := i.rules.set(rest); err != nil {
		return Change{}, fmt.Errorf("heal link %s: %w", id, err)
	}
	// From here on nothing new arrives; a packet that was between rule and
	// queue is accepted, because the loop still serves the queue.
	k.now.Store(&Impairment{})
	for range 2 { // twice: the second sees what was on its way into the socket
		if err := i.letGo(ctx, k); err != nil {
			return Change{}, fmt.Errorf("heal link %s: %w", id, err)
		}
	}
	i.publish(rest)
	if err := i.unbind(ctx, k); err != nil {
		return Change{}, fmt.Errorf("heal link %s: unbind packet queue %d: %w", id, k.queue, err)
	}
	c.After = time.Now()
	return c, nil
}

func (i *Impairer) letGo(ctx context.Context, k *link) error {
	f := &flushRequest{link: k, done: make(chan struct{})}
	i.loop.flush.Store(f)
	i.loop.nudge()
	select {
	case <-f.done:
		return nil
	case <-i.ended:
		return fmt.Errorf("let held packets go: verdict loop ended: %w", errors.Join(i.failed, errClosed))
	case <-ctx.Done():
		return fmt.Errorf("let held packets go: %w", ctx.Err())
	}
}

// alive returns why the impairer no longer works, if it does not.
func (i *Impairer) alive() error {
	if i.closed {
		return errClosed
	}
	select {
	case <-i.ended:
		return fmt.Errorf("verdict loop ended: %w", errors.Join(i.failed, errClosed))
	default:
		return nil
	}
}

// Status is the state of one impaired link.
type Status struct {
	Link       Link
	Impairment Impairment
	Counts     Counts
	Queue      uint16
	// KernelDropped counts packets the kernel dropped because this tool was too
	// slow; any makes the impairment's accuracy void.
	KernelDropped uint64
}

// Status lists the impaired links with their counters.
func (i *Impairer) Status() ([]Status, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if err := i.alive(); err != nil {
		return nil, err
	}
	queues, err := readQueues(i.ns)
	if err != nil {
		return nil, err
	}
	var all []Status
	for _, k := range i.links {
		q, ok := queues[k.queue]
		if !ok {
			return nil, fmt.Errorf("link %s: its packet queue %d is gone", k.id, k.queue)
		}
		all = append(all, Status{Link: k.id, Impairment: *k.now.Load(), Counts: k.counts.read(), Queue: k.queue, KernelDropped: q.dropped})
	}
	return all, nil
}

// Lapses is how often the tool was kept from renewing its lease for so long
// that packets may have passed unimpaired.
func (i *Impairer) Lapses() uint64 { return i.lapses.Load() }

// Close heals all links and ends the loop. Closing twice is fine.
func (i *Impairer) Close() error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.closed {
		return nil
	}
	i.closed = true
	close(i.quit)
	// The kernel drops every queued packet of a namespace when any base chain
	// in it goes: so first the rules, then the packets, then the table.
	err := i.rules.set(nil)
	for _, k := range i.links {
		k.now.Store(&Impairment{})
	}
	for range 2 {
		// A loop that ended early has said why in failed; nothing is held then.
		_ = i.letGo(context.Background(), nil)
	}
	if gone := i.rules.close(); gone != nil {
		err = errors.Join(err, fmt.Errorf("delete nftables table %s: %w", i.rules.table.Name, gone))
	}
	i.loop.stop.Store(true)
	i.loop.nudge()
	<-i.ended
	i.publish(nil)
	i.loop.copies.close()
	return errors.Join(err, i.failed, i.loop.socket.close(), unix.Close(i.loop.wake), i.ns.Close())
}
