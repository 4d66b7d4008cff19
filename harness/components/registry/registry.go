// Package registry is how instances of a service make themselves known in
// etcd, and how others learn who is there.
//
//	instance ──▶ lease (seconds) ──▶ key PREFIX/SERVICE/ID = {"id","addr"}
//	    │ renews three times in it          │
//	    ╳ dies: the lease runs out,         │ watch, and a full read every second
//	      etcd removes the key              ▼
//	                                   reader: the list, or the last one known
//
// The lease is the only failure detector in it, and a slow one: a dead instance
// stays listed for up to its lease, a frozen one too. Who sends requests needs
// health checks of its own beside it.
//
// # When etcd is away
//
// An instance goes on serving and goes on trying; once etcd is back it renews
// its lease, or takes a new one when the old has run out. A reader keeps the
// last list. An outage of the registry must never become an outage of what is
// registered.
//
// # One member at a time
//
// The library is given one member and moved to the next when that one fails.
// Given all of them, it deals requests round, and every third would be lost in
// a frozen member for as long as the freeze, because a frozen member's
// connection looks well.
package registry

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"
)

const (
	// DefaultPrefix is where services stand when nothing else is said.
	DefaultPrefix = "services"
	// DefaultLease is the life of a registration that is not renewed.
	DefaultLease = 2 * time.Second
)

// Config says where the registry is.
type Config struct {
	Endpoints []string      // etcd members, "IP:port"
	Prefix    string        // default DefaultPrefix
	Lease     time.Duration // of a registration, whole seconds; default DefaultLease
	// Say is told, in one line, of every change between reachable and not; nil: nobody is.
	Say func(line string)
}

// Instance is one registered process of a service.
type Instance struct {
	ID   string `json:"id"`   // unique within the service, such as the node's name
	Addr string `json:"addr"` // "IP:port" where it serves
}

// ParseEndpoints reads "IP:port,IP:port".
func ParseEndpoints(text string) ([]string, error) {
	var all []string
	for _, word := range strings.Split(text, ",") {
		if _, err := netip.ParseAddrPort(word); err != nil {
			return nil, fmt.Errorf("%q: want IP:port,IP:port", text)
		}
		all = append(all, word)
	}
	return all, nil
}

// LocalAddr is this machine's address as the first registry member would see
// it, with the given port. Nothing is sent for it.
func LocalAddr(endpoints []string, port int) (string, error) {
	if len(endpoints) == 0 {
		return "", errors.New("registry: own address: no endpoint to look from")
	}
	conn, err := net.Dial("udp4", endpoints[0])
	if err != nil {
		return "", fmt.Errorf("registry: own address: %w", err)
	}
	defer conn.Close()
	own, ok := conn.LocalAddr().(*net.UDPAddr)
	if !ok {
		return "", fmt.Errorf("registry: own address: %v is none", conn.LocalAddr())
	}
	return netip.AddrPortFrom(own.AddrPort().Addr(), uint16(port)).String(), nil
}

func (c Config) filled() Config {
	if c.Prefix == "" {
		c.Prefix = DefaultPrefix
	}
	c.Prefix = strings.Trim(c.Prefix, "/")
	if c.Lease == 0 {
		c.Lease = DefaultLease
	}
	if c.Say == nil {
		c.Say = func(string) {}
	}
	return c
}

func (c Config) check() error {
	var errs []error
	if len(c.Endpoints) == 0 {
		errs = append(errs, errors.New("registry: endpoints: want at least one"))
	}
	if c.Lease < time.Second || c.Lease%time.Second != 0 {
		errs = append(errs, fmt.Errorf("registry: lease %s: want whole seconds", c.Lease))
	}
	return errors.Join(errs...)
}

// key of an instance; of all of a service with an empty id.
func (c Config) key(service, id string) string { return c.Prefix + "/" + service + "/" + id }

func (i Instance) check() error {
	if i.ID == "" || strings.Contains(i.ID, "/") {
		return fmt.Errorf("instance id %q: want a name without '/'", i.ID)
	}
	if _, err := netip.ParseAddrPort(i.Addr); err != nil {
		return fmt.Errorf("instance %s: address %q: want IP:port", i.ID, i.Addr)
	}
	return nil
}

func decode(value []byte) (Instance, error) {
	var i Instance
	if err := json.Unmarshal(value, &i); err != nil {
		return i, fmt.Errorf("decode instance: %w", err)
	}
	return i, i.check()
}
