package memcached

import (
	"cmp"
	"crypto/md5"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"net"
	"slices"
	"sync"
	"time"
)

// errAllOut is the answer when every server is left out.
var errAllOut = errors.New("no server is left: all are left out after failures")

// selector deals keys out to the servers that a client has not left out. It is
// the client's memcache.ServerSelector. Safe for concurrent use.
type selector struct {
	hashing    Hashing
	ejectAfter int
	retryAfter time.Duration
	now        func() time.Time

	mu      sync.Mutex
	servers []server
	ring    []point
}

type server struct {
	addr     tcp
	failures int       // in a row
	until    time.Time // left out until then
}

// tcp is a server's address as text: no name is ever looked up.
type tcp string

func (tcp) Network() string  { return "tcp" }
func (t tcp) String() string { return string(t) }

// point is a place on the ring and the server it belongs to.
type point struct {
	at     uint32
	server int
}

// ketamaPoints is libketama's number of hashes a server; each gives 4 points.
const ketamaPoints = 40

// place is a server as its clients are told of it.
type place struct{ name, addr string }

// newSelector lays the servers out on the ring by name, as twemproxy does with
// servers that have names: a server that moves to another address keeps its
// keys, and every run deals the keys out alike.
func newSelector(p Pool, servers []place) *selector {
	s := &selector{hashing: p.Hashing, ejectAfter: p.EjectAfter, retryAfter: p.RetryAfter, now: time.Now}
	for i, member := range servers {
		s.servers = append(s.servers, server{addr: tcp(member.addr)})
		for k := range ketamaPoints {
			sum := md5.Sum(fmt.Appendf(nil, "%s-%d", member.name, k))
			for part := 0; part < md5.Size; part += 4 {
				s.ring = append(s.ring, point{binary.LittleEndian.Uint32(sum[part:]), i})
			}
		}
	}
	slices.SortFunc(s.ring, func(a, b point) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.server, b.server)) })
	return s
}

// in tells whether server i is not left out now; mu is held.
func (s *selector) in(i int) bool { return !s.now().Before(s.servers[i].until) }

// pick returns the server of a key.
func (s *selector) pick(key string) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.hashing == Modulo {
		var alive []int
		for i := range s.servers {
			if s.in(i) {
				alive = append(alive, i)
			}
		}
		if len(alive) == 0 {
			return 0, errAllOut
		}
		return alive[crc32.ChecksumIEEE([]byte(key))%uint32(len(alive))], nil
	}
	sum := md5.Sum([]byte(key))
	at := binary.LittleEndian.Uint32(sum[:])
	from, _ := slices.BinarySearchFunc(s.ring, at, func(p point, at uint32) int { return cmp.Compare(p.at, at) })
	for i := range s.ring {
		if p := s.ring[(from+i)%len(s.ring)]; s.in(p.server) {
			return p.server, nil
		}
	}
	return 0, errAllOut
}

// PickServer implements memcache.ServerSelector.
func (s *selector) PickServer(key string) (net.Addr, error) {
	i, err := s.pick(key)
	if err != nil {
		return nil, err
	}
	return s.servers[i].addr, nil
}

// Each implements memcache.ServerSelector, over all servers.
func (s *selector) Each(f func(net.Addr) error) error {
	for _, server := range s.servers {
		if err := f(server.addr); err != nil {
			return err
		}
	}
	return nil
}

// failed notes a failure of server i and reports whether it is left out now.
func (s *selector) failed(i int) (out bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ejectAfter <= 0 {
		return false
	}
	server := &s.servers[i]
	server.failures++
	if server.failures < s.ejectAfter {
		return false
	}
	// One more chance when the time has passed, not another EjectAfter.
	server.failures = s.ejectAfter - 1
	server.until = s.now().Add(s.retryAfter)
	return true
}

// answered notes that server i is well.
func (s *selector) answered(i int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.servers[i].failures = 0
}
