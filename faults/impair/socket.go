package impair

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	maxHeld    = 65535 // packets the kernel holds for one queue
	batchSize  = 64    // datagrams read in one call
	bufferSize = 1 << 17
	sendSize   = 1 << 15 // bytes of verdicts in one send
)

// socket is one netlink socket that serves all queues of a namespace.
type socket struct {
	fd int

	mu      sync.Mutex
	seq     uint32
	waiting map[uint32]chan error // requests whose acknowledgement is due
	closed  bool

	headers [batchSize]multiHeader
	vectors [batchSize]unix.Iovec
	buffers [batchSize][]byte
}

// multiHeader is struct mmsghdr of recvmmsg(2).
type multiHeader struct {
	header unix.Msghdr
	length uint32
	_      uint32
}

// openSocket must be called inside the namespace.
func openSocket() (*socket, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_NETFILTER)
	if err != nil {
		return nil, fmt.Errorf("open packet queue socket: %w", err)
	}
	s := &socket{fd: fd, waiting: map[uint32]chan error{}}
	err = unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK})
	if err == nil {
		// A full receive buffer is counted by the kernel and must not fail the
		// next read.
		err = unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_NO_ENOBUFS, 1)
	}
	if err == nil && unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 64<<20) != nil {
		err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 8<<20)
	}
	if err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("set up packet queue socket: %w", err)
	}
	for i := range s.buffers {
		s.buffers[i] = make([]byte, bufferSize)
		s.vectors[i].Base = &s.buffers[i][0]
		s.vectors[i].SetLen(bufferSize)
		s.headers[i].header.Iov = &s.vectors[i]
		s.headers[i].header.SetIovlen(1)
	}
	return s, nil
}

// receive reads what is there, up to batchSize datagrams, without waiting.
func (s *socket) receive() (int, error) {
	for {
		n, _, errno := unix.RawSyscall6(unix.SYS_RECVMMSG, uintptr(s.fd), uintptr(unsafe.Pointer(&s.headers[0])), batchSize, unix.MSG_DONTWAIT, 0, 0)
		switch errno {
		case 0:
			return int(n), nil
		case unix.EINTR:
		case unix.EAGAIN, unix.ENOBUFS:
			return 0, nil
		default:
			return 0, fmt.Errorf("receive from packet queue: %w", errno)
		}
	}
}

func (s *socket) datagram(i int) []byte { return s.buffers[i][:s.headers[i].length] }

func (s *socket) send(b []byte) error {
	// Each call its own address: the library writes into it.
	kernel := &unix.SockaddrNetlink{Family: unix.AF_NETLINK}
	for {
		err := unix.Sendto(s.fd, b, 0, kernel)
		if !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// request sends a numbered message and waits until the loop has read its
// acknowledgement.
func (s *socket) request(ctx context.Context, build func(seq uint32) []byte) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	done := make(chan error, 1)
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return errClosed
	}
	s.seq++
	seq := s.seq
	s.waiting[seq] = done
	err := s.send(build(seq))
	s.mu.Unlock()
	if err == nil {
		select {
		case err = <-done:
			return err
		case <-ctx.Done():
			err = fmt.Errorf("wait for the kernel's acknowledgement: %w", ctx.Err())
		}
	}
	s.mu.Lock()
	delete(s.waiting, seq)
	s.mu.Unlock()
	return err
}

func (s *socket) acknowledge(r reply) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if done, ok := s.waiting[r.seq]; ok {
		delete(s.waiting, r.seq)
		done <- r.err
	}
}

// close ends all waiting requests. The kernel drops what is still held.
func (s *socket) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	for seq, done := range s.waiting {
		delete(s.waiting, seq)
		done <- errClosed
	}
	return unix.Close(s.fd)
}
