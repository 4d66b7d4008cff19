package components

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Settings reads a component's HADRILL_* variables. Errors are collected; ask
// for Check after the last one is read. Not for concurrent use.
type Settings struct {
	values map[string]string // those not read yet
	err    error
}

func newSettings(environ []string) *Settings {
	s := &Settings{values: map[string]string{}}
	for _, pair := range environ {
		key, value, _ := strings.Cut(pair, "=")
		if strings.HasPrefix(key, "HADRILL_") && key != KeyComponent {
			s.values[key] = value
		}
	}
	return s
}

func (s *Settings) fail(key, value, want string) {
	s.err = errors.Join(s.err, fmt.Errorf("%s=%q: want %s", key, value, want))
}

func (s *Settings) take(key string) (string, bool) {
	value, ok := s.values[key]
	delete(s.values, key)
	return value, ok
}

// Text reads a text; empty or missing gives the default, which must then not
// be empty.
func (s *Settings) Text(key, otherwise string) string {
	value, _ := s.take(key)
	if value == "" {
		value = otherwise
	}
	if value == "" {
		s.fail(key, value, "a value")
	}
	return value
}

// Duration reads a duration of at least zero, such as "20ms".
func (s *Settings) Duration(key string, otherwise time.Duration) time.Duration {
	value, ok := s.take(key)
	if !ok {
		return otherwise
	}
	d, err := time.ParseDuration(value)
	if err != nil || d < 0 {
		s.fail(key, value, `a duration such as "20ms"`)
	}
	return d
}

// Choice reads one of the given words; missing is the first.
func (s *Settings) Choice(key string, words ...string) string {
	value, ok := s.take(key)
	if !ok {
		return words[0]
	}
	if !slices.Contains(words, value) {
		s.fail(key, value, strings.Join(words, " or "))
	}
	return value
}

// Number reads a whole number of at least zero.
func (s *Settings) Number(key string, otherwise int) int {
	value, ok := s.take(key)
	if !ok {
		return otherwise
	}
	n, err := strconv.Atoi(value)
	if err != nil || n < 0 {
		s.fail(key, value, "a whole number of at least 0")
	}
	return n
}

// Port reads a TCP port.
func (s *Settings) Port(key string, otherwise int) int {
	value, ok := s.take(key)
	if !ok {
		return otherwise
	}
	port, err := strconv.Atoi(value)
	if err != nil || port < 1 || port > 65535 {
		s.fail(key, value, "a port from 1 to 65535")
	}
	return port
}

// Address reads "IP:port"; missing is the invalid address.
func (s *Settings) Address(key string) netip.AddrPort {
	value, ok := s.take(key)
	if !ok {
		return netip.AddrPort{}
	}
	addr, err := netip.ParseAddrPort(value)
	if err != nil {
		s.fail(key, value, "IP:port")
	}
	return addr
}

// Check refuses variables that nobody read, so that a misspelt one is not
// silently a default, and returns every complaint.
func (s *Settings) Check() error {
	for _, key := range slices.Sorted(maps.Keys(s.values)) {
		s.err = errors.Join(s.err, fmt.Errorf("%s: this component has no such setting", key))
	}
	s.values = nil
	return s.err
}
