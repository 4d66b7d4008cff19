package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"syscall"
	"time"
)

// DeadlineHeader carries what is left of a request's time, in whole
// milliseconds, from hop to hop: nobody works for a client that has given up.
// Remaining time and not a moment, because clocks differ (as grpc-timeout).
const DeadlineHeader = "X-Deadline-Ms"

// maxDeadline keeps a header from overflowing a duration.
const maxDeadline = 24 * time.Hour

// budgetOf is how long a request may take: the route's timeout, or what the
// client says is left, if that is less. An unreadable header is an error.
func budgetOf(r *http.Request, timeout time.Duration) (time.Duration, error) {
	text := r.Header.Get(DeadlineHeader)
	if text == "" {
		return timeout, nil
	}
	ms, err := strconv.ParseInt(text, 10, 64)
	if err != nil || ms < 0 {
		return 0, fmt.Errorf("%s: %q: want whole milliseconds", DeadlineHeader, text)
	}
	if ms > maxDeadline.Milliseconds() {
		return timeout, nil
	}
	return min(timeout, time.Duration(ms)*time.Millisecond), nil
}

// remaining writes what is left at now, rounded down: a hop must not believe
// that it has more than there is.
func remaining(h http.Header, deadline, now time.Time) {
	h.Set(DeadlineHeader, strconv.FormatInt(max(0, deadline.Sub(now).Milliseconds()), 10))
}

// errSlow is the cause of an attempt that was given up.
var errSlow = errors.New("no answer in time")

// cause names a failure in few words, the same for the same reason.
func cause(err error) string {
	var timeout net.Error
	switch {
	case errors.Is(err, errSlow), errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded),
		errors.As(err, &timeout) && timeout.Timeout():
		return errSlow.Error()
	case errors.Is(err, context.Canceled):
		return "the client has gone"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused"
	case errors.Is(err, syscall.ECONNRESET):
		return "connection reset"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return "no route to host"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.EPIPE):
		return "connection closed"
	}
	return err.Error()
}
