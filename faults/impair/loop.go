package impair

import (
	"bytes"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// loop is the one thread that gives all verdicts of a namespace.
//
//	┌─▶ release what is due ─▶ send verdicts ─▶ read a batch ─┐ nothing read
//	│                                              │read       ▼
//	└──────────────────────────────────────────────┴── ppoll(queue, wake, next due)
type loop struct {
	socket *socket
	copies *copies
	wake   int // eventfd
	epoch  time.Time

	links atomic.Pointer[map[uint16]*link] // by queue; replaced, never changed
	beat  atomic.Int64                     // nanoseconds since epoch of the last turn
	stop  atomic.Bool
	flush atomic.Pointer[flushRequest]

	heap  heap
	seq   uint64
	batch []byte
}

// flushRequest asks the loop to let go of all packets a link holds.
type flushRequest struct {
	link *link // nil: all
	done chan struct{}
}

const idle = 200 * time.Millisecond

func (l *loop) now() int64 { return int64(time.Since(l.epoch)) }

// run serves until stop is set or the socket fails. On its way out it lets go
// of everything it holds.
func (l *loop) run() error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	// Sleep to the nanosecond instead of the default 50 microseconds of slack,
	// and give the thread its slack back for its next user.
	_ = unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0)
	defer func() { _ = unix.Prctl(unix.PR_SET_TIMERSLACK, 0, 0, 0, 0) }()

	for {
		now := l.now()
		l.beat.Store(now)
		for len(l.heap) > 0 && l.heap[0].due <= now {
			l.release(l.heap.pop(), now)
		}
		if l.stop.Load() {
			l.releaseAll(nil)
			return l.sendBatch()
		}
		if f := l.flush.Swap(nil); f != nil {
			l.releaseAll(f.link)
			err := l.sendBatch()
			close(f.done)
			if err != nil {
				return err
			}
		}
		if err := l.sendBatch(); err != nil {
			return err
		}
		n, err := l.socket.receive()
		if err != nil {
			return err
		}
		if n > 0 {
			now = l.now()
			for i := range n {
				if err := parse(l.socket.datagram(i), func(p packet) { l.arrive(p, now) }, l.socket.acknowledge); err != nil {
					return err
				}
			}
			continue
		}
		if err := l.sleep(); err != nil {
			return err
		}
	}
}

// arrive draws a packet's fate and gives its verdict or keeps it.
func (l *loop) arrive(p packet, now int64) {
	k := (*l.links.Load())[p.queue]
	if k == nil {
		l.verdict(p.queue, p.id, verdictAccept, nil)
		return
	}
	k.counts.seen.Add(1)
	im := k.now.Load()
	f := k.dice.roll(im)
	if f.drop {
		k.counts.lost.Add(1)
		l.verdict(p.queue, p.id, verdictDrop, nil)
		return
	}
	h := held{link: k, id: p.id, due: now + int64(f.delay)}
	if f.duplicate && len(p.payload) > 0 {
		h.copies = bytes.Clone(p.payload)
	}
	if f.corrupt && len(p.payload) > 0 {
		mangled := bytes.Clone(p.payload)
		if flip(mangled, k.dice.rng.IntN) {
			h.payload = mangled
			k.counts.corrupted.Add(1)
		}
	}
	if f.reorder {
		k.counts.reordered.Add(1)
	}
	if im.InOrder {
		h.due = max(h.due, k.last)
		k.last = h.due
	}
	if h.due <= now {
		l.release(h, now)
		return
	}
	k.counts.delayed.Add(1)
	l.seq++
	h.seq = l.seq
	l.heap.push(h)
}

// release lets a packet go, and its copy behind it.
func (l *loop) release(h held, now int64) {
	l.verdict(h.link.queue, h.id, verdictAccept, h.payload)
	c := &h.link.counts
	c.released.Add(1)
	if now < h.due {
		return // flushed ahead of time
	}
	c.late.add(now - h.due)
	if h.copies != nil {
		_ = l.sendBatch() // the original first; its error shows in the next send
		if l.copies.deliver(h.copies) {
			c.duplicated.Add(1)
		}
	}
}

// releaseAll lets go of all packets of a link, nil for all links, in order.
func (l *loop) releaseAll(k *link) {
	var keep heap
	for len(l.heap) > 0 {
		if h := l.heap.pop(); k == nil || h.link == k {
			l.release(h, 0)
		} else {
			keep.push(h)
		}
	}
	l.heap = keep
}

func (l *loop) verdict(queue uint16, id, verdict uint32, payload []byte) {
	l.batch = appendVerdict(l.batch, queue, id, verdict, payload)
	if len(l.batch) >= sendSize {
		_ = l.sendBatch()
	}
}

func (l *loop) sendBatch() error {
	if len(l.batch) == 0 {
		return nil
	}
	err := l.socket.send(l.batch)
	l.batch = l.batch[:0]
	// ENOBUFS and EAGAIN concern the kernel's answers, which are not asked for.
	if err != nil && !errors.Is(err, unix.ENOBUFS) && !errors.Is(err, unix.EAGAIN) {
		return fmt.Errorf("send verdicts: %w", err)
	}
	return nil
}

// sleep waits for a packet, a wake-up or the next due packet.
func (l *loop) sleep() error {
	wait := int64(idle)
	if len(l.heap) > 0 {
		wait = min(wait, max(0, l.heap[0].due-l.now()))
	}
	fds := [2]unix.PollFd{{Fd: int32(l.socket.fd), Events: unix.POLLIN}, {Fd: int32(l.wake), Events: unix.POLLIN}}
	ts := unix.NsecToTimespec(wait)
	_, _, errno := unix.Syscall6(unix.SYS_PPOLL, uintptr(unsafe.Pointer(&fds)), 2, uintptr(unsafe.Pointer(&ts)), 0, 0, 0)
	if errno != 0 && errno != unix.EINTR {
		return fmt.Errorf("wait for packets: %w", errno)
	}
	if fds[1].Revents != 0 {
		var b [8]byte
		_, _ = unix.Read(l.wake, b[:])
	}
	return nil
}

// nudge ends the loop's sleep.
func (l *loop) nudge() {
	_, _ = unix.Write(l.wake, []byte{1, 0, 0, 0, 0, 0, 0, 0})
}
