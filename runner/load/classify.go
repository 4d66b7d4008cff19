package load

import (
	"context"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"os"
	"regexp"
	"syscall"
)

// classes of errors that are told apart by their cause, the specific first.
var errnoClasses = []struct {
	errno error
	class string
}{
	{syscall.EMFILE, GeneratorPrefix + "too many open files (EMFILE)"},
	{syscall.ENFILE, GeneratorPrefix + "too many open files in the system (ENFILE)"},
	{syscall.EADDRNOTAVAIL, GeneratorPrefix + "no free local port (EADDRNOTAVAIL)"},
	{syscall.ENOBUFS, GeneratorPrefix + "no buffer space (ENOBUFS)"},
	{syscall.ENODEV, GeneratorPrefix + "the network is gone (ENODEV)"},
	{syscall.ECONNREFUSED, "connection refused"},
	{syscall.ECONNRESET, "connection reset"},
	{syscall.EPIPE, "connection closed by the peer"},
	{syscall.ECONNABORTED, "connection aborted"},
	{syscall.EHOSTUNREACH, "no route to host"},
	{syscall.ENETUNREACH, "network unreachable"},
	{io.ErrUnexpectedEOF, "connection closed by the peer"},
	{io.EOF, "connection closed by the peer"},
	{net.ErrClosed, "connection closed"},
	{context.Canceled, "cancelled"},
}

// particular is what makes two texts of the same error differ: addresses and
// numbers.
var particular = regexp.MustCompile(`\[?[0-9a-fA-F]*:[0-9a-fA-F:]+\]?(:\d+)?|\d+(\.\d+)*(:\d+)?`)

// classify names the class of an error, so that a log has a few classes and
// not one for every port number.
func classify(err error) string {
	var own classed
	if errors.As(err, &own) {
		return string(own)
	}
	for _, c := range errnoClasses {
		if errors.Is(err, c.errno) {
			return c.class
		}
	}
	var op *net.OpError
	dialing := errors.As(err, &op) && op.Op == "dial"
	var timeout interface{ Timeout() bool }
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout() {
		if dialing {
			return "connect timeout"
		}
		return "timeout"
	}
	if class := handshakeClass(err); class != "" {
		return class
	}
	text := particular.ReplaceAllString(err.Error(), "#")
	if len(text) > 120 {
		text = text[:120]
	}
	return text
}

// handshakeClass names what a client found wrong with a certificate, or that the
// server said so of the client's; "" when that is not what went wrong.
func handshakeClass(err error) string {
	var invalid x509.CertificateInvalidError
	if errors.As(err, &invalid) {
		if invalid.Reason == x509.Expired {
			return "certificate outside its validity"
		}
		return "certificate invalid"
	}
	if unknown := (x509.UnknownAuthorityError{}); errors.As(err, &unknown) {
		return "certificate of an unknown authority"
	}
	if other := (x509.HostnameError{}); errors.As(err, &other) {
		return "certificate of another host"
	}
	// An alert of the peer's (crypto/tls names the operation so).
	if op := (*net.OpError)(nil); errors.As(err, &op) && op.Op == "remote error" {
		return "handshake refused: " + op.Err.Error()
	}
	return ""
}

// classed is an error that is its own class.
type classed string

func (c classed) Error() string { return string(c) }
